"""
The results of a broker's requests.

A read is `Observed`, `NotObserved` or, by id, `Absent`; a write is `Accepted`, `Rejected`,
`NotSent` or `Ambiguous`.  *Not observed is not empty*: a failed read is no evidence about the
account.  A message is the broker's own text, as `words.foreign` keeps it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Generic, NewType, TypeVar

from attrs import field, frozen

from fillbook.model.orders.report import OrderReport
from fillbook.model.text.foreign import foreign

T_co = TypeVar("T_co", covariant=True)


Cursor = NewType("Cursor", str)  #: an adapter's token for the next page


@frozen
class RateLimit:
    """The broker's request budget."""

    limit: int
    """The requests of a period."""
    remaining: int
    """The requests that are left in it."""
    resets_at: datetime
    """When the period ends (UTC)."""


class Failure(StrEnum):
    """Why a request has no usable reply."""

    UNREACHABLE = "unreachable"
    """No connection; nothing was sent, which is certain."""
    NO_ANSWER = "no_answer"
    """A timeout, or the connection was lost after sending."""
    SERVER_ERROR = "server_error"
    """HTTP 5xx."""
    UNREADABLE = "unreadable"
    """A reply that does not conform to the protocol."""
    RATE_LIMITED = "rate_limited"
    """HTTP 429."""
    FENCED = "fenced"
    """Another desk has taken over the store; nothing was sent."""
    REFUSED = "refused"
    """The credentials or permissions were rejected."""
    UNSUPPORTED = "unsupported"
    """The adapter does not support this request."""
    BUG = "bug"
    """An adapter raised an exception."""


@frozen
class NotObserved:
    """A read without a result."""

    why: Failure
    """Why there is none."""
    message: str = field(converter=foreign)
    """The broker's own text, or what failed."""
    retry_at: datetime | None = None
    """When to retry (UTC); None: the broker gave no time."""
    rate_limit: RateLimit | None = None
    """The request budget in the reply; None: the broker reports none."""


@frozen
class Observed(Generic[T_co]):
    """A read with a result."""

    value: T_co
    """The result."""
    next: Cursor | None = None
    """The cursor of the next page; None: this is the last page."""
    rate_limit: RateLimit | None = None
    """The request budget in the reply; None: the broker reports none."""
    at: datetime | None = None
    """The broker's time of the reply (UTC); None: it does not report one."""


@frozen
class Absent:
    """The broker's reply that the order or instrument does not exist."""

    message: str = field(default="not found", converter=foreign)
    """The broker's own text."""
    rate_limit: RateLimit | None = None
    """The request budget in the reply; None: the broker reports none."""
    similar: tuple[str, ...] = ()
    """Of an instrument: listed symbols that are spelt like it, the most similar first."""


Read = Observed[T_co] | NotObserved


class RejectKind(StrEnum):
    """Why a broker rejected a request, in the categories that a bot can act on."""

    FUNDS = "funds"
    """Not enough buying power."""
    QTY_HELD = "qty_held"
    """Other open orders hold the quantity."""
    NO_POSITION = "no_position"
    """There is no position to close."""
    DUPLICATE = "duplicate"
    """The client order id exists already."""
    WASH_TRADE = "wash_trade"
    """It could trade with an order of the same account."""
    PERMISSION = "permission"
    """The account may not send it."""
    INSTRUMENT = "instrument"
    """Unknown, or not tradable."""
    PRICE = "price"
    """Off the tick, or out of range."""
    QUANTITY = "quantity"
    """Off the increment, or out of range."""
    UNSUPPORTED = "unsupported"
    """The combination of type, time in force and class."""
    NOT_FOUND = "not_found"
    """The order does not exist at the broker."""
    TOO_LATE = "too_late"
    """The order is final."""
    NOT_NOW = "not_now"
    """The current status of the order does not allow it."""
    INPUT = "input"
    """The request is malformed."""
    OTHER = "other"
    """None of these."""

    @property
    def retry(self) -> bool:
        """Whether the same request may be accepted later, unchanged."""
        return self in _TRANSIENT


_TRANSIENT = frozenset(
    {RejectKind.FUNDS, RejectKind.QTY_HELD, RejectKind.WASH_TRADE, RejectKind.NOT_NOW}
)


@frozen
class Accepted:
    """The broker accepted the request."""

    report: OrderReport | None = None
    """Its report on the order; None: it sent none."""
    rate_limit: RateLimit | None = None
    """The request budget in the reply; None: the broker reports none."""
    broker_order_id: str | None = None
    """The id in a reply without a report, as a hint: the order is read; None: it named none."""


@frozen
class Rejected:
    """The broker rejected the request."""

    kind: RejectKind
    """Why, in the categories that a bot can act on."""
    message: str = field(converter=foreign)
    """The broker's own text."""
    code: str = field(default="", converter=foreign)
    """The broker's own code; `""`: none."""
    rate_limit: RateLimit | None = None
    """The request budget in the reply; None: the broker reports none."""


@frozen
class NotSent:
    """The request certainly did not reach the broker."""

    why: Failure
    """Why it was not sent."""
    message: str = field(converter=foreign)
    """The broker's own text, or what failed."""
    retry_at: datetime | None = None
    """When to retry (UTC); None: not known."""
    rate_limit: RateLimit | None = None
    """The request budget in the reply; None: the broker reports none."""


@frozen
class Ambiguous:
    """The request may have reached the broker: its outcome is unknown until it is queried."""

    why: Failure
    """Why the outcome is unknown."""
    message: str = field(converter=foreign)
    """The broker's own text, or what failed."""
    rate_limit: RateLimit | None = None
    """The request budget in the reply; None: the broker reports none."""


Outcome = Accepted | Rejected | NotSent | Ambiguous
