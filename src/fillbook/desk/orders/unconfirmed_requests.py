"""
The open inquiries about unconfirmed requests (promises P2 and P3).

There is one `Inquiry` per unconfirmed create or replace.  It follows the record: a create that any
desk sends, or a reply to it, restarts the count of queries.  `core.orders.unconfirmed` decides the
next step, and the resolver takes it.  Safe from any thread; no lock is held during a request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import instructions, unconfirmed
from fillbook.core.orders.unconfirmed import Inquiry
from fillbook.errors import present


class Inquiries:
    """The inquiries of this process; after a crash they are made from the record."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Inquiry] = {}
        self._lock = threading.Lock()

    def of_order(self, record: m.OrderRecord) -> Inquiry:
        """Return the inquiry about an unconfirmed create, updated from the record."""
        name, now = record.client_order_id, self._clock.elapsed()
        with self._lock:
            known = self._open.get(name)
            inquiry = self._new_inquiry(record, now) if known is None else known
            if inquiry.sends != sends_of(record):
                # A desk has resent it, or a reply arrived: it may have been sent just now.
                inquiry = unconfirmed.with_resend(inquiry, now, sends_of(record))
            if must_not_resend(record):
                inquiry = evolve(inquiry, good_until=min(inquiry.good_until, now))
            self._open[name] = evolve(inquiry, exists=inquiry.exists or exists_at_broker(record))
            return self._open[name]

    def of_replace(self, request: m.Request) -> Inquiry:
        """Return the inquiry about a replace; a replace is never resent."""
        change = present(request.change, f"the change of attempt {request.number}")
        name, now = change.client_order_id, self._clock.elapsed()
        sends = int(request.answer is not None)
        with self._lock:
            known = self._open.get(name)
            if known is None:
                known = Inquiry(client_order_id=name, sent_at=now, good_until=now, sends=sends)
            elif known.sends != sends:
                known = unconfirmed.with_resend(known, now, sends)
            self._open[name] = known
            return known

    def change(self, name: str, change: Callable[[Inquiry], Inquiry]) -> None:
        """Apply *change* to the current inquiry, if it is still open."""
        with self._lock:
            if name in self._open:
                self._open[name] = change(self._open[name])

    def drop(self, *names: str) -> None:
        """Drop the inquiries about *names*."""
        with self._lock:
            for name in names:
                self._open.pop(name, None)

    def _new_inquiry(self, record: m.OrderRecord, now: timedelta) -> Inquiry:
        intent = present(record.intent, f"the intent of {record.client_order_id}")
        age = self._clock.now() - m.moment(intent.at)
        remaining = unconfirmed.good_for(intent.request) - max(age, timedelta())
        return Inquiry(
            client_order_id=record.client_order_id,
            sent_at=now,
            good_until=now + max(remaining, timedelta()),
            sends=sends_of(record),
        )


def sends_of(record: m.OrderRecord) -> int:
    """Return the number of creates sent plus the number of replies to them."""
    sends = [r for r in record.requests if r.command is m.Command.SEND]
    return len(sends) + sum(r.answer is not None for r in sends)


def exists_at_broker(record: m.OrderRecord) -> bool:
    """Whether the broker accepted a create, or rejected one as a duplicate: the order exists."""
    return any(
        r.kind is m.RejectKind.DUPLICATE
        or (r.command is m.Command.SEND and r.answer is m.AnswerKind.ACCEPTED)
        for r in record.requests
    )


def must_not_resend(record: m.OrderRecord) -> bool:
    """Whether a create may not be resent: its cancel is open, or the bot sends it itself."""
    return instructions.open_cancel(record) is not None or any(r.handed for r in record.requests)
