"""
What a broker answers.

A read is `Observed`, `NotObserved` or, by id, `Absent`; a write is `Accepted`,
`Rejected`, `NotSent` or `Ambiguous`.  *Not observed is not empty*: a read that
failed says nothing about the account.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Generic, NewType, TypeVar

from attrs import frozen

from fillbook.model.orders.report import OrderReport

T_co = TypeVar("T_co", covariant=True)


Cursor = NewType("Cursor", str)  #: an adapter's own word for where the next page begins


@frozen
class RateLimit:
    """What the broker says of our request budget: `remaining` of `limit` until `resets_at`."""

    limit: int
    remaining: int
    resets_at: datetime


class Failure(StrEnum):
    """Why a request has no good answer."""

    UNREACHABLE = "unreachable"  #: no connection; provably nothing was sent
    NO_ANSWER = "no_answer"  #: time-out or a connection lost on the way
    SERVER_ERROR = "server_error"  #: 5xx
    UNREADABLE = "unreadable"  #: a body that is not what the protocol says
    RATE_LIMITED = "rate_limited"
    FENCED = "fenced"  #: another desk on the store has taken over; nothing was sent
    REFUSED = "refused"  #: credentials or permission
    UNSUPPORTED = "unsupported"  #: the adapter cannot ask this
    BUG = "bug"  #: an adapter let an exception escape


@frozen
class NotObserved:
    """A read that says nothing; `retry_at` (UTC) if the broker said when to come back."""

    why: Failure
    message: str
    retry_at: datetime | None = None
    rate_limit: RateLimit | None = None


@frozen
class Observed(Generic[T_co]):
    """
    A read that was answered; `next` is set on pages that have a successor.

    `at` is the broker's own clock as it answered (UTC), where it tells.
    """

    value: T_co
    next: Cursor | None = None
    rate_limit: RateLimit | None = None
    at: datetime | None = None


@frozen
class Absent:
    """The broker's own word that it has no such order."""

    message: str = "not found"
    rate_limit: RateLimit | None = None


Read = Observed[T_co] | NotObserved


class RejectKind(StrEnum):
    """Why a request was refused, as far as a bot may act on it."""

    FUNDS = "funds"
    QTY_HELD = "qty_held"  #: other open orders hold the units
    NO_POSITION = "no_position"
    DUPLICATE = "duplicate"  #: this client order id exists already
    WASH_TRADE = "wash_trade"
    PERMISSION = "permission"
    INSTRUMENT = "instrument"
    PRICE = "price"
    QUANTITY = "quantity"
    UNSUPPORTED = "unsupported"  #: this combination of type, time in force, class
    NOT_FOUND = "not_found"
    TOO_LATE = "too_late"  #: the order has ended already
    NOT_NOW = "not_now"  #: the order is in a state that forbids it for the moment
    INPUT = "input"
    OTHER = "other"

    @property
    def retry(self) -> bool:
        """Whether the same request may be accepted later, without a change of the request."""
        return self in _TRANSIENT


_TRANSIENT = frozenset(
    {RejectKind.FUNDS, RejectKind.QTY_HELD, RejectKind.WASH_TRADE, RejectKind.NOT_NOW}
)


@frozen
class Accepted:
    """The request was taken; `report` is the broker's picture of the order, if it gave one."""

    report: OrderReport | None = None
    rate_limit: RateLimit | None = None


@frozen
class Rejected:
    """The request was definitely refused, in the broker's words."""

    kind: RejectKind
    message: str
    code: str = ""
    rate_limit: RateLimit | None = None


@frozen
class NotSent:
    """The request provably did not reach the broker, and may be made again at `retry_at`."""

    why: Failure
    message: str
    retry_at: datetime | None = None
    rate_limit: RateLimit | None = None


@frozen
class Ambiguous:
    """The request may have reached the broker; only asking tells."""

    why: Failure
    message: str
    rate_limit: RateLimit | None = None


Outcome = Accepted | Rejected | NotSent | Ambiguous
