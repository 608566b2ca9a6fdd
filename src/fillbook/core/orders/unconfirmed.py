"""
The resolution of an unconfirmed create: query, wait, resend, conclude (promises P2 and P3).

A create without a reply may have been accepted, may be lost, or may be accepted later.  Only the
broker's replies count, never our attempts, so an outage of any length ends no order.  Times are
of a monotonic clock and begin with this process: an earlier create counts as sent at its start.

Without a duplicate check (`Capabilities`) a create is never sent again, and it is absent as soon as
the replies suffice, however long the bot wants it.  Without a lookup by client order id a list of
all orders answers instead (`desk.orders.order_scan`).

`next_step` decides, `desk.orders.resolver` carries it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m


def _seconds(*values: str) -> tuple[timedelta, ...]:
    return tuple(timedelta(milliseconds=int(m.number(value) * 1000)) for value in values)


#: The delays between the first queries; later ones follow at `QUERY_INTERVAL`.
QUERY_DELAYS: Final = _seconds("0", "0.25", "0.5", "1", "2", "5", "10")
QUERY_INTERVAL: Final = timedelta(seconds=30)

#: A "not found" reply counts only this long after the last one that counted.
NOT_FOUND_INTERVAL: Final = timedelta(seconds=10)
#: A create is sent again after so many "not found" replies, this long after it was sent.
NOT_FOUND_MIN: Final = 3
RESEND_AFTER: Final = timedelta(seconds=30)

#: For how long a create may be sent again, by order type, unless the request specifies it.
GOOD_FOR: Final = {m.OrderType.MARKET: timedelta(seconds=30)}
GOOD_FOR_DEFAULT: Final = timedelta(minutes=5)


@frozen(kw_only=True)
class Inquiry:
    """
    What is known of one create without evidence; times are of the monotonic clock.

    `sent_at` is the latest time at which it may have left; it may be sent again until `good_until`.
    `not_found_at` are the times of the "not found" replies that count, since `sent_at`.
    """

    client_order_id: str
    sent_at: timedelta
    good_until: timedelta
    queries: int = 0
    queried_at: timedelta | None = None
    not_found_at: tuple[timedelta, ...] = ()
    sends: int = 0  #: creates in the record; another number starts the inquiry anew
    exists: bool = False  #: the broker accepted it, or called it a duplicate


@frozen
class Query:
    """Query the order, at `at` or later."""

    at: timedelta


@frozen
class Resend:
    """Send the same create under the same id; the duplicate check prevents a second order."""


@frozen
class Abandon:
    """Conclude ABSENT: the broker never had the order, by that many "not found" replies."""

    not_found_count: int


Step = Query | Resend | Abandon


def good_for(request: m.OrderRequest) -> timedelta:
    """Return for how long a create of *request* may be sent again."""
    if request.good_for_s is not None:
        return timedelta(seconds=request.good_for_s)
    return GOOD_FOR.get(request.type, GOOD_FOR_DEFAULT)


def next_step(inquiry: Inquiry, now: timedelta, can: m.Capabilities) -> Step:
    """Return the next step of *inquiry* at *now*."""
    if not inquiry.exists and len(inquiry.not_found_at) >= NOT_FOUND_MIN:
        elapsed = inquiry.not_found_at[-1] - inquiry.sent_at
        may_resend = can.duplicate_check and now < inquiry.good_until
        if may_resend and elapsed >= RESEND_AFTER:
            return Resend()
        if not may_resend and elapsed >= can.late_landing:
            return Abandon(len(inquiry.not_found_at))
    return next_query(inquiry)


def next_query(inquiry: Inquiry) -> Query:
    """Return the next query, also where this process may not resend or conclude."""
    if inquiry.queried_at is None:
        return Query(inquiry.sent_at)
    delay = QUERY_DELAYS[inquiry.queries] if inquiry.queries < len(QUERY_DELAYS) else QUERY_INTERVAL
    return Query(inquiry.queried_at + delay)


def with_query(inquiry: Inquiry, at: timedelta) -> Inquiry:
    """Return *inquiry* after one more query, whatever the reply."""
    return evolve(inquiry, queries=inquiry.queries + 1, queried_at=at)


def with_not_found(inquiry: Inquiry, at: timedelta) -> Inquiry:
    """Return *inquiry* after the broker replied that it has no such order."""
    last = inquiry.not_found_at[-1] if inquiry.not_found_at else inquiry.sent_at
    if at - last < NOT_FOUND_INTERVAL:
        return inquiry
    return evolve(inquiry, not_found_at=(*inquiry.not_found_at, at))


def shows_all(listed: Iterable[m.OrderReport], known: Iterable[m.OrderRecord]) -> bool:
    """
    Return whether *listed* has every broker id of *known*, as far as they are orders of ours.

    A list that lacks one of them is incomplete, although it ended properly, and proves no absence.
    """
    ids = {x.broker_order_id for x in listed}
    return all(ids.issuperset(x.ids) for x in known if x.origin is m.Origin.OURS)


def with_resend(inquiry: Inquiry, at: timedelta, sends: int) -> Inquiry:
    """Return *inquiry* after the same create was sent, or replied to, again: it starts anew."""
    return evolve(inquiry, sent_at=at, queries=0, queried_at=None, not_found_at=(), sends=sends)
