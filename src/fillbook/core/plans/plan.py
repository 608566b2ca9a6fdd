"""
The life of a plan: its states, and which of its steps is due.

A plan that fails after it took cover away still carries out its guards: the steps that give the
cover back.  Other halves: `model.plan`, and `desk.plans.executor`, which carries plans out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.errors import IllegalTransition

_S = m.PlanState

#: The states that follow each state; all others are final.
TRANSITIONS: Final[Mapping[m.PlanState, frozenset[m.PlanState]]] = {
    _S.PROPOSED: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED, _S.STALE}),
    _S.APPROVED: frozenset({_S.RUNNING, _S.REJECTED, _S.EXPIRED, _S.STALE}),
    _S.RUNNING: frozenset({_S.PAUSED, _S.DONE, _S.STOPPED}),
    _S.PAUSED: frozenset({_S.RUNNING, _S.DONE, _S.STOPPED}),
}

#: The delays between the attempts of a step; later attempts wait as long as the last one.
RETRY_DELAYS: Final = tuple(
    timedelta(milliseconds=x) for x in (250, 500, 1_000, 2_000, 5_000, 10_000)
)
#: A plan that is no guard: this many may stop within `RETRY_PERIOD` for one occasion.
ATTEMPTS_MAX: Final = 2
RETRY_PERIOD: Final = timedelta(hours=1)

_ENDED: Final = frozenset({m.StepState.DONE, m.StepState.FAILED, m.StepState.SKIPPED})


def moved(plan: m.Plan, state: m.PlanState, why: str = "") -> m.Plan:
    """Return *plan* in *state*. Raises: IllegalTransition."""
    if state not in TRANSITIONS.get(plan.state, frozenset()):
        raise IllegalTransition(f"plan {plan.plan_id} is {plan.state}: it cannot be {state}")
    steps = plan.steps
    if state in m.FINAL_STATES:
        steps = tuple(
            x if x.state in _ENDED else evolve(x, state=m.StepState.SKIPPED) for x in steps
        )
    return evolve(plan, state=state, why=why or plan.why, steps=steps)


def with_step(
    plan: m.Plan, index: int, state: m.StepState, why: str = "", attempts: int | None = None
) -> m.Plan:
    """Return *plan* with one step in *state*; *attempts* None: as many as before."""
    step = plan.steps[index]
    made = step.attempts if attempts is None else attempts
    new = evolve(step, state=state, attempts=made, why=why)
    return evolve(plan, steps=(*plan.steps[:index], new, *plan.steps[index + 1 :]))


def due_steps(plan: m.Plan) -> tuple[int, ...]:
    """Return the steps to carry out now: of the first stage that is not done, else the guards."""
    if plan.failed:
        return tuple(
            i for i, x in enumerate(plan.steps) if x.guard and x.state is not m.StepState.DONE
        )
    unfinished = [i for i, x in enumerate(plan.steps) if x.state is not m.StepState.DONE]
    stage = min((plan.steps[i].stage for i in unfinished), default=0)
    return tuple(i for i in unfinished if plan.steps[i].stage == stage)


def is_exposed(plan: m.Plan) -> bool:
    """Return whether a step took cover away, or may have, that no guard has given back yet."""
    taken = any(
        isinstance(x.action, m.CancelOrder)
        and x.state in (m.StepState.BEGUN, m.StepState.DONE, m.StepState.FAILED)
        for x in plan.steps
    )
    return taken and any(x.guard and x.state is not m.StepState.DONE for x in plan.steps)


def retry_delay(attempt: int) -> timedelta:
    """Return the delay after *attempt*, counted from 1."""
    return RETRY_DELAYS[min(attempt, len(RETRY_DELAYS)) - 1]


def exhausted(plans: Iterable[m.Plan], now: m.Timestamp) -> bool:
    """Return whether *plans*, all for one occasion, stopped too often to be planned again now."""
    since = m.moment(now) - RETRY_PERIOD
    stopped = [
        x
        for x in plans
        if x.state is m.PlanState.STOPPED
        and x.moved_at is not None
        and m.moment(x.moved_at) > since
    ]
    return len(stopped) >= ATTEMPTS_MAX


# -- the order of one step ----------------------------------------------------------------


@frozen
class Wait:
    """The step is not done yet: its order is followed."""


@frozen
class Done:
    """The step is done."""


@frozen
class Again:
    """The order ended without what was wanted: another one is placed."""

    why: str
    transient: bool = True  #: the same order may be accepted later


#: The statuses of an order that works, or certainly will, at the broker.
WORKING: Final = frozenset(
    {
        m.OrderStatus.ACCEPTED,
        m.OrderStatus.HELD,
        m.OrderStatus.NEW,
        m.OrderStatus.PARTIALLY_FILLED,
        m.OrderStatus.PENDING_REPLACE,
    }
)


def placed(action: m.PlaceOrder, record: m.OrderRecord) -> Wait | Done | Again:
    """Return whether the order of a step, *record*, does what the step wants."""
    order = record.order
    if order.status is m.OrderStatus.FILLED:
        return Done()
    if order.is_final:
        kinds = {x.kind for x in record.requests if x.kind is not None}
        transient = all(kind.retry for kind in kinds)
        return Again(f"{order.status}: {order.reason or 'no reason was given'}", transient)
    if not action.fills and order.status in WORKING:
        return Done()
    return Wait()


def remaining(action: m.PlaceOrder, orders: Iterable[m.Order]) -> Decimal:
    """
    Return what is left to trade of a step, in base units, ≥ 0.

    *orders* are those that were placed for it, and those of `action.after`; all are final.
    """
    wanted = action.request.qty
    if wanted is None:
        return m.ZERO
    filled = sum((x.filled_qty for x in orders), m.ZERO) - action.filled_before
    return max(m.ZERO, wanted - filled)
