"""
The decoded records that a process keeps while the journal is its own.

The number of the newest entry, with the word of its transaction, is the state of all records.  So a
record that was read or written at one entry is known for every snapshot from there to the newest
entry of this process; once another process has written, nothing is known any more.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.model.orders.open_quantity import OpenQuantity

#: The kinds of records that decisions read again and again.
KEPT: Final[frozenset[Any]] = frozenset(
    {
        m.Binding,
        m.Cash,
        m.Chapter,
        m.Evidence,
        m.Instrument,
        m.OrderRecord,
        OpenQuantity,
        m.Pair,
        m.Position,
        m.Reservation,
        m.SymbolName,
    }
)
#: The most records that are kept.
_MOST: Final = 1 << 16

UNKNOWN: Final = object()

Key = tuple[type[Any], str]


@frozen
class Position:
    """The newest entry of a journal and the word of its transaction; None: release 0.1 wrote it."""

    number: int
    tx: str | None


class Known:
    """The records of one store, as of its newest entry; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Position | None = None
        #: Each record (None: there is none), and the entry from which it is so.
        self._records: dict[Key, tuple[int, Any]] = {}

    def is_at(self, position: Position) -> bool:
        """Return whether the records are those of a snapshot at *position*."""
        return self._newest == position

    def get(self, key: Key, number: int) -> Any:
        """Return a record as of entry *number*, where `is_at` was true; UNKNOWN: it is not kept."""
        since, record = self._records.get(key, (number + 1, UNKNOWN))
        return record if since <= number else UNKNOWN

    def add(self, key: Key, record: Any, position: Position) -> None:
        """Keep a record that was read at *position*."""
        with self._lock:
            if self._newest == position and key[0] in KEPT:
                self._records.setdefault(key, (position.number, record))

    def begin(self, position: Position) -> None:
        """Begin a write transaction at *position*, which no other process changes."""
        with self._lock:
            if self._newest != position or len(self._records) > _MOST:
                self._newest, self._records = position, {}

    def commit(self, changed: dict[Key, Any], position: Position) -> None:
        """Keep what the transaction that began last has changed; *position* is its newest entry."""
        with self._lock:
            for key, record in changed.items():
                if key[0] in KEPT:
                    self._records[key] = position.number, record
            self._newest = position

    def clear(self) -> None:
        """Forget everything: whether a transaction was committed is not known."""
        with self._lock:
            self._newest, self._records = None, {}
