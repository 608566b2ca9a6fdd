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

from fillbook.errors import InvalidValue
from fillbook.model.account.rebalance import LeftAlone, RebalanceCost
from fillbook.model.number import ZERO
from fillbook.model.orders.instruction import Authority
from fillbook.model.orders.request import OrderRequest
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp

#: The start of the keys of the orders that plans place; a plan id and a step follow.
PLAN_KEY: Final = "plan:"


class PlanKind(StrEnum):
    """What a plan is for."""

    REPAIR = "repair"
    """It corrects the account or the record."""
    EXIT = "exit"
    """It makes the exits of a protected position right."""
    CLOSE = "close"
    """It closes a position."""
    REBALANCE = "rebalance"
    """It trades to target weights."""
    CATCH_UP = "catch_up"
    """It sends the trades that the bot wrote and never sent."""


class PlanState(StrEnum):
    """The state of a plan."""

    PROPOSED = "proposed"
    """It waits for an approval."""
    APPROVED = "approved"
    """It is carried out as soon as it can begin."""
    RUNNING = "running"
    """Its steps are carried out."""
    PAUSED = "paused"
    """By a halt, or while the account cannot be traded."""
    DONE = "done"
    """Every step is done."""
    STOPPED = "stopped"
    """A step failed; it is planned anew."""
    REJECTED = "rejected"
    """By a person."""
    EXPIRED = "expired"
    """It was not begun until `valid_until`."""
    STALE = "stale"
    """The account is not the one it was computed from."""


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
    """The client order id of the order (FIX ClOrdID, 11)."""


@frozen
class PlaceOrder:
    """Place an order; its quantity is what is left of `request.qty`."""

    request: OrderRequest
    """The order."""
    fills: bool = False
    """Done when the wanted quantity is filled; False: as soon as it works at the broker."""
    within_s: int | None = None
    """Seconds that it may work, then it is canceled and the step fails; None: any time."""
    after: tuple[str, ...] = ()
    """Client order ids; what they filled beyond `filled_before` is not traded again."""
    filled_before: Decimal = ZERO
    """In base units, ≥ 0."""
    leg: str = ""
    """It names the order among those of its occasion; `""`: the number of its step does."""
    step: Decimal = ZERO
    """
    The increment to which a quantity is cut for which the funds do not suffice; 0: it is not cut.
    """
    as_stop: bool = False
    """It closes a position in place of a stop, so that a cooldown begins."""


@frozen(kw_only=True)
class ReplaceOrder:
    """
    Change the price of an order; done when the broker shows it, or refused it.

    Later steps do what a refusal leaves: the same exits are canceled, and placed anew or traded.
    """

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    stop_price: Decimal | None = None
    """The new stop price, per unit; None: it stays."""
    limit_price: Decimal | None = None
    """The new limit price, per unit; None: it stays, or `collar` gives it."""
    collar: Decimal | None = None
    """The new limit price is so far beyond the market, as a percentage; None: it is not."""
    beyond: Decimal | None = None
    """With `collar`: the price of the other exit of an OCO, which the limit may not pass."""
    within_s: int | None = None
    """
    Done when it is filled, or after so many seconds; None: as soon as it has the price.
    """


@frozen(kw_only=True)
class AwaitFunds:
    """
    Wait until the account shows the funds for the buys of later stages.

    Done when a read of the account shows them, or includes every fill before; then the buys are cut
    to the share that it shows.
    """

    amount: Decimal
    """What the buys cost at the prices of the plan, ≥ 0."""
    reserve: Decimal
    """What the broker reserves for them, ≥ 0."""
    keep: Decimal = ZERO
    """The cash that stays; negative: so much may be borrowed."""
    margin: bool = True
    """The funds are `buying_power`; False: `non_marginable`."""
    currency: str | None = None
    """The currency; None: that of the account."""


@frozen
class AdoptBalance:
    """Set the position of a symbol to the broker's figure, in the record only."""

    symbol: str | None
    """The symbol; None: the cash."""
    ours: Decimal
    """What our record has."""
    theirs: Decimal
    """What the broker reports."""
    currency: str | None = None
    """The currency; None: that of the account."""


@frozen
class EndOrder:
    """End an order in the record that the broker does not have."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""


@frozen
class HaltTrading:
    """Set the kill switch."""

    why: str
    """The reason, as text."""


Action = (
    CancelOrder | PlaceOrder | ReplaceOrder | AwaitFunds | AdoptBalance | EndOrder | HaltTrading
)


class StepState(StrEnum):
    """The state of a step."""

    WAITING = "waiting"
    """It has not begun."""
    BEGUN = "begun"
    """It is carried out."""
    DONE = "done"
    """It is done."""
    FAILED = "failed"
    """It failed."""
    SKIPPED = "skipped"
    """The plan stopped before it."""


@frozen(kw_only=True)
class PlanStep:
    """
    One step of a plan.

    The steps of a `stage` run together; a stage begins when every earlier one is done.
    """

    action: Action
    """What it does."""
    stage: int = 0
    """The stage, counted from 0."""
    guard: bool = False
    """
    It gives back the cover that an earlier step takes away: it is carried out if another fails too.
    """
    state: StepState = StepState.WAITING
    """The state of the step."""
    attempts: int = 0
    """The number of orders that were placed for it."""
    why: str = ""
    """Why it failed or waits; `""`: nothing is to be added."""
    share: Decimal | None = None
    """
    The share of the wanted funds which an `AwaitFunds` found, 0 to 1; None: not done, or another
    step.
    """
    missing: Decimal = ZERO
    """What its order was cut by to what can be closed, in base units, ≥ 0."""


@frozen
class PositionChange:
    """A position before and after a plan, in signed base units."""

    symbol: str
    """The symbol."""
    before: Decimal
    """The quantity before."""
    after: Decimal
    """The quantity after."""
    strategy: str | None = None
    """The strategy; None: the position of the account."""


@frozen(kw_only=True)
class PlanImpact:
    """What a plan would do to the account."""

    orders: int = 0
    """The number of orders that it places."""
    cancels: int = 0
    """The number of orders that it cancels."""
    replaces: int = 0
    """The number of changes of prices that it requests."""
    notional: Decimal | None = ZERO
    """
    What it trades at once, in `currency`, ≥ 0; None: a price is unknown, or it has no one currency.
    """
    positions: tuple[PositionChange, ...] = ()
    """The positions that change."""
    cost: RebalanceCost | None = None
    """What a rebalance takes; None: it is no rebalance."""
    full_cost: RebalanceCost | None = None
    """What selling everything and buying the targets takes; None: it is no rebalance."""
    left_alone: tuple[LeftAlone, ...] = ()
    """What a rebalance does not trade, with the reasons."""
    leftover: Decimal = ZERO
    """What remains of the budget of a rebalance."""
    tracking_error: Decimal = ZERO
    """The distance to the targets that remains, as a share of the base (see `Rebalance`)."""
    currency: str | None = None
    """The currency of its amounts; None: that of the account."""


@frozen(kw_only=True)
class Plan:
    """A plan, with the state of each step."""

    _repr_html_ = html_of

    plan_id: str
    """Its id."""
    kind: PlanKind
    """What it is for."""
    occasion: str
    """
    What it is for, so that a lost record makes no second order: its client order ids derive from
    it.
    """
    symbols: tuple[str, ...]
    """The symbols that it trades."""
    steps: tuple[PlanStep, ...]
    """The steps, in order."""
    fingerprint: str
    """Of the quantities, orders and policies that it was computed from."""
    authority: Authority
    """STANDING: the bot asked for it; REPAIR: fillbook found it."""
    created_at: Timestamp
    """When it was made (UTC)."""
    valid_until: Timestamp
    """It begins until then (UTC)."""
    state: PlanState = PlanState.PROPOSED
    """The state of the plan."""
    generation: int = 1
    """It counts the plans for the same occasion, from 1."""
    strategy: str | None = None
    """Whose part it trades; None: what belongs to no strategy, or the account."""
    begins_at: Timestamp | None = None
    """It begins from then on (UTC); None: at once."""
    impact: PlanImpact = PlanImpact()
    """What it would do to the account."""
    moved_at: Timestamp | None = None
    """When its state last changed (UTC); None: it has not."""
    why: str = ""
    """What it is for, and once it ended the reason."""
    failed: str = ""
    """Why only its guards are still carried out; `""`: nothing failed."""

    @property
    def is_final(self) -> bool:
        """Whether the plan has ended."""
        return self.state in FINAL_STATES

    @property
    def is_fulfilled(self) -> bool:
        """Whether the plan is done, and has traded what it was to trade."""
        return self.state is PlanState.DONE and not self.missing

    @property
    def missing(self) -> dict[str, Decimal]:
        """What it was to trade and did not, by symbol, in base units, > 0; {}: nothing, so far."""
        found: dict[str, Decimal] = {}
        for step in self.steps:
            action = step.action
            if isinstance(action, PlaceOrder) and action.fills and step.missing:
                symbol = action.request.symbol
                found[symbol] = found.get(symbol, ZERO) + step.missing
        return found

    def step_key(self, index: int) -> str:
        """Return the key of the orders that are placed for one step, counted from 0."""
        return f"{PLAN_KEY}{self.plan_id}/{index}"
