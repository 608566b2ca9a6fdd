"""
Cancels while the store cannot be written: they are sent all the same, and recorded later.

A create is never sent before it is durable; a cancel can only reduce the exposure, so that the
caller of `cancel` has it sent.  The error says what became of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import lineage
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.book import Book
from fillbook.errors import StoreError, StoreInDoubt, StoreRewound, StoreUnavailable

#: The errors of a store that can still be read.
UNWRITABLE: Final = (StoreUnavailable, StoreInDoubt, StoreRewound)


class UnwrittenCancels:
    """Sends cancels without a record of them, and remembers which to record."""

    def __init__(
        self, gateway: Gateway, agenda: Agenda, tracker: Tracker, book: Book, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._agenda = agenda
        self._clock = clock
        self._tracker = tracker
        self._book = book
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def send(self, names: Iterable[str], error: StoreError) -> StoreError:
        """Cancel every live id of the orders *names*; return the error for the caller."""
        outcomes = [outcome for name in names for outcome in self._send(name)]
        if not outcomes:
            return error
        accepted = sum(isinstance(x, m.Accepted) for x in outcomes)
        failed = next((x.message for x in outcomes if not isinstance(x, m.Accepted)), "")
        return type(error)(
            f"{error}. {_count(len(outcomes), 'cancel')} sent all the same, {accepted} of them "
            f"accepted{f' ({failed})' if failed else ''}; the record follows when the store can be "
            "written"
        )

    def _send(self, name: str) -> list[m.Outcome]:
        record = self._book.record(name)
        living = [e for e in self._tracker.evidence(record) if lineage.is_live(e)]
        with self._lock:
            self._names.add(name)
        self._agenda.put("cancels", self._clock.elapsed())
        broker = self._gateway.broker
        return [
            self._gateway.write("cancel", partial(broker.cancel, e.broker_order_id)) for e in living
        ]

    def take(self, instruct: Callable[[str], object]) -> None:
        """Record the instructions of the cancels that were sent without; what fails is kept."""
        with self._lock:
            names: Sequence[str] = sorted(self._names)
        for name in names:
            instruct(name)
            with self._lock:
                self._names.discard(name)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun} was" if number == 1 else f"{number} {noun}s were"
