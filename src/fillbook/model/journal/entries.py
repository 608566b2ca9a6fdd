"""
The journal: what happened to the record, one class a kind of entry.

Entries are facts and requests, never conclusions that could be drawn again;
`core.journal.apply` says what becomes of the records.  Replaying it is the rebuild.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.activity import Activity
from fillbook.model.account.drift import Drift
from fillbook.model.account.instrument import Instrument
from fillbook.model.account.reservation import ReserveRule
from fillbook.model.account.snapshot import AccountId
from fillbook.model.alert import Alert
from fillbook.model.answer import RejectKind
from fillbook.model.capabilities import ReplaceCum
from fillbook.model.number import ZERO
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.intent import Intent
from fillbook.model.orders.report import OrderReport, ReportSource
from fillbook.model.orders.request import Change
from fillbook.model.timestamp import Timestamp


@frozen
class Bound:
    """From here on this is the record of that account, at a broker of these manners."""

    account: AccountId
    clocked: bool = True
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    base_fee: Decimal = ZERO
    currency: str = "USD"
    reserve_rule: ReserveRule = field(factory=ReserveRule)


@frozen
class InstrumentListed:
    """What the broker says of an instrument that the record deals in."""

    instrument: Instrument


@frozen
class Intended:
    """We want this order; written before anything is sent."""

    intent: Intent


class AnswerKind(StrEnum):
    """What came back from a request that may change something."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    AMBIGUOUS = "ambiguous"


class Command(StrEnum):
    """What we may ask for."""

    DENY = "deny"  #: decide not to send
    SEND = "send"  #: create it, or send the same create again
    CANCEL = "cancel"
    REPLACE = "replace"
    ABANDON = "give_up"  #: conclude that the broker never had it


@frozen
class Commanded:
    """
    A request on an order is about to leave; `number` counts the requests on that order.

    `change` is what a replace asks for; on a cancel it is the plan of which that cancel is
    the first half: what is then left is ordered anew, under the change's client id.
    """

    client_order_id: str
    command: Command
    number: int
    broker_order_id: str | None = None
    change: Change | None = None
    handed: bool = False  #: the bot makes this request itself; nobody makes it again


@frozen
class Answered:
    """What request *number* on an order came to, in the broker's words."""

    client_order_id: str
    number: int
    answer: AnswerKind
    message: str = ""
    kind: RejectKind | None = None


@frozen
class IntentDenied:
    """We decided not to send an order; `code` is the word of the reason."""

    client_order_id: str
    reason: str
    code: str = ""


@frozen
class ChangeClosed:
    """It is known what became of the replace that request *number* asked for: nothing, or why."""

    client_order_id: str
    number: int
    why: str


@frozen
class ConcludedAbsent:
    """The broker has answered often and late enough that it does not have the order."""

    client_order_id: str
    answers: int  #: of the broker, not attempts of ours


@frozen
class NotFoundAfterSeen:
    """The broker denies an order that it has shown before."""

    client_order_id: str
    broker_order_id: str


@frozen
class Reported:
    """
    A broker's report on one of its orders.

    `look` is the number of the read that brought it, for brokers without a clock.
    """

    report: OrderReport
    source: ReportSource
    look: int = 0


@frozen
class Executed:
    """A fill, from the history or the stream."""

    execution: Execution


@frozen
class Busted:
    """A fill that the broker took back."""

    void: TradeBust


@frozen
class HistoryRead:
    """The whole fill history of one broker id was read."""

    broker_order_id: str


@frozen
class ActivityReported:
    """A row of the account's history that is no trade."""

    activity: Activity


@frozen
class BalanceAdjusted:
    """At that time the account held that much of a symbol; *reason* is OPENING or ADOPTED."""

    symbol: str
    qty: Decimal
    avg_price: Decimal | None
    at: Timestamp
    reason: str


@frozen
class CashAdjusted:
    """At that time the account held that much cash."""

    amount: Decimal
    currency: str
    at: Timestamp
    reason: str


@frozen
class DriftFound:
    """A confirmed difference; its symbol is locked for new risk."""

    key: str
    drift: Drift
    notional: Decimal | None


@frozen
class DriftCleared:
    """A difference that is gone; its symbol is unlocked."""

    key: str


@frozen
class Alerted:
    """Something that a person should know."""

    alert: Alert


@frozen
class Rebuilt:
    """From here on the records are what *rules* of this number make of the journal."""

    rules: int


Entry = (
    Bound
    | InstrumentListed
    | Intended
    | Commanded
    | Answered
    | IntentDenied
    | ChangeClosed
    | ConcludedAbsent
    | NotFoundAfterSeen
    | Reported
    | Executed
    | Busted
    | HistoryRead
    | ActivityReported
    | BalanceAdjusted
    | CashAdjusted
    | DriftFound
    | DriftCleared
    | Alerted
    | Rebuilt
)


@frozen
class Recorded:
    """An entry in its place: `number` counts from 1, `at` is our clock's."""

    number: int
    at: Timestamp
    entry: Entry
