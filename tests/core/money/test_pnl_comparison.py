"""The comparison of P&L: each cause has its own part of the difference, and they sum to it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import position
from fillbook.core.pnl.comparison import BotRecord, compare_pnl
from fillbook.core.pnl.lot_accounting import Facts, compute_pnl
from fillbook.model.account.pnl import CostMethod, PnlCause

C = PnlCause
START = datetime(2026, 3, 2, 15, tzinfo=UTC)
SINCE = m.timestamp(START)
KEY = ("AAPL", None)


def at(minute):
    return m.timestamp(START + timedelta(minutes=minute))


def fill(number, qty, price, *, fee=1, strategy=None, symbol="AAPL", owner=None, minute=None):
    return m.Movement(
        key=f"o{number}/history/{number}",
        symbol=symbol,
        kind=m.MoveKind.FILL,
        at=at(number if minute is None else minute),
        qty=Decimal(qty),
        price=Decimal(str(price)),
        fee=Decimal(str(fee)),
        strategy=strategy,
        owner=owner or f"o{number}",
    )


def row(move, **changes):
    fields = {
        "symbol": move.symbol,
        "side": "buy" if move.qty > 0 else "sell",
        "qty": abs(move.qty),
        "at": move.at,
        "price": move.price,
        "fee": move.fee,
        "strategy": move.strategy,
    }
    return m.LocalTrade(**{**fields, **changes})


def facts(moves, activities=()):
    return Facts(tuple(moves), tuple(activities), (), {})


def compared(moves, bot, activities=(), **options):
    found = compare_pnl(facts(moves, activities), bot, since=SINCE, **options)
    return {(x.symbol, x.currency): x.bot for x in found.rows}


fills = st.lists(
    st.tuples(
        st.integers(-9, 9).filter(bool),
        st.integers(9_000, 11_000).map(lambda x: Decimal(x * 100 + 37).scaleb(-4)),
        st.sampled_from(["s", "t"]),
        st.sampled_from(["AAPL", "MSFT"]),
    ),
    min_size=1,
    max_size=10,
).map(
    lambda rows: [
        fill(i, qty, price, strategy=strategy, symbol=symbol)
        for i, (qty, price, strategy, symbol) in enumerate(rows)
    ]
)


def copied(moves):
    return [row(x) for x in moves]


def missed(moves, choose):
    """
    Some trades are not in the bot's record, and one in it never happened.

    Its quantity is that of no fill: a row of the quantity of a missed fill is that fill.
    """
    kept = [x for x in copied(moves) if choose(st.booleans())]
    never = row(fill(50, choose(st.integers(10, 18)), 101), at=at(50))
    return moves, BotRecord(trades=[*kept, never] if choose(st.booleans()) else kept), ()


def without_fees(moves, choose):
    return moves, BotRecord(trades=[evolve(x, fee=None) for x in copied(moves)]), ()


def at_requested_prices(moves, choose):
    off = st.sampled_from([Decimal("0.5"), Decimal("-0.03"), Decimal(0)])
    trades = [evolve(x, price=x.price + choose(off)) for x in copied(moves)]
    return moves, BotRecord(trades=trades), ()


def by_fifo(moves, choose):
    return moves, BotRecord(trades=copied(moves), cost=CostMethod.FIFO), ()


def pooled(moves, choose):
    return moves, BotRecord(trades=[evolve(x, strategy=None) for x in copied(moves)]), ()


def with_actions(moves, choose):
    split = m.Movement(
        key="split",
        symbol="AAPL",
        kind=m.MoveKind.RATIO,
        at=at(choose(st.integers(0, 12))),
        ratio=Decimal(2),
    )
    paid = m.Activity(
        activity_id="d",
        kind=m.ActivityKind.DIVIDEND,
        at=at(20),
        symbol="AAPL",
        cash=Decimal("3.21"),
    )
    return [*moves, split], BotRecord(trades=copied(moves)), [paid]


def with_opening_units(moves, choose):
    count = choose(st.integers(1, 3))
    early = [fill(90 + i, 5, 90 + i, strategy="s", minute=i - 30) for i in range(count)]
    anchor = m.Movement(
        key="a",
        symbol="MSFT",
        kind=m.MoveKind.ANCHOR,
        at=at(-60),
        qty=Decimal(7),
        price=Decimal(80),
    )
    return [*early, anchor, *moves], BotRecord(trades=copied(moves)), ()


def rounded(moves, choose):
    trades = [evolve(x, price=round(x.price, 2)) for x in copied(moves)]
    return moves, BotRecord(trades=trades), ()


INJECTED = {
    C.MISSED_FILLS: missed,
    C.FEES: without_fees,
    C.FILL_PRICE: at_requested_prices,
    C.COST_METHOD: by_fifo,
    C.POOLED_COST: pooled,
    C.CORPORATE_ACTIONS: with_actions,
    C.OPEN_AT_CUTOFF: with_opening_units,
    C.ROUNDING: rounded,
}


#: The thorough profile has 1,000 for each cause.
FEWER = settings(max_examples=settings().max_examples // 5)


@pytest.mark.parametrize("cause", INJECTED, ids=str)
@FEWER
@given(moves=fills, choice=st.data())
def test_one_cause_alone_has_the_whole_difference(cause, moves, choice):
    """Every other cause, and what is unexplained, is 0."""
    record, bot, activities = INJECTED[cause](moves, choice.draw)
    ours = compute_pnl(record, activities, since=SINCE)
    figures = {(x.key, x.currency): x.realized - x.fees + x.dividends for x in ours.rows}
    found = compared(record, bot, activities)
    assert figures.keys() <= found.keys()
    for key, difference in found.items():
        assert {x for x, _ in difference.causes} <= {cause}
        assert difference.ours == pytest.approx(figures.get(key, 0))
        assert sum(difference.by_cause.values()) == difference.difference


@FEWER
@given(moves=fills)
def test_a_record_that_agrees_has_no_cause(moves):
    assert all(x.causes == () for x in compared(moves, BotRecord(trades=copied(moves))).values())


@FEWER
@given(moves=fills, choice=st.data())
def test_several_causes_sum_to_the_difference(moves, choice):
    _, bot, _ = missed(moves, choice.draw)
    trades = [evolve(x, fee=None, strategy=None, price=x.price + 1) for x in bot.trades]
    record, _, activities = with_actions(moves, choice.draw)
    record = [*record, *with_opening_units([], choice.draw)[0]]
    for difference in compared(record, BotRecord(trades=trades), activities).values():
        assert sum(x for _, x in difference.causes) == difference.ours - difference.theirs
        assert C.UNEXPLAINED not in dict(difference.causes)


# -- figures only ---------------------------------------------------------------------------


TWO = [
    fill(0, 10, "100.00", fee="0.10", strategy="s"),
    fill(1, 10, "110.00", fee="0.10", strategy="t"),
    fill(2, -10, "120.01", fee="0.11", strategy="t"),
]
REQUESTED = {TWO[2].key: Decimal(120)}


@pytest.mark.parametrize(
    ("figure", "causes"),
    [
        ("99.79", {}),
        ("100.10", {C.FEES: "-0.31"}),
        ("99.69", {C.FILL_PRICE: "0.10"}),
        ("100.00", {C.FEES: "-0.31", C.FILL_PRICE: "0.10"}),
        ("149.79", {C.POOLED_COST: "-50"}),
        ("199.79", {C.COST_METHOD: "-50", C.POOLED_COST: "-50"}),
        ("99.78", {C.ROUNDING: "0.01"}),
        ("42", {C.UNEXPLAINED: "57.79"}),
    ],
)
def test_a_figure_is_explained_by_the_fewest_things_left_out(figure, causes):
    bot = BotRecord(figures={"AAPL": Decimal(figure)})
    (difference,) = compared(TWO, bot, requested=REQUESTED).values()
    assert {x: y for x, y in difference.by_cause.items() if y} == {
        cause: Decimal(part) for cause, part in causes.items()
    }
    assert sum(x for _, x in difference.causes) == difference.difference


def test_a_figure_of_a_symbol_that_the_record_does_not_have_is_unexplained():
    bot = BotRecord(figures={"SPY": Decimal(5)})
    assert compared([], bot)["SPY", None].causes == ((C.UNEXPLAINED, Decimal(-5)),)


# -- matching -------------------------------------------------------------------------------


def test_rows_are_matched_by_order_by_sum_and_by_time():
    """A row of a whole order is that of its fills, at whatever time it was written."""
    parts = [fill(i, 5, 100 + i, owner="big") for i in range(3)]
    same = [fill(10, 4, 100), fill(20, 4, 100, fee=2)]
    named = [fill(30, 3, 100), fill(31, 4, 100, owner="o30")]
    rows = [
        row(parts[0], qty=15, at=at(4), price=101, fee=3),
        row(same[0], at=at(11), price=90),
        row(same[1], at=at(19), price=90),
        row(named[0], qty=2, client_order_id="c30"),
        row(named[0], qty=6, at=at(40), client_order_id="c30", fee=None),
    ]
    moves = [*parts, *same, *named]
    sale = fill(60, -33, 200)
    bot = BotRecord(trades=[*rows, row(sale)])
    orders = {"o30": "fb-1", "c30": "fb-1"}
    (difference,) = compared([*moves, sale], bot, orders=orders).values()
    causes = dict(difference.causes)
    # 15 at 101 for 100, 101, 102; 8 at 90 for 100; 1 of 9 rows of the order never happened.
    assert set(causes) <= {C.FILL_PRICE, C.FEES, C.MISSED_FILLS}
    assert causes[C.FEES] == -1
    assert sum(causes.values()) == difference.difference


def test_a_row_of_more_than_its_order_filled_is_partly_a_missed_fill():
    moves = [fill(0, 5, 100, owner="o"), fill(1, -5, 110, owner="p")]
    rows = [row(moves[0], qty=7, client_order_id="o"), row(moves[1], qty=3, client_order_id="p")]
    (difference,) = compared(moves, BotRecord(trades=rows), orders={"o": "o", "p": "p"}).values()
    assert set(dict(difference.causes)) == {C.MISSED_FILLS}


def test_rows_that_equal_no_fill_are_missed_fills():
    moves = [fill(0, 5, 100), fill(1, -5, 110)]
    bot = BotRecord(trades=[row(moves[0], qty=4), row(moves[1])])
    (difference,) = compared(moves, bot).values()
    assert set(dict(difference.causes)) == {C.MISSED_FILLS}


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_fill_that_the_bot_missed_keeps_its_strategy(is_empty):
    """A record without a row of it does not show that the bot pools its strategies."""
    moves = [fill(0, 1, 100, strategy="s"), fill(1, -1, 101, strategy="t")]
    never = row(fill(50, 5, 101))
    bot = BotRecord(trades=[] if is_empty else [never])
    assert [x for x, _ in compared(moves, bot)[KEY].causes] == [C.MISSED_FILLS]
    pooled = BotRecord(trades=[evolve(row(moves[0]), strategy=None)])
    assert compared(moves, pooled)[KEY].by_cause[C.POOLED_COST] == -1


def test_the_bots_record_may_begin_before_the_date():
    early = [fill(90, 5, 90, minute=-30), fill(91, 5, 95, minute=-20)]
    sale = fill(0, -10, 100)
    bot = BotRecord(trades=copied([*early, sale]))
    assert compared([*early, sale], bot)[KEY].causes == ()
    late = BotRecord(trades=copied([early[1], sale]))
    assert set(dict(compared([*early, sale], late)[KEY].causes)) == {C.OPEN_AT_CUTOFF}


def test_a_price_that_is_not_written_is_that_of_the_fill():
    moves = [fill(0, 5, 100), fill(1, -5, 110)]
    bot = BotRecord(trades=[row(x, price=None) for x in moves])
    assert compared(moves, bot)[KEY].causes == ()


def test_fees_that_are_posted_or_paid_in_units_are_fees():
    moves = [fill(0, 5, 100, fee=0), fill(1, -4, 110, fee=0)]
    charged = m.Movement(key="f", symbol="AAPL", kind=m.MoveKind.FEE, at=at(0), qty=Decimal("-0.5"))
    posted = m.Activity(
        activity_id="f", kind=m.ActivityKind.FEE, at=at(5), symbol="AAPL", cash=Decimal(-2)
    )
    found = compared([*moves, charged], BotRecord(trades=copied(moves)), [posted])
    assert set(dict(found[KEY].causes)) == {C.FEES}


# -- the broker -----------------------------------------------------------------------------


def broker(moves, position, held, **options):
    rows = compare_pnl(facts(moves), None, position, held, **options).rows
    return {x.symbol: x.broker for x in rows if x.broker is not None}


def held(qty, cost, symbol="AAPL"):
    return m.Position(symbol=symbol, account=m.Holding(qty=Decimal(qty), cost=cost))


def snapshot(qty, avg, price=130, symbol="AAPL", **fields):
    return m.PositionSnapshot(
        symbol=symbol,
        qty=Decimal(qty),
        avg_price=None if avg is None else Decimal(str(avg)),
        price=None if price is None else Decimal(price),
        **fields,
    )


@pytest.mark.parametrize(
    ("theirs", "causes"),
    [
        (snapshot(11, "109.0909"), {C.POOLED_COST, C.ROUNDING}),
        (snapshot(13, "109.0909"), {C.POOLED_COST, C.MISSED_FILLS, C.ROUNDING}),
        (snapshot(11, "100"), {C.POOLED_COST, C.UNEXPLAINED}),
    ],
)
def test_the_difference_to_the_broker_is_taken_apart(theirs, causes):
    """11 shares are left of two strategies; pooled they cost 1,200, and by strategy 1,140."""
    moves = [*TWO[:2], fill(2, -10, 120, strategy="t"), fill(3, 1, 140, strategy="s")]
    found = broker(moves, [theirs], [held(11, Decimal(1200))])["AAPL"]
    assert found.ours == 11 * 130 - 1140
    assert found.by_cause[C.POOLED_COST] == 60
    assert {x for x, _ in found.causes} == causes
    assert sum(x for _, x in found.causes) == found.difference


@FEWER
@given(moves=fills)
def test_the_broker_differs_by_pooled_cost_only(moves):
    own = [x for x in moves if x.symbol == "AAPL"]
    account = position.refold("AAPL", own)[0]
    if not account.qty:
        return
    theirs = snapshot(account.qty, account.account.cost / abs(account.qty))
    found = broker(own, [theirs], [account])["AAPL"]
    assert {x for x, y in found.causes if abs(y) > Decimal("1e-9")} <= {C.POOLED_COST}


def test_fifo_differs_from_the_broker_by_the_cost_method():
    moves = [fill(0, 10, 100), fill(1, 10, 110), fill(2, -10, 120)]
    found = broker(moves, [snapshot(10, 105)], [held(10, Decimal(1050))], cost=CostMethod.FIFO)
    assert found["AAPL"].causes == ((C.COST_METHOD, Decimal(-50)),)


def test_a_figure_that_the_broker_does_not_report_is_not_compared():
    moves = [fill(0, 10, 100)]
    known = [held(10, Decimal(1000))]
    assert broker(moves, [snapshot(10, 100, price=None)], known) == {}
    assert broker(moves, [snapshot(10, None)], known) == {}
    assert broker(moves, [snapshot(10, 100)], [held(10, None)]) == {}
    value = snapshot(10, 100, None, market_value=Decimal(1300))
    assert broker(moves, [value], known)["AAPL"].theirs == 300
    # A position that the record does not have has no cost of ours.
    found = broker([], [snapshot(-4, 100, symbol="SPY")], [])["SPY"]
    assert (found.ours, found.theirs, dict(found.causes)) == (0, -120, {C.MISSED_FILLS: 120})
    short = [fill(0, -10, 100)]
    assert broker(short, [snapshot(-10, 100)], [held(-10, Decimal(1000))])["AAPL"].causes == ()


def test_every_cause_is_injected():
    assert [*INJECTED, C.UNEXPLAINED] == list(C)
