"""
The journal: its entries, one class per kind.

Entries are facts and requests, never conclusions that can be computed again.
`core.journal.apply` computes the records from them; a rebuild replays the journal.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import field, frozen

from fillbook.model.account.activity import Activity
from fillbook.model.account.drift import Drift
from fillbook.model.account.instruction import AccountInstructed, AccountInstructionClosed
from fillbook.model.account.instrument import Instrument
from fillbook.model.account.local_trade import SettledTrade
from fillbook.model.account.pair import Pair
from fillbook.model.account.reservation import ReserveRule
from fillbook.model.account.snapshot import AccountId
from fillbook.model.account.token import TokenCreated, TokenRevoked
from fillbook.model.alert import Alert
from fillbook.model.capabilities import ReplaceCum
from fillbook.model.journal.order_entries import (
    Answered,
    Busted,
    ChangeClosed,
    Commanded,
    ConcludedAbsent,
    DisputeSettled,
    Executed,
    HistoryRead,
    Instructed,
    InstructionClosed,
    Intended,
    IntentDenied,
    NotFoundAfterSeen,
    Reported,
    ResolvedAbsent,
)
from fillbook.model.number import ZERO
from fillbook.model.plan import Plan, PlanState, StepState
from fillbook.model.protection import Cooldown, Protection
from fillbook.model.timestamp import Timestamp


@frozen
class Bound:
    """
    The record is bound to an account from here on.

    `currency` is the account's; the other fields are the broker's `Capabilities` of the same
    names.
    """

    account: AccountId
    """The account."""
    clocked: bool = True
    """That of the broker's `Capabilities`."""
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    """That of the broker's `Capabilities`."""
    base_fee: Decimal = ZERO
    """That of the broker's `Capabilities`."""
    currency: str = ""
    """The currency of the account."""
    reserve_rule: ReserveRule = field(factory=ReserveRule)
    """That of the broker's `Capabilities`."""
    duplicate_check: bool = True
    """That of the broker's `Capabilities`."""


@frozen
class InstrumentListed:
    """The broker's report on an instrument that the record uses."""

    instrument: Instrument
    """The instrument."""


@frozen
class PairListed:
    """The currencies that an instrument trades; written before anything else names its symbol."""

    pair: Pair
    """The currencies."""


@frozen
class ActivityReported:
    """A non-trade row of the account's history."""

    activity: Activity
    """The activity."""


@frozen
class BalanceAdjusted:
    """A balance adjustment: the position of a symbol at a time."""

    symbol: str
    """The symbol."""
    qty: Decimal
    """In signed base units."""
    avg_price: Decimal | None
    """Per unit, in quote currency; None: unknown."""
    at: Timestamp
    """The time (UTC)."""
    reason: str
    """OPENING (the opening balance) or ADOPTED (the broker's figure)."""


@frozen
class CashAdjusted:
    """A balance adjustment of cash."""

    amount: Decimal
    """In `currency`; negative: borrowed on margin."""
    currency: str
    """The currency."""
    at: Timestamp
    """The time (UTC)."""
    reason: str
    """OPENING (the opening balance) or ADOPTED (the broker's figure)."""
    by_ids: bool = False
    """Every activity that the broker listed then is in the record; any other was posted later."""


@frozen
class Assigned:
    """A person gave an order, a fill, units or an opening position to a strategy."""

    strategy: str | None
    """The strategy; None: unattributed."""
    client_order_id: str | None = None
    """The order; None: it was no order."""
    movement: str | None = None
    """The name of one fill of the order, or the key of a movement; None: neither."""
    symbol: str | None = None
    """That of an opening position or of adopted balances; None: it is neither."""


@frozen
class DriftFound:
    """A confirmed difference: its symbol is locked (only reducing orders)."""

    key: str
    """The name of the difference, unique."""
    drift: Drift
    """The difference."""
    notional: Decimal | None
    """In quote currency, ≥ 0; None: no price is known."""


@frozen
class DriftCleared:
    """A difference has ended: its symbol is unlocked."""

    key: str
    """The name of the difference, unique."""


@frozen
class Alerted:
    """An alert was raised."""

    alert: Alert
    """The alert."""


@frozen
class PlanMade:
    """A plan was made: it is proposed or approved."""

    plan: Plan
    """The plan."""


@frozen
class PlanMoved:
    """A plan changed its state."""

    plan_id: str
    """The id of the plan."""
    state: PlanState
    """The new state."""
    why: str = ""
    """The reason, as text."""
    failed: str | None = None
    """Why only its guards are carried out from here on; None: that does not change."""


@frozen
class StepMoved:
    """A step of a plan changed its state."""

    plan_id: str
    """The id of the plan."""
    step: int
    """The number of the step, counted from 0."""
    state: StepState
    """The new state."""
    why: str = ""
    """The reason, as text."""
    attempts: int | None = None
    """The number of orders that were placed for it; None: that does not change."""
    share: Decimal | None = None
    """The share of the wanted funds which it found, 0 to 1; None: that does not change."""
    missing: Decimal | None = None
    """What its order was cut by, in base units, ≥ 0; None: that does not change."""


@frozen
class ProtectionSet:
    """A protection was set or changed, or its cover changed."""

    protection: Protection
    """The protection."""


@frozen
class ProtectionEnded:
    """A protection ended."""

    symbol: str
    """The symbol."""
    strategy: str
    """The strategy; `""`: none."""
    why: str
    """The reason, as text."""
    cooldown: Cooldown | None = None
    """The time in which no order opens it again; None: there is none."""


@frozen
class TradesSettled:
    """Trades of the bot's own record were settled: they do not count again."""

    trades: tuple[SettledTrade, ...]
    """The marks of the trades."""


@frozen
class Rebuilt:
    """The records were rebuilt from the journal."""

    rules: int
    """The number of the rules by which they were."""


Entry = (
    Bound
    | InstrumentListed
    | PairListed
    | Intended
    | Instructed
    | InstructionClosed
    | Commanded
    | Answered
    | IntentDenied
    | ChangeClosed
    | ConcludedAbsent
    | ResolvedAbsent
    | NotFoundAfterSeen
    | Reported
    | Executed
    | Busted
    | HistoryRead
    | DisputeSettled
    | ActivityReported
    | BalanceAdjusted
    | CashAdjusted
    | Assigned
    | DriftFound
    | DriftCleared
    | Alerted
    | PlanMade
    | PlanMoved
    | StepMoved
    | ProtectionSet
    | ProtectionEnded
    | AccountInstructed
    | AccountInstructionClosed
    | TokenCreated
    | TokenRevoked
    | TradesSettled
    | Rebuilt
)


@frozen
class Recorded:
    """An entry in the journal."""

    number: int
    """It counts from 1."""
    at: Timestamp
    """The time, by our clock (UTC)."""
    entry: Entry
    """The entry."""
