"""Values are read from JSON text as they were written, by either library."""

import json
import subprocess
import sys
import types
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Union, get_args, get_origin

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fillbook import codec
from fillbook import model as m
from fillbook.core.rate_limit import Budget
from fillbook.desk.link.buying_power import LagFactor, SavedMarks
from fillbook.desk.link.lease import Lease
from fillbook.desk.reconcile.activity_window import ActivityCursor
from fillbook.desk.reconcile.foreign_orders import ForeignOwners
from fillbook.desk.record.cells.last_complete_snapshot import CompleteSnapshot
from fillbook.desk.record.desk_report import DeskReport
from fillbook.errors import Bug, InvalidValue, StoreDamaged
from fillbook.model.journal.kinds import KINDS

RECORDS = [kind.type for kind in KINDS]
ENTRIES = list(get_args(m.Entry))
#: Values that desks keep in cells, beside plain text.
CELLS = (
    *(Budget, Lease, LagFactor, SavedMarks, m.Unsettled, ActivityCursor, CompleteSnapshot),
    *(DeskReport, ForeignOwners),
)
LOCK = Path(__file__).parents[1] / "stores" / "golden" / "words.txt"
FEWER = settings(max_examples=settings().max_examples // 5)  # for each of many types
LIBRARIES = [codec.orjson, None] if codec.orjson else [None]


def exponents_up_to(highest):
    return st.builds(
        lambda sign, digits, exponent: Decimal((sign, tuple(map(int, str(digits))), exponent)),
        st.integers(0, 1),
        st.integers(0, 10**40),
        st.integers(-60, highest),
    )


decimals = exponents_up_to(60)
#: Numbers that are read as they were written: ``1E+2`` is read as 100, which only equals it.
plain_decimals = exponents_up_to(0)
words = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
stamps = st.datetimes(timezones=st.just(UTC)).map(m.timestamp)
prices = st.decimals("0.01", "1000000", places=4)
requests = st.builds(
    m.OrderRequest,
    symbol=st.sampled_from(["AAPL", "BTC/USD"]),
    side=st.sampled_from(m.OrderSide),
    qty=prices,
    limit_price=st.none() | prices,
    stop_price=st.none() | prices,
    strategy=st.none() | names,
    good_for_s=st.none() | st.integers(0, 10_000),
)
changes = st.builds(
    m.Change,
    client_order_id=names,
    qty=st.none() | prices,
    limit_price=st.none() | prices,
    time_in_force=st.none() | st.sampled_from([m.TimeInForce.DAY, m.TimeInForce.GTC]),
)

percentages = st.builds(m.Level, prices, st.just(True))
policies = st.builds(
    m.ExitPolicy,
    stop_loss=percentages,
    take_profit=st.none() | st.builds(m.Level, prices) | percentages,
    trail=st.none() | percentages,
    on_add=st.sampled_from(m.OnAdd),
    on_breach=st.sampled_from(m.OnBreach),
    naked_max_s=prices,
)

#: Values that cannot be made from the type of a field alone.
LEAVES = {
    Decimal: plain_decimals,
    str: words,
    int: st.integers(-(2**50), 2**50),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    m.Timestamp: stamps,
    m.OrderRequest: requests,
    m.Change: changes,
    m.ExitPolicy: policies,
    type(None): st.none(),
}


@cache
def values(kind, depth=0):
    """Any value of the type *kind*, by its annotation."""
    if kind in LEAVES:
        return LEAVES[kind]
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of(*(values(one, depth) for one in get_args(kind)))
    if get_origin(kind) is tuple:
        return sequences(get_args(kind), depth)
    if hasattr(kind, "__supertype__"):
        return values(kind.__supertype__, depth)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    attrs.resolve_types(kind)
    fields = {one.alias: values(one.type, depth + 1) for one in attrs.fields(kind) if one.init}
    return st.builds(kind, **fields)


def sequences(arguments, depth):
    if arguments[-1] is not Ellipsis:
        return st.tuples(*(values(one, depth) for one in arguments))
    if depth > 2:  # a report has legs, which are reports
        return st.just(())
    return st.lists(st.deferred(lambda: values(arguments[0], depth + 1)), max_size=2).map(tuple)


@pytest.fixture(
    params=LIBRARIES, ids=lambda library: "orjson" if library else "json", scope="module"
)
def library(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "orjson", request.param)
        yield request.param


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@FEWER
@given(choice=st.data())
def test_every_record_is_read_as_written(library, kind, choice):
    value = choice.draw(values(kind))
    again = codec.load(kind, codec.dump(value))
    assert again == value
    assert repr(again) == repr(value)  # 1.0 equals 1.00, and a text the enum's member


@pytest.mark.parametrize("kind", ENTRIES, ids=lambda kind: kind.__name__)
@FEWER
@given(choice=st.data())
def test_every_entry_is_read_as_written(library, kind, choice):
    entry = choice.draw(values(kind))
    again = codec.load_entry(codec.dump_entry(entry))
    assert again == entry
    assert repr(again) == repr(entry)


@given(value=decimals)
@example(value=Decimal("1E+60"))
@example(value=Decimal("-0"))
@example(value=Decimal("1.50"))
def test_a_decimal_is_plain_text_of_the_same_value(value):
    text = codec.dump(m.Phantom("AAPL", value))
    written = json.loads(text)["ours"]
    assert "E" not in written
    assert Decimal(written) == value
    assert codec.load(m.Phantom, text).ours == value


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_finite_number_is_not_kept(bad):
    with pytest.raises(InvalidValue):
        codec.dump(m.Phantom("AAPL", Decimal(bad)))
    with pytest.raises(StoreDamaged):
        codec.load(m.Phantom, f'{{"symbol": "AAPL", "ours": "{bad}"}}')


@pytest.mark.skipif(len(LIBRARIES) == 1, reason="orjson is not installed")
@given(alert=values(m.Alert))
@example(alert=m.Alert(m.AlertKind.UNSETTLED, "c1", "half a pair: \ud800"))
def test_each_library_reads_what_the_other_wrote(alert):
    for writer, reader in (LIBRARIES, LIBRARIES[::-1]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(codec, "orjson", writer)
            text = codec.dump(alert)
            patch.setattr(codec, "orjson", reader)
            assert codec.load(m.Alert, text) == alert


def test_the_class_of_a_union_is_named_beside_its_fields(library):
    drift = m.DriftFound("AAPL", m.Phantom("AAPL", Decimal("1.50")), None)
    assert json.loads(codec.dump_entry(drift)) == {
        "_type": "DriftFound",
        "key": "AAPL",
        "drift": {"_type": "Phantom", "symbol": "AAPL", "ours": "1.50"},
        "notional": None,
    }


def test_unknown_keys_are_passed_over_and_missing_ones_take_their_default():
    text = '{"symbol": "AAPL", "asset_class": "equity", "since_version_9": [1, 2]}'
    assert codec.load(m.Instrument, text) == m.Instrument("AAPL", m.AssetClass.EQUITY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        "{}",
        '{"symbol": null, "ours": "1"}',
        '{"symbol": 7, "ours": "1"}',
        '{"symbol": "AAPL", "ours": 1}',
        '{"symbol": "AAPL", "ours": "one"}',
        '{"symbol": "AAPL"}',
    ],
)
def test_a_text_that_is_no_such_value_is_damage_and_names_the_type(library, text):
    with pytest.raises(StoreDamaged, match="Phantom"):
        codec.load(m.Phantom, text)


@pytest.mark.parametrize(
    "text", ['{"_type": "Unheard"}', "{}", '{"_type": "Denied"}', '{"_type": ["Denied"]}']
)
def test_a_text_that_is_no_entry_is_damage(library, text):
    with pytest.raises(StoreDamaged):
        codec.load_entry(text)


@given(text=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_value_or_damage(text):
    try:
        entry = codec.load_entry(text)
    except StoreDamaged:
        return
    assert isinstance(entry, m.Entry)


def test_a_word_outside_its_enum_is_damage():
    with pytest.raises(StoreDamaged):
        codec.load(m.Alert, '{"kind": "unheard", "about": "c1", "message": ""}')


def test_days_and_times_are_iso_text():
    at = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    session = m.Session(date(2026, 3, 2), at, at, at, at)
    assert json.loads(codec.to_json(session))["day"] == "2026-03-02"


def test_the_codec_needs_attrs_and_cattrs_and_nothing_else():
    script = (
        "import sys; sys.modules['orjson'] = None; import fillbook.codec; "
        "print(sorted({n.split('.')[0] for n, x in sys.modules.items() "
        "if 'site-packages' in (getattr(x, '__file__', None) or '') and n[0] != '_'}))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(eval(run.stdout)) <= {"attr", "attrs", "cattr", "cattrs", "typing_extensions"}


# -- the stored words ------------------------------------------------------------------


def classes_of(kind, found):
    """Every attrs class that a value of *kind* may hold, and every enum."""
    if isinstance(kind, type) and attrs.has(kind):
        if kind not in found:
            found.append(kind)
            attrs.resolve_types(kind)
            for one in attrs.fields(kind):
                classes_of(one.type, found)
    elif isinstance(kind, type) and issubclass(kind, Enum):
        if kind not in found:
            found.append(kind)
    else:
        for part in get_args(kind):
            classes_of(part, found)
    return found


def stored():
    """Every class and enum that is stored: in the journal, in a record, in a cell."""
    found = []
    for kind in (*get_args(m.Entry), *(kind.type for kind in KINDS), *CELLS):
        classes_of(kind, found)
    return found


def lock_of():
    """One line per class or enum: its stored word and those of its fields, or its members."""
    lines = []
    for kind in stored():
        if attrs.has(kind):
            words = codec.words_of(kind)
            lines.append(f"{words.word}: {' '.join(sorted(words.fields.values()))}")
            lines += [f"{old}: former word of {words.word}" for old in words.former]
        else:
            lines.append(f"enum {' '.join(sorted(str(x.value) for x in kind))}")
    return sorted(lines)


def test_the_stored_words_are_those_of_the_lock_file():
    """A released word is in every store: words may be added, and never changed."""
    assert lock_of() == LOCK.read_text("utf-8").splitlines(), (
        "a stored word changed: keep the released one in fillbook.codec.WORDS; "
        "only what is new is added to tests/stores/golden/words.txt"
    )


def test_every_row_of_words_is_a_stored_class():
    names = {kind.__name__ for kind in stored() if attrs.has(kind)}
    assert codec.declared(codec.WORDS).keys() == names
    words = [codec.words_of(kind).word for kind in stored() if attrs.has(kind)]
    assert len(words) == len(set(words))


def test_a_class_or_field_without_a_stored_word_is_a_bug():
    with pytest.raises(Bug, match="Session has no stored word"):
        codec.dump(m.Session(date(2026, 3, 2), *[datetime(2026, 3, 2, tzinfo=UTC)] * 4))

    @attrs.frozen
    class Cash:
        newly: int

    with pytest.raises(Bug, match="Cash has no stored word for newly"):
        codec.words_of(Cash)


def test_former_words_are_read_and_no_longer_written():
    words = codec.declared("Cash=Money/Purse: amount=sum/total/value currency")["Cash"]
    assert (words.word, words.former) == ("Money", ("Purse",))
    assert codec.upcast({"total": "1", "currency": "USD"}, words) == {"sum": "1", "currency": "USD"}
    body = {"sum": "1"}
    assert codec.upcast(body, words) is body
