"""
The records: what the journal amounts to, one class a kind.

`model.journal.kinds` says how each is found in a store.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.activity import Activity
from fillbook.model.account.drift import Drift
from fillbook.model.account.instrument import Instrument
from fillbook.model.account.position import Cash, Chapter, Movement, Position, Trade
from fillbook.model.account.reservation import Reservation, ReserveRule
from fillbook.model.account.snapshot import AccountId
from fillbook.model.alert import Alert
from fillbook.model.answer import RejectKind
from fillbook.model.capabilities import ReplaceCum
from fillbook.model.journal.entries import AnswerKind, Command
from fillbook.model.number import ZERO
from fillbook.model.orders.enums import OrderStatus
from fillbook.model.orders.evidence import Evidence
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.intent import Intent
from fillbook.model.orders.order import Order, Origin, Terms
from fillbook.model.orders.request import Change
from fillbook.model.timestamp import Timestamp


@frozen(kw_only=True)
class OrderRecord:
    """
    Everything that is kept of one order, and the picture made from it.

    `ids` are the broker ids of its replace chain, sorted by name.
    """

    client_order_id: str
    origin: Origin
    terms: Terms
    created_at: Timestamp
    order: Order
    intent: Intent | None = None  #: None for orders that are not ours
    strategy: str | None = None
    parent: str | None = None
    ids: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()
    verdict: Conclusion | None = None
    seen_at: Timestamp | None = None  #: when evidence last changed, by our clock
    reservation: Reservation | None = None  #: what it can still cost; None: nothing


@frozen
class Request:
    """One request of ours on an order; `answer` is None while we know of none."""

    number: int
    command: Command
    at: Timestamp
    broker_order_id: str | None = None
    answer: AnswerKind | None = None
    message: str = ""
    kind: RejectKind | None = None  #: of a rejection
    change: Change | None = None  #: what a replace asks for, or a cancel prepares
    handed: bool = False  #: the bot made it itself
    settled: str | None = None  #: why a replace needs no asking any more, if nobody has shown it


@frozen
class Conclusion:
    """What we concluded ourselves, as long as no evidence says otherwise."""

    status: OrderStatus  #: DENIED, REJECTED or ABSENT
    why: str
    at: Timestamp
    may_send: bool = False  #: nothing was sent, and the same create may still be


@frozen
class Binding:
    """
    The account that this record is bound to, and what its broker's evidence is measured by.

    `clocked`, `replace_cum` and `reserve_rule` are the capabilities of those names; `base_fee`
    is the share of a bought quantity that a fee may take later.
    """

    account: AccountId
    clocked: bool = True
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    base_fee: Decimal = ZERO
    reserve_rule: ReserveRule = field(factory=ReserveRule)
    rules: int = 1  #: by which the records were made; see `core.journal.apply.RULES`


@frozen
class OpenDrift:
    """A confirmed difference that has not gone away."""

    key: str
    drift: Drift
    since: Timestamp
    notional: Decimal | None = None


class EventKind(StrEnum):
    """What a bot can be told of."""

    SUBMITTED = "submitted"
    FILL = "fill"
    FILL_REVISED = "fill_revised"
    FINAL = "final"
    DRIFT = "drift"
    LOCK = "lock"
    ALERT = "alert"


@frozen(kw_only=True)
class Event:
    """
    One row of the outbox, written in the transaction of what it tells.

    `cursor` orders events for ever; handing it to `events(since=...)` gives what came after.
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


#: What a store keeps, beside the journal; keys and indexes are in `fillbook.model.journal.records`.
Record = (
    Binding
    | Instrument
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
    | Event
)


@frozen
class Changes:
    """What becomes of the records: those that are now so, and keys of those that are gone."""

    put: tuple[Record, ...] = ()
    drop: tuple[tuple[type[Record], str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.drop)
