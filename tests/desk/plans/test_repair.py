"""The repair: an order accepted after it was abandoned is alerted, proposed or canceled."""

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench, unable

S, K = m.OrderStatus, m.AlertKind


class Live(SimulatedBroker):
    live = True


def accepted_late(repairs, broker=SimulatedBroker, *, sent_by=None):
    """A desk with an abandoned order that was accepted later; a minute has passed since."""
    bench = Bench(broker=broker, wait_s=0, opened=False)
    first = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=0, live=True)
    first.sync()
    bench.fail("submit", "late-landing", seconds=300)
    order = first.buy("AAPL", qty=10, limit_price="150", good_for_s=0)
    first._gateway.lease.release()
    bench.desk = fb.open(
        bench.broker,
        bench.store,
        clock=bench.clock,
        wait_s=0,
        live=broker is SimulatedBroker,
        repairs=repairs,
    )
    bench.pass_(240)
    assert bench.desk.book.order(order).status is S.ABSENT
    bench.pass_(180)
    return bench, bench.desk.book.order(order)


def repair_alerts(bench):
    return [x.alert.kind for x in bench.desk.events() if x.alert is not None]


def test_observe_alerts():
    """And it stays open."""
    bench, order = accepted_late("observe")
    assert order.status is S.NEW
    assert repair_alerts(bench) == [K.ABSENT, K.LANDED_LATE]
    assert bench.sent["cancel"] == 0


def test_to_be_approved_it_is_proposed_once():
    """The alert names the order and the command that approves its cancel."""
    bench, order = accepted_late("approve")
    assert order.status is S.NEW
    assert repair_alerts(bench) == [K.ABSENT, K.LANDED_LATE, K.PROPOSED]
    (proposed,) = [x.alert for x in bench.desk.events() if x.alert and x.alert.kind is K.PROPOSED]
    assert order.client_order_id in proposed.message
    (plan,) = bench.desk.plans("proposed")
    assert f"fillbook approve {plan.plan_id}" in proposed.message
    assert bench.sent["cancel"] == 0
    bench.pass_(300)
    assert repair_alerts(bench).count(K.PROPOSED) == 1


def test_by_itself_it_is_canceled_once():
    """The order was not wanted any more when it was abandoned."""
    bench, order = accepted_late("auto")
    assert order.status is S.CANCELED
    assert bench.sent["cancel"] == 1
    assert K.LANDED_LATE in repair_alerts(bench)


@pytest.mark.parametrize("repairs", ["auto", "approve"])
def test_on_a_live_account_with_trading_disabled_it_is_proposed(repairs):
    """The setting for repairs does not enable trading."""
    bench, order = accepted_late(repairs, Live)
    assert order.status is S.NEW
    assert K.PROPOSED in repair_alerts(bench)
    assert bench.sent["cancel"] == 0


# -- differences that evidence does not explain ------------------------------------------

BLIND = unable(activities=False)  #: it reports no transfer


def drifted(repairs, theirs="7", ours=0):
    """A desk whose record lacks units that the broker has, or has more than the broker."""
    bench = Bench(broker=BLIND, cash="100000", opened=False)
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2, repairs=repairs)
    bench.desk.sync()
    if ours:
        bench.desk.buy("AAPL", qty=ours, strategy="s")
        bench.pass_(60)
    bench.silently("AAPL", theirs, "187")
    bench.clock.advance(20)
    return bench


def test_what_is_observed_is_returned_and_not_stored():
    bench = drifted("observe")
    (plan,) = bench.desk.repair()
    assert (plan.kind, plan.state) == (m.PlanKind.REPAIR, m.PlanState.PROPOSED)
    assert plan.steps[0].action == m.AdoptBalance("AAPL", m.ZERO, m.number(7))
    assert plan.impact.positions == (m.PositionChange("AAPL", m.ZERO, m.number(7)),)
    assert bench.desk.plans() == []
    bench.pass_(120)
    assert bench.desk.plans() == []


def test_without_a_reading_of_the_account_no_repair_is_known():
    """An empty list would say that nothing is left to repair."""
    bench = drifted("approve")
    bench.fail("positions", "unreachable")
    with pytest.raises(fb.ReadFailed, match="NOT OBSERVED, so that no repair is known: "):
        bench.desk.repair()
    assert bench.desk.plans() == []


def test_an_adoption_is_approved_and_settles_the_difference():
    bench = drifted("approve")
    (plan,) = bench.desk.repair()
    assert bench.desk.plans() == [plan]
    assert bench.desk.approve(plan.plan_id).state is m.PlanState.DONE
    assert bench.desk.book.position("AAPL").qty == 7
    bench.pass_(120)
    assert bench.desk.book.drifts() == []
    assert bench.desk.plans() == []


def test_a_plan_for_an_account_that_changed_is_stale():
    bench = drifted("approve")
    (plan,) = bench.desk.repair()
    bench.desk.buy("MSFT", qty=1)
    assert bench.desk.plan(plan.plan_id).state is m.PlanState.PROPOSED  # another symbol
    bench.silently("AAPL", "2", "187")
    bench.clock.advance(20)
    assert bench.desk.approve(plan.plan_id).state is m.PlanState.STOPPED
    assert bench.desk.book.position("AAPL").qty == 0


def test_what_was_rejected_is_not_proposed_again():
    bench = drifted("approve")
    (plan,) = bench.desk.repair()
    bench.desk.reject(plan.plan_id, "it is a gift")
    bench.pass_(600, every=30)
    assert bench.desk.plans() == []
    with pytest.raises(fb.PlanEnded):
        bench.desk.approve(plan.plan_id)


def test_an_adoption_may_be_automatic():
    bench = drifted("auto")
    bench.pass_(180, every=10)
    assert bench.desk.book.position("AAPL").qty == 7
    assert bench.sent["submit"] == 0
    assert [x.state for x in bench.desk.plans("done")] == [m.PlanState.DONE]


def test_what_trades_is_automatic_only_with_limits():
    with pytest.raises(fb.InvalidValue, match="notional_max"):
        drifted({"untracked": fb.RepairRule(mode="auto", repair="close")})
    rule = fb.RepairRule(
        mode="auto",
        repair="close",
        notional_max=2000,
        day_notional_max=2000,
        day_repairs_max=1,
    )
    bench = drifted({"untracked": rule})
    bench.pass_(180, every=10)
    assert bench.truth.positions() == {}
    assert len(bench.desk.plans("done")) == 1


def test_limits_hold_over_a_restart():
    rule = fb.RepairRule(
        mode="auto", repair="close", notional_max=1000, day_notional_max=2000, day_repairs_max=1
    )
    bench = drifted({"untracked": rule})
    bench.pass_(180, every=10)
    assert bench.truth.positions() == {"AAPL": 7}
    (plan,) = bench.desk.plans()
    assert plan.state is m.PlanState.PROPOSED  # above its limit


def test_a_phantom_is_bought_back_only_if_it_is_approved():
    bench = drifted({"wrong_qty": "trade"}, theirs="-4", ours=10)
    (plan,) = bench.desk.repair()
    request = plan.steps[-1].action.request
    assert (request.side, request.qty) == (m.OrderSide.BUY, 4)
    assert bench.truth.positions() == {"AAPL": 6}
    bench.desk.approve(plan.plan_id)
    bench.pass_(120)
    assert bench.truth.positions() == {"AAPL": 10}
    assert bench.desk.check().verdict is m.Verdict.IN_SYNC


def test_trading_may_be_halted():
    bench = drifted({"untracked": fb.RepairRule(mode="auto", repair="halt")})
    bench.pass_(120, every=10)
    with pytest.raises(fb.Denied, match="halted"):
        bench.desk.buy("MSFT", qty=1)


def test_an_ignored_difference_stays_reported():
    bench = drifted({"default": "auto", "untracked": "ignore"})
    assert bench.desk.repair() == []
    assert bench.desk.check().verdict is m.Verdict.DRIFT


def test_an_external_order_may_be_canceled():
    bench = Bench(opened=False)
    bench.desk = fb.open(
        bench.broker,
        bench.store,
        clock=bench.clock,
        wait_s=2,
        repairs={"external_order": "cancel"},
    )
    bench.desk.sync()
    order = bench.by_hand("AAPL", "buy", 1, limit_price="150")
    bench.pass_(120)
    (plan,) = bench.desk.plans("proposed")
    bench.desk.approve(plan.plan_id)
    bench.pass_(30)
    assert bench.truth.order(order.id).status == "canceled"


@pytest.mark.parametrize(
    "repairs",
    [
        "never",
        3,
        {"untracked": "end"},
        {"nothing": "auto"},
        {"default": "x"},
        {"untracked": 4},
        {"wrong_cash": fb.RepairRule(mode="auto", repair="trade")},
    ],
)
def test_invalid_policies(repairs):
    with pytest.raises(fb.InvalidValue):
        fb.open("sim:", store="memory://", repairs=repairs)
