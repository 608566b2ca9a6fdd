"""
The inquirer: what is being asked about unproven orders (promises P2 and P3).

It keeps an `Inquiry` for each, in step with the record: a create that anybody sends, or
an answer to one, begins the count anew.  What is to be done is `core.orders.resolution`'s, and
the resolver does it.  Safe from any thread; no lock is held over a request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import instructions, resolution
from fillbook.core.orders.resolution import Inquiry


class Inquiries:
    """Remembers the inquiries of this process; after a crash they are made from the record."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, Inquiry] = {}
        self._lock = threading.Lock()

    def about(self, record: m.OrderRecord) -> Inquiry:
        """The inquiry about an unproven order, in step with what the record says of it."""
        name, now = record.client_order_id, self._clock.elapsed()
        with self._lock:
            known = self._open.get(name)
            inquiry = self._begun(record, now) if known is None else known
            if inquiry.sends != sends_of(record):
                # Somebody sent it again, or an answer came in: its bytes may just have left.
                inquiry = resolution.sent_again(inquiry, now, sends_of(record))
            if is_unwanted(record):
                inquiry = evolve(inquiry, wanted_until=min(inquiry.wanted_until, now))
            self._open[name] = evolve(inquiry, exists=inquiry.exists or is_there(record))
            return self._open[name]

    def about_replace(self, request: m.Request) -> Inquiry:
        """The inquiry about a replace: nobody sends it again, so it is unwanted from the start."""
        assert request.change is not None  # every attempt at a replace bears it
        name, now = request.change.client_order_id, self._clock.elapsed()
        sends = int(request.answer is not None)
        with self._lock:
            known = self._open.get(name)
            if known is None:
                known = Inquiry(client_order_id=name, sent_at=now, wanted_until=now, sends=sends)
            elif known.sends != sends:
                known = resolution.sent_again(known, now, sends)
            self._open[name] = known
            return known

    def change(self, name: str, change: Callable[[Inquiry], Inquiry]) -> None:
        """Change an inquiry as it is now, which may not be as it was when one asked."""
        with self._lock:
            if name in self._open:
                self._open[name] = change(self._open[name])

    def drop(self, *names: str) -> None:
        """There is nothing to ask any more."""
        with self._lock:
            for name in names:
                self._open.pop(name, None)

    def _begun(self, record: m.OrderRecord, now: timedelta) -> Inquiry:
        assert record.intent is not None  # only our own orders are unproven
        age = self._clock.now() - m.moment(record.intent.at)
        left = resolution.good_for(record.intent.request) - max(age, timedelta())
        return Inquiry(
            client_order_id=record.client_order_id,
            sent_at=now,
            wanted_until=now + max(left, timedelta()),
            sends=sends_of(record),
        )


def sends_of(record: m.OrderRecord) -> int:
    """How many creates were sent and answered, as one number that grows with either."""
    sends = [r for r in record.requests if r.command is m.Command.SEND]
    return len(sends) + sum(r.answer is not None for r in sends)


def is_there(record: m.OrderRecord) -> bool:
    """Whether the broker has called it a duplicate: it is there, though nobody has shown it."""
    return any(r.kind is m.RejectKind.DUPLICATE for r in record.requests)


def is_unwanted(record: m.OrderRecord) -> bool:
    """Whether nobody is to send it again: the bot wants its end, or sends it by itself."""
    return instructions.open_end(record) is not None or any(r.handed for r in record.requests)
