"""Rebalancing: the differences are traded as one plan, sales first."""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench, unable

P = m.PlanState
HALVES = {"AAPL": "0.5", "MSFT": "0.5"}


def held(**account):
    """A cash account that holds SPY and some AAPL."""
    bench = Bench(**{"cash": "100000", "multiplier": 1, **account})
    bench.desk.buy("SPY", qty=60)
    bench.desk.buy("AAPL", qty=100)
    bench.pass_(40)
    return bench


def done(bench, plan, seconds=240):
    bench.pass_(seconds)
    found = bench.desk.plan(plan.plan_id)
    assert found.state is P.DONE, found
    return found


def orders_since(bench, plan):
    return [x for x in bench.desk.book.orders() if x.created_at >= plan.created_at]


def test_the_differences_are_traded_and_a_second_call_plans_nothing():
    bench = held()
    plan = bench.desk.rebalance({**HALVES, "SPY": 0})
    assert plan.kind is m.PlanKind.REBALANCE
    done(bench, plan)
    positions = bench.truth.positions()
    assert set(positions) == {"AAPL", "MSFT"}
    assert sorted(x.symbol for x in orders_since(bench, plan)) == ["AAPL", "MSFT", "SPY"]
    equity = sum(x * {"AAPL": 187, "MSFT": 412}[s] for s, x in positions.items())
    assert equity > 97_000
    assert bench.truth.cash() > 0
    again = bench.desk.rebalance({**HALVES, "SPY": 0})
    assert (again.steps, again.state) == ((), P.DONE)
    assert bench.is_true()


def test_a_dry_run_is_the_same_plan_and_sends_nothing():
    bench = held()
    before = bench.sent.get("submit", 0)
    dry = bench.desk.rebalance({**HALVES, "SPY": 0}, dry_run=True)
    assert bench.sent.get("submit", 0) == before
    assert bench.desk.plans() == []
    plan = bench.desk.rebalance({**HALVES, "SPY": 0})
    assert [x.action for x in dry.steps] == [x.action for x in plan.steps]
    assert dry.impact == plan.impact
    assert dry.impact.full_cost.notional > dry.impact.cost.notional


def test_buys_begin_after_the_sales_are_filled_and_the_funds_are_shown():
    bench = held()
    bench.exchange.faults.switch_on("account-old", seconds=9)
    plan = bench.desk.rebalance({"MSFT": "1", "SPY": 0, "AAPL": 0})
    stages = [(type(x.action).__name__, x.stage) for x in plan.steps]
    assert stages == [("PlaceOrder", 2), ("PlaceOrder", 2), ("AwaitFunds", 4), ("PlaceOrder", 6)]
    done(bench, plan)
    assert set(bench.truth.positions()) == {"MSFT"}
    assert bench.truth.cash() >= 0
    assert all(x.status == "filled" for x in bench.truth.orders())


def test_buys_are_cut_to_the_funds_that_the_account_shows():
    """The price falls before the sale: what it brings is less than was planned."""
    bench = held()
    plan = bench.desk.rebalance({"MSFT": "1", "SPY": 0, "AAPL": 0}, dry_run=True)
    wanted = plan.steps[-1].action.request.qty
    submit = bench.broker.submit

    def falls(order):
        bench.exchange.quote("SPY", "500.00", "500.02")
        return submit(order)

    bench.broker.submit = falls
    plan = bench.desk.rebalance({"MSFT": "1", "SPY": 0, "AAPL": 0})
    plan = done(bench, plan)
    (wait,) = [x for x in plan.steps if isinstance(x.action, m.AwaitFunds)]
    assert Decimal("0.9") < wait.share < 1
    assert "of the buys" in wait.why
    assert wanted * Decimal("0.9") < bench.truth.positions()["MSFT"] < wanted
    assert bench.truth.cash() >= 0


def test_exits_are_resized_by_their_protection():
    bench = held()
    bench.desk.protect("AAPL", stop_price="150")
    bench.pass_(60)
    plan = bench.desk.rebalance(fb.Targets(qty={"AAPL": 40}))
    assert plan.why.endswith("; then the exits are placed again for 40 AAPL")
    done(bench, plan)
    bench.pass_(60)
    assert bench.truth.positions()["AAPL"] == 40
    (stop,) = [x for x in bench.truth.orders() if not x.is_final]
    assert (stop.qty, stop.stop_price) == (40, 150)
    plan = bench.desk.rebalance(fb.Targets(qty={"AAPL": 90}))
    assert plan.why.endswith("; then the exits are placed again for 90 AAPL")
    done(bench, plan)
    bench.pass_(60)
    assert bench.truth.positions()["AAPL"] == 90
    live = [x for x in bench.truth.orders() if not x.is_final]
    assert sum(x.qty for x in live) == 90


def test_exits_without_a_protection_come_back_for_the_rest():
    bench = held()
    bench.desk.sell("AAPL", qty=100, stop_price="150", time_in_force="gtc")
    bench.pass_(30)
    plan = bench.desk.rebalance(fb.Targets(qty={"AAPL": 40}))
    assert "placed again" not in plan.why  # they are steps of the plan
    done(bench, plan)
    (stop,) = [x for x in bench.truth.orders() if not x.is_final]
    assert (stop.qty, stop.stop_price) == (40, 150)


def test_through_zero_the_second_order_follows_the_first():
    bench = held(multiplier=2)
    plan = bench.desk.rebalance(fb.Targets(qty={"AAPL": -10}))
    done(bench, plan)
    assert bench.truth.positions()["AAPL"] == -10
    assert [x.qty for x in orders_since(bench, plan)] == [100, 10]


def test_live_orders_of_the_bot_are_kept_or_canceled():
    bench = held()
    resting = bench.desk.buy("AAPL", qty=10, limit_price="150")
    kept = bench.desk.rebalance({"AAPL": "0.1"}, dry_run=True)
    assert [(x.symbol, x.reason) for x in kept.impact.left_alone] == [
        ("AAPL", "open_orders"),
        ("SPY", "no_target"),
    ]
    plan = bench.desk.rebalance({"AAPL": "0.1"}, open_orders="cancel")
    done(bench, plan)
    assert bench.desk.book.order(resting).status is m.OrderStatus.CANCELED
    assert bench.truth.positions()["AAPL"] < 100


def test_only_the_part_of_the_strategy_is_traded():
    bench = held()
    bench.desk.buy("AAPL", qty=20, strategy="core")
    bench.pass_(40)
    plan = bench.desk.rebalance({"AAPL": 0}, strategy="core")
    done(bench, plan)
    assert bench.truth.positions()["AAPL"] == 100
    plan = bench.desk.rebalance({"MSFT": 1}, strategy="core", capital=5_000)
    done(bench, plan)
    assert 4_999 < bench.truth.positions()["MSFT"] * Decimal("412.05") < 5_001
    assert bench.desk.book.positions(strategy="core")[0].symbol == "MSFT"


def test_a_call_for_the_same_goes_on_with_the_plan_that_runs():
    bench = held()
    bench.fail("submit", "unreachable", times=2)
    plan = bench.desk.rebalance({**HALVES, "SPY": 0})
    assert not plan.is_final
    assert bench.desk.rebalance({**HALVES, "SPY": 0}).plan_id == plan.plan_id
    done(bench, plan)
    assert len(orders_since(bench, plan)) == 3


def test_a_position_that_differs_is_left_alone():
    """A difference without evidence is not traded on, whichever side is right."""
    bench = Bench(cash="100000", broker=unable(activities=False))
    bench.desk.buy("AAPL", qty=100)
    bench.pass_(40)
    bench.silently("AAPL", 7, "187")
    bench.pass_(60)
    plan = bench.desk.rebalance(HALVES, dry_run=True)
    assert plan.symbols == ("MSFT",)
    assert [(x.symbol, x.reason) for x in plan.impact.left_alone] == [("AAPL", "difference")]


@pytest.mark.parametrize(
    ("targets", "rules", "match"),
    [
        ({"AAPL": "0.7", "MSFT": "0.7"}, {}, "leverage"),
        ({"NOPE": "0.7", "MSFT": "0.1"}, {}, "NOPE"),
        ({}, {}, "no targets"),
        (HALVES, {"others": "sell"}, "others"),
        (HALVES, {"instruments": ()}, "unknown argument 'instruments'"),
        (HALVES, {"order_type": "stopp"}, "stopp"),
        (7, {}, "targets are a mapping"),
    ],
)
def test_what_cannot_be_planned(targets, rules, match):
    bench = held()
    with pytest.raises(fb.InvalidValue, match=match):
        bench.desk.rebalance(targets, **rules)
    assert bench.desk.plans() == []


def test_at_night_shares_are_left_alone_and_coins_are_traded():
    bench = held()
    bench.pass_(10 * 3600, every=600)
    for symbol, bid in (("AAPL", 187), ("SPY", 570), ("BTC/USD", 60_000)):
        bench.exchange.quote(symbol, bid, bid + Decimal("0.01"))
    nothing = bench.desk.rebalance({"AAPL": "0.5"})
    assert (nothing.steps, nothing.state) == ((), P.DONE)
    assert "shares are not traded before the session of 2026-03-03T14:30 UTC" in nothing.why
    left = {x.symbol: str(x.reason) for x in nothing.impact.left_alone}
    assert left == {"AAPL": "not_tradable", "SPY": "no_target"}
    before = bench.truth.positions()
    plan = done(bench, bench.desk.rebalance({"AAPL": "0.5", "BTC/USD": "0.1"}))
    assert plan.symbols == ("BTC/USD",)
    after = bench.truth.positions()
    assert 6_300 < after.pop("BTC/USD") * 60_000 < 6_400  # of what SPY leaves
    assert after == before


def test_an_account_that_cannot_be_read_plans_nothing():
    bench = held()
    bench.outage()
    with pytest.raises(fb.ReadFailed):
        bench.desk.rebalance(HALVES)
    bench.over()
    assert bench.desk.plans() == []


def test_the_funds_are_waited_for_while_the_account_cannot_be_read():
    """The sales are filled and no read succeeds: the buys wait, and begin when one does."""
    bench = held()
    account = bench.broker.account
    submit = bench.broker.submit

    def last(order):
        bench.broker.account = lambda: m.NotObserved(m.Failure.UNREACHABLE, "no reply")
        return submit(order)

    bench.broker.submit = last
    plan = bench.desk.rebalance({"MSFT": "1", "SPY": 0, "AAPL": 0})
    bench.pass_(90)
    assert bench.desk.plan(plan.plan_id).state is P.RUNNING
    assert bench.truth.positions() == {}
    bench.broker.submit, bench.broker.account = submit, account
    done(bench, plan)
    assert set(bench.truth.positions()) == {"MSFT"}


def test_a_plan_that_cannot_go_on_stops_with_an_alert_and_the_next_call_plans_the_rest():
    bench = held()
    bench.exchange.faults.fail("submit", "unreachable", times=500)
    plan = bench.desk.rebalance({"MSFT": "1", "SPY": 0, "AAPL": 0})
    bench.pass_(900)
    stopped = bench.desk.plan(plan.plan_id)
    assert stopped.state is P.STOPPED
    assert stopped.why.startswith("it was not done by 2026-03-02 15:")
    alerts = [x.alert for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.PLAN_STOPPED in [x.kind for x in alerts]
    bench.exchange.faults.clear()
    bench.pass_(60)
    again = bench.desk.rebalance({"MSFT": "1", "SPY": 0, "AAPL": 0})
    assert again.generation == 2
    done(bench, again)
    assert set(bench.truth.positions()) == {"MSFT"}


def test_a_halt_pauses_a_rebalance():
    bench = held()
    bench.fail("submit", "unreachable", times=2)
    plan = bench.desk.rebalance({**HALVES, "SPY": 0})
    bench.desk.halt("a person decided so")
    bench.pass_(60)
    assert bench.desk.plan(plan.plan_id).state is P.PAUSED
    bench.desk.resume()
    done(bench, plan)


def test_every_step_is_an_event():
    bench = held()
    told = []
    bench.desk.on("plan", lambda event: told.append((event.plan.step, event.plan.what)))
    plan = bench.desk.rebalance({**HALVES, "SPY": 0})
    done(bench, plan)
    finished = [step for step, what in told if what == "done"]
    assert finished == [*range(len(plan.steps)), None]
