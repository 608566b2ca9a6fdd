"""
The recorder: writes every journal entry, each in one transaction.

`core.journal.apply` turns an entry into changes of the records; an entry that changes nothing is
not written.  Callbacks run after the commit, in the thread that recorded, so that a position read
in a callback is current.  An exception in a callback is logged.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.journal import apply
from fillbook.core.pairs import PairOf, with_listings
from fillbook.desk.measurements import Measurements
from fillbook.desk.record.already_recorded import Compared, Comparing
from fillbook.errors import StoreError, StoreInDoubt
from fillbook.model.journal.overlay import Overlay
from fillbook.store import Store, Writer, give_way

log: logging.Logger = logging.getLogger("fillbook")

#: The maximum number of entries of one transaction that stand for themselves.
CUT: Final = 16


@frozen
class NewEntry:
    """
    An entry that the record does not have, with the changes that it makes as entry *number*.

    The changes are a function of the records before it: they hold as long as the journal is as it
    was when they were computed.
    """

    entry: m.Entry
    number: int
    at: m.Timestamp
    changes: m.Changes


class Transaction:
    """An exclusive transaction: read, decide, write."""

    def __init__(
        self, writer: Writer, at: m.Timestamp, pair_of: PairOf = lambda symbol: None
    ) -> None:
        self._pair_of = pair_of
        self.reader = writer
        self.at = at
        self.recorded: list[m.Entry] = []
        self.events: list[m.Event] = []

    def record(self, *entries: m.Entry) -> bool:
        """
        Write those of *entries* that change something; return whether any did.

        A pair that they name is written first.
        """
        before = len(self.recorded)
        for entry in with_listings(entries, self.reader, self._pair_of):
            changes = apply.apply(entry, self.reader.last() + 1, self.at, self.reader)
            if changes:
                self._write(entry, self.at, changes)
        return len(self.recorded) > before

    def record_new(self, new: Iterable[NewEntry], *, as_compared: bool) -> bool:
        """
        Write *new*; return whether all of them were written with the changes that they have.

        *as_compared*: those before them were, since they were compared.  If another entry was
        written since then, they are applied again.
        """
        for x in new:
            as_compared = as_compared and self.reader.last() + 1 == x.number
            if as_compared:
                self._write(x.entry, x.at, x.changes)
            else:
                self.record(x.entry)
        return as_compared

    def _write(self, entry: m.Entry, at: m.Timestamp, changes: m.Changes) -> None:
        self.reader.record(entry, at, changes)
        self.recorded.append(entry)
        self.events += [x for x in changes.put if isinstance(x, m.Event)]


class Recorder:
    """
    Writes journal entries, and calls the callbacks of their events.

    *pair_of* returns the pair of a symbol.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        pair_of: PairOf = lambda symbol: None,
        measurements: Measurements | None = None,
    ) -> None:
        self.store = store
        #: What this process has compared with the record already.
        self.compared: Compared = Compared()
        self._measurements = measurements or Measurements(clock)
        self._pair_of = pair_of
        self._clock = clock
        self._alerts: list[Callable[[Transaction], Iterable[m.Alert]]] = []
        self._before_commit: list[Callable[[Writer], None]] = []
        self._callbacks: dict[m.EventKind, list[Callable[[m.Event], None]]] = {}
        self._unwritten: list[m.Entry] = []
        self._unwritten_lock = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open an exclusive transaction; it commits at the end of the block, or rolls back."""
        with self._unwritten_lock:
            unwritten = tuple(self._unwritten)
        transaction = None
        try:
            with self._measurements.timed("store_write"), self.store.write() as writer:
                transaction = Transaction(writer, self.now(), self._pair_of)
                transaction.record(*unwritten)
                yield transaction
                for alerts_of in self._alerts if transaction.recorded else ():
                    transaction.record(*map(m.Alerted, alerts_of(transaction)))
                if transaction.recorded:
                    for call in self._before_commit:
                        call(writer)
                last = writer.last()
        except StoreInDoubt:
            self._keep_unwritten(*_not_sent(() if transaction is None else transaction.recorded))
            raise
        with self._unwritten_lock:
            self._unwritten = [x for x in self._unwritten if all(x is not y for y in unwritten)]
        self.compared.wrote(transaction.recorded, last)
        self._notify(transaction.events)

    def alert_of(self, alerts_of: Callable[[Transaction], Iterable[m.Alert]]) -> None:
        """Record what *alerts_of* returns for each transaction, in the transaction."""
        self._alerts.append(alerts_of)

    def before_commit(self, call: Callable[[Writer], None]) -> None:
        """Call *call* at the end of each transaction that writes entries, in the transaction."""
        self._before_commit.append(call)

    def now(self) -> m.Timestamp:
        """Return the time that an entry written now would have."""
        return m.timestamp(self._clock.now())

    def record(self, *entries: m.Entry) -> int:
        """
        Write *entries*; return how many of them changed something.

        Each stands for itself: many of them are written in several transactions, so that a cancel
        never waits for all of them.
        """
        if not entries and not self.has_unwritten:
            return 0
        recorded = 0
        for first in range(0, max(1, len(entries)), CUT):
            with self.transaction() as transaction:
                transaction.record(*entries[first : first + CUT])
            recorded += len(transaction.recorded)
        return recorded

    def record_news(self, *entries: m.Entry) -> int:
        """
        Write those of *entries* that the record does not have; return how many.

        They are compared outside the write transaction: without news there is none.
        """
        with self.store.read() as reader:
            comparing = self.compared.since(reader)
            new = news(
                Overlay(reader), reader.last() + 1, self.now(), self._pair_of, entries, comparing
            )
        return self.record_new(new)

    def record_new(self, new: Sequence[NewEntry]) -> int:
        """Write what `news` has found, as `record` does; return how many entries were written."""
        if not new and not self.has_unwritten:
            return 0
        recorded, as_compared = 0, True
        for first in range(0, max(1, len(new)), CUT):
            with self.transaction() as transaction:
                some = new[first : first + CUT]
                as_compared = transaction.record_new(some, as_compared=as_compared)
            recorded += len(transaction.recorded)
        return recorded

    def record_reply(self, *entries: m.Entry) -> bool:
        """
        Write the outcome of a request that was sent; return whether it is durable.

        If the store fails, the next transaction writes the entries first.
        """
        try:
            self.record(*entries)
        except StoreError as error:
            log.error("a reply of the broker could not be written; the write is retried: %s", error)
            self._keep_unwritten(*entries)
            return False
        return True

    @contextmanager
    def log_store_errors(self, about: str) -> Iterator[None]:
        """
        Log an error of the store, which ends the block, where a request may have been sent.

        A caller that received it would call again: it says that nothing was written or sent.
        """
        try:
            yield
        except StoreError as error:
            log.error("the status of %s could not be updated: %s", about, error)

    def _keep_unwritten(self, *entries: m.Entry) -> None:
        with self._unwritten_lock:
            self._unwritten += entries

    @property
    def has_unwritten(self) -> bool:
        """Whether a reply is not written yet: the next transaction writes it first."""
        return bool(self._unwritten)

    def on(self, kind: m.EventKind, call: Callable[[m.Event], None]) -> None:
        """Call *call* with every event of *kind* that this desk writes, after the commit."""
        self._callbacks.setdefault(kind, []).append(call)

    def _notify(self, events: Sequence[m.Event]) -> None:
        for event in events:
            for call in self._callbacks.get(event.kind, ()):
                try:
                    call(event)
                except Exception:
                    log.exception("a callback for %s raised", event.kind)


def news(
    records: Overlay,
    number: int,
    at: m.Timestamp,
    pair_of: PairOf,
    entries: Iterable[m.Entry],
    comparing: Comparing,
) -> list[NewEntry]:
    """
    Return those of *entries* that change *records*, with the pairs that they name; apply them.

    The first is numbered *number*.  Evidence only grows: what a record has once, it keeps.
    *comparing* has what is known to be in the record already.
    """
    new: list[NewEntry] = []
    for entry in with_listings(tuple(entries), records, pair_of):
        give_way()
        if comparing.has(entry):
            continue
        changes = apply.apply(entry, number + len(new), at, records)
        if changes:
            records.apply(changes)
            new.append(NewEntry(entry, number + len(new), at, changes))
            comparing.changed(entry)
        else:
            comparing.unchanged(entry)
    comparing.end()
    return new


def _not_sent(entries: Iterable[m.Entry]) -> list[m.Entry]:
    """Build the outcomes of requests whose transaction is in doubt: none of them was sent."""
    why = "it was not sent: the store could not confirm that it was written"
    return [
        m.Answered(
            x.client_order_id,
            x.number,
            m.AnswerKind.NOT_SENT,
            why,
            broker_order_id=x.broker_order_id,
        )
        for x in entries
        if isinstance(x, m.Commanded)
    ]
