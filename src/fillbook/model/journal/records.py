"""
The records: the state computed from the journal, one class per kind.

`model.journal.kinds` defines how each is found in a store.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.activity import Activity
from fillbook.model.account.drift import Drift
from fillbook.model.account.instruction import AccountInstruction
from fillbook.model.account.instrument import Instrument, SymbolName
from fillbook.model.account.local_trade import SettledTrade
from fillbook.model.account.pair import Pair
from fillbook.model.account.position import Cash, Chapter, Movement, Position, Trade
from fillbook.model.account.reservation import Reservation, ReserveRule
from fillbook.model.account.snapshot import AccountId
from fillbook.model.account.token import Token
from fillbook.model.alert import Alert
from fillbook.model.answer import RejectKind
from fillbook.model.capabilities import ReplaceCum
from fillbook.model.journal.order_entries import AnswerKind, Command
from fillbook.model.number import ZERO
from fillbook.model.orders.enums import OrderStatus
from fillbook.model.orders.evidence import Evidence
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.instruction import Instruction
from fillbook.model.orders.intent import Intent
from fillbook.model.orders.open_quantity import OpenQuantity
from fillbook.model.orders.order import Order, Origin, Terms
from fillbook.model.orders.request import Change
from fillbook.model.plan import Plan
from fillbook.model.protection import Cooldown, Protection
from fillbook.model.timestamp import Timestamp


@frozen(kw_only=True)
class OrderRecord:
    """The complete record of one order, and the `Order` computed from it."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    origin: Origin
    """Where the order comes from."""
    terms: Terms
    """Its terms."""
    created_at: Timestamp
    """By our clock for orders of ours, else the broker's (UTC)."""
    order: Order
    """The order computed from it."""
    intent: Intent | None = None
    """The intent; None: the order is not ours."""
    strategy: str | None = None
    """The strategy; None: unattributed."""
    parent: str | None = None
    """The client order id of the order whose leg it is; None: it is no leg."""
    ids: tuple[str, ...] = ()
    """The broker ids of its replace chain, sorted by name."""
    instructions: tuple[Instruction, ...] = ()
    """Cancels and changes, in order."""
    requests: tuple[Request, ...] = ()
    """Every request sent, in order."""
    verdict: Conclusion | None = None
    """Our own conclusion about it; None: there is none."""
    seen_at: Timestamp | None = None
    """When the order last changed, by our clock (UTC); None: not since it was made."""
    reservation: Reservation | None = None
    """What it reserves; None: nothing."""
    assigned: tuple[tuple[str, str | None], ...] = ()
    """Fills that were given to a strategy, each with that strategy (None: unattributed)."""


@frozen
class Request:
    """One request of ours on an order."""

    number: int
    """It counts from 1."""
    command: Command
    """Create, cancel or replace."""
    at: Timestamp
    """When it was sent, by our clock (UTC)."""
    broker_order_id: str | None = None
    """The id that it cancels or replaces; None: a create."""
    answer: AnswerKind | None = None
    """The outcome; None: no reply, it is unknown."""
    message: str = ""
    """The broker's own text."""
    kind: RejectKind | None = None
    """The kind of a rejection; None: it was not rejected."""
    change: Change | None = None
    """Requested by a replace, or by a cancel of release 0.1; None: neither."""
    handed: bool = False
    """The bot sent it itself."""
    instruction: int | None = None
    """The number of the instruction that it attempts; None: a create."""
    hint: str | None = None
    """The broker's id in the reply to a create without a report; None: it had none."""
    entry: int = 0
    """The number of the journal entry that wrote it."""


@frozen
class Conclusion:
    """Our own conclusion about an order; evidence of the broker supersedes it."""

    status: OrderStatus
    """DENIED, REJECTED or ABSENT."""
    why: str
    """The reason, as text."""
    at: Timestamp
    """When it was concluded, by our clock (UTC)."""
    may_send: bool = False
    """Nothing was sent, and the same create may still be sent."""
    resolved: bool = False
    """By a person; it stands until the broker reports the order again."""


@frozen
class Binding:
    """
    The account to which the record is bound, and the rules by which its evidence is read.

    `clocked`, `replace_cum`, `base_fee`, `reserve_rule` and `duplicate_check` are the broker's
    `Capabilities` of the same names.
    """

    account: AccountId
    clocked: bool = True
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    base_fee: Decimal = ZERO
    reserve_rule: ReserveRule = field(factory=ReserveRule)
    rules: int = 1  #: the number of the rules that made the records; see `core.journal.apply.RULES`
    currency: str = ""  #: of the account; ``""``: not known yet
    duplicate_check: bool = True


@frozen
class OpenDrift:
    """A confirmed, open difference."""

    key: str
    """The name of the difference, unique."""
    drift: Drift
    """The difference."""
    since: Timestamp
    """When it was confirmed (UTC)."""
    notional: Decimal | None = None
    """In quote currency, ≥ 0; None: no price is known."""


class EventKind(StrEnum):
    """The kind of an event."""

    SUBMITTED = "submitted"
    """An order was sent, or may have been."""
    FILL = "fill"
    """A fill."""
    FILL_REVISED = "fill_revised"
    """A fill was busted or corrected."""
    FINAL = "final"
    """An order is final."""
    DRIFT = "drift"
    """A confirmed difference."""
    LOCK = "lock"
    """A symbol is locked or unlocked."""
    ALERT = "alert"
    """An alert."""
    PLAN = "plan"
    """A plan was made, or changed its state."""
    COVER = "cover"
    """The cover of a protection changed."""


@frozen
class PlanNews:
    """What happened to a plan."""

    plan_id: str
    """The id of the plan."""
    what: str
    """The new state of the plan, or of its step."""
    step: int | None = None
    """The number of the step, counted from 0; None: the whole plan."""
    why: str = ""
    """The reason, as text."""


@frozen(kw_only=True)
class Event:
    """One row of the outbox, written in the same transaction as the change that it reports."""

    cursor: str
    """It orders all events; `events(since=cursor)` returns the later ones."""
    kind: EventKind
    """The kind of the event."""
    at: Timestamp
    """The time, by our clock (UTC)."""
    symbol: str | None = None
    """The symbol; None: the event is not about one."""
    order: Order | None = None
    """The order; None: the event is not about one."""
    fill: Movement | None = None
    """The fill; None: the event is not about one."""
    drift: Drift | None = None
    """The difference; None: the event is not about one."""
    alert: Alert | None = None
    """The alert; None: the event is none."""
    locked: bool | None = None
    """The symbol is locked (only reducing orders), or unlocked; None: neither."""
    plan: PlanNews | None = None
    """What happened to a plan; None: the event is not about one."""
    protection: Protection | None = None
    """Its cover changed, or it ended; None: the event is not about one."""


#: What a store holds besides the journal; keys and indexes are in `model.journal.kinds`.
Record = (
    Binding
    | Instrument
    | SymbolName
    | Pair
    | OrderRecord
    | Evidence
    | Execution
    | TradeBust
    | Movement
    | Position
    | Chapter
    | Trade
    | Cash
    | Activity
    | OpenDrift
    | Reservation
    | Plan
    | Protection
    | Cooldown
    | SettledTrade
    | OpenQuantity
    | Event
    | AccountInstruction
    | Token
)


@frozen
class Changes:
    """Changes of the records: the new or changed records, and the keys of the removed ones."""

    put: tuple[Record, ...] = ()
    drop: tuple[tuple[type[Record], str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.drop)
