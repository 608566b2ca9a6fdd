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
    """The broker's request budget: `remaining` of `limit` requests until `resets_at` (UTC)."""

    limit: int
    remaining: int
    resets_at: datetime


class Failure(StrEnum):
    """Why a request has no usable reply."""

    UNREACHABLE = "unreachable"  #: no connection; nothing was sent, which is certain
    NO_ANSWER = "no_answer"  #: a timeout, or the connection was lost after sending
    SERVER_ERROR = "server_error"  #: HTTP 5xx
    UNREADABLE = "unreadable"  #: a reply that does not conform to the protocol
    RATE_LIMITED = "rate_limited"  #: HTTP 429
    FENCED = "fenced"  #: another desk has taken over the store; nothing was sent
    REFUSED = "refused"  #: the credentials or permissions were rejected
    UNSUPPORTED = "unsupported"  #: the adapter does not support this request
    BUG = "bug"  #: an adapter raised an exception


@frozen
class NotObserved:
    """A read without a result; `retry_at` (UTC): when to retry, None: the broker gave no time."""

    why: Failure
    message: str = field(converter=foreign)
    retry_at: datetime | None = None
    rate_limit: RateLimit | None = None


@frozen
class Observed(Generic[T_co]):
    """
    A read with a result.

    `next` is the cursor of the next page; None: this is the last page.  `at` is the broker's
    time of the reply (UTC); None: it does not report one.
    """

    value: T_co
    next: Cursor | None = None
    rate_limit: RateLimit | None = None
    at: datetime | None = None


@frozen
class Absent:
    """The broker's reply that the order or instrument does not exist."""

    message: str = field(default="not found", converter=foreign)
    rate_limit: RateLimit | None = None


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
    """
    The broker accepted the request; `report` is its report on the order, None: it sent none.

    `broker_order_id` is the id in a reply without a report; None: it named none.  It is a hint: the
    order is read until it bears our client order id.
    """

    report: OrderReport | None = None
    rate_limit: RateLimit | None = None
    broker_order_id: str | None = None


@frozen
class Rejected:
    """The broker rejected the request; `message` and `code` are its own text (``""``: none)."""

    kind: RejectKind
    message: str = field(converter=foreign)
    code: str = field(default="", converter=foreign)
    rate_limit: RateLimit | None = None


@frozen
class NotSent:
    """The request certainly did not reach the broker; `retry_at` (UTC): when to retry, if known."""

    why: Failure
    message: str = field(converter=foreign)
    retry_at: datetime | None = None
    rate_limit: RateLimit | None = None


@frozen
class Ambiguous:
    """The request may have reached the broker: its outcome is unknown until it is queried."""

    why: Failure
    message: str = field(converter=foreign)
    rate_limit: RateLimit | None = None


Outcome = Accepted | Rejected | NotSent | Ambiguous
