"""Catching up: what is missing is sent once, and every row has an outcome."""

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core.plans.catch_up import AccountFill, SymbolFacts, plan_catch_up
from fillbook.core.plans.local_trades import identities
from tests.core.plans import situations
from tests.core.records import Records

T, S = m.TradeOutcome, m.OrderStatus
SINCE, NOW = m.timestamp("2026-03-02T00:00:00Z"), m.timestamp("2026-03-05T00:00:00Z")
PLENTY = {"": Decimal(10**6), "s": Decimal(10**6)}


def at(minute):
    return m.timestamp(f"2026-03-02T15:{minute:02d}:00Z")


def trade(qty, minute=0, **fields):
    fields = {"symbol": "AAPL", "side": "buy" if qty > 0 else "sell", "at": at(minute), **fields}
    return m.LocalTrade(qty=abs(qty), **fields)


def fill(qty, minute=0, strategy=None, *, is_ours=False):
    """A fill of no known owner unless the bot placed it."""
    strategy = "" if is_ours and strategy is None else strategy
    return AccountFill(at(minute), Decimal(qty), strategy, is_ours)


def plan(trades, earlier=None, **facts):
    known = SymbolFacts(**{"symbol": "AAPL", "held": PLENTY, **facts})
    return plan_catch_up(trades, {"AAPL": known}, SINCE, NOW, earlier or {})


def outcomes(found):
    return [x.outcome for x in found.rows]


def sent(found):
    return {x.strategy: x.qty for x in found.orders}


# -- what is sent -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "fills", "qty", "expected"),
    [
        ([10], [], 10, [T.TO_SEND]),
        ([10], [10], None, [T.FOUND]),
        ([10], [4], 6, [T.TO_SEND]),
        ([10, -3], [], 7, [T.TO_SEND, T.TO_SEND]),
        ([10, -3], [2], 5, [T.TO_SEND, T.FOUND]),
        ([10, -10], [], None, [T.FOUND, T.FOUND]),
        ([-4], [], -4, [T.TO_SEND]),
        ([10], [20], None, [T.NOT_CLEAR]),
        ([10, -10], [10], None, [T.NOT_CLEAR, T.NOT_CLEAR]),
        ([10, -4], [10], None, [T.NOT_CLEAR, T.NOT_CLEAR]),
        ([5, 5], [5], 5, [T.FOUND, T.TO_SEND]),
        ([10], [-5], 10, [T.TO_SEND]),
    ],
)
def test_the_smaller_of_what_rows_and_account_lack_is_sent(rows, fills, qty, expected):
    found = plan([trade(x, i) for i, x in enumerate(rows)], fills=[fill(x) for x in fills])
    assert outcomes(found) == expected
    assert sent(found) == ({} if qty is None else {"": qty})


def test_trades_by_hand_are_shared_out_once():
    rows = [trade(10, strategy="s"), trade(5, 1, strategy="t"), trade(2, 2)]
    found = plan(rows, fills=[fill(11)])
    assert sent(found) == {"s": 1, "t": 5}
    assert outcomes(found) == [T.TO_SEND, T.TO_SEND, T.FOUND]


def test_what_the_bot_traded_without_a_strategy_is_that_of_no_other():
    fills = [fill(2, is_ours=True)]
    found = plan([trade(2, strategy="s")], fills=fills)
    assert sent(found) == {"s": 2}
    assert outcomes(plan([trade(2)], fills=fills)) == [T.FOUND]


def test_a_position_that_was_closed_by_an_exit_is_not_opened_again():
    found = plan([trade(10)], fills=[fill(10, is_ours=True), fill(-10, is_ours=True)])
    assert outcomes(found) == [T.FOUND]
    by_hand = plan([trade(10)], fills=[fill(10), fill(-10)])
    assert sent(by_hand) == {"": 10}


def test_rows_and_fills_are_restated_by_splits():
    splits = [(at(30), Decimal(2))]
    found = plan([trade(10, 10), trade(8, 40)], fills=[fill(4, 20)], splits=splits)
    assert sent(found) == {"": 20}
    unclear = plan([trade(10, 10), trade(8, 40)], splits=[(at(30), None)])
    assert outcomes(unclear) == [T.SPLIT_UNCLEAR, T.TO_SEND]


def test_a_quantity_is_rounded_toward_zero():
    found = plan([trade(Decimal("10.7"))], step=Decimal("0.5"))
    assert sent(found) == {"": Decimal("10.5")}
    assert outcomes(plan([trade(Decimal("0.4"))])) == [T.BELOW_MINIMUM]
    assert outcomes(plan([trade(3)], least=Decimal(5))) == [T.BELOW_MINIMUM]


def test_a_sell_without_a_position_is_listed():
    found = plan([trade(-4, strategy="s")], held={"": Decimal(9), "s": Decimal(3)})
    assert outcomes(found) == [T.NO_POSITION]
    assert "3 are held by strategy 's'" in found.rows[0].why
    assert sent(plan([trade(-3, strategy="s")], held={"s": Decimal(3)})) == {"s": -3}
    assert "0 are held by no strategy" in plan([trade(-4)], held={}).rows[0].why


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (("", m.OrderSide.BUY), T.OPEN_ORDER),
        (("s", m.OrderSide.BUY), T.OPEN_ORDER),
        (("t", m.OrderSide.BUY), T.TO_SEND),
        (("s", m.OrderSide.SELL), T.TO_SEND),
    ],
)
def test_an_open_order_of_the_same_side_may_still_be_it(live, expected):
    assert outcomes(plan([trade(4, strategy="s")], live=[live])) == [expected]


# -- rows with the id of an order ---------------------------------------------------------


def order(qty, filled, status, strategy=None):
    is_final = status not in (S.NEW, S.UNPROVEN)
    made = situations.order("c1", status, "buy", qty, filled=filled, strategy=strategy)
    return evolve(made, is_final=is_final)


@pytest.mark.parametrize(
    ("filled", "status", "expected"),
    [
        (10, S.FILLED, T.FOUND),
        (3, S.CANCELED, T.PARTLY_FILLED),
        (0, S.REJECTED, T.PARTLY_FILLED),
        (3, S.NEW, T.WORKING),
        (0, S.UNPROVEN, T.UNCONFIRMED),
        (0, S.ABSENT, T.TO_SEND),
        (0, S.DENIED, T.TO_SEND),
    ],
)
def test_a_row_with_the_id_of_an_order_has_its_outcome(filled, status, expected):
    fills = [fill(filled, is_ours=True)] if filled else []
    made = order(10, filled, status)
    rows = [trade(6, client_order_id="c1"), trade(4, 1, client_order_id="c1")]
    found = plan(rows, orders={"c1": made}, fills=fills)
    assert outcomes(found) == [expected] * 2
    assert len(found.found) == (2 if expected in (T.FOUND, T.PARTLY_FILLED) else 0)
    assert sum(x.matched for x in found.found) == (filled if found.found else 0)


def test_fills_of_matched_orders_are_credited_to_their_rows_only():
    made = order(10, 10, S.FILLED, strategy="s")
    rows = [trade(10, client_order_id="c1", strategy="s"), trade(5, 1, strategy="s")]
    found = plan(rows, orders={"c1": made}, fills=[fill(10, strategy="s", is_ours=True)])
    assert outcomes(found) == [T.FOUND, T.TO_SEND]
    assert sent(found) == {"s": 5}


def test_an_order_of_another_side_or_symbol_is_not_that_of_the_row():
    made = order(10, 10, S.FILLED)
    assert outcomes(plan([trade(-10, client_order_id="c1")], orders={"c1": made})) == [
        T.ORDER_DIFFERS
    ]


# -- rows that are not compared -------------------------------------------------------------


def test_rows_that_are_not_compared_are_listed():
    early, late = trade(1, at="2026-03-01T23:59:59Z"), trade(1, at="2026-03-06T00:00:00Z")
    rows = [m.UnreadableTrade(1, "x", "why"), early, late]
    rows += [trade(1, trade_id="7"), trade(1, 3, trade_id="7"), trade(2), trade(2)]
    found = plan(rows)
    assert outcomes(found) == [
        *(T.UNREADABLE, T.BEFORE_SINCE, T.IN_THE_FUTURE),
        *(T.TO_SEND, T.DUPLICATE, T.TO_SEND, T.TO_SEND),
    ]
    assert "number 2 of the rows that say the same" in found.rows[-1].why
    assert sent(found) == {"": 5}
    problem = (T.DIFFERENCE, "they differ")
    assert outcomes(plan([trade(1)], problem=problem)) == [T.DIFFERENCE]
    key = identities([trade(1)])[0][1]
    assert outcomes(plan([trade(1)], {key: T.SENDING})) == [T.SENDING]


# -- a second call ----------------------------------------------------------------------------


def marks(found, when=NOW):
    settled = [*found.found, *(x for one in found.orders for x in one.settles)]
    return [
        m.SettledTrade(
            key=x.key,
            symbol=x.symbol,
            strategy=x.strategy,
            at=x.at,
            matched=x.matched,
            settled_at=when,
        )
        for x in settled
    ]


ROWS = st.lists(
    st.tuples(st.integers(-9, 9).filter(bool), st.sampled_from([None, "s"]), st.booleans()),
    max_size=8,
)
FILLS = st.lists(st.tuples(st.integers(-9, 9), st.sampled_from([None, "s"])), max_size=4)


@given(first=ROWS, second=ROWS, by_hand=FILLS, share=st.integers(0, 8))
def test_a_second_call_sends_only_what_is_new(first, second, by_hand, share):
    """The orders of a call are not counted as fills, and its rows not as missing."""
    fills = [fill(qty, strategy=name) for qty, name in by_hand]
    fills += [fill(qty, strategy=name or "") for qty, name, is_sent in first if is_sent]
    rows = [trade(qty, i, strategy=name) for i, (qty, name, _) in enumerate(first)]
    found = plan(rows, fills=fills)
    assert len(found.rows) == len(rows)
    for name in ("", "s"):
        own = [x for x in rows if (x.strategy or "") == name]
        assert abs(sent(found).get(name, 0)) <= abs(sum(x.signed_qty for x in own))
    settled = {x.key: T.SETTLED for x in marks(found)}
    again = plan(rows, settled, fills=fills, settled=marks(found))
    assert again.orders == ()
    later = [trade(qty, 30 + i, strategy=name) for i, (qty, name, _) in enumerate(second)]
    # Also from a file that has no longer every row of the first.
    longer = plan(rows[share:] + later, settled, fills=fills, settled=marks(found))
    if T.NOT_CLEAR in (*outcomes(found), *outcomes(longer)):
        return  # these rows are not settled, and count again
    for name in ("", "s"):
        missing = sum(x.signed_qty for x in later if (x.strategy or "") == name)
        qty = sent(longer).get(name, 0)
        # A trade by hand may be one of the new rows.
        assert qty * missing >= 0
        assert abs(qty) <= abs(missing) if by_hand else qty == missing


def test_a_settled_row_before_the_date_explains_no_fill_after_it():
    found = plan([trade(10)], fills=[fill(10)])
    before = [evolve(x, at=m.timestamp("2026-03-01T15:00:00Z")) for x in marks(found)]
    assert sent(plan([trade(5, 40)], settled=before)) == {"": 5}


def test_a_split_after_the_settlement_restates_what_was_matched():
    found = plan([trade(10)], fills=[fill(10)])
    splits = [(at(30), Decimal(2))]
    again = plan(
        [trade(10), trade(5, 40)],
        {x.key: T.SETTLED for x in marks(found)},
        fills=[fill(10)],
        settled=marks(found, at(20)),
        splits=splits,
    )
    assert sent(again) == {"": 5}


def test_a_mark_that_is_known_changes_nothing():
    records, found = Records(), plan([trade(10)], fills=[fill(10)])
    entry = m.TradesSettled(tuple(marks(found)))
    assert records.take(entry)
    assert records.all(m.SettledTrade) == marks(found)
    assert not records.take(entry)
