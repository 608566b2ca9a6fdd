"""
A store that forgets: dictionaries, for trying out and for tests.

What is committed is one picture, changed in place.  A transaction lays its own
changes over it, and a reader that is open when one commits keeps what was there
before: both are a *layer*, and no more is copied than what changes.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

from attrs import Factory, frozen

from fillbook import model as m
from fillbook.errors import BadAddress, Bug, StoreUnavailable
from fillbook.model.journal.kinds import BY_TYPE, Kind
from fillbook.stores.thread_queue import Home, Turns

R = TypeVar("R")

_GONE: Final = None  #: in a layer: there is no such record
_Layer = dict[type[Any], dict[str, Any]]  #: by type and key; a record, or _GONE


@frozen
class _Shelf:
    """The records of one kind, and for each index the keys under a word."""

    kind: Kind
    records: dict[str, Any] = Factory(dict)
    words: dict[tuple[str, str], set[str]] = Factory(dict)

    def set(self, key: str, record: Any) -> Any:
        """Put *record* under *key* (_GONE: take it away); what was there before."""
        before = self.records.pop(key, _GONE)
        self._unlist(key, before)
        if record is not _GONE:
            self.records[key] = record
            for place in self._places(record):
                self.words.setdefault(place, set()).add(key)
        return before

    def _places(self, record: Any) -> list[tuple[str, str]]:
        said = ((name, word_of(record)) for name, word_of in self.kind.indexes.items())
        return [(name, word) for name, word in said if word is not None]

    def _unlist(self, key: str, record: Any) -> None:
        if record is _GONE:
            return
        for place in self._places(record):
            keys = self.words[place]
            keys.discard(key)
            if not keys:
                del self.words[place]


class _View:
    """The committed picture as seen through a layer."""

    def __init__(self, store: MemoryStore, journal_length: int) -> None:
        self._store = store
        self._length = journal_length
        self._cells = store._cells
        self._layer: _Layer = {}
        self._new: list[m.Recorded] = []
        self._open = True

    def get(self, of: type[R], key: str) -> R | None:
        with self._looking() as shelves:
            laid = self._layer.get(of, {})
            return cast("R | None", laid[key] if key in laid else shelves[of].records.get(key))

    def find(self, of: type[R], index: str, word: str) -> Sequence[R]:
        with self._looking() as shelves:
            shelf = shelves[of]
            word_of = shelf.kind.indexes[index]
            below = shelf.words.get((index, word), ())
            laid = self._layer.get(of, {})
            found = {key: shelf.records[key] for key in below if key not in laid}
            found.update(
                (key, record)
                for key, record in laid.items()
                if record is not _GONE and word_of(record) == word
            )
        return [found[key] for key in sorted(found)]

    def all(self, of: type[R], after: str = "") -> Sequence[R]:
        with self._looking() as shelves:
            laid = self._layer.get(of, {})
            seen = {**shelves[of].records, **laid} if laid else shelves[of].records
            kept = [(key, one) for key, one in seen.items() if key > after and one is not _GONE]
        return [record for _, record in sorted(kept, key=lambda pair: pair[0])]

    def journal(self, after: int = 0) -> Iterator[m.Recorded]:
        with self._looking():
            entries = self._store._journal
            length = self._length
        # The journal only grows, so that what is below a length never changes.
        for number in range(max(after, 0), length):
            yield entries[number]
        yield from self._new[max(0, after - length) :]

    def last(self) -> int:
        return self._length + len(self._new)

    def cell(self, name: str) -> str | None:
        with self._looking():
            return self._cells.get(name)

    @contextmanager
    def _looking(self) -> Iterator[Mapping[type[Any], _Shelf]]:
        if not self._open:
            raise Bug("a reader or writer was used after its `with` had ended")
        with self._store._guard:
            yield self._store._shelves

    def _keep(self, of: type[Any], key: str, before: Any) -> None:
        """A commit replaces what this reader is to go on seeing."""
        self._layer.setdefault(of, {}).setdefault(key, before)


class _Transaction(_View):
    """A view that is changed: its layer and its entries become the picture at the end."""

    def record(self, entry: m.Entry, at: m.Timestamp, changes: m.Changes) -> int:
        with self._looking():
            for of, key in changes.drop:
                self._layer.setdefault(of, {})[key] = _GONE
            for put in changes.put:
                self._layer.setdefault(type(put), {})[BY_TYPE[type(put)].key(put)] = put
            number = self.last() + 1
            self._new.append(m.Recorded(number, at, entry))
        return number


class MemoryStore:
    """The record in this process's memory; see `fillbook.store.Store`."""

    def __init__(self) -> None:
        self._home = Home()
        self._turns = Turns()
        self._guard = threading.RLock()  # held for moments only, over all that follows
        self._shelves: dict[type[Any], _Shelf] = {of: _Shelf(k) for of, k in BY_TYPE.items()}
        self._journal: list[m.Recorded] = []
        self._cells: Mapping[str, str] = {}  # never changed in place: views keep what they saw
        self._readers: weakref.WeakSet[_View] = weakref.WeakSet()
        self._closed = False

    @classmethod
    def from_address(cls, address: str, env: Mapping[str, str]) -> MemoryStore:
        """
        A new, empty store for ``memory://``.

        Raises: BadAddress for anything else.
        """
        if address != "memory://":
            raise BadAddress(f"{address!r} is no address of a memory store; write memory://")
        return cls()

    @contextmanager
    def read(self) -> Iterator[_View]:
        self._check()
        with self._guard:
            view = _View(self, len(self._journal))
            self._readers.add(view)
        try:
            yield view
        finally:
            with self._guard:
                self._readers.discard(view)
            view._open = False

    @contextmanager
    def write(self) -> Iterator[_Transaction]:
        self._check()
        with self._turns.turn():
            self._check()  # it may have been closed while we waited
            transaction = _Transaction(self, len(self._journal))
            try:
                yield transaction
                self._commit(transaction)
            finally:
                transaction._open = False

    def cell(self, name: str) -> str | None:
        self._check()
        return self._cells.get(name)

    def swap(self, name: str, old: str | None, new: str | None) -> bool:
        self._check()
        with self._turns.turn():
            self._check()  # it may have been closed while we waited
            if self._cells.get(name) != old:
                return False
            rest = {other: word for other, word in self._cells.items() if other != name}
            self._cells = rest if new is None else {**rest, name: new}
            return True

    def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        self._home.check()
        if self._closed:
            raise StoreUnavailable("this store is closed")

    def _commit(self, transaction: _Transaction) -> None:
        with self._guard:
            readers = list(self._readers)
            for of, records in transaction._layer.items():
                for key, record in records.items():
                    before = self._shelves[of].set(key, record)
                    for reader in readers:
                        reader._keep(of, key, before)
            self._journal.extend(transaction._new)
