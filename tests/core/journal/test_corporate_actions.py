"""The rows of a corporate action, in any order; renames; the names of symbols."""

from datetime import timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from fillbook import model as m
from fillbook.core import symbol_names
from fillbook.core.reconcile import drift, settlement
from fillbook.model.account.activity import group_of
from tests.core.reconcile.test_drift import snapshot
from tests.core.records import AT, Records, fill, intended, report, terms

K = m.ActivityKind
D = Decimal
LATER = m.timestamp("2026-03-03T15:00:00Z")
DAY = m.timestamp("2026-03-03T05:00:00Z")


def row(name, kind, symbol, qty=None, *, at=LATER, group="g", dated=False, **kw):
    known = {k: D(str(v)) if k in ("cash", "ratio", "price") else v for k, v in kw.items()}
    return m.ActivityReported(
        m.Activity(
            activity_id=name,
            kind=kind,
            at=at,
            symbol=symbol,
            qty=m.number_or_none(qty),
            group_id=group,
            dated=dated,
            **known,
        )
    )


def made(*entries, a=4, b=6):
    """A record of AAPL, held by strategies a and b, into which *entries* are taken."""
    records = Records()
    records.take(m.CashAdjusted(D(0), "USD", m.timestamp("2026-03-01T00:00:00Z"), "OPENING", True))
    for number, (name, qty) in enumerate((("a", a), ("b", b))):
        if qty:
            buy(records, f"c{number}", f"b{number}", name, qty)
    for entry in entries:
        records.take(entry, LATER)
    return records


def buy(records, name, broker_id, strategy, qty, *, symbol="AAPL", price=10, **kw):
    side = "buy" if qty > 0 else "sell"
    wish = {"symbol": symbol, "side": side, "qty": abs(qty)}
    records.take(intended(name, strategy=strategy, **wish))
    known = {"client_order_id": name, "broker_order_id": broker_id, "terms": terms(**wish)}
    records.take(report("filled", abs(qty), price, **known), LATER)
    fact = {"broker_order_id": broker_id, "side": m.OrderSide(side), "symbol": symbol}
    records.take(fill(f"x{name}", abs(qty), price, cum=abs(qty), **(fact | kw)), LATER)


def parts(records, symbol="AAPL"):
    return {name: x.qty for name, x in records.position(symbol).by_strategy if x.qty}


PAIR = (row("1", K.SPLIT, "AAPL", -10), row("2", K.SPLIT, "AAPL", 30))
PAID = row("3", K.SPLIT, "AAPL", cash=7)
MERGED = (
    row("1", K.MERGER, "AAPL", -10),
    row("2", K.MERGER, "NEW", 5),
    row("3", K.MERGER, "AAPL", cash=20),
)


@pytest.mark.parametrize("order", list(permutations((*PAIR, PAID))))
def test_the_rows_of_a_split_count_the_same_in_any_order(order):
    records = made(*order)
    assert parts(records) == {"a": 12, "b": 18}
    assert records.position().account.cost == 93
    assert records.all(m.Trade) == []


@pytest.mark.parametrize("order", list(permutations(MERGED)))
def test_the_rows_of_a_merger_count_the_same_in_any_order(order):
    records = made(*order)
    assert (parts(records), parts(records, "NEW")) == ({}, {"a": 2, "b": 3})
    assert [x.cost for _, x in records.position("NEW").by_strategy] == [32, 48]
    assert records.all(m.Trade) == []


@pytest.mark.parametrize(
    "rows",
    [
        (row("1", K.SPLIT, "AAPL", ratio=3, group=None),),
        (row("1", K.SPLIT, "AAPL", 20, ratio=3, group=None),),
        (row("1", K.SPLIT, "AAPL", 20, group=None),),
        (row("1", K.DIVIDEND, "AAPL", 20, group=None),),
        (row("1", K.SPLIT, "AAPL", -10, ratio=3), row("2", K.SPLIT, "AAPL", 30, ratio=3)),
        (row("1", K.MERGER, "AAPL", -10), row("2", K.MERGER, "AAPL", 30)),
        tuple(
            row(n, K.SPLIT, "AAPL", q, group=None, dated=True, at=DAY)
            for n, q in (("1", -10), ("2", 30))
        ),
    ],
)
def test_a_split_is_listed_in_many_shapes(rows):
    assert parts(made(*rows)) == {"a": 12, "b": 18}


def test_a_row_that_repeats_changes_nothing_and_a_cash_dividend_moves_no_units():
    records = made(*PAIR)
    assert not records.take(PAIR[0])
    assert records.take(row("9", K.DIVIDEND, "AAPL", cash=5, group=None))
    assert records.take(row("8", K.DIVIDEND, "AAPL", cash=5, group="d"))
    assert parts(records) == {"a": 12, "b": 18}


def test_one_row_of_a_rename_and_a_row_of_an_unknown_kind_wait_or_move_nobodys_units():
    assert parts(made(row("1", K.SYMBOL_CHANGE, "AAPL", -10))) == {"a": 4, "b": 6}
    records = made(row("1", K.OTHER, "XYZ", 3), row("2", K.OTHER, "QQQ", 4, group=None))
    assert (parts(records, "XYZ"), parts(records, "QQQ")) == ({"": 3}, {"": 4})


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("order", [1, -1])
def test_a_rename_continues_the_record_under_the_new_name(sign, order):
    rows = (
        row("1", K.SYMBOL_CHANGE, "AAPL", -10 * sign),
        row("2", K.SYMBOL_CHANGE, "APLE", 10 * sign),
    )
    records = made(*rows[::order], a=4 * sign, b=6 * sign)
    assert parts(records, "APLE") == {"a": 4 * sign, "b": 6 * sign}
    assert records.get(m.Position, "AAPL") is None
    assert symbol_names.resolve(records, "AAPL") == "APLE"
    assert {x.terms.symbol for x in records.all(m.OrderRecord)} == {"APLE"}
    assert {x.intent.request.symbol for x in records.all(m.OrderRecord)} == {"APLE"}


def test_a_rename_moves_the_protections_and_the_cooldowns_of_the_symbol():
    policy = m.ExitPolicy(stop_price=5)
    kept = [m.Protection(symbol=x, strategy="a", policy=policy) for x in ("AAPL", "MSFT")]
    ends = [m.Cooldown(symbol=x, strategy="b", until=LATER, order="x") for x in ("AAPL", "MSFT")]
    records = made(
        *(m.ProtectionSet(x) for x in kept),
        *(m.ProtectionEnded(x.symbol, "b", "its stop was filled", x) for x in ends),
        row("1", K.SYMBOL_CHANGE, "AAPL", -10),
        row("2", K.SYMBOL_CHANGE, "APLE", 10),
    )
    for kind in (m.Protection, m.Cooldown):
        assert sorted(x.symbol for x in records.all(kind)) == ["APLE", "MSFT"]


def test_renames_that_are_read_in_the_wrong_order_end_at_the_newest_name():
    second = (
        row("3", K.SYMBOL_CHANGE, "MID", 10, group="h"),
        row("4", K.SYMBOL_CHANGE, "NEW", -10, group="h"),
    )
    first = (row("1", K.SYMBOL_CHANGE, "AAPL", 10), row("2", K.SYMBOL_CHANGE, "MID", -10))
    records = made(*second, *first, a=-4, b=-6)
    assert parts(records, "NEW") == {"a": -4, "b": -6}
    assert [symbol_names.resolve(records, x) for x in ("AAPL", "MID")] == ["NEW", "NEW"]


def test_a_rename_back_is_one():
    there = (row("1", K.SYMBOL_CHANGE, "AAPL", -10), row("2", K.SYMBOL_CHANGE, "NEW", 10))
    at = m.timestamp("2026-03-04T15:00:00Z")
    back = [
        row(n, K.SYMBOL_CHANGE, s, q, group="h", at=at)
        for n, s, q in (("3", "NEW", -10), ("4", "AAPL", 10))
    ]
    records = made(*there, *back)
    assert parts(records) == {"a": 4, "b": 6}
    assert symbol_names.resolve(records, "NEW") == "AAPL"


def test_a_balance_that_was_adopted_under_the_old_name_after_the_rename_is_not_moved():
    zero = m.BalanceAdjusted("AAPL", D(0), None, m.timestamp("2026-03-03T16:00:00Z"), "ADOPTED")
    theirs = m.BalanceAdjusted("APLE", D(10), D(9), m.timestamp("2026-03-03T16:00:00Z"), "ADOPTED")
    rows = (row("1", K.SYMBOL_CHANGE, "AAPL", -10), row("2", K.SYMBOL_CHANGE, "APLE", 10))
    records = made(zero, theirs, *rows)
    assert records.position("APLE").qty == 10
    assert records.position("AAPL").qty == 0


def test_an_order_that_is_reported_under_another_symbol_was_renamed():
    records = made()
    wish = {"symbol": "APLE", "qty": 4}
    known = {"client_order_id": "c0", "broker_order_id": "b0", "terms": terms(**wish)}
    records.take(report("filled", 4, 10, clock="2026-03-03T15:00:01Z", **known), LATER)
    assert parts(records, "APLE") == {"a": 4, "b": 6}
    old = known | {"terms": terms(qty=4)}
    assert not records.take(report("filled", 4, 10, clock="2026-03-03T15:00:00Z", **old), LATER)
    assert records.order("c0").anomalies == ()


@pytest.mark.parametrize("clock", ["2026-03-03T15:00:01Z", "2026-03-01T15:00:00Z"])
def test_an_event_under_another_symbol_renames_nothing(clock):
    """Neither its own order nor the position of that symbol, whether it is newer or older."""
    records = made()
    buy(records, "c9", "b9", "c", 3, symbol="MSFT")
    known = {"client_order_id": "c0", "broker_order_id": "b0", "terms": terms(symbol="MSFT")}
    (more,) = [fill("x9", 2, 10, broker_order_id="b0", symbol="MSFT").execution]
    event = report("filled", 4, 10, clock=clock, source="stream", executions=(more,), **known)
    records.take(event, LATER)
    assert (parts(records), parts(records, "MSFT")) == ({"a": 6, "b": 6}, {"c": 3})


def test_an_older_report_that_arrives_late_does_not_rename_it_back():
    records = made(a=0)
    new = {"client_order_id": "c9", "broker_order_id": "b9", "terms": terms(symbol="APLE")}
    old = new | {"terms": terms(symbol="AAPL")}
    records.take(report(clock="2026-03-03T15:00:01Z", **new), LATER)
    records.take(report(clock="2026-03-03T14:00:01Z", **old), LATER)
    assert symbol_names.resolve(records, "AAPL") == "APLE"
    records.take(report(clock=None, **old), LATER)
    assert records.order("c9").symbol == "APLE"
    assert parts(records, "APLE") == {"b": 6}


@pytest.mark.parametrize("named", [True, False])
def test_a_spin_off_is_received_by_who_held_its_source(named):
    source = {"source": "AAPL"} if named else {}
    records = made(row("1", K.SPIN_OFF, "SPUN", 1, **source))
    expected = {"a": D("0.4"), "b": D("0.6")} if named else {"": 1}
    assert parts(records, "SPUN") == expected
    buy(records, "c7", "b7", "c", 10)  # a fill from before it
    assert parts(records, "SPUN") == (
        {"a": D("0.2"), "b": D("0.3"), "c": D("0.5")} if named else {"": 1}
    )


def test_an_opening_position_of_a_former_name_is_of_the_present_one_for_a_while():
    rows = (row("1", K.SYMBOL_CHANGE, "AAPL", -10), row("2", K.SYMBOL_CHANGE, "APLE", 10))
    records = made(*rows)
    soon, late = m.timestamp("2026-03-04T15:00:00Z"), m.timestamp("2026-04-04T15:00:00Z")
    held = (
        m.PositionSnapshot("AAPL", D(3), market_value=D(30)),
        m.PositionSnapshot("APLE", D(7), market_value=D(70)),
    )
    (one,) = symbol_names.positions(records, held, soon)
    assert (one.symbol, one.qty, one.market_value) == ("APLE", 10, 100)
    unpriced = (held[0], m.PositionSnapshot("APLE", D(7)))
    assert symbol_names.positions(records, unpriced, soon)[0].market_value is None
    two = symbol_names.positions(records, held, late)
    assert {x.symbol: x.qty for x in two} == {"AAPL": 3, "APLE": 7}


def test_an_instrument_that_is_listed_under_a_former_name_later_is_another_one():
    rows = (row("1", K.SYMBOL_CHANGE, "AAPL", -10), row("2", K.SYMBOL_CHANGE, "APLE", 10))
    records = made(*rows)
    listed = m.InstrumentListed(m.Instrument("AAPL", m.AssetClass.EQUITY))
    records.take(listed, LATER)
    assert symbol_names.resolve(records, "AAPL") == "APLE"
    records.take(listed, m.timestamp("2026-04-04T15:00:00Z"))
    assert symbol_names.resolve(records, "AAPL") == "AAPL"
    assert symbol_names.resolve(records, "AAPL", LATER) == "APLE"


def test_the_spellings_of_an_instrument_are_its_names():
    records = Records()
    records.take(m.InstrumentListed(m.Instrument("X", m.AssetClass.EQUITY)))
    coin = m.Instrument("BTC/USD", m.AssetClass.CRYPTO, aliases=("BTCUSD", "X", "BTC/USD"))
    records.take(m.InstrumentListed(coin))
    assert symbol_names.resolve(records, "BTCUSD") == "BTC/USD"
    assert (symbol_names.resolve(records, "X"), symbol_names.resolve(records, "?")) == ("X", "?")
    known = [symbol_names.is_known(records, x) for x in ("BTC/USD", "X", "Y")]
    assert known == [True, True, False]


def test_a_row_of_the_opening_balance_moves_nothing():
    records = Records()
    for each in PAIR:
        dated = m.Activity(**{**fields(each.activity), "dated": True, "read_at": AT})
        records.take(m.ActivityReported(dated))
    assert records.all(m.Movement) == []
    assert all(x.in_opening for x in records.all(m.Activity))


def fields(value):
    return {x.name: getattr(value, x.name) for x in type(value).__attrs_attrs__}


def test_a_dated_row_is_after_the_trade_that_led_to_the_units_it_removes():
    records = made(a=4, b=6)
    buy(records, "c5", "b5", "a", 10, at="2026-03-03T16:00:00Z")
    buy(records, "c6", "b6", "b", 1, at="2026-03-03T18:00:00Z")
    dated = {"group": None, "dated": True, "at": DAY}
    records.take(row("1", K.SPLIT, "AAPL", -20, **dated), LATER)
    records.take(row("2", K.SPLIT, "AAPL", 40, **dated), LATER)
    assert parts(records) == {"a": 28, "b": 13}


@pytest.mark.parametrize("listed", [{"ratio": 3}, {"qty": 20}])
def test_a_balance_that_was_adopted_before_the_rows_is_explained_by_them(listed):
    adopted = m.BalanceAdjusted("AAPL", D(30), None, m.timestamp("2026-03-03T16:00:00Z"), "ADOPTED")
    dated = {"group": None, "dated": True, "at": DAY}
    records = made(adopted, row("1", K.SPLIT, "AAPL", **listed, **dated))
    assert parts(records) == {"a": 12, "b": 18}


def test_units_that_are_exchanged_in_a_circle_end():
    """Two rows that make each other's units: they are derived a few times and no more."""
    there = (row("1", K.MERGER, "AAPL", -10), row("2", K.MERGER, "B", 10))
    back = (row("3", K.MERGER, "B", -10, group="h"), row("4", K.MERGER, "AAPL", 10, group="h"))
    records = made(*there, *back)
    buy(records, "c7", "b7", "c", 10)
    assert records.position().qty + records.position("B").qty == 20


def test_a_merger_whose_ending_symbol_is_not_clear_moves_nobodys_units():
    records = made(row("1", K.MERGER, "X", 3), row("2", K.MERGER, "Y", 4))
    assert (parts(records, "X"), parts(records, "Y")) == ({"": 3}, {"": 4})


def test_a_merger_into_two_symbols_leaves_their_costs_unknown():
    rows = (row("1", K.SPLIT, "AAPL", -10), row("2", K.SPLIT, "B", 10), row("3", K.SPLIT, "C", 5))
    records = made(*rows)
    assert (parts(records, "B"), parts(records, "C")) == ({"a": 4, "b": 6}, {"a": 2, "b": 3})
    assert {records.position(x).account.cost for x in "BC"} == {None}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("holders", [("b",), ("a", "b")])
def test_the_units_of_an_option_that_is_assigned_are_its_holders(order, holders):
    records = made()
    for number, name in enumerate(holders):
        buy(records, f"o{number}", f"ob{number}", name, -1, symbol="OPT")
    count = len(holders)
    rows = (
        row("1", K.ASSIGNMENT, "OPT", count),
        row("2", K.ASSIGNMENT, "AAPL", -6, price=12, cash=72),
    )
    for entry in rows[::order]:
        records.take(entry, LATER)
    assert parts(records, "OPT") == {}
    assert parts(records) == ({"a": 4} if count == 1 else {"b": 4})


def test_an_assignment_without_its_option_moves_nobodys_units_first():
    records = made(row("1", K.ASSIGNMENT, "AAPL", -6, price=12, cash=72))
    assert parts(records) == {"b": 4}


def test_what_a_person_assigned_stays_assigned_when_the_group_grows():
    records = made(row("1", K.SPIN_OFF, "SPUN", 1))
    (movement,) = records.find(m.Movement, "symbol", "SPUN")
    records.take(m.Assigned("s", movement=movement.key))
    records.take(row("2", K.SPIN_OFF, "SPUN", 2), LATER)
    assert parts(records, "SPUN") == {"s": 3}


def test_the_factor_of_the_splits_since_counts_every_shape():
    records = made(*PAIR, row("9", K.SPLIT, "AAPL", 30, group="h"))
    assert settlement.split_factor(records, "AAPL", AT) == 6
    assert settlement.split_factor(records, "AAPL", LATER) == 1


def test_a_fill_under_a_former_name_is_activity_on_the_present_symbol():
    rows = (row("1", K.SYMBOL_CHANGE, "AAPL", -10), row("2", K.SYMBOL_CHANGE, "APLE", 10))
    records = made(*rows)
    snap = snapshot(fills=[fill("f", 1, 10, at="2026-03-03T15:00:00Z")], at=LATER)
    assert "APLE" in drift.active_symbols(records, snap, timedelta(0))


def test_group_names_have_no_slash():
    coin = row("1", K.SPLIT, "BTC/USD", 1, group=None).activity
    assert "/" not in group_of(coin)
    assert "/" not in group_of(row("1", K.SPLIT, "X", 1, group="a/b").activity)
    assert group_of(row("1", K.SPLIT, None, 1).activity) is None


def test_units_that_no_moment_of_the_day_had_are_restated_at_its_start():
    records = made(a=4, b=6)
    buy(records, "c5", "b5", "a", 10, at="2026-03-03T16:00:00Z")
    dated = {"group": None, "dated": True, "at": DAY}
    records.take(row("1", K.SPLIT, "AAPL", -99, **dated), LATER)
    records.take(row("2", K.SPLIT, "AAPL", 198, **dated), LATER)
    assert parts(records) == {"a": 18, "b": 12}


def test_an_action_before_many_trades_finds_the_position_of_its_time():
    """More trades came after it than one checkpoint holds."""
    records = made(a=4, b=6)
    for number in range(140):
        at = f"2026-03-04T15:{number // 60:02}:{number % 60:02}Z"
        buy(records, f"n{number}", f"m{number}", "c", 1, at=at)
    records.take(row("1", K.SPIN_OFF, "SPUN", 1, source="AAPL"), LATER)
    assert parts(records, "SPUN") == {"a": D("0.4"), "b": D("0.6")}


def test_other_spellings_and_orders_without_a_report_are_renamed_too():
    records = made()
    listed = m.Instrument("AAPL", m.AssetClass.EQUITY, aliases=("id-1",))
    records.take(m.InstrumentListed(listed))
    records.take(m.InstrumentListed(m.Instrument("Z", m.AssetClass.EQUITY, aliases=("id-2",))))
    records.take(fill("f9", 2, 10, broker_order_id="unreported"))
    records.take(intended("unsent"))
    for each in (row("1", K.SYMBOL_CHANGE, "AAPL", -12), row("2", K.SYMBOL_CHANGE, "APLE", 12)):
        records.take(each, LATER)
    records.take(row("3", K.SYMBOL_CHANGE, "AAPL", cash=1), LATER)  # the group grows
    assert symbol_names.resolve(records, "id-1") == "APLE"
    assert symbol_names.resolve(records, "id-2") == "Z"
    assert parts(records, "APLE") == {"a": 4, "b": 6, "": 2}
    assert records.order("unsent").symbol == "APLE"


def test_units_that_ended_beyond_what_was_held_are_a_difference_until_a_fill_explains_them():
    """The position agrees, but its parts are false; an adopted balance ends it too."""
    merged = (row("1", K.MERGER, "AAPL", -14), row("2", K.MERGER, "NEW", 7))
    records = made(*merged)
    buy(records, "c7", "b7", "c", 4, at="2026-03-03T16:00:00Z")

    def found(records):
        theirs = [m.PositionSnapshot("NEW", D(7), price=D(1))]
        differences = drift.differences(records, snapshot(positions=theirs, cash=-140, at=LATER))
        return [(x.key, x.drift.difference) for x in differences if x.key != "cash"]

    assert found(records) == [("action/AAPL", 4), ("action/NEW", 4)]
    assert records.position("AAPL").qty == 0
    explained = made(*merged)
    buy(explained, "c7", "b7", "c", 4)
    assert found(explained) == []
    for symbol, qty in (("AAPL", 0), ("NEW", 7)):
        at = m.timestamp("2026-03-04T16:00:00Z")
        records.take(m.BalanceAdjusted(symbol, D(qty), None, at, "ADOPTED"), at)
    assert found(records) == []


@pytest.mark.parametrize(
    ("symbol", "hint"), [("AAPPL", "; similar: AAPL, APLE"), ("ZZZZ", "check the symbol")]
)
def test_a_symbol_that_nobody_knows_has_the_similar_ones(symbol, hint):
    records = made(row("1", K.SYMBOL_CHANGE, "AAPL", -10), row("2", K.SYMBOL_CHANGE, "APLE", 10))
    assert str(symbol_names.unknown_symbol(records, symbol)).endswith(hint)
