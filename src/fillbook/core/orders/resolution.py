"""
An unproven request: ask, wait, send again, conclude (promises P2 and P3).

A create whose answer was lost is there, or is not, or lands late.  Only the broker's
own answers count, never our attempts; so no outage, however long, ends an order.
Lengths are measured by a clock that never jumps, since this process started: what was
sent before that is taken to have been sent at its start.

`next_step` decides, `desk.orders.resolver` carries it out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m


def _seconds(*values: str) -> tuple[timedelta, ...]:
    return tuple(timedelta(milliseconds=int(m.number(value) * 1000)) for value in values)


#: How long after one question the next is asked; then with the background pass.
ASK_AFTER: Final = _seconds("0", "0.25", "0.5", "1", "2", "5", "10")
BACKGROUND: Final = timedelta(seconds=30)

#: A not-found counts only this long after the last one that did.
APART: Final = timedelta(seconds=10)
#: So many that count, over so long, and a create that is still wanted is sent again.
ANSWERS: Final = 3
OVER: Final = timedelta(seconds=30)

#: For how long a lost create is still wanted, unless the request says.
GOOD_FOR: Final = {m.OrderType.MARKET: timedelta(seconds=30)}
GOOD_FOR_ELSE: Final = timedelta(minutes=5)


@frozen(kw_only=True)
class Inquiry:
    """
    What we know of one create without evidence; all moments are of the monotonic clock.

    `sent_at` is when its last byte could have left, `wanted_until` when the bot stops
    wanting it, `answers` when not-founds that count were answered since `sent_at`.
    """

    client_order_id: str
    sent_at: timedelta
    wanted_until: timedelta
    asked: int = 0
    asked_at: timedelta | None = None
    answers: tuple[timedelta, ...] = ()
    sends: int = 0  #: of the record, when the count began; another number begins it anew
    exists: bool = False  #: the broker said "duplicate": it is there, though not shown


@frozen
class Query:
    """Look the order up, once `at` has come."""

    at: timedelta


@frozen
class Resend:
    """Send the same create under the same id: the duplicate check lets one of them live."""


@frozen
class Abandon:
    """The broker never had it: conclude ABSENT, upon so many of its answers."""

    answers: int


Step = Query | Resend | Abandon


def good_for(request: m.OrderRequest) -> timedelta:
    """For how long a create of *request* is wanted after it was lost."""
    if request.good_for_s is not None:
        return timedelta(seconds=request.good_for_s)
    return GOOD_FOR.get(request.type, GOOD_FOR_ELSE)


def next_step(inquiry: Inquiry, now: timedelta, can: m.Capabilities) -> Step:
    """What is to be done about *inquiry* at *now*."""
    if not inquiry.exists and len(inquiry.answers) >= ANSWERS:
        waited = inquiry.answers[-1] - inquiry.sent_at
        if now < inquiry.wanted_until:
            if can.duplicate_check and waited >= OVER:
                return Resend()
        elif waited >= can.late_landing:
            return Abandon(len(inquiry.answers))
    return question(inquiry)


def question(inquiry: Inquiry) -> Query:
    """The next question, also where somebody else has to send or to conclude."""
    if inquiry.asked_at is None:
        return Query(inquiry.sent_at)
    pause = ASK_AFTER[inquiry.asked] if inquiry.asked < len(ASK_AFTER) else BACKGROUND
    return Query(inquiry.asked_at + pause)


def asked(inquiry: Inquiry, at: timedelta) -> Inquiry:
    """*inquiry* once a question was asked, whatever comes back."""
    return evolve(inquiry, asked=inquiry.asked + 1, asked_at=at)


def not_found(inquiry: Inquiry, at: timedelta) -> Inquiry:
    """*inquiry* once the broker itself said that it has no such order."""
    last = inquiry.answers[-1] if inquiry.answers else inquiry.sent_at
    if at - last < APART:
        return inquiry
    return evolve(inquiry, answers=(*inquiry.answers, at))


def sent_again(inquiry: Inquiry, at: timedelta, sends: int) -> Inquiry:
    """*inquiry* once the same create has been sent or answered again: the count begins anew."""
    return evolve(inquiry, sent_at=at, asked=0, asked_at=None, answers=(), sends=sends)
