"""
What a store is: it keeps and finds, decides nothing, and knows no record.

Which records there are, their keys and their indexes stand in `fillbook.model.journal.records`.
The journal is the history, and the records are what it amounts to: `record`
writes one entry and what becomes of the records in one transaction, so that
replaying the journal is the rebuild.

Suite: `fillbook.testing.StoreSuite`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from fillbook import model as m

R = TypeVar("R")


class Reader(Protocol):
    """One consistent picture of the store, as of when it was opened."""

    def get(self, of: type[R], key: str) -> R | None:
        """The record of that type and key."""
        ...

    def find(self, of: type[R], index: str, word: str) -> Sequence[R]:
        """The records whose *index* says *word*, in order of their keys."""
        ...

    def all(self, of: type[R], after: str = "") -> Sequence[R]:
        """Every record of that type whose key is above *after*, in order of their keys."""
        ...

    def journal(self, after: int = 0) -> Iterator[m.Recorded]:
        """The entries numbered above *after*, in order."""
        ...

    def last(self) -> int:
        """The number of the newest entry; 0 for an empty journal."""
        ...

    def cell(self, name: str) -> str | None:
        """The word of a cell in this picture; inside `write` nobody else changes it meanwhile."""
        ...


class Writer(Reader, Protocol):
    """A reader that sees its own writes; they are durable once its context has ended."""

    def record(self, entry: m.Entry, at: m.Timestamp, changes: m.Changes) -> int:
        """Write *entry* and its *changes*; the entry's number, one above the last."""
        ...


class Store(Protocol):
    """
    The record of one account.

    Every method is safe from any thread.  Raises: StoreTooNew, StoreDamaged,
    StoreUnavailable (nothing was written), Forked.
    """

    def read(self) -> AbstractContextManager[Reader]:
        """A consistent picture; it blocks nobody."""
        ...

    def write(self) -> AbstractContextManager[Writer]:
        """
        The one transaction of the account: exclusive over threads and processes, first come
        first served.  Leaving by an exception undoes it.  Not reentrant.
        """
        ...

    def cell(self, name: str) -> str | None:
        """A word without history, such as a cursor."""
        ...

    def swap(self, name: str, old: str | None, new: str | None) -> bool:
        """Set a cell from *old* to *new* (None: no cell); False if it was not *old*."""
        ...

    def close(self) -> None:
        """Let go of every resource; closing twice is fine."""
        ...


class OpensStore(Protocol):
    """What an entry point of `fillbook.stores` names: a class with this constructor."""

    def from_address(self, address: str, env: Mapping[str, str]) -> Store:
        """The store behind *address*, made if it is not there."""
        ...
