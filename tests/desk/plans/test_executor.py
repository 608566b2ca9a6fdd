"""The executor: plans of two desks, halts, lost leases, and orders that fail."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench

P, S = m.PlanState, m.StepState


def held(wait_s=2, **policy):
    bench = Bench(cash="100000", wait_s=wait_s)
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.pass_(20)
    if policy:
        bench.desk.protect("AAPL", **policy)
        bench.pass_(30)
    return bench


def live(bench):
    return [x for x in bench.truth.orders() if not x.is_final and x.parent_id is None]


def test_another_desk_carries_out_what_one_began():
    """A plan is of the record: the desk with the lease goes on, and sends nothing twice."""
    bench = held()
    bench.fail("submit", "reply-lost")
    bench.desk.protect("AAPL", stop_price="180")
    other = bench.open()
    bench.desk._gateway.lease.release()
    first, bench.desk = bench.desk, other
    bench.pass_(240)
    first.tick()
    assert [x.qty for x in live(bench)] == [10]
    assert bench.desk.plans() == []


def test_two_desks_place_one_exit():
    bench = held()
    other = bench.open()
    bench.desk.protect("AAPL", stop_price="180")
    other.protect("AAPL", stop_price="180")
    for _ in range(30):
        bench.clock.advance(5)
        bench.desk.tick()
        other.tick()
    assert [x.qty for x in live(bench)] == [10]


def test_the_bot_s_opening_orders_wait_for_a_plan():
    bench = held(stop_price="180", take_profit="300")
    bench.exchange.faults.switch_on("unreachable")
    plan = bench.desk.close_position("AAPL")
    bench.over()
    assert not plan.is_final
    with pytest.raises(fb.Denied) as denied:
        bench.desk.buy("AAPL", qty=1, limit_price="150")
    assert denied.value.reason.code == m.ReasonCode.PLAN_RUNNING
    assert plan.plan_id in denied.value.reason.message
    assert denied.value.retry
    assert denied.value.retry_at == bench.clock.now() + timedelta(seconds=10)
    bench.desk.buy("MSFT", qty=1)
    bench.pass_(120)
    assert bench.desk.plan(plan.plan_id).state is P.DONE


def test_a_halt_pauses_what_is_no_exit():
    bench = held(stop_price="180")
    bench.exchange.faults.switch_on("unreachable")
    plan = bench.desk.close_position("AAPL")
    bench.desk.halt("a person decided so")
    bench.over()
    bench.pass_(60)
    assert bench.desk.plan(plan.plan_id).state is P.PAUSED
    assert bench.truth.positions() == {"AAPL": 10}
    bench.desk.resume()
    bench.pass_(120)
    assert bench.desk.plan(plan.plan_id).state is P.DONE
    assert bench.truth.positions() == {}


def test_a_close_that_fails_protects_again_as_before():
    """The exits of a position without a protection come back: the guard."""
    bench = held()
    bench.desk.sell("AAPL", qty=10, stop_price="180", time_in_force="gtc", strategy="s")
    bench.pass_(20)
    plan = bench.desk.close_position("AAPL", qty=4)
    bench.pass_(60)
    assert bench.desk.plan(plan.plan_id).state is P.DONE
    (stop,) = live(bench)
    assert (stop.qty, stop.stop_price) == (6, 180)
    assert bench.truth.positions() == {"AAPL": 6}


def test_a_plan_reads_the_order_whose_end_it_waits_for():
    """Meanwhile the position has no exit, and without a stream the next poll is 15 s away."""
    bench = held(stop_price="180")
    bench.desk.tick()
    began = bench.clock.elapsed()
    plan = bench.desk.close_position("AAPL", qty=4)
    while not bench.desk.plan(plan.plan_id).is_final or len(live(bench)) != 1:
        bench.clock.advance(0.25)
        bench.desk.tick()
    assert bench.clock.elapsed() - began < timedelta(seconds=5)
    assert [x.qty for x in live(bench)] == [6]


def test_a_guard_is_tried_until_it_is_done():
    bench = held()
    bench.desk.sell("AAPL", qty=10, stop_price="180", time_in_force="gtc", strategy="s")
    bench.pass_(20)
    plan = bench.desk.close_position("AAPL", qty=4)
    bench.exchange.faults.fail("submit", "unreachable", times=6)
    bench.pass_(240)
    assert bench.desk.plan(plan.plan_id).is_final
    held_now = bench.truth.positions()["AAPL"]
    assert sum(x.qty for x in live(bench)) == held_now


def test_a_plan_that_is_not_begun_in_time_expires():
    bench = held()
    bench.desk._gateway.lease.release()
    other = bench.open()
    other.tick()  # it has the lease
    plan = bench.desk.protect("AAPL", stop_price="180")
    assert plan.state is P.APPROVED
    bench.clock.advance(3600)
    other.tick()
    assert other.plan(plan.plan_id).state is P.EXPIRED
    for _ in range(20):
        bench.clock.advance(5)
        other.tick()
    assert [x.qty for x in live(bench)] == [10]  # it was planned anew


def test_a_close_that_no_desk_begins_expires_with_an_alert():
    bench = held()
    bench.desk._gateway.lease.release()
    other = bench.open()
    other.tick()  # it has the lease
    plan = bench.desk.close_position("AAPL")
    bench.clock.advance(7 * 3600)
    other.tick()
    assert other.plan(plan.plan_id).state is P.EXPIRED
    (alert,) = [
        x.alert for x in bench.desk.events() if x.alert is not None and x.alert.about == "AAPL"
    ]
    assert alert.kind is m.AlertKind.PLAN_STOPPED
    assert (
        "(close all of AAPL) expired: it was not done by 2026-03-02 21:00 UTC; a" in alert.message
    )


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "policy", [{}, {"stop_price": "180"}, {"stop_price": "180", "take_profit": "300"}]
)
def test_a_bot_that_ticks_every_quarter_of_an_hour_closes(policy, restarts):
    """It closes until the end of the session, also with a new process for each tick."""
    bench = held(wait_s=0, **policy)
    plan = bench.desk.close_position("AAPL")
    assert plan.state is P.RUNNING
    for _ in range(3):
        bench.clock.advance(900)
        if restarts:
            bench.desk._gateway.lease.release()
            bench.desk = bench.open()
        bench.desk.tick()
    assert bench.desk.plan(plan.plan_id).state is P.DONE
    assert bench.truth.positions() == {}
    alerts = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.PLAN_STOPPED not in alerts


@pytest.mark.parametrize(
    "policy", [{}, {"stop_price": "180"}, {"stop_price": "180", "take_profit": "300"}]
)
def test_a_close_is_carried_out_within_its_call_as_far_as_wait_s_goes(policy):
    """The position is not without its exits until a desk that ticks seldom ticks again."""
    bench = held(**policy)
    began = bench.clock.elapsed()
    assert bench.desk.close_position("AAPL").state is P.DONE
    assert bench.truth.positions() == {}
    assert bench.clock.elapsed() - began <= timedelta(seconds=3)
    bench = held(**policy)
    bench.outage()
    began = bench.clock.elapsed()
    bench.desk.close_position("AAPL")
    assert bench.clock.elapsed() - began <= timedelta(seconds=30)  # of the requests themselves


def test_a_call_does_not_wait_for_the_plans_of_others():
    bench = held()
    bench.desk.buy("MSFT", qty=1, strategy="s")
    bench.pass_(20)
    bench.exchange.halt("AAPL")
    waiting = bench.desk.close_position("AAPL")
    began = bench.clock.elapsed()
    assert bench.desk.close_position("MSFT").state is P.DONE
    assert bench.clock.elapsed() - began < timedelta(seconds=1)
    assert bench.desk.plan(waiting.plan_id).state is P.RUNNING


def test_a_plan_that_is_late_is_done_if_its_orders_are():
    """What was sent is read before the plan is stopped."""
    bench = held(wait_s=0)
    plan = bench.desk.rebalance({"AAPL": 0}, strategy="s")
    assert plan.state is P.RUNNING
    bench.clock.advance(900)
    bench.desk.tick()
    assert bench.desk.plan(plan.plan_id).state is P.DONE


def test_several_strategies_need_a_name():
    bench = held()
    bench.desk.buy("AAPL", qty=5, strategy="other")
    bench.pass_(20)
    with pytest.raises(fb.InvalidValue, match=r"name one of other, or s"):
        bench.desk.protect("AAPL", stop_price="180")
    with pytest.raises(fb.InvalidValue, match="other: 5, s: 10"):
        bench.desk.close_position("AAPL")
    bench.desk.close_position("AAPL", strategy="other")
    bench.pass_(30)
    assert bench.truth.positions() == {"AAPL": 10}
    bench.desk.buy("AAPL", qty=5, strategy="other")
    bench.pass_(20)
    bench.desk.close_position("AAPL", account=True)
    bench.pass_(60)
    assert bench.truth.positions() == {}


@pytest.mark.parametrize("qty", [11, 0])
def test_what_cannot_be_closed(qty):
    bench = held()
    with pytest.raises(fb.InvalidValue):
        bench.desk.close_position("AAPL", qty=qty)


def test_with_nothing_held_close_and_protect_are_denied_alike():
    bench = held()
    calls = (
        lambda: bench.desk.close_position("MSFT"),
        lambda: bench.desk.close_position("AAPL", strategy="another"),
        lambda: bench.desk.protect("MSFT", stop_price="180"),
    )
    for call in calls:
        with pytest.raises(fb.Denied, match="there is no position in") as denied:
            call()
        assert denied.value.reason.code is m.ReasonCode.NO_POSITION


@pytest.mark.sampled(3)
@pytest.mark.parametrize("hours", [7, 10, 19])
def test_while_the_market_is_closed_a_close_begins_at_the_next_open(hours):
    """In the extended hours of the evening, at night, and in those of the morning."""
    bench = held(stop_price="180")
    bench.pass_(hours * 3600, every=600)
    plan = bench.desk.close_position("AAPL")
    assert plan.state is P.APPROVED
    assert plan.begins_at == "2026-03-03T14:30:00.000000000Z"
    bench.pass_(1800, every=300)
    assert bench.truth.positions() == {"AAPL": 10}
    assert len(live(bench)) == 1  # the exit stays until then
    wait_s = (m.moment(plan.begins_at) - bench.clock.now()).total_seconds()
    bench.pass_(wait_s, every=600)
    bench.pass_(900, every=60)
    assert bench.truth.positions() == {}


def test_the_exit_of_the_rest_is_placed_again_in_forms_that_the_broker_takes():
    """A part of the position is sold, and a fraction is left: it has a stop good for the day."""
    bench = held()
    bench.desk.sell("AAPL", qty=10, stop_price="170", time_in_force="gtc", strategy="s")
    plan = bench.desk.close_position("AAPL", qty="4.5")
    bench.pass_(60)
    assert bench.desk.plan(plan.plan_id).state is P.DONE
    assert {(x.type, x.qty, x.time_in_force) for x in live(bench)} == {
        ("stop", Decimal(5), "gtc"),
        ("stop", Decimal("0.5"), "day"),
    }


def test_an_exit_that_the_broker_does_not_have_is_alerted_and_ends_the_plan():
    """No fraction has a trailing stop: the position says so, and takes new orders."""
    bench = held()
    bench.desk.sell("AAPL", qty=10, trail_percent="5", time_in_force="gtc", strategy="s")
    plan = bench.desk.close_position("AAPL", qty="4.5")
    bench.pass_(60)
    ended = bench.desk.plan(plan.plan_id)
    assert (ended.state, ended.steps[-1].state) == (P.STOPPED, S.FAILED)
    assert [(x.type, x.qty) for x in live(bench)] == [("trailing_stop", Decimal(5))]
    alerts = [x.alert for x in bench.desk.events() if x.alert is not None]
    assert "0.5 AAPL have no exit, which cannot be placed" in alerts[0].message
    assert bench.desk.buy("AAPL", qty=1, strategy="s").status == "filled"


def test_the_same_close_at_night_is_the_plan_that_waits():
    """Another quantity is another plan, and a plan that would be stale at the open is replaced."""
    bench = held(stop_price="180")
    bench.pass_(10 * 3600, every=600)
    plan = bench.desk.close_position("AAPL")
    assert bench.desk.close_position("AAPL").plan_id == plan.plan_id
    assert bench.desk.close_position("AAPL", qty=4).plan_id != plan.plan_id
    for x in bench.desk.plans()[1:]:
        bench.desk.reject(x.plan_id, "only all of it")
    bench.desk.unprotect("AAPL")  # the plan was computed with the protection
    again = bench.desk.close_position("AAPL")
    assert bench.desk.plan(plan.plan_id).state is P.STALE
    assert [x.plan_id for x in bench.desk.plans()] == [again.plan_id]
    bench.desk.reject(again.plan_id, "not today")
    last = bench.desk.close_position("AAPL")  # a call of the bot counts, whatever was rejected
    assert (last.state, last.plan_id == again.plan_id) == (P.APPROVED, False)


@pytest.mark.parametrize("change", ["rename", "split"])
def test_a_close_that_waits_for_the_open_does_not_end_in_silence(change):
    bench = held()
    bench.pass_(10 * 3600, every=600)
    plan = bench.desk.close_position("AAPL")
    if change == "rename":
        bench.exchange.rename("AAPL", "NEWX")
    else:
        bench.exchange.split("AAPL", 2)
    bench.pass_(16 * 3600, every=300)
    assert bench.desk.plan(plan.plan_id).state is P.STALE
    alerts = [x.alert for x in bench.desk.events() if x.alert is not None]
    (alert,) = [x for x in alerts if x.kind is m.AlertKind.PLAN_STOPPED]
    assert f"plan {plan.plan_id}" in alert.message
    assert "is stale: the account changed since the plan was made; ask for it" in alert.message


def test_unprotect_leaves_the_exits():
    bench = held(stop_price="180")
    bench.desk.unprotect("AAPL")
    bench.pass_(120)
    assert bench.desk.protections() == []
    assert [x.qty for x in live(bench)] == [10]
    with pytest.raises(fb.InvalidValue):
        bench.desk.unprotect("AAPL")


def test_plans_are_found_by_state_and_by_id():
    bench = held(stop_price="180")
    (plan,) = bench.desk.plans("done")
    assert bench.desk.plan(plan.plan_id) == plan
    assert bench.desk.plans() == []
    with pytest.raises(fb.UnknownPlan):
        bench.desk.plan("exit-9999")
    with pytest.raises(fb.UnknownPlan):
        bench.desk.approve("exit-9999")
    with pytest.raises(fb.PlanEnded):
        bench.desk.reject(plan.plan_id, "too late")
    with pytest.raises(fb.InvalidValue):
        bench.desk.plans("finished")


def test_every_step_of_a_plan_is_an_event():
    bench = held()
    cursor = bench.desk.events()[-1].cursor
    told = []
    bench.desk.on("plan", lambda event: told.append((event.plan.what, event.plan.step)))
    bench.desk.protect("AAPL", stop_price="180")
    assert told == [
        ("approved", None),
        ("running", None),
        ("begun", 0),
        ("done", 0),
        ("done", None),
    ]
    stored = [x for x in bench.desk.events(cursor) if x.plan is not None]
    assert len(stored) == len(told)


def test_reduce_only_orders_are_cut_to_what_can_be_closed():
    bench = held()
    order = bench.desk.sell("AAPL", qty=50, strategy="s", reduce_only=True)
    bench.pass_(20)
    assert bench.truth.positions() == {}
    assert [(x.field, x.sent) for x in order.adjustments] == [("qty", Decimal(10))]
    with pytest.raises(fb.Denied) as denied:
        bench.desk.sell("AAPL", qty=1, reduce_only=True)
    assert denied.value.reason.code == m.ReasonCode.NO_POSITION
    with pytest.raises(fb.InvalidValue, match="reduce-only"):
        bench.desk.sell("AAPL", notional=100, reduce_only=True)


def test_keys_of_plans_are_not_for_bots():
    bench = held()
    with pytest.raises(fb.InvalidValue, match="plan"):
        bench.desk.buy("AAPL", qty=1, key="plan:exit-1/0")


def test_the_asyncio_desk_has_them_too():
    bench = held()
    bench.desk._gateway.lease.release()

    async def act():
        async with fb.open_async(bench.broker, bench.store, clock=bench.clock, wait_s=2) as desk:
            plan = await desk.protect("AAPL", stop_price="180")
            assert (await desk.plan(plan.plan_id)).kind is m.PlanKind.EXIT
            assert len(await desk.protections()) == 1

    asyncio.run(act())
