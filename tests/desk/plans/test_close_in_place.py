"""One OCO that covers what is closed: its take profit trades at the market, and its stop stays."""

from decimal import Decimal

import pytest

from fillbook import model as m
from tests.desk.plans.test_executor import held, live

D, P = Decimal, m.PlanState


def close(bench, qty=None):
    """Close by small steps of time; return the plan, and whether the stop stood until the end."""
    plan, stood = bench.desk.close_position("AAPL", qty=qty), True
    for _ in range(240):
        bench.clock.advance(0.25)
        bench.desk.tick()
        if bench.truth.positions():
            orders = bench.truth.orders()
            stood &= any(x.stop_price is not None and not x.is_final for x in orders)
    return bench.desk.plan(plan.plan_id), stood


def sold(bench):
    return -sum(x.qty for x in bench.desk.book.all_fills() if x.qty < 0)


def test_the_position_has_its_stop_until_it_is_closed():
    bench = held(stop_price="180", take_profit="300")
    count = len(bench.desk.book.orders())
    plan, stood = close(bench)
    assert (plan.state, stood, bench.truth.positions()) == (P.DONE, True, {})
    assert [x.action.__class__ for x in plan.steps] == [m.ReplaceOrder, m.CancelOrder, m.PlaceOrder]
    assert (plan.steps[2].state, plan.steps[2].why) == (m.StepState.DONE, "it was filled before")
    assert (len(bench.desk.book.orders()), live(bench)) == (count, [])


@pytest.mark.parametrize(
    "fault", ["request-lost", "reply-lost", "rate-limited", "server-error", "html"]
)
def test_after_a_replace_that_fails_it_is_closed_all_the_same(fault):
    bench = held(stop_price="180", take_profit="300")
    bench.fail("replace", fault)
    plan, _ = close(bench)
    assert (plan.state, bench.truth.positions(), live(bench)) == (P.DONE, {}, [])
    assert sold(bench) == 10


def test_what_the_take_profit_sold_in_part_is_not_sold_again():
    bench = held(stop_price="180", take_profit="300")
    [exit_order] = [x for x in live(bench) if x.limit_price == 300]
    bench.exchange.fill(exit_order.id, 4, D(300))
    plan, _ = close(bench)
    assert (plan.state, bench.truth.positions()) == (P.DONE, {})
    assert sold(bench) == 10


def test_a_part_of_what_it_covers_is_sold_by_an_order_of_its_own():
    bench = held(stop_price="180", take_profit="300")
    plan, _ = close(bench, qty=4)
    assert (plan.state, bench.truth.positions()) == (P.DONE, {"AAPL": 6})
    assert not any(isinstance(x.action, m.ReplaceOrder) for x in plan.steps)
    assert sum(x.qty for x in live(bench)) == 6


def test_what_a_canceled_exit_sold_meanwhile_is_not_sold_again():
    """Four of ten are to be closed; the stop sells three of them before its cancel takes effect."""
    bench = held(stop_price="180")
    [stop] = live(bench)
    bench.exchange.faults.switch_on("unreachable")
    plan = bench.desk.close_position("AAPL", qty=4)
    bench.over()
    bench.exchange.fill(stop.id, 3, D(180))
    bench.pass_(60)
    ended = bench.desk.plan(plan.plan_id)
    assert (ended.state, ended.missing) == (P.DONE, {})
    assert bench.truth.positions() == {"AAPL": 6}


def test_a_plan_that_traded_less_than_planned_says_so():
    """The bot offers a part itself while the plan waits: its order holds the units."""
    bench = held(wait_s=0, stop_price="180")
    bench.fail("submit", "unreachable")
    plan = bench.desk.close_position("AAPL")
    while bench.desk.book.orders(open=True):
        bench.clock.advance(0.25)
        bench.desk.tick()
    bench.desk.sell("AAPL", qty=3, limit_price="300", strategy="s", reduce_only=True)
    bench.pass_(30)
    ended = bench.desk.plan(plan.plan_id)
    assert (ended.state, ended.missing, ended.is_fulfilled) == (P.DONE, {"AAPL": D(3)}, False)
    assert bench.truth.positions() == {"AAPL": 3}
    said = "less than planned was traded: 3 AAPL are left (7 of 10: limited to"
    assert said in ended.why
    [alert] = [x.alert for x in bench.desk.events() if x.alert and x.alert.kind == "plan_stopped"]
    assert said in alert.message
