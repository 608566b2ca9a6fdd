"""
The store protocol: it writes and reads records, and decides nothing.

`fillbook.model.journal.records` defines the records, their keys and their indexes.
The journal is the history; the records are the state that follows from it.  `record`
writes one journal entry and the changed records in one transaction, so that replaying
the journal rebuilds the records.

Suite: `fillbook.testing.StoreSuite`.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol, TypeVar, runtime_checkable

from fillbook import model as m

R = TypeVar("R")

#: No condition on other indexes.
NOWHERE: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


class Urgency(IntEnum):
    """How urgent a write transaction is; the smallest value goes first."""

    EXIT = 0  #: a cancel
    CALL = 1  #: a call of the bot waits for it
    BACKGROUND = 2  #: what a poll, a reconciliation or the stream reported


class _Thread(threading.local):
    urgency: Urgency | None = None


_thread: Final = _Thread()
#: A call that gives way costs as much as the comparison of an order.
_GIVE_WAY_EACH: Final = 16
_calls: Final = itertools.count()


@contextmanager
def urgency(of: Urgency) -> Iterator[None]:
    """Make the write transactions of this thread *of* that urgency; the outermost counts."""
    before = _thread.urgency
    _thread.urgency = of if before is None else before
    try:
        yield
    finally:
        _thread.urgency = before


def current_urgency() -> Urgency:
    """Return the urgency of the write transactions of this thread; CALL if none was set."""
    return Urgency.CALL if _thread.urgency is None else _thread.urgency


def give_way() -> None:
    """
    Let another thread of this process go on.

    A loop over all orders calls it for each: a cancel makes many short calls of the store, and
    would wait up to five milliseconds for the interpreter after each of them.
    """
    if next(_calls) % _GIVE_WAY_EACH == 0:
        time.sleep(0)


class Reader(Protocol):
    """A consistent snapshot of the store, taken when the reader was opened."""

    def get(self, of: type[R], key: str) -> R | None:
        """Return the record of type *of* under *key*; None if there is none."""
        ...

    def find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        """Return the records of type *of* whose *index* has *value*, in order of their keys."""
        ...

    def all(self, of: type[R], after: str = "") -> Sequence[R]:
        """Return the records of type *of* whose key is above *after*, in order of their keys."""
        ...

    def page(
        self,
        of: type[R],
        index: str,
        *,
        where: Mapping[str, Sequence[str]] = NOWHERE,
        after: str = "",
        limit: int,
        newest: bool = False,
    ) -> Sequence[R]:
        """
        Return at most *limit* records of type *of* that have *index*, in order of its values.

        *index* ``"key"`` is the key of the record.  *where* maps other indexes to the values that
        they may have.  *newest*: in descending order.  The records begin beyond the value *after*
        of *index*; ``""``: at the first.
        """
        ...

    def journal(self, after: int = 0) -> Iterator[m.Recorded]:
        """Iterate over the entries whose number is above *after*, in order."""
        ...

    def last(self) -> int:
        """Return the number of the newest entry; 0 for an empty journal."""
        ...

    def cell(self, name: str) -> str | None:
        """
        Return the value of a cell in this snapshot; None if there is no such cell.

        Inside `write` no other thread or process changes the cell until the context ends.
        """
        ...


class Writer(Reader, Protocol):
    """A reader that sees its own writes; they are durable when its context has ended."""

    def record(self, entry: m.Entry, at: m.Timestamp, changes: m.Changes) -> int:
        """
        Write *entry* with the time *at*, and *changes* to the records.

        Return the number of the entry: one above the last.
        """
        ...

    def set_cell(self, name: str, value: str) -> None:
        """Set a cell in this transaction."""
        ...


class Store(Protocol):
    """
    The stored record of one account.

    Every method is safe from any thread.  Raises: StoreTooNew, StoreDamaged,
    StoreUnavailable (nothing was written), Forked.
    """

    def read(self) -> AbstractContextManager[Reader]:
        """Open a consistent snapshot; it blocks no other reader and no writer."""
        ...

    def write(self) -> AbstractContextManager[Writer]:
        """
        Open the write transaction of the account.

        It is exclusive over threads and processes.  Waiters of one urgency get it in order of
        arrival, the more urgent ones of a process (`current_urgency`) before the others.
        An exception that leaves the context rolls it back.  Not reentrant.  Raises: Bug inside
        a write of the same thread.
        """
        ...

    def cell(self, name: str) -> str | None:
        """Return the value of a cell, which has no history (a cursor, a lease); None: no cell."""
        ...

    def swap(self, name: str, old: str | None, new: str | None) -> bool:
        """
        Set a cell to *new* if its value is *old* (compare and swap; None: no cell).

        Return False, without a change, if its value is not *old*.
        """
        ...

    def close(self) -> None:
        """Release every resource; a second call does nothing."""
        ...


@runtime_checkable
class Copied(Protocol):
    """A store that can be copied while it is open."""

    def copy(self) -> Path:
        """Write a complete copy beside the store and return its path. Raises: StoreUnavailable."""
        ...


class StoreFactory(Protocol):
    """The class that an entry point of `fillbook.stores` names."""

    def from_address(self, address: str, env: Mapping[str, str]) -> Store:
        """
        Open the store at *address*; create it if it does not exist.

        Raises: BadAddress, StoreTooNew, StoreDamaged, StoreUnavailable.
        """
        ...
