"""
The recorder: every entry enters here, and each in one transaction.

What an entry amounts to is `core.journal.apply`'s; one that changes nothing is not kept.
Callbacks run after the commit, in the thread that recorded, so that a position read
inside is current; one that raises is logged and loses nobody anything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.journal import apply
from fillbook.errors import StoreError
from fillbook.store import Store, Writer

log = logging.getLogger("fillbook")


class Transaction:
    """One exclusive turn at the record: read, decide, write."""

    def __init__(self, writer: Writer, at: m.Timestamp) -> None:
        self.read = writer
        self.at = at
        self.taken: list[m.Entry] = []
        self.events: list[m.Event] = []

    def take(self, *entries: m.Entry) -> bool:
        """Write down those of *entries* that change something; whether any did."""
        before = len(self.taken)
        for entry in entries:
            changes = apply.apply(entry, self.read.last() + 1, self.at, self.read)
            if changes:
                self.read.record(entry, self.at, changes)
                self.taken.append(entry)
                self.events += [x for x in changes.put if isinstance(x, m.Event)]
        return len(self.taken) > before


class Recorder:
    """Writes entries down, and tells those who asked to be told."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._told: dict[m.EventKind, list[Callable[[m.Event], None]]] = {}
        self._owed: list[m.Entry] = []
        self._owed_lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[Transaction]:
        """An exclusive transaction; durable once the block has ended, undone if it raises."""
        with self._owed_lock:
            owed = tuple(self._owed)
        with self.store.write() as writer:
            transaction = Transaction(writer, self.now())
            transaction.take(*owed)
            yield transaction
        with self._owed_lock:
            self._owed = [x for x in self._owed if all(x is not y for y in owed)]
        self._tell(transaction.events)

    def now(self) -> m.Timestamp:
        """The moment that an entry would bear."""
        return m.timestamp(self._clock.now())

    def record(self, *entries: m.Entry) -> int:
        """Write *entries* down in one transaction; how many of them changed something."""
        if not entries:
            return 0
        with self.turn() as turn:
            turn.take(*entries)
        return len(turn.taken)

    def record_answer(self, *entries: m.Entry) -> bool:
        """
        Write down what a request that left has come to; whether that is durable now.

        Where the store fails the entries are owed: the next transaction writes them first.
        """
        try:
            self.record(*entries)
        except StoreError as error:
            log.error("an answer of the broker could not be written yet: %s", error)
            with self._owed_lock:
                self._owed += entries
            return False
        return True

    @property
    def owes(self) -> bool:
        """Whether an answer waits to be written; new risk is denied meanwhile."""
        return bool(self._owed)

    def on(self, kind: m.EventKind, call: Callable[[m.Event], None]) -> None:
        """Have *call* made with every event of *kind* that this desk writes, after its commit."""
        self._told.setdefault(kind, []).append(call)

    def _tell(self, events: Sequence[m.Event]) -> None:
        for event in events:
            for call in self._told.get(event.kind, ()):
                try:
                    call(event)
                except Exception:
                    log.exception("a callback for %s raised", event.kind)
