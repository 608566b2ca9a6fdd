"""P9: positions against an independent fold; adjustments, splits, fees, trades."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import position
from tests.core.records import AT, Records, bust, fill, intended, report, terms

FILL, RATIO, AMOUNT, FEE, ANCHOR = (
    m.MoveKind.FILL,
    m.MoveKind.RATIO,
    m.MoveKind.AMOUNT,
    m.MoveKind.FEE,
    m.MoveKind.ANCHOR,
)


def at(second, day=2):
    return m.timestamp(f"2026-03-{day:02}T15:00:{second:02}Z")


def move(second, kind=FILL, qty=0, price=10, *, day=2, **kw):
    return m.Movement(
        key=f"{day}-{second}-{kind}-{kw.get('strategy')}",
        symbol="AAPL",
        kind=kind,
        at=at(second, day),
        qty=Decimal(str(qty)),
        price=m.number_or_none(price),
        **kw,
    )


moves = st.builds(
    move,
    st.integers(0, 59),
    st.sampled_from((FILL, FILL, FILL, AMOUNT, FEE, ANCHOR)),
    st.integers(-5, 5).filter(bool),
    st.sampled_from((None, 9, 10, 11)),
    strategy=st.sampled_from((None, "a", "b")),
) | st.builds(move, st.integers(0, 59), st.just(RATIO), ratio=st.sampled_from((2, 3)))
histories = st.lists(moves, max_size=12, unique_by=lambda x: x.key)


@given(histories)
def test_the_quantity_equals_a_plain_fold(history):
    """Long, short and through zero; an adjustment sets the quantity; the strategies sum to it."""
    held, _ = position.refold("AAPL", history)
    qty = Decimal(0)
    for x in sorted(history, key=lambda x: x.order):
        if x.kind is RATIO:
            qty *= x.ratio
        else:
            qty = x.qty if x.kind is ANCHOR else qty + x.qty
    assert held.qty == qty
    assert sum((leg.qty for _, leg in held.by_strategy), Decimal(0)) == qty


@given(histories)
def test_the_unattributed_part_never_holds_against_another(history):
    """So it never has the opposite sign of the account, and is flat where the account is."""
    held, _ = position.refold("AAPL", history)
    parts = legs(held)
    unattributed = parts.pop("", Decimal(0))
    assert all(qty * unattributed >= 0 for qty in parts.values())
    assert unattributed * held.qty >= 0
    assert held.qty or not unattributed


@given(st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.integers(8, 12)), max_size=12))
def test_what_was_gained_and_what_it_cost_come_out(fills):
    """Money in equals money out: realized - cash = the signed cost of the open position."""
    history = [move(n, FILL, qty, price) for n, (qty, price) in enumerate(fills)]
    held, trades = position.refold("AAPL", history)
    paid = sum(qty * price for qty, price in fills)
    open_cost = held.account.cost * (1 if held.qty >= 0 else -1)
    assert abs(paid + held.account.realized - open_cost) < Decimal("1e-20")
    if not held.qty:
        assert abs(sum((x.pnl for x in trades), Decimal(0)) + paid) < Decimal("1e-20")


@given(histories)
def test_folding_one_by_one_is_folding_all(history):
    """The O(1) path equals the definition."""
    held = m.Position(symbol="AAPL")
    for x in sorted(history, key=lambda x: x.order):
        held, _ = position.fold(held, x)
    assert held == position.refold("AAPL", history[::-1])[0]


@pytest.mark.parametrize(
    ("fills", "qty", "avg", "realized"),
    [
        ([(10, 10)], 10, 10, 0),
        ([(10, 10), (10, 12)], 20, 11, 0),
        ([(10, 10), (10, 12), (-5, 13)], 15, 11, 10),
        ([(10, 10), (-10, 12)], 0, None, 20),
        ([(10, 10), (-15, 12)], -5, 12, 20),  # through zero
        ([(-10, 10), (4, 8)], -6, 10, 8),  # a short gains as it falls
        ([(10, None)], 10, None, 0),  # unknown is never zero
        ([(10, None), (-10, 12)], 0, None, None),
        ([(10, 10), (-10, None)], 0, None, None),
    ],
)
def test_average_cost(fills, qty, avg, realized):
    held, _ = position.refold("AAPL", [move(n, FILL, *x) for n, x in enumerate(fills)])
    assert (held.qty, held.avg_price, held.account.realized) == (qty, avg, realized)


def part(realized, currency=None):
    return m.Holding(realized=m.number_or_none(realized), currency=currency)


@pytest.mark.parametrize(
    ("parts", "realized"),
    [
        ([], 0),
        ([part("1.32"), part("-2.86")], Decimal("-1.54")),
        ([part("1.32"), part(None)], None),
        ([part("1.32"), part("5", "EUR")], None),
        ([part("1.32"), part("0", "EUR")], Decimal("1.32")),
    ],
)
def test_what_a_position_realized_is_the_sum_of_its_parts(parts, realized):
    """In the currency of the account's part: nothing is converted."""
    by_strategy = tuple(zip("abc", parts, strict=False))
    found = m.Position(symbol="AAPL", account=part("-3.21"), by_strategy=by_strategy)
    assert found.realized == realized
    shown = found._repr_html_()
    assert ("-3.21" in shown, realized is None or m.plain(realized) in shown) == (False, True)


def test_a_split_keeps_the_cost_and_scales_what_was_entered():
    history = [move(1, FILL, 10, 10), move(2, RATIO, ratio=Decimal(2)), move(3, FILL, -20, 6)]
    held, (trade,) = position.refold("AAPL", history)
    assert (held.qty, trade.qty, trade.entry_price, trade.pnl) == (0, 20, 5, 20)


def test_a_late_fill_before_an_adjustment_moves_quantity_between_strategies_only():
    """An adoption has a time and a quantity, never an amount."""
    anchor = move(30, ANCHOR, 10, 9)
    held, _ = position.refold("AAPL", [anchor])
    assert (held.qty, legs(held)) == (10, {"": 10})
    held, _ = position.refold("AAPL", [anchor, move(5, FILL, 4, 8, strategy="a")])
    assert (held.qty, legs(held)) == (10, {"": 6, "a": 4})


def test_an_adjustment_to_the_known_quantity_changes_nothing():
    history = [move(1, FILL, 4, 8, strategy="a"), move(2, ANCHOR, 4, 9)]
    held, _ = position.refold("AAPL", history)
    assert (legs(held), held.avg_price, held.anchored_at) == ({"a": 4}, 8, at(2))


def test_an_adjustment_of_the_quantity_keeps_the_earlier_profit():
    history = [move(1, FILL, 4, 8), move(2, FILL, -2, 9), move(3, ANCHOR, 0, None)]
    held, _ = position.refold("AAPL", history)
    assert (held.qty, held.account.realized, held.account.opened_at) == (0, 2, None)


def legs(held):
    return {name: leg.qty for name, leg in held.by_strategy}


@pytest.mark.parametrize(
    ("before", "amount", "price", "qty", "cost"),
    [
        (10, 5, 12, 15, 160),  # an increase, at the reported cost
        (10, 5, None, 15, None),
        (10, -5, None, 5, 50),  # a decrease: the cost decreases in proportion
        (10, -10, None, 0, 0),
        (10, -12, 7, -2, 14),  # through zero
    ],
)
def test_units_that_come_or_go_without_a_trade(before, amount, price, qty, cost):
    history = [move(1, FILL, before, 10), move(2, AMOUNT, amount, price)]
    held, _ = position.refold("AAPL", history)
    assert (held.qty, held.account.cost, held.account.realized) == (qty, cost, 0)
    assert legs(held)[""] == qty


def test_units_of_unknown_cost_stay_of_unknown_cost():
    history = [move(1, FILL, 10, None), move(2, AMOUNT, -4, None)]
    assert position.refold("AAPL", history)[0].account.cost is None


COIN = {"fee_rate": Decimal("0.01")}


def test_a_fee_in_units_is_due_until_its_row_takes_it():
    """The broker's quantity is between the two; a sale owes no fee in units."""
    bought = [move(1, FILL, 10, 10, strategy="a", **COIN), move(2, FILL, -1, 10, **COIN)]
    held, _ = position.refold("AAPL", bought)
    assert (held.qty, held.fee_due) == (9, Decimal("0.1"))
    held, _ = position.refold("AAPL", [*bought, move(50, FEE, "-0.08", None)])
    assert (held.qty, held.fee_due) == (Decimal("8.92"), 0)


def test_a_fee_is_taken_from_what_is_held_the_oldest_part_first():
    """The account holds less by it, so the parts of the strategies do too."""
    one = [move(1, FILL, 10, 10, strategy="a", **COIN), move(50, FEE, "-0.1", None)]
    assert legs(position.refold("AAPL", one)[0]) == {"a": Decimal("9.9")}
    two = [*one, move(2, FILL, 10, 10, strategy="b", **COIN)]
    assert legs(position.refold("AAPL", two)[0]) == {"a": Decimal("9.9"), "b": 10}


@pytest.mark.parametrize(
    ("day", "taken"),
    [
        (2, "0.05"),
        (3, "0.05"),
        (4, "0.15"),
    ],  # within two days of the fill its 0.1 is included already; later not
)
def test_a_fee_included_in_an_adjustment_is_not_deducted_again(day, taken):
    history = [
        move(1, FILL, 10, 10, **COIN),
        move(2, ANCHOR, "9.9", 10),
        move(50, FEE, "-0.15", None, day=day),
    ]
    held, _ = position.refold("AAPL", history)
    assert held.qty == Decimal("9.9") - Decimal(taken)
    assert held.fee_absorbed == 0


def test_units_that_a_fee_took_from_a_flat_position_are_bought_back_without_a_round_trip():
    """All was sold before the day's fee was posted; the next buy starts slightly below zero."""
    history = [move(1, FEE, "-0.1", None), move(2, FILL, 1, 10)]
    held, trades = position.refold("AAPL", history)
    assert (held.qty, held.account.realized, trades) == (Decimal("0.9"), -1, [])


def test_a_fee_that_is_given_back_adds_its_units():
    history = [move(1, FILL, 1, 10), move(2, FEE, "0.1", None)]
    assert position.refold("AAPL", history)[0].qty == Decimal("1.1")


# -- external flows ----------------------------------------------------------------------

HELD = [
    move(1, FILL, 4, 10, strategy="a"),
    move(2, FILL, 6, 10, strategy="b"),
    move(3, FILL, 2, 10),
]


@pytest.mark.parametrize(
    ("kind", "qty", "left", "ended"),
    [
        (FILL, 5, {"": 7, "a": 4, "b": 6}, []),
        (FILL, -1, {"": 1, "a": 4, "b": 6}, []),
        (FILL, -2, {"": 0, "a": 4, "b": 6}, [""]),
        (FILL, -3, {"": 0, "a": 3, "b": 6}, [""]),
        (FILL, -9, {"": 0, "a": 0, "b": 3}, ["", "a"]),
        (FILL, -12, {"": 0, "a": 0, "b": 0}, ["", "a", "b"]),
        (FILL, -15, {"": -3, "a": 0, "b": 0}, ["", "a", "b"]),
        (AMOUNT, -3, {"": 0, "a": 3, "b": 6}, [""]),
        (AMOUNT, -15, {"": -3, "a": 0, "b": 0}, ["", "a", "b"]),
        (FEE, -3, {"": 0, "a": 3, "b": 6}, []),
        (ANCHOR, 9, {"": 0, "a": 3, "b": 6}, []),
        (ANCHOR, 0, {"": 0, "a": 0, "b": 0}, ["a", "b"]),
        (ANCHOR, 20, {"": 10, "a": 4, "b": 6}, []),
    ],
)
def test_an_external_flow_takes_from_nobody_first_and_from_the_oldest_next(kind, qty, left, ended):
    held, trades = position.refold("AAPL", [*HELD, move(9, kind, qty, 12)])
    assert (legs(held), [x.strategy for x in trades]) == (left, ended)
    is_fill = kind is FILL
    assert [(x.exit_price, x.pnl) for x in trades] == [
        (12, x.qty * 2) if is_fill else (None, None) for x in trades
    ]


def test_strategies_that_hold_against_each_other_are_closed_with_the_account():
    """The long part is sold and the short one is bought back, at the price of the flattening."""
    opposite = [move(1, FILL, 10, 10, strategy="a"), move(2, FILL, -5, 10, strategy="b")]
    held, trades = position.refold("AAPL", [*opposite, move(9, FILL, -5, 12)])
    assert (held.qty, legs(held)) == (0, {"a": 0, "b": 0})
    assert [(x.strategy, x.side, x.pnl) for x in trades] == [("a", "buy", 20), ("b", "sell", -10)]
    assert held.account.realized == 10


@pytest.mark.parametrize(
    ("nobody", "qty", "left"),
    [
        (8, -4, {"": 8, "a": 0}),
        (8, -6, {"": 6, "a": 0}),
        (3, -9, {"": 0, "a": -2}),
        (-9, 7, {"": 0, "a": 2}),
    ],
)
def test_a_strategy_takes_what_it_does_not_hold_from_the_unattributed_part(nobody, qty, left):
    """The units of nobody are used up before the strategy holds against them."""
    history = [move(1, FILL, 4, 10, strategy="a"), move(2, FILL, nobody, 10)]
    held, _ = position.refold("AAPL", [*history, move(9, FILL, qty, 12, strategy="a")])
    assert legs(held) == left


# -- round trips -------------------------------------------------------------------------


def test_a_round_trip_of_each_strategy_is_a_trade_with_real_prices():
    history = [
        move(1, FILL, 10, 10, strategy="a", fee=Decimal(1)),
        move(2, FILL, -5, 8, strategy="b"),
        move(3, FILL, 10, 12, strategy="a"),
        move(4, FILL, -20, 12, strategy="a", fee=Decimal(2)),
        move(5, FILL, 5, 7, strategy="b"),
    ]
    _, trades = position.refold("AAPL", history)
    assert [
        (x.strategy, x.side, x.qty, x.entry_price, x.exit_price, x.pnl, x.fees) for x in trades
    ] == [("a", "buy", 20, 11, 12, 20, 3), ("b", "sell", 5, 8, 7, 5, 0)]
    assert (trades[0].opened_at, trades[0].closed_at) == (at(1), at(4))


def test_late_evidence_revises_the_trades_after_it():
    """And a trade that is no round trip any more is removed."""
    records = Records()
    for fact in (
        intended(strategy="a"),
        report("new"),
        fill("f1", 10, 10, cum=10, at=at(1)),
        fill("s1", 10, 12, at=at(5), broker_order_id="x", side=m.OrderSide.SELL),
    ):
        records.take(fact)
    # An external sale closes the position of the strategy.
    assert [(x.strategy, x.pnl) for x in records.all(m.Trade)] == [("a", 20)]
    records.take(report("new", broker_order_id="x", client_order_id="c1.r1", replaces="b1"))
    records.take(intended("c2", side="sell", strategy="a"))
    sale = {"broker_order_id": "b2", "client_order_id": "c2"}
    records.take(report("new", terms=terms(side="sell"), **sale))
    sold = {"broker_order_id": "b2", "side": m.OrderSide.SELL}
    records.take(fill("z1", 20, 12, at=at(9), **sold))
    trades = {x.key: x for x in records.all(m.Trade)}
    records.take(fill("f0", 10, 11, cum=20, at=at(0)))
    later = {x.key: x for x in records.all(m.Trade)}
    assert later != trades
    records.take(bust("f0", 10))
    assert {x.key for x in records.all(m.Trade)} == trades.keys()


def test_a_revised_trade_counts_its_revisions():
    records = Records()
    for fact in (intended(), report("new"), fill("f1", 10, 10, cum=10, at=at(1))):
        records.take(fact)
    sold = {"broker_order_id": "b2", "side": m.OrderSide.SELL}
    records.take(fill("z1", 10, 12, at=at(9), **sold))
    assert [(x.pnl, x.revision) for x in records.all(m.Trade)] == [(20, 0)]
    records.take(fill("f1c", 10, 11, cum=10, at=at(1), fixes="f1"))
    assert [(x.pnl, x.revision) for x in records.all(m.Trade)] == [(10, 1)]
    records.take(fill("z1", 10, 13, at=at(9), **sold))
    assert [(x.pnl, x.revision) for x in records.all(m.Trade)] == [(20, 2)]
    assert [e.kind for e in records.all(m.Event)].count(m.EventKind.FILL_REVISED) == 2
    assert at(0) == AT
