"""The life of a plan: its states, the steps that are due, and what an order of a step proves."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans import plan as life
from fillbook.core.plans.close import close_steps
from fillbook.core.plans.exits.cover import exit_groups
from fillbook.errors import IllegalTransition
from tests.core.plans.situations import order
from tests.core.records import AT, Records, request

S, P = m.StepState, m.PlanState
D = Decimal
SALE = request(side="sell", qty=10, reduce_only=True)


def plan(*steps, state="running", **fields):
    return m.Plan(
        plan_id="exit-1",
        kind=m.PlanKind.EXIT,
        occasion="exit/AAPL/s/1/o",
        symbols=("AAPL",),
        steps=steps,
        fingerprint="f",
        authority=m.Authority.STANDING,
        created_at=AT,
        valid_until=AT,
        state=P(state),
        **fields,
    )


def cancel(stage=0, **kw):
    return m.PlanStep(action=m.CancelOrder("x"), stage=stage, **kw)


def place(stage=0, **kw):
    return m.PlanStep(action=m.PlaceOrder(SALE), stage=stage, **kw)


@pytest.mark.parametrize("before", list(P))
@pytest.mark.parametrize("after", list(P))
def test_the_transitions_are_a_table(before, after):
    moves = plan(place(), state=before)
    if after in life.TRANSITIONS.get(before, ()):
        assert life.moved(moves, after, "why").state is after
    else:
        with pytest.raises(IllegalTransition):
            life.moved(moves, after)


def test_final_states_have_no_way_out():
    assert set(P) == {*life.TRANSITIONS, *m.FINAL_STATES}
    assert all(plan(state=x).is_final for x in m.FINAL_STATES)


def test_what_was_not_done_is_skipped():
    ended = life.moved(plan(place(state=S.DONE), place(1)), P.STOPPED)
    assert [x.state for x in ended.steps] == [S.DONE, S.SKIPPED]


def test_a_stage_waits_for_the_earlier_ones():
    steps = [cancel(), cancel(), place(1), place(2)]
    assert life.due_steps(plan(*steps)) == (0, 1)
    steps[0] = cancel(state=S.DONE)
    assert life.due_steps(plan(*steps)) == (1,)
    steps[1] = cancel(state=S.DONE)
    assert life.due_steps(plan(*steps)) == (2,)
    assert life.due_steps(plan()) == ()


def test_after_a_failure_only_guards_are_due():
    steps = (cancel(state=S.DONE), place(1), place(2, guard=True))
    assert life.due_steps(plan(*steps, failed="why")) == (2,)
    done = (*steps[:2], place(2, guard=True, state=S.DONE))
    assert life.due_steps(plan(*done, failed="why")) == ()


def test_exposed_is_what_took_cover_away():
    guard = place(1, guard=True)
    assert not life.is_exposed(plan(cancel(), guard))
    assert life.is_exposed(plan(cancel(state=S.BEGUN), guard))
    assert not life.is_exposed(plan(cancel(state=S.DONE), place(1)))
    assert not life.is_exposed(plan(cancel(state=S.DONE), evolve(guard, state=S.DONE)))


def test_attempts_wait_longer():
    delays = [life.retry_delay(x).total_seconds() for x in range(1, 9)]
    assert delays == [0.25, 0.5, 1, 2, 5, 10, 10, 10]


def test_two_plans_that_stop_within_an_hour_are_enough():
    stopped = plan(state="stopped", moved_at=AT)
    old = plan(state="stopped", moved_at=m.timestamp("2026-03-02T13:00:00Z"))
    done = plan(state="done", moved_at=AT)
    undated = plan(state="stopped")
    assert life.exhausted([stopped, stopped], AT)
    assert not life.exhausted([stopped, old, done, undated], AT)


def record(status, *kinds, **kw):
    rejected = tuple(m.Request(i, m.Command.SEND, AT, kind=x) for i, x in enumerate(kinds))
    known = (
        order(status=status, **kw)
        if status != "rejected"
        else evolve(order(), status=m.OrderStatus.REJECTED, is_final=True)
    )
    return m.OrderRecord(
        client_order_id="x",
        origin=m.Origin.OURS,
        terms=known.terms,
        created_at=AT,
        order=known,
        requests=rejected,
    )


@pytest.mark.parametrize(
    ("status", "fills", "found"),
    [
        ("new", False, life.Done()),
        ("held", False, life.Done()),
        ("new", True, life.Wait()),
        ("pending_new", False, life.Wait()),
        ("unproven", False, life.Wait()),
        ("filled", True, life.Done()),
    ],
)
def test_what_an_order_proves(status, fills, found):
    assert life.placed(m.PlaceOrder(SALE, fills=fills), record(status)) == found


def test_an_order_that_ended_is_placed_again():
    again = life.placed(m.PlaceOrder(SALE), record("canceled"))
    assert isinstance(again, life.Again)
    assert again.transient
    held = life.placed(m.PlaceOrder(SALE), record("rejected", m.RejectKind.QTY_HELD))
    assert held.transient
    never = life.placed(m.PlaceOrder(SALE), record("rejected", m.RejectKind.PERMISSION))
    assert not never.transient


@pytest.mark.parametrize(
    ("steps", "kinds", "most"),
    [
        ((cancel(), place(1)), {m.RejectKind.QTY_HELD}, life.ORDERS_AFTER_CANCELS_MAX),
        ((cancel(), place(1)), {m.RejectKind.QTY_HELD, m.RejectKind.PRICE}, life.ORDERS_MAX),
        ((cancel(), place(1)), set(), life.ORDERS_MAX),
        ((place(), place(1)), {m.RejectKind.QTY_HELD}, life.ORDERS_MAX),
    ],
)
def test_what_canceled_orders_reserved_is_waited_for(steps, kinds, most):
    assert life.orders_max(plan(*steps), 1, frozenset(kinds)) == most


def test_what_was_filled_is_not_traded_again():
    action = m.PlaceOrder(SALE, filled_before=D(1))
    assert life.remaining(action, [order(filled=4)]) == 7
    assert life.remaining(action, [order(filled=40, qty=50)]) == 0
    by_notional = request(side="sell", qty=None, notional=100)
    assert life.remaining(m.PlaceOrder(by_notional), []) == 0


def test_what_a_plan_did_not_trade_is_said_with_its_reason():
    sale = m.PlanStep(action=m.PlaceOrder(SALE, fills=True), missing=D(3), why="7 of 10: cut")
    unsaid = evolve(sale, missing=D(1), why="")
    assert life.sentence_of_missing(plan(place(missing=D(3)))) == ""  # an exit, no trade
    found = life.sentence_of_missing(plan(cancel(), sale, unsaid))
    assert found == "less than planned was traded: 4 AAPL are left (7 of 10: cut)"
    assert life.sentence_of_missing(plan(unsaid)).endswith(": 1 AAPL are left")
    assert not plan(unsaid, state="done").is_fulfilled
    assert plan(place(), state="done").is_fulfilled


# -- closing ---------------------------------------------------------------------------


def closed(qty, held, *orders, again=()):
    groups = exit_groups(m.OrderSide.SELL, orders)
    free = D(held) - sum(x.leaves for x in groups)
    sale = request(side="sell", qty=qty, reduce_only=True)
    order = m.PlaceOrder(sale, fills=True)
    steps = close_steps(
        order, D(held), max(D(0), free), groups, dict(again), is_taken=lambda _: True
    )
    return [
        (x.stage, x.action.client_order_id)
        if isinstance(x.action, m.CancelOrder)
        else (x.stage, x.action.request.qty, x.guard)
        for x in steps
    ]


def stop(name, qty):
    return order(name, qty=qty, stop_price=90)


def test_what_no_exit_holds_is_closed_at_once():
    assert closed(4, 10, stop("a", 6)) == [(1, 4, False)]


def test_exits_that_hold_the_units_go_first():
    assert closed(10, 10, stop("a", 6), stop("b", 4)) == [(0, "a"), (0, "b"), (1, 10, False)]
    assert closed(5, 10, stop("a", 6), stop("b", 4)) == [(0, "a"), (1, 5, False)]


def test_the_rest_is_protected_again_as_before():
    again = {"a": request(side="sell", qty=10, stop_price=90)}
    assert closed(4, 10, stop("a", 10), again=again.items()) == [
        (0, "a"),
        (1, 4, False),
        (2, 6, True),
    ]
    assert closed(10, 10, stop("a", 10), again=again.items()) == [(0, "a"), (1, 10, False)]


# -- the journal -----------------------------------------------------------------------


def news(records):
    return [(x.plan.what, x.plan.step) for x in records.all(m.Event) if x.plan is not None]


def test_plans_in_the_record():
    records = Records()
    made = plan(cancel(), place(1), state="proposed")
    assert records.take(m.PlanMade(made))
    assert not records.take(m.PlanMade(evolve(made, why="another")))
    assert records.find(m.Plan, "open", "yes") == [made]
    records.take(m.PlanMoved("exit-1", P.APPROVED))
    records.take(m.PlanMoved("exit-1", P.RUNNING))
    records.take(m.StepMoved("exit-1", 0, S.BEGUN, attempts=1))
    records.take(m.StepMoved("exit-1", 0, S.FAILED, "why"))
    records.take(m.PlanMoved("exit-1", P.RUNNING, failed="step 1: why"))
    records.take(m.PlanMoved("exit-1", P.STOPPED, "step 1: why"))
    (now,) = records.all(m.Plan)
    assert (now.state, now.why, now.failed) == (P.STOPPED, "step 1: why", "step 1: why")
    assert (now.steps[0].state, now.steps[0].attempts) == (S.FAILED, 1)
    assert now.moved_at == AT
    assert records.find(m.Plan, "open", "yes") == []
    assert records.find(m.Plan, "occasion", made.occasion) == [now]
    assert news(records) == [
        ("proposed", None),
        ("approved", None),
        ("running", None),
        ("begun", 0),
        ("failed", 0),
        ("failed", None),
        ("stopped", None),
    ]


def test_an_approved_repair_is_wanted_by_a_person():
    records = Records()
    repair = evolve(plan(state="proposed"), authority=m.Authority.REPAIR, symbols=("A", "B"))
    records.take(m.PlanMade(repair))
    records.take(m.PlanMoved("exit-1", P.APPROVED))
    (now,) = records.all(m.Plan)
    assert now.authority is m.Authority.STANDING
    assert [x.symbol for x in records.all(m.Event)] == [None, None]


def test_protections_in_the_record():
    records = Records()
    policy = m.ExitPolicy(stop_price=90)
    kept = m.Protection(symbol="AAPL", strategy="s", policy=policy)
    assert records.take(m.ProtectionSet(kept))
    assert not records.take(m.ProtectionSet(kept))
    assert records.take(m.ProtectionSet(evolve(kept, why="another")))
    covered = evolve(kept, cover=m.CoverState.COVERED)
    records.take(m.ProtectionSet(covered))
    assert covered.is_covered
    assert not kept.is_covered
    assert not records.take(m.ProtectionEnded("MSFT", "s", "why"))
    assert records.take(m.ProtectionEnded("AAPL", "s", "it is flat"))
    assert records.all(m.Protection) == []
    told = [x.protection.cover for x in records.all(m.Event) if x.protection is not None]
    assert told == [m.CoverState.UNKNOWN, m.CoverState.COVERED, m.CoverState.COVERED]


def test_a_plan_that_is_late_says_until_when_it_was_valid():
    late = evolve(plan(), valid_until=m.timestamp("2026-03-02T15:10:30Z"))
    assert life.sentence_of_late(late).startswith("it was not done by 2026-03-02 15:10 UTC; a desk")
