"""P&L: every view sums to the same, against independent engines, with unknown parts counted."""

from collections import defaultdict, deque
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fillbook as fb
from fillbook import model as m
from fillbook.core import position
from fillbook.core.pnl.lot_accounting import compute_pnl, facts_of
from tests.core.records import Records
from tests.core.test_position import AMOUNT, ANCHOR, FEE, FILL, RATIO, at, histories, move

D = Decimal
NEAR = D("1e-20")
FIFO = fb.CostMethod.FIFO
NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)


def quote(price, symbol="AAPL"):
    return fb.Quote(symbol, price, price, NOON)


trades = st.lists(
    st.tuples(
        st.integers(2, 5),  # the day
        st.integers(0, 59),
        st.integers(-9, 9).filter(bool),
        st.integers(80, 120),
        st.sampled_from((None, "a", "b")),
        st.sampled_from(("AAPL", "MSFT")),
    ),
    max_size=20,
    unique_by=lambda x: x[:2],
)


def fills(found):
    made = (
        m.Movement(
            key=f"{day}-{second}", symbol=symbol, kind=FILL, at=at(second, day), qty=D(qty),
            price=D(price), fee=D(1), strategy=strategy,
        )
        for day, second, qty, price, strategy, symbol in found
    )  # fmt: skip
    return sorted(made, key=lambda x: x.order)


def total(report, name):
    return sum((getattr(x, name) or 0 for x in report.rows), D(0))


QUOTES = {x: quote(100, x) for x in ("AAPL", "MSFT")}


@given(trades, st.sampled_from(fb.CostMethod))
def test_every_view_sums_to_the_same_and_to_the_money(found, cost):
    """Realized and unrealized are what came in less what went out, and what is held is worth."""
    moves = fills(found)
    views = [compute_pnl(moves, quotes=QUOTES, by=by, cost=cost) for by in fb.PnlBy]
    for name in ("realized", "unrealized", "fees"):
        sums = [total(x, name) for x in views]
        assert max(sums) - min(sums) < NEAR
    money = sum(-x.qty * x.price for x in moves) + sum(x.qty for x in moves) * 100
    assert abs(total(views[0], "realized") + total(views[0], "unrealized") - money) < NEAR
    assert total(views[0], "fees") == len(moves)
    assert all(x.unknown == () for view in views for x in view.rows)
    for view in views:
        assert sum(x.realized for x in view.totals) == pytest.approx(total(view, "realized"))


def engine(moves, cost):
    """The realized P&L by strategy and symbol of fills, each strategy alone: written anew."""
    lots, pnl = defaultdict(deque), defaultdict(D)
    for x in moves:
        mine, rest = lots[x.strategy, x.symbol], x.qty
        while rest and mine and mine[0][0] * rest < 0:
            qty, price = mine[0]
            closed = min(abs(qty), abs(rest)) * (1 if qty > 0 else -1)
            pnl[x.strategy, x.symbol] += closed * (x.price - price)
            mine[0] = (qty - closed, price)
            rest += closed
            if not mine[0][0]:
                mine.popleft()
        if rest and mine and cost is fb.CostMethod.AVERAGE:
            qty, price = mine.pop()
            mine.append((qty + rest, (qty * price + rest * x.price) / (qty + rest)))
        elif rest:
            mine.append((rest, x.price))
    return pnl, lots


@given(trades, st.sampled_from(fb.CostMethod))
def test_average_cost_and_fifo_against_an_independent_engine(found, cost):
    moves = [x for x in fills(found) if x.strategy == "a"]
    pnl, lots = engine(moves, cost)
    report = compute_pnl(moves, cost=cost)
    for row in report.rows:
        assert abs(row.realized - pnl["a", row.key]) < NEAR
    if cost is FIFO:
        left = [(x.symbol, x.qty, x.cost) for x in report.lots if x.closed_at is None]
        assert left == [
            (symbol, qty, abs(qty) * price)
            for (_, symbol), each in sorted(lots.items())
            for qty, price in each
        ]
        closed = [x for x in report.lots if x.closed_at is not None]
        gains = sum((x.proceeds - x.cost) * (1 if x.qty > 0 else -1) for x in closed)
        assert abs(gains - sum(pnl.values())) < NEAR


@given(histories)
def test_average_cost_is_that_of_the_positions(history):
    """Whatever moves units: a strategy's realized P&L is that of its part, where that is known."""
    held, _ = position.refold("AAPL", history)
    report = compute_pnl(history, by=fb.PnlBy.STRATEGY)
    rows = {x.key: x for x in report.rows}
    for name, part in held.by_strategy:
        row = rows.get(name)
        if row is None:
            assert not part.realized
        elif part.realized is not None:
            assert abs((row.realized or 0) - part.realized) < NEAR
        else:
            assert {fb.UnknownPart.COST, fb.UnknownPart.PRICE} & dict(row.unknown).keys()


@given(histories, st.sampled_from(fb.CostMethod), st.integers(0, 59))
def test_the_time_before_and_the_time_after_sum_to_the_whole(history, cost, second):
    """And the open lots are what the strategies hold."""
    since = at(second)
    whole = compute_pnl(history, quotes={"AAPL": quote(10)}, cost=cost)
    later = compute_pnl(history, quotes={"AAPL": quote(10)}, cost=cost, since=since)
    before = compute_pnl([x for x in history if x.at < since], cost=cost)
    parts = total(before, "realized") + total(later, "realized")
    assert abs(total(whole, "realized") - parts) < NEAR
    assert total(whole, "unrealized") == total(later, "unrealized")
    held, _ = position.refold("AAPL", history)
    if cost is FIFO:
        sums = defaultdict(D)
        for lot in whole.lots:
            sums[lot.strategy] += lot.qty if lot.closed_at is None else 0
        assert {x: q for x, q in sums.items() if q} == {
            name: part.qty for name, part in held.by_strategy if part.qty
        }


# -- what is unknown -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "realized", "unknown"),
    [
        ([move(1, FILL, 10, None), move(2, FILL, -10, 12)], None, {"cost": 1}),
        ([move(1, FILL, 10, 10), move(2, FILL, -10, None)], None, {"price": 1}),
        ([move(1, FILL, 10, 10), move(2, ANCHOR, 4, 9)], 0, {}),
        ([move(1, FILL, 4, 10, strategy="a"), move(2, ANCHOR, 0, 9)], None, {"price": 1}),
        ([move(1, FILL, 1, 10), move(2, FILL, -1, 12), move(3, FILL, 1, None),
          move(4, FILL, -1, 12)], 2, {"cost": 1}),
        ([move(1, FILL, 1, 10, reason="inferred")], 0, {"fee": 1}),
        ([move(1, AMOUNT, 5, None), move(2, AMOUNT, -5, None)], 0, {}),
    ],
)  # fmt: skip
def test_an_unknown_part_is_counted_and_never_zero(history, realized, unknown):
    rows = compute_pnl(history, quotes={"AAPL": quote(10)}, by=fb.PnlBy.STRATEGY).rows
    assert sum((x.realized for x in rows if x.realized is not None), D(0)) == (realized or 0)
    assert (realized is None) == any(x.realized is None for x in rows)
    assert {str(part): n for x in rows for part, n in x.unknown} == unknown


def test_open_units_without_a_quote_or_a_cost_are_counted():
    bought = [move(1, FILL, 10, 10), move(2, FILL, 5, None)]
    (row,) = compute_pnl(bought).rows
    assert (row.unrealized, row.unknown) == (None, ((fb.UnknownPart.QUOTE, 1),))
    (row,) = compute_pnl(bought, quotes={"AAPL": quote(12)}, cost=FIFO).rows
    assert (row.unrealized, row.unknown) == (20, ((fb.UnknownPart.OPEN_COST, 1),))
    assert row.quoted_at == m.timestamp(NOON)
    (row,) = compute_pnl(bought, quotes={"AAPL": quote(12)}).rows
    assert row.unrealized is None


# -- fees, dividends, interest; currencies -------------------------------------------------


def activity(kind, cash, symbol="AAPL", **kw):
    return m.Activity(
        activity_id=f"{kind}-{cash}", kind=m.ActivityKind(kind), at=at(1), symbol=symbol,
        cash=m.number_or_none(cash), **kw,
    )  # fmt: skip


def test_dividends_interest_and_fees_are_apart():
    rows = [
        activity("dividend", "2.5"),
        activity("dividend", 9, qty=D(1), group_id="units"),  # belongs to the units
        activity("dividend", 7, in_opening=True),
        activity("interest", "-0.7", symbol=None),
        activity("fee", "-0.03"),
        activity("other", "1"),
        activity("other", None),
        activity("transfer", "1000", symbol=None),
        activity("merger", "5"),
    ]
    report = compute_pnl([], rows)
    account, apple = report.rows
    assert (account.key, account.interest) == ("", D("-0.7"))
    assert (apple.dividends, apple.fees) == (D("2.5"), D("0.03"))
    assert apple.unknown == ((fb.UnknownPart.ACTIVITY, 1),)
    (total,) = report.totals
    assert (total.realized, total.dividends, total.interest) == (0, D("2.5"), D("-0.7"))
    assert compute_pnl([], rows, since=at(2)).rows == ()


def test_currencies_are_not_mixed():
    other = m.Amount(D("0.2"), "C")
    moves = [
        move(1, FILL, 10, 10, currency="X", fee=D(1), other_fee=other),
        move(2, FILL, -4, 12, currency="X"),
        move(3, FILL, -1, 9),  # sold for another currency: its price is unknown in this one
        move(4, m.MoveKind.PAYMENT, -1, None),
    ]
    report = compute_pnl(
        moves, quotes={"AAPL": quote(12)}, quote_currencies={"AAPL": "X"}, cost=FIFO
    )
    found = {x.currency: (x.realized, x.fees) for x in report.rows}
    assert found == {"X": (8, 1), "C": (0, D("0.2"))}
    row = report.rows[1]
    assert (row.unrealized, row.unknown) == (8, ((fb.UnknownPart.PRICE, 2),))
    assert compute_pnl(moves, quotes={"AAPL": quote(12)}).rows[1].unrealized is None


# -- corporate actions ---------------------------------------------------------------------

RECEIVED, REMOVED = m.MoveKind.RECEIVED, m.MoveKind.REMOVED


def exchange(old, second, new_symbol, new, *, cash=None, held, name="a"):
    """Movements of *old* units that become *new* ones of another symbol, at their cost."""
    part = m.Holding(qty=D(new), cost=None)
    received = move(
        second, RECEIVED, new, None, from_qty=D(-old), follows_cost=True, cash=cash,
        owner="from/AAPL", parts=((name, part),),
    )  # fmt: skip
    return [
        m.Movement(**{**fields(received), "symbol": new_symbol}),
        move(second, REMOVED, -old, None),
    ]


def fields(value):
    return {x: getattr(value, x) for x in value.__slots__ if not x.startswith("__")}


@pytest.mark.parametrize("cost", fb.CostMethod)
def test_the_lots_go_with_the_units_of_a_merger(cost):
    bought = [move(1, FILL, 10, 10, strategy="a"), move(2, FILL, 10, 20, strategy="a")]
    merged = exchange(20, 5, "NEW", 40, cash=D(30), held=20)
    sold = m.Movement(
        key="z", symbol="NEW", kind=FILL, at=at(9), qty=D(-40), price=D(10), strategy="a"
    )
    report = compute_pnl([*bought, *merged, sold], cost=cost)
    assert [(x.key, x.realized, x.unknown) for x in report.rows] == [("NEW", 130, ())]
    if cost is FIFO:
        assert [(x.opened_at, x.qty, x.cost) for x in report.lots] == [
            (at(1), 20, 90),
            (at(2), 20, 180),
        ]


def test_units_that_end_for_cash_realize():
    bought = [move(1, FILL, 10, 10, strategy="a"), move(2, FILL, 10, 20)]
    paid = move(5, REMOVED, -20, None, cash=D(400))
    rows = compute_pnl([*bought, paid], by=fb.PnlBy.STRATEGY).rows
    assert {x.key: x.realized for x in rows} == {"a": 100, "": 0}
    beyond = move(5, REMOVED, -25, None, cash=None)
    (row,) = compute_pnl([*bought, beyond], cost=FIFO).rows
    assert (row.realized, row.unrealized) == (0, None)


def test_a_part_of_the_units_ends_for_cash():
    """In proportion of what each strategy holds, and of each of its lots."""
    bought = [move(1, FILL, 4, 10, strategy="a"), move(2, FILL, 4, 20, strategy="a")]
    paid = move(5, REMOVED, -2, None, cash=D(50))
    report = compute_pnl([*bought, paid], cost=FIFO)
    assert report.rows[0].realized == 20
    assert [(x.qty, x.cost) for x in report.lots] == [(1, 10), (1, 20), (3, 30), (3, 60)]
    flat = [move(1, FILL, 1, 1, strategy="b"), move(2, FILL, -1, 1, strategy="b")]
    report = compute_pnl([*flat, move(3, FILL, 4, 5, strategy="a"), paid])
    assert report.rows[0].realized == 40


def test_units_of_a_merger_join_those_that_are_held():
    bought = [move(1, FILL, 10, 10, strategy="a")]
    held = m.Movement(
        key="n", symbol="NEW", kind=FILL, at=at(2), qty=D(5), price=D(3), strategy="a"
    )
    merged = exchange(10, 5, "NEW", 5, held=10)
    report = compute_pnl([*bought, held, *merged], cost=FIFO)
    assert [(x.symbol, x.qty, x.cost) for x in report.lots] == [("NEW", 5, 15), ("NEW", 5, 100)]


def test_units_that_are_received_beside_others_have_no_known_cost():
    bought = move(1, FILL, 10, 10, strategy="a")
    spun = move(5, RECEIVED, 5, None, owner="from/OLD")
    report = compute_pnl([bought, spun], quotes={"AAPL": quote(11)}, cost=FIFO)
    assert [(x.strategy, x.qty, x.cost) for x in report.lots] == [("", 5, None), ("a", 10, 100)]


def test_splits_scale_the_lots_and_cash_for_a_fraction_reduces_their_cost():
    bought = [move(1, FILL, 3, 10), move(2, FILL, 4, 20)]
    split = move(5, RATIO, ratio=D("0.5"), qty="-0.5", cash=D(8))
    report = compute_pnl([*bought, split, move(9, FILL, -3, 40)], cost=FIFO)
    assert report.rows[0].realized == 120 - (110 - 8)
    cheap = [move(1, FILL, 1, 1), move(5, RATIO, ratio=D(3), cash=D(5))]
    assert compute_pnl(cheap).rows[0].realized == 4
    short = [move(1, FILL, -1, 1), move(5, RATIO, ratio=D(3), cash=D(-5))]
    assert compute_pnl(short).rows[0].realized == -4
    ended = [move(1, FILL, 1, 1), move(5, RATIO, qty=-1, cash=D(5))]
    assert compute_pnl(ended).rows[0].realized == 4
    unknown = [move(1, FILL, 1, None), move(5, RATIO, ratio=D(3), cash=D(5))]
    assert compute_pnl(unknown).rows[0].realized == 0
    free = [move(1, AMOUNT, 1, 0), move(5, RATIO, ratio=D(3), cash=D(5))]
    assert compute_pnl(free).rows[0].realized == 5
    nothing = [move(5, RATIO, qty=5, from_qty=D(2))]
    assert compute_pnl(nothing, cost=FIFO).lots[0].qty == 3


# -- assignments and fees in units ---------------------------------------------------------


def test_an_assignment_takes_the_lots_along():
    opened = [move(1, ANCHOR, 10, 10), move(2, ANCHOR, 10, 10, strategy="a")]
    report = compute_pnl([*opened, move(5, FILL, -10, 12, strategy="a")], by=fb.PnlBy.STRATEGY)
    assert [(x.key, x.realized) for x in report.rows] == [("a", 20)]
    more = [move(1, ANCHOR, 10, 10), move(2, ANCHOR, 12, 11, strategy="a")]
    report = compute_pnl(more, cost=FIFO)
    assert [(x.strategy, x.qty, x.cost) for x in report.lots] == [("a", 12, 132)]
    against = [move(1, FILL, -5, 10, strategy="a"), move(2, ANCHOR, 5, 10, strategy="a")]
    report = compute_pnl(against, by=fb.PnlBy.STRATEGY, cost=FIFO)
    assert dict(report.rows[0].unknown)[fb.UnknownPart.PRICE] == 1


def test_a_fee_in_units_takes_units_and_no_cost():
    moves = [move(1, FILL, 10, 10), move(2, FEE, "-0.5", None), move(3, FILL, "-9.5", 12)]
    assert compute_pnl(moves).rows[0].realized == 14
    gone = [move(1, FEE, "-0.5", None), move(2, FILL, 1, 10)]
    assert compute_pnl(gone, cost=FIFO).lots[-1].qty == D("0.5")


# -- the facts of a record -----------------------------------------------------------------


def test_the_facts_of_a_record_bear_the_symbols_and_currencies_of_its_positions():
    records = Records()
    records.take(m.Bound(m.AccountId("sim", "localhost", "a1"), currency="USD"))
    for symbol, qty in (("AAPL", 5), ("BTC/USD", 1), ("X/EUR", 2), ("OLD", 0)):
        records.take(m.BalanceAdjusted(symbol, D(qty), D(9), at(1), "OPENING"))
    records.take(m.ActivityReported(activity("dividend", 3, currency="USD")))
    records.take(m.ActivityReported(activity("interest", 2, symbol=None, currency="EUR")))
    facts = facts_of(records)
    assert len(facts.movements) == 4
    assert facts.open_symbols == ("AAPL", "BTC/USD", "X/EUR")
    assert facts.quote_currencies == {"X/EUR": "EUR"}
    assert {(x.symbol, x.currency) for x in facts.activities} == {("AAPL", None), (None, "EUR")}
