"""The fields of a broker's JSON objects: read alone or together, they are the same."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.brokers.wire.fields import Row, parse
from fillbook.errors import InvalidValue

_NAMES = ("a", "b", "c")
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.text(max_size=5),
    st.lists(st.none(), max_size=1),
    st.sampled_from(["", "1", "1.50", "NaN", "1e99", "9" * 100, "2026-03-02T10:00:00Z", "1969"]),
    st.sampled_from(["2026-03-02T10:00:00.123456789Z", "2026-02-30T10:00:00.123456789Z", {}]),
)


def _result(read: Callable[[], object]) -> object:
    """Return the value, or the text of the error."""
    try:
        return read()
    except InvalidValue as error:
        return str(error)


@given(st.dictionaries(st.sampled_from(_NAMES), _VALUES))
def test_fields_read_together_are_those_read_alone(fields: dict[object, object]) -> None:
    row = Row("row", fields)
    for together, alone in (
        (row.texts, row.text),
        (row.numbers, row.number),
        (row.times, row.time),
    ):
        expected = _result(lambda alone=alone: [alone(x) for x in _NAMES])
        assert expected == _result(lambda together=together: [*together(_NAMES)])


def test_true_is_no_number_though_one_was_read() -> None:
    assert Decimal(1) == Row("row", {"qty": Decimal(1)}).number("qty")
    with pytest.raises(InvalidValue, match="qty must be a number"):
        Row("row", {"qty": True}).number("qty")


@given(st.datetimes(), st.integers(0, 999))
def test_a_time_in_the_stored_form_is_that_in_any_other(at: datetime, nanoseconds: int) -> None:
    text = f"{at.isoformat(timespec='microseconds')}{nanoseconds:03d}Z"
    assert text == m.timestamp(text) == m.timestamp(text.lower())
    assert text[:26] == m.timestamp(at.replace(tzinfo=UTC))[:26]
    assert text == m.timestamp(text.replace("Z", "+00:00"))


@pytest.mark.parametrize(
    "wrong", ["2026-02-30T10:00:00.000000000Z", "2026-03-02T25:00:00.000000000Z"]
)
def test_a_day_or_an_hour_that_does_not_exist_is_no_time(wrong: str) -> None:
    with pytest.raises(InvalidValue, match="not a valid time"):
        m.timestamp(wrong)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_bytes_of_json_have_any_encoding_that_json_has(encoding):
    assert parse('{"a": 1.10}'.encode(encoding)) == {"a": Decimal("1.10")}
