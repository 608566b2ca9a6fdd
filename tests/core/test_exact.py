"""The record is exact in every decimal context of the bot; numbers have bounds."""

import decimal
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.reconcile import drift
from fillbook.errors import InvalidValue
from tests.core.records import AT, Records, fill, intended, report


@pytest.fixture(params=["six digits", "every trap"])
def bots_context(request):
    """The decimal context that a bot may set in its thread."""
    with decimal.localcontext() as context:
        if request.param == "six digits":
            context.prec = 6
        else:
            context.traps = dict.fromkeys(context.traps, True)
            context.traps[decimal.FloatOperation] = False
        yield context


@pytest.mark.usefixtures("bots_context")
def test_a_position_has_all_its_digits():
    records = Records()
    records.take(m.CashAdjusted(Decimal(0), "USD", m.timestamp("2026-03-01T00:00:00Z"), "OPENING"))
    records.take(intended(qty="2.469135779"))
    records.take(report("accepted"))
    records.take(fill("s1", "1.234567890", "1.00000003", cum="1.234567890"))
    records.take(fill("s2", "1.234567889", "1.00000003", cum="2.469135779"))
    assert records.order().filled_qty == records.position().qty == Decimal("2.469135779")
    assert records.position().avg_price == Decimal("1.00000003")
    assert records.get(m.Cash, "cash").amount == Decimal("-2.46913585307407337")


def test_the_context_of_the_bot_is_the_same_after_a_call(bots_context):
    """Also after one that calls another, and after one that raises."""

    @m.exact
    def inner():
        return Decimal(1) / 3

    @m.exact
    def outer():
        return [len(str(x)) for x in (inner(), Decimal(1) / 3)]

    @m.exact
    def fails():
        inner()
        raise KeyError

    assert outer() == [62, 62]
    with pytest.raises(KeyError):
        fails()
    assert decimal.getcontext() is bots_context


@pytest.mark.usefixtures("bots_context")
def test_a_difference_in_the_tenth_digit_is_seen():
    ours = m.Position(symbol="AAPL", account=m.Holding(qty=Decimal("2.469135779")))
    theirs = m.PositionSnapshot("AAPL", Decimal("2.469135778"))
    found = drift.position_drift("AAPL", ours, theirs, Decimal(0))
    assert found == m.WrongQty("AAPL", Decimal("2.469135779"), Decimal("2.469135778"))


@pytest.mark.usefixtures("bots_context")
def test_cutting_keeps_all_digits_below():
    assert m.cut(Decimal("1234567.89"), Decimal("0.1")) == Decimal("1234567.8")


@pytest.mark.parametrize("value", ["1E+999999", "-1E+31", "1E-999999", Decimal("1E-31")])
def test_a_number_of_no_world_is_refused(value):
    with pytest.raises(InvalidValue):
        m.number(value)


@pytest.mark.parametrize("value", ["1E+30", "1E-30", "0E-99"])
def test_any_price_or_quantity_is_a_number(value):
    assert m.number(value) == Decimal(value)


def test_the_first_moment_is_padded_like_any_other():
    """Text order is time order, so every year has four digits."""
    first = m.timestamp(datetime(1, 1, 1, tzinfo=UTC))
    assert first == m.timestamp("0001-01-01T00:00:00Z") == "0001-01-01T00:00:00.000000000Z"
    assert first < AT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T15:00:00Z", "2026-03-02T15:00:00.000000000Z"),
        ("2026-03-02 15:00:00.1234567891z", "2026-03-02T15:00:00.123456789Z"),
        ("2026-03-02T10:00:00.5-05:00", "2026-03-02T15:00:00.500000000Z"),
        ("2026-03-02T00:30:00+0100", "2026-03-01T23:30:00.000000000Z"),
        ("2026-03-02T15:00:00+00:00", "2026-03-02T15:00:00.000000000Z"),
    ],
)
def test_a_time_is_utc_with_nine_digits(text, expected):
    assert m.timestamp(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-02T15:00:00", "2026-02-30T15:00:00Z", "2026-03-02T24:00:01Z", ""),
        *("2026-03-02T15:00:60Z", "2026-03-02T15:00:00.Z", "2026-03-02T15:00:00Z "),
        "20260302T150000Z",
        *("2026-03-02T15:00:00.\u0661Z", "\u0662026-03-02T15:00:00Z"),  # digits of other scripts
    ],
)
def test_what_is_no_time_with_a_zone_is_invalid(text):
    with pytest.raises(InvalidValue):
        m.timestamp(text)
