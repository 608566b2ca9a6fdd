"""
Plans: what the library does to an account by itself, as stored values.

A plan is stored before its first request.  `core.plans.plan` has the transitions of its states and
decides the next step, `desk.plans.executor` carries it out.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import frozen

from fillbook.model.account.rebalance import LeftAlone, RebalanceCost
from fillbook.model.invalid import InvalidValue
from fillbook.model.number import ZERO
from fillbook.model.orders.instruction import Authority
from fillbook.model.orders.request import OrderRequest
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp

#: The start of the keys of the orders that plans place; a plan id and a step follow.
PLAN_KEY: Final = "plan:"


class PlanKind(StrEnum):
    """What a plan is for."""

    REPAIR = "repair"  #: it corrects the account or the record
    EXIT = "exit"  #: it makes the exits of a protected position right
    CLOSE = "close"  #: it closes a position
    REBALANCE = "rebalance"  #: it trades to target weights
    CATCH_UP = "catch_up"  #: it sends the trades that the bot wrote and never sent


class PlanState(StrEnum):
    """The state of a plan."""

    PROPOSED = "proposed"  #: it waits for an approval
    APPROVED = "approved"  #: it is carried out as soon as it can begin
    RUNNING = "running"  #: its steps are carried out
    PAUSED = "paused"  #: by a halt, or while the account cannot be traded
    DONE = "done"  #: every step is done
    STOPPED = "stopped"  #: a step failed; it is planned anew
    REJECTED = "rejected"  #: by a person
    EXPIRED = "expired"  #: it was not begun until `valid_until`
    STALE = "stale"  #: the account is not the one it was computed from


def plan_state(value: object) -> PlanState | None:
    """Convert a word to the state of a plan; None stays None. Raises: InvalidValue."""
    if value is not None and (not isinstance(value, str) or value not in list(PlanState)):
        raise InvalidValue(f"state must be one of {', '.join(PlanState)}; not {value!r}")
    return None if value is None else PlanState(value)


#: The states that end a plan.
FINAL_STATES: Final = frozenset(
    {
        PlanState.DONE,
        PlanState.STOPPED,
        PlanState.REJECTED,
        PlanState.EXPIRED,
        PlanState.STALE,
    }
)


@frozen
class CancelOrder:
    """Cancel an order; done when it is final."""

    client_order_id: str


@frozen
class PlaceOrder:
    """
    Place an order; its quantity is what is left of `request.qty`.

    `fills`: done when the wanted quantity is filled; otherwise as soon as the order works at the
    broker.  `within_s` is how many seconds it may work; then it is canceled, and the step fails;
    None: any time.  `after` are client ids of orders: what they filled beyond `filled_before`, in
    base units, is not traded again.  `leg` names the order among those of its occasion, from which
    its client id is derived; ``""``: the number of its step does.  `step` is the increment to which
    a quantity is rounded that the funds do not suffice for, in base units; 0: it is not cut.
    """

    request: OrderRequest
    fills: bool = False
    within_s: int | None = None
    after: tuple[str, ...] = ()
    filled_before: Decimal = ZERO
    leg: str = ""
    step: Decimal = ZERO


@frozen(kw_only=True)
class AwaitFunds:
    """
    Wait until the account shows the funds for the buys of later stages, in `currency`.

    Done when a read of the account shows them, or includes every fill before; then the buys are cut
    to the share that it shows.  `amount` is what they cost at the prices of the plan, `reserve`
    what the broker reserves for them, both ≥ 0.  `keep` is the cash that stays; negative: so much
    may be borrowed.  `margin`: the funds are `buying_power`; else `non_marginable`.  `currency`
    None: that of the account.
    """

    amount: Decimal
    reserve: Decimal
    keep: Decimal = ZERO
    margin: bool = True
    currency: str | None = None


@frozen
class AdoptBalance:
    """Set the position of a symbol (None: the cash) to the broker's figure, in the record only."""

    symbol: str | None
    ours: Decimal
    theirs: Decimal
    currency: str | None = None


@frozen
class EndOrder:
    """End an order in the record that the broker does not have."""

    client_order_id: str


@frozen
class HaltTrading:
    """Set the kill switch."""

    why: str


Action = CancelOrder | PlaceOrder | AwaitFunds | AdoptBalance | EndOrder | HaltTrading


class StepState(StrEnum):
    """The state of a step."""

    WAITING = "waiting"
    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"  #: the plan stopped before it


@frozen(kw_only=True)
class PlanStep:
    """
    One step of a plan.

    The steps of a `stage` run together; a stage begins when every earlier one is done.  `guard`:
    it gives back the cover that an earlier step takes away, so it is carried out also if another
    step fails, and until it is done or nothing is left to protect.  `attempts` counts the orders
    that were placed for it.  `share` is that of the wanted funds which an `AwaitFunds` found, 0 to
    1; None: it is not done, or the step is another.
    """

    action: Action
    stage: int = 0
    guard: bool = False
    state: StepState = StepState.WAITING
    attempts: int = 0
    why: str = ""
    share: Decimal | None = None


@frozen
class PositionChange:
    """A position before and after a plan, in signed base units; `strategy` None: the account's."""

    symbol: str
    before: Decimal
    after: Decimal
    strategy: str | None = None


@frozen(kw_only=True)
class PlanImpact:
    """
    What a plan would do to the account.

    `orders` counts the orders that it places, `cancels` those that it cancels.  `notional` ≥ 0 is
    what it trades at once in quote currency; None: a price is unknown.

    Of a rebalance, `cost` is what it takes, `full_cost` what selling everything and buying the
    targets takes (None: it is no rebalance), and `left_alone` what it does not trade, with the
    reasons.  `leftover` is what remains of its budget, and `tracking_error` the distance to the
    targets that remains, as a share of the base (see `Rebalance`).
    """

    orders: int = 0
    cancels: int = 0
    notional: Decimal | None = ZERO
    positions: tuple[PositionChange, ...] = ()
    cost: RebalanceCost | None = None
    full_cost: RebalanceCost | None = None
    left_alone: tuple[LeftAlone, ...] = ()
    leftover: Decimal = ZERO
    tracking_error: Decimal = ZERO


@frozen(kw_only=True)
class Plan:
    """
    A plan, with the state of each step.

    `occasion` identifies what the plan is for, so that a lost record makes no second order: the
    client ids of its orders are derived from it.  `fingerprint` is of the quantities, orders and
    policies that it was computed from.  It begins between `begins_at` (None: at once) and
    `valid_until` (UTC).  `authority` STANDING: the bot asked for it, REPAIR: fillbook found it.
    `generation` counts the plans for the same occasion.  `why` is what it is for, and once it ended
    the reason.  `failed` is why only its guards are still carried out; ``""``: nothing failed.
    """

    _repr_html_ = html_of

    plan_id: str
    kind: PlanKind
    occasion: str
    symbols: tuple[str, ...]
    steps: tuple[PlanStep, ...]
    fingerprint: str
    authority: Authority
    created_at: Timestamp
    valid_until: Timestamp
    state: PlanState = PlanState.PROPOSED
    generation: int = 1
    strategy: str | None = None
    begins_at: Timestamp | None = None
    impact: PlanImpact = PlanImpact()
    moved_at: Timestamp | None = None  #: when its state last changed (UTC)
    why: str = ""
    failed: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the plan has ended."""
        return self.state in FINAL_STATES
