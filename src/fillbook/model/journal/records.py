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
from fillbook.model.journal.entries import AnswerKind, Command
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
from fillbook.model.protection import Protection
from fillbook.model.timestamp import Timestamp


@frozen(kw_only=True)
class OrderRecord:
    """
    The complete record of one order, and the `Order` computed from it.

    `ids` are the broker ids of its replace chain, sorted by name.  `created_at` is by our
    clock for orders of ours, else the broker's (UTC).  `strategy` None: unattributed.
    `parent` is the client order id of the order whose leg it is; None: it is no leg.
    `verdict` is our own conclusion about it; None: there is none.
    """

    client_order_id: str
    origin: Origin
    terms: Terms
    created_at: Timestamp
    order: Order
    intent: Intent | None = None  #: None: the order is not ours
    strategy: str | None = None
    parent: str | None = None
    ids: tuple[str, ...] = ()
    instructions: tuple[Instruction, ...] = ()  #: cancels and changes, in order
    requests: tuple[Request, ...] = ()  #: every request sent, in order
    verdict: Conclusion | None = None
    seen_at: Timestamp | None = None  #: when the order last changed, by our clock (UTC)
    reservation: Reservation | None = None  #: None: it reserves nothing
    #: The fills that a person assigned, by name, with their strategies (None: unattributed).
    assigned: tuple[tuple[str, str | None], ...] = ()


@frozen
class Request:
    """One request of ours on an order; `answer` None: no reply, outcome unknown."""

    number: int
    command: Command
    at: Timestamp
    broker_order_id: str | None = None
    answer: AnswerKind | None = None
    message: str = ""
    kind: RejectKind | None = None  #: of a rejection; None: it was not rejected
    change: Change | None = None  #: requested by a replace, or by a cancel of release 0.1
    handed: bool = False  #: the bot sent it itself
    instruction: int | None = None  #: the number of the instruction that it attempts
    hint: str | None = None  #: the broker id that the reply to a create named, without a report
    entry: int = 0  #: the number of the journal entry that wrote it


@frozen
class Conclusion:
    """Our own conclusion about an order; evidence of the broker supersedes it."""

    status: OrderStatus  #: DENIED, REJECTED or ABSENT
    why: str
    at: Timestamp
    may_send: bool = False  #: nothing was sent, and the same create may still be sent
    resolved: bool = False  #: by a person; it stands until the broker reports the order again


@frozen
class Binding:
    """
    The account to which the record is bound, and the rules by which its evidence is read.

    `clocked`, `replace_cum`, `base_fee` and `reserve_rule` are the broker's `Capabilities` of
    the same names.
    """

    account: AccountId
    clocked: bool = True
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    base_fee: Decimal = ZERO
    reserve_rule: ReserveRule = field(factory=ReserveRule)
    rules: int = 1  #: the number of the rules that made the records; see `core.journal.apply.RULES`
    currency: str = ""  #: of the account; ``""``: not known yet


@frozen
class OpenDrift:
    """A confirmed, open difference; `notional` ≥ 0 in quote currency, None: no price is known."""

    key: str
    drift: Drift
    since: Timestamp
    notional: Decimal | None = None


class EventKind(StrEnum):
    """The kind of an event."""

    SUBMITTED = "submitted"
    FILL = "fill"
    FILL_REVISED = "fill_revised"
    FINAL = "final"
    DRIFT = "drift"
    LOCK = "lock"
    ALERT = "alert"
    PLAN = "plan"
    COVER = "cover"


@frozen
class PlanNews:
    """
    What happened to a plan.

    `what` is its new state, or the new state of `step` (counted from 0; None: the whole plan).
    """

    plan_id: str
    what: str
    step: int | None = None
    why: str = ""


@frozen(kw_only=True)
class Event:
    """
    One row of the outbox, written in the same transaction as the change that it reports.

    `cursor` orders all events; `events(since=cursor)` returns the later ones.  `at` is by our
    clock (UTC).  None: not part of an event of this kind.  `locked`: the symbol is locked (only
    reducing orders), or unlocked.  `protection`: its cover changed, or it ended.
    """

    cursor: str
    kind: EventKind
    at: Timestamp
    symbol: str | None = None
    order: Order | None = None
    fill: Movement | None = None
    drift: Drift | None = None
    alert: Alert | None = None
    locked: bool | None = None
    plan: PlanNews | None = None
    protection: Protection | None = None


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
