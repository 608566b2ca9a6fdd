"""
The decoded records that a process keeps while the journal is its own.

The number of the newest entry, with the word of its transaction, is the state of all records.  So a
record that was read or written at one entry is known for every snapshot from there to the newest
entry of this process; once another process has written, nothing is known any more.  What an index
has is known until a record of its kind is written.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
#: The most values of indexes of one kind whose records are kept.
_INDEXES_MOST: Final = 1 << 10

UNKNOWN: Final = object()

Key = tuple[type[Any], str]
#: An index and its value.
IndexKey = tuple[str, str]


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
        #: By kind: the records of a value of an index, and the entry from which it is so.
        self._found: dict[type[Any], dict[IndexKey, tuple[int, Sequence[Any]]]] = {}

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

    def find(self, of: type[Any], key: IndexKey, number: int) -> Sequence[Any] | None:
        """Return the records of an index, as `get` does; None: they are not kept."""
        since, found = self._found.get(of, {}).get(key, (number + 1, ()))
        return found if since <= number else None

    def add_found(
        self, of: type[Any], key: IndexKey, found: Sequence[Any], position: Position
    ) -> None:
        """Keep the records of an index that were read at *position*."""
        with self._lock:
            if self._newest == position and of in KEPT:
                kept = self._found.setdefault(of, {})
                if len(kept) >= _INDEXES_MOST:
                    kept.clear()
                kept.setdefault(key, (position.number, found))

    def begin(self, position: Position) -> None:
        """Begin a write transaction at *position*, which no other process changes."""
        with self._lock:
            if self._newest != position or len(self._records) > _MOST:
                self._newest, self._records, self._found = position, {}, {}

    def commit(self, changed: dict[Key, Any], position: Position) -> None:
        """Keep what the transaction that began last has changed; *position* is its newest entry."""
        with self._lock:
            for key, record in changed.items():
                if key[0] in KEPT:
                    self._records[key] = position.number, record
                self._found.pop(key[0], None)
            self._newest = position

    def clear(self) -> None:
        """Forget everything: whether a transaction was committed is not known."""
        with self._lock:
            self._newest, self._records, self._found = None, {}, {}
