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

_WHOLE: Final = Decimal(1)
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
    plan: m.Plan,
    index: int,
    state: m.StepState,
    why: str = "",
    attempts: int | None = None,
    *,
    share: Decimal | None = None,
    missing: Decimal | None = None,
) -> m.Plan:
    """Return *plan* with one step in *state*; a figure that is None stays as before."""
    step = plan.steps[index]
    new = evolve(
        step,
        state=state,
        why=why,
        attempts=step.attempts if attempts is None else attempts,
        share=step.share if share is None else share,
        missing=step.missing if missing is None else missing,
    )
    return evolve(plan, steps=(*plan.steps[:index], new, *plan.steps[index + 1 :]))


@m.exact
def sentence_of_missing(plan: m.Plan) -> str:
    """Return what *plan* was to trade and did not, with the reasons; ``""``: nothing."""
    if not plan.missing:
        return ""
    left = ", ".join(f"{m.plain(qty)} {symbol}" for symbol, qty in plan.missing.items())
    found = [x for x in plan.steps if isinstance(x.action, m.PlaceOrder) and x.action.fills]
    reasons = dict.fromkeys(x.why for x in found if x.missing and x.why)
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return f"less than planned was traded: {left} are left{why}"


def sentence_of_late(plan: m.Plan) -> str:
    """Return why a plan that is past its `valid_until` goes no further."""
    until = f"{plan.valid_until[:10]} {plan.valid_until[11:16]}"
    return (
        f"it was not done by {until} UTC; a desk has to tick every few seconds (`start` does, and "
        "`fillbook watch --tick`). Ask for it again if it is still wanted"
    )


def due_steps(plan: m.Plan) -> tuple[int, ...]:
    """Return the steps to carry out now: of the first stage that is not done, else the guards."""
    if plan.failed:
        return tuple(i for i, x in enumerate(plan.steps) if x.guard and x.state not in _ENDED)
    unfinished = [i for i, x in enumerate(plan.steps) if x.state is not m.StepState.DONE]
    stage = min((plan.steps[i].stage for i in unfinished), default=0)
    return tuple(i for i in unfinished if plan.steps[i].stage == stage)


def is_busy(plan: m.Plan, symbol: str) -> bool:
    """Return whether a plan that runs may still change *symbol*: else its exits may be compared."""
    if symbol not in plan.symbols:
        return False
    left = [x.action for x in plan.steps if x.state not in _ENDED]
    # Of an action without a symbol, each symbol of the plan may be meant.
    named = {x.request.symbol for x in left if isinstance(x, m.PlaceOrder)}
    unnamed = any(not isinstance(x, m.PlaceOrder | m.AwaitFunds) for x in left)
    return unnamed or symbol in named


def is_exposed(plan: m.Plan) -> bool:
    """Return whether a step took cover away, or may have, that no guard has given back yet."""
    taken = any(
        isinstance(x.action, m.CancelOrder)
        and x.state in (m.StepState.BEGUN, m.StepState.DONE, m.StepState.FAILED)
        for x in plan.steps
    )
    return taken and any(x.guard and x.state not in _ENDED for x in plan.steps)


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
    kinds: frozenset[m.RejectKind] = frozenset()  #: why the broker rejected it; none: it did not


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
        kinds = frozenset(x.kind for x in record.requests if x.kind is not None)
        transient = all(kind.retry for kind in kinds)
        return Again(f"{order.status}: {order.reason or 'no reason was given'}", transient, kinds)
    if not action.fills and order.status in WORKING:
        return Done()
    return Wait()


#: A step of a plan that is no guard: its order is placed at most so often.
ORDERS_MAX: Final = 2
#: The same, while the broker may not have freed what the canceled orders reserved (30 s in all).
ORDERS_AFTER_CANCELS_MAX: Final = 8
_RESERVED: Final = frozenset(
    {m.RejectKind.QTY_HELD, m.RejectKind.FUNDS, m.RejectKind.WASH_TRADE, m.RejectKind.NOT_NOW}
)


def orders_max(plan: m.Plan, index: int, kinds: frozenset[m.RejectKind]) -> int:
    """Return how often a step places its order, after it was rejected for *kinds*."""
    stage = plan.steps[index].stage
    canceled = any(isinstance(x.action, m.CancelOrder) for x in plan.steps if x.stage < stage)
    return ORDERS_AFTER_CANCELS_MAX if canceled and kinds and kinds <= _RESERVED else ORDERS_MAX


@m.exact
def remaining(action: m.PlaceOrder, orders: Iterable[m.Order], share: Decimal = _WHOLE) -> Decimal:
    """
    Return what is left to trade of a step, in base units, ≥ 0.

    *orders* are those that were placed for it, and those of `action.after`; all are final.  *share*
    is that of its quantity which the funds suffice for.
    """
    wanted = action.request.qty
    if wanted is None:
        return m.ZERO
    if share < 1 and action.step:
        wanted = m.cut(wanted * share, action.step)
    filled = sum((x.filled_qty for x in orders), m.ZERO) - action.filled_before
    return max(m.ZERO, wanted - filled)


# -- funds --------------------------------------------------------------------------------


def share_of(plan: m.Plan, index: int) -> Decimal:
    """Return the share of the quantity of a step which the funds of earlier stages suffice for."""
    stage = plan.steps[index].stage
    found = [x.share for x in plan.steps if x.stage < stage and x.share is not None]
    return min(found, default=_WHOLE)


@m.exact
def funded(
    action: m.AwaitFunds, funds: m.Funds, cash: Decimal | None, *, is_complete: bool
) -> Decimal | None:
    """
    Return the share of the wanted funds that the account shows, 0 to 1; None: it may show more.

    *funds* are available by the newest read of the account, and *cash* is held by the record (None:
    unknown).  *is_complete*: that read includes every fill before the step.
    """
    shown = funds.buying_power if action.margin else funds.non_marginable
    share = _WHOLE
    if shown < action.reserve:
        share = max(m.ZERO, shown / action.reserve)
    if cash is not None and cash - action.keep < action.amount:
        share = min(share, max(m.ZERO, (cash - action.keep) / action.amount))
    return share if is_complete or share == 1 else None
