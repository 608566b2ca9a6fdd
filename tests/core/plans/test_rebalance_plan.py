"""A rebalance as a plan: its stages, the funds of its buys, and the symbols that it still needs."""

import pickle
from decimal import Decimal

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.plans import plan as life
from fillbook.core.plans.close import steps_around
from fillbook.core.plans.exits.cover import exit_groups
from fillbook.core.plans.rebalance import plan_rebalance, staged
from tests.core.plans.situations import order
from tests.core.plans.test_plan import plan
from tests.core.records import AT, Records, request

D, S = Decimal, m.StepState
FUNDS = m.AwaitFunds(amount=D(1000), reserve=D(1040), keep=D(100))


def trade(symbol, side, *, reduces):
    return m.RebalanceTrade(
        symbol=symbol, side=m.OrderSide(side), qty=D(1), notional=D(1), reduces=reduces
    )


def place(symbol, side="buy", qty=10, **fields):
    return m.PlaceOrder(request(symbol=symbol, side=side, qty=qty), fills=True, **fields)


def steps_of(found):
    return [(x.stage, type(x.action).__name__) for x in found]


def test_what_reduces_comes_before_the_funds_and_what_increases():
    sale = m.PlanStep(action=place("AAPL", "sell"), stage=1)
    buy = m.PlanStep(action=place("MSFT"), stage=1)
    trades = [
        (trade("MSFT", "buy", reduces=False), [buy]),
        (trade("AAPL", "sell", reduces=True), [sale]),
    ]
    found = staged(["open"], trades, FUNDS)
    assert steps_of(found) == [
        (0, "CancelOrder"),
        (2, "PlaceOrder"),
        (4, "AwaitFunds"),
        (6, "PlaceOrder"),
    ]


def test_buys_of_new_cash_wait_for_nothing():
    buy = m.PlanStep(action=place("MSFT"), stage=1)
    assert steps_of(staged([], [(trade("MSFT", "buy", reduces=False), [buy])], FUNDS)) == [
        (6, "PlaceOrder")
    ]


def test_without_buys_no_funds_are_waited_for():
    sale = m.PlanStep(action=place("AAPL", "sell"), stage=1)
    found = staged([], [(trade("AAPL", "sell", reduces=True), [sale])], None)
    assert steps_of(found) == [(2, "PlaceOrder")]


def test_exits_that_an_order_could_match_come_back_after_it():
    groups = exit_groups(m.OrderSide.SELL, [order("a", qty=6, stop_price=90)])
    again = {"a": request(side="sell", qty=6, stop_price=90)}
    found = steps_around(place("AAPL"), groups, again, D(6), lambda _: True)
    assert [(x.stage, x.guard) for x in found] == [(0, False), (1, False), (2, True)]
    assert len(steps_around(place("AAPL"), groups, {}, D(6), lambda _: True)) == 2


def taken(request):
    """A broker that takes a fraction by simple orders for the day, and all of whole units."""
    is_simple = request.order_class is m.OrderClass.SIMPLE and request.trail_price is None
    is_for_day = request.time_in_force is m.TimeInForce.DAY
    return request.qty == int(request.qty) or (is_simple and is_for_day)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stop_price": 90}, [("stop", 5, "gtc"), ("stop", D("0.5"), "day")]),
        (
            {"take_profit": 120, "stop_loss": 90, "order_class": "oco", "type": "limit"},
            [("limit", 5, "gtc"), ("stop", D("0.5"), "day")],
        ),
        ({"trail_price": 5}, [("trailing_stop", 5, "gtc"), ("trailing_stop", D("0.5"), "gtc")]),
    ],
    ids=["stop", "oco", "trail: the broker has no such order"],
)
def test_an_exit_is_placed_again_in_the_forms_that_the_broker_takes(fields, expected):
    """Of 5.5 shares, 5 as before; the stop of a fraction is good for the day."""
    groups = exit_groups(m.OrderSide.SELL, [order("a", qty=16, stop_price=90)])
    again = {"a": request(side="sell", qty=16, time_in_force="gtc", **fields)}
    found = steps_around(place("AAPL", "sell", "10.5"), groups, again, D("5.5"), taken)
    guards = [x.action.request for x in found if x.guard]
    assert [(x.type, x.qty, x.time_in_force) for x in guards] == expected


@pytest.mark.parametrize("qty", ["0.5", "5"])
def test_an_exit_of_one_part_is_placed_again_by_one_order(qty):
    groups = exit_groups(m.OrderSide.SELL, [order("a", qty=16, stop_price=90)])
    again = {"a": request(side="sell", qty=16, time_in_force="gtc", stop_price=90)}
    found = steps_around(place("AAPL", "sell", "10"), groups, again, D(qty), taken)
    assert [x.action.request.qty for x in found if x.guard] == [D(qty)]


# -- funds -----------------------------------------------------------------------------


def funds(both, spare=None):
    return m.Funds(D(both), D(both if spare is None else spare))


@pytest.mark.parametrize(
    ("shown", "cash", "complete", "expected"),
    [
        (1040, 1100, False, 1),  # shown early: the number needs not include every fill
        (1040, None, False, 1),
        (1039, 1100, False, None),
        (520, 1100, True, D("0.5")),
        (-5, 1100, True, 0),
        (5000, 600, True, D("0.5")),
        (5000, 600, False, None),
        (5000, 50, True, 0),
        (520, 350, True, D("0.25")),
    ],
)
def test_the_share_of_the_buys_that_the_account_shows(shown, cash, complete, expected):
    cash = None if cash is None else D(cash)
    assert life.funded(FUNDS, funds(shown), cash, is_complete=complete) == expected


def test_instruments_without_margin_are_paid_from_what_is_not_margin():
    action = m.AwaitFunds(amount=D(100), reserve=D(100), margin=False)
    assert life.funded(action, funds(1000, 50), D(1000), is_complete=True) == D("0.5")


def test_a_buy_is_cut_to_the_share_of_the_funds_before_it():
    await_funds = m.PlanStep(action=FUNDS, stage=4)
    buy = m.PlanStep(action=place("MSFT", step=D(1)), stage=6)
    sale = m.PlanStep(action=place("AAPL", "sell"), stage=2)
    made = plan(sale, await_funds, buy)
    assert life.share_of(made, 2) == 1  # it is not done yet
    made = life.with_step(made, 1, S.DONE, "short", share=D("0.55"))
    assert [life.share_of(made, x) for x in (0, 2)] == [1, D("0.55")]
    assert life.with_step(made, 1, S.DONE).steps[1].share == D("0.55")
    assert life.remaining(buy.action, [], D("0.55")) == 5
    assert life.remaining(buy.action, [order(filled=2)], D("0.55")) == 3
    assert life.remaining(sale.action, [], D("0.55")) == 10


# -- the symbols of a plan -------------------------------------------------------------


def test_a_symbol_is_free_once_its_own_trades_are_done():
    done = m.PlanStep(action=place("AAPL", "sell"), stage=2, state=S.DONE)
    waits = m.PlanStep(action=FUNDS, stage=4)
    later = m.PlanStep(action=place("MSFT"), stage=6)
    cancel = m.PlanStep(action=m.CancelOrder("x"), stage=5)
    made = m.Plan(
        plan_id="rebalance-1",
        kind=m.PlanKind.REBALANCE,
        occasion="o",
        symbols=("AAPL", "MSFT"),
        steps=(done, waits, later),
        fingerprint="f",
        authority=m.Authority.STANDING,
        created_at=AT,
        valid_until=AT,
    )
    busy = {x: life.is_busy(made, x) for x in ("AAPL", "MSFT", "SPY")}
    assert busy == {"AAPL": False, "MSFT": True, "SPY": False}
    # Of a cancel, any symbol may be meant.
    assert life.is_busy(evolve(made, steps=(done, cancel, later)), "AAPL")


def test_a_position_that_differs_is_not_traded():
    held = [m.HeldPosition(symbol="AAPL", qty=10, is_confirmed=False)]
    found = plan_rebalance({"AAPL": 0}, held, {"AAPL": 100}, cash=0)
    assert found.trades == ()
    assert [(x.symbol, x.reason) for x in found.left_alone] == [("AAPL", "difference")]


def test_cash_that_is_not_known_is_no_figure():
    records = Records()
    assert pairs.cash_in(records, None) is None
    records.take(m.CashAdjusted(D(7), "USD", AT, "opening"))
    assert pairs.cash_in(records, None) == 7


def test_the_trades_of_a_plan_are_made_when_they_are_first_read():
    """Until then, and after, the plan is a value like any other."""
    plans = [plan_rebalance({"A": 1}, {"B": -2}, {"A": 10, "B": 5}, cash=1000) for _ in range(4)]
    first, second, third, fourth = plans
    assert first == second
    assert first.trades is first.trades
    assert pickle.loads(pickle.dumps(third)) == first
    assert evolve(fourth, trades=()).trades == ()
    assert len(fourth.trades) == fourth.cost.orders
    assert sum(x.notional for x in fourth.trades) == fourth.cost.notional
    with pytest.raises(AttributeError, match="'Rebalance' object has no attribute 'orders'"):
        _ = first.orders
    with pytest.raises(FrozenInstanceError):
        first.trades = ()


def test_a_notional_without_a_price_is_left_alone():
    found = plan_rebalance(m.Targets(notional={"A": 100, "B": 100}), {}, {"A": 10}, cash=1000)
    assert [(x.symbol, x.qty) for x in found.trades] == [("A", 10)]
    assert [(x.symbol, x.reason) for x in found.left_alone] == [("B", m.LeftAloneReason.NO_PRICE)]
