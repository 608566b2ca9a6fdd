"""
The last complete snapshot of the account, in a cell that every desk and the next process reads.

How old it is says how much of the record is unconfirmed: a read of the account alone, or of a part
of it, is no snapshot.  `desk.reconcile.reconciler` writes it; `desk.orders.approval` denies new
risk by it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.codec import dump, load_or_none
from fillbook.store import Store, Writer

#: The age of the last complete snapshot, in seconds, from which its time is shown to a person.
OLD_S: Final = 300
_CELL: Final = "complete-snapshot"
_US: Final = timedelta(microseconds=1)


@frozen
class CompleteSnapshot:
    """
    When a snapshot was last complete: by our clock, and in microseconds of *timeline*.

    Before the first one it is the time of the first attempt.  `missed` counts the reconciliations
    since then that had no complete snapshot.
    """

    at: m.Timestamp
    timeline: str
    elapsed: int
    missed: int = 0


class LastComplete:
    """Keeps when a snapshot was last complete."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def complete(self, writer: Writer) -> None:
        """Record, by *writer*, that a complete snapshot is in the record now."""
        writer.set_cell(_CELL, dump(self._now()))

    def miss(self) -> int:
        """Record a reconciliation without a complete snapshot; return how many there were."""
        last = self._load() or self._now()
        missed = evolve(last, missed=last.missed + 1)
        self._store.swap(_CELL, self._store.cell(_CELL), dump(missed))
        return last.missed + 1

    @property
    def at(self) -> m.Timestamp | None:
        """When a snapshot was last complete, by our clock; None: none was tried."""
        last = self._load()
        return None if last is None else last.at

    @property
    def missed(self) -> int:
        """The reconciliations since then that had no complete snapshot."""
        last = self._load()
        return 0 if last is None else last.missed

    @property
    def age(self) -> timedelta | None:
        """The time since the last complete snapshot; None: none was tried."""
        last = self._load()
        if last is None:
            return None
        if last.timeline == self._clock.timeline:
            return self._clock.elapsed() - last.elapsed * _US
        return self._clock.now() - m.moment(last.at)

    def _now(self) -> CompleteSnapshot:
        at, elapsed = m.timestamp(self._clock.now()), self._clock.elapsed()
        return CompleteSnapshot(at, self._clock.timeline, elapsed // _US)

    def _load(self) -> CompleteSnapshot | None:
        return load_or_none(CompleteSnapshot, self._store.cell(_CELL))
