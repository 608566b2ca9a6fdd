"""
An in-memory store, for trials and tests; the record ends with the process.

The committed tables are changed in place.  A *layer* has records that take precedence
over the tables (copy on write): the changes of a transaction that is not committed, and
for an open reader the earlier versions of records that a later commit has changed.
"""

from __future__ import annotations

import threading
import weakref
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar, cast

from attrs import Factory, frozen

from fillbook import model as m
from fillbook.errors import BadAddress, Bug, StoreUnavailable
from fillbook.model.journal.kinds import BY_TYPE, Kind
from fillbook.store import NOWHERE
from fillbook.stores.thread_queue import FairLock, ForkGuard

R = TypeVar("R")

_DELETED: Final = None  #: in a layer: the record does not exist
_Layer = dict[type[Any], dict[str, Any]]  #: by type and key; a record, or _DELETED


@frozen
class _Table:
    """The records of one kind, and for each index and value the keys of its records."""

    kind: Kind
    records: dict[str, Any] = Factory(dict)
    index: dict[tuple[str, str], set[str]] = Factory(dict)
    #: The values of an index that was paged through, each with its key, in order.
    ordered: dict[str, list[tuple[str, str]]] = Factory(dict)

    def set(self, key: str, record: Any) -> Any:
        """Set the record under *key* (_DELETED: delete it); return the record before."""
        before = self.records.get(key, _DELETED)
        old, new = self._index_entries(before), self._index_entries(record)
        if old != new:
            self._remove_from_indexes(key, old)
            for entry in new:
                self.index.setdefault(entry, set()).add(key)
                if entry[0] in self.ordered:
                    insort(self.ordered[entry[0]], (entry[1], key))
        if record is _DELETED:
            self.records.pop(key, None)
        else:
            self.records[key] = record
        return before

    def in_order(self, index: str) -> list[tuple[str, str]]:
        """Return the values of an index, each with its key, in order."""
        if index not in self.ordered:
            self.ordered[index] = sorted(
                (value, key)
                for (name, value), keys in self.index.items()
                if name == index
                for key in keys
            )
        return self.ordered[index]

    def _index_entries(self, record: Any) -> list[tuple[str, str]]:
        if record is _DELETED or not self.kind.indexes:
            return []
        values = [(name, value_of(record)) for name, value_of in self.kind.indexes.items()]
        return [(name, value) for name, value in values if value is not None]

    def _remove_from_indexes(self, key: str, entries: Sequence[tuple[str, str]]) -> None:
        for entry in entries:
            keys = self.index[entry]
            keys.discard(key)
            if not keys:
                del self.index[entry]
            if entry[0] in self.ordered:
                values = self.ordered[entry[0]]
                del values[bisect_left(values, (entry[1], key))]


class _View:
    """A reader: the committed tables, seen through a layer."""

    def __init__(self, store: MemoryStore, journal_length: int) -> None:
        self._store = store
        self._length = journal_length
        self._cells = store._cells
        self._layer: _Layer = {}
        self._new: list[m.Recorded] = []
        self._open = True

    def get(self, of: type[R], key: str) -> R | None:
        with self._store._guard:
            self._check()
            layer = self._layer.get(of)
            if layer is not None and key in layer:
                return cast("R | None", layer[key])
            return cast("R | None", self._store._tables[of].records.get(key))

    def find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        with self._store._guard:
            self._check()
            table = self._store._tables[of]
            value_of = table.kind.indexes[index]
            committed = table.index.get((index, value), ())
            layer = self._layer.get(of, {})
            found = {key: table.records[key] for key in committed if key not in layer}
            found.update(
                (key, record)
                for key, record in layer.items()
                if record is not _DELETED and value_of(record) == value
            )
        return [found[key] for key in sorted(found)]

    def all(self, of: type[R], after: str = "") -> Sequence[R]:
        with self._store._guard:
            self._check()
            records, layer = self._store._tables[of].records, self._layer.get(of)
            merged = {**records, **layer} if layer else records
            visible = [
                (key, record)
                for key, record in merged.items()
                if key > after and record is not _DELETED
            ]
        return [record for _, record in sorted(visible, key=lambda pair: pair[0])]

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
        kind = BY_TYPE[of]
        value_of = kind.key if index == "key" else kind.indexes[index]
        tests = [(kind.indexes[name], frozenset(values)) for name, values in where.items()]
        first = next(iter(where.items()), None)
        if first is not None:
            records: Iterable[R] = self._of_any(of, *first)
        elif index == "key":
            records = self.all(of)
        else:
            records = self._in_order(of, index, after, limit, newest=newest)
        found = [
            (value, record)
            for record in records
            if all(test(record) in values for test, values in tests)
            and (value := value_of(record)) is not None
            and (not after or (value < after if newest else value > after))
        ]
        found.sort(key=lambda pair: pair[0], reverse=newest)
        return [record for _, record in found[:limit]]

    def _in_order(
        self, of: type[R], index: str, after: str, limit: int, *, newest: bool
    ) -> list[R]:
        """Return at least the first *limit* records beyond the value *after* of *index*."""
        with self._store._guard:
            self._check()
            table, layer = self._store._tables[of], self._layer.get(of, {})
            values = table.in_order(index)
            if newest:
                stop = bisect_left(values, (after,)) if after else len(values)
                keys = (values[x][1] for x in range(stop - 1, -1, -1))
            else:
                start = bisect_left(values, (after + "\0",)) if after else 0
                keys = (values[x][1] for x in range(start, len(values)))
            found = islice((key for key in keys if key not in layer), limit)
            committed = [table.records[key] for key in found]
            return committed + [x for x in layer.values() if x is not _DELETED]

    def _of_any(self, of: type[R], index: str, values: Sequence[str]) -> list[R]:
        """Return the records whose *index* has one of *values*."""
        return [record for value in dict.fromkeys(values) for record in self.find(of, index, value)]

    def journal(self, after: int = 0) -> Iterator[m.Recorded]:
        with self._store._guard:
            self._check()
            entries = self._store._journal
            length = self._length
        # The journal only grows: entries below a length never change.
        for number in range(max(after, 0), length):
            yield entries[number]
        yield from self._new[max(0, after - length) :]

    def last(self) -> int:
        return self._length + len(self._new)

    def cell(self, name: str) -> str | None:
        with self._store._guard:
            self._check()
            return self._cells.get(name)

    def _check(self) -> None:
        if not self._open:
            raise Bug("a reader or writer was used after its `with` had ended")

    def _preserve(self, of: type[Any], key: str, before: Any) -> None:
        """Keep the record *before* a commit, if this reader has no earlier version of it."""
        self._layer.setdefault(of, {}).setdefault(key, before)


class _Transaction(_View):
    """A writer: its layer and its entries are committed at the end."""

    def record(self, entry: m.Entry, at: m.Timestamp, changes: m.Changes) -> int:
        with self._store._guard:
            self._check()
            for of, key in changes.drop:
                self._layer.setdefault(of, {})[key] = _DELETED
            for put in changes.put:
                self._layer.setdefault(type(put), {})[BY_TYPE[type(put)].key(put)] = put
            number = self.last() + 1
            self._new.append(m.Recorded(number, at, entry))
        return number

    def set_cell(self, name: str, value: str) -> None:
        with self._store._guard:
            self._check()
            self._cells = {**self._cells, name: value}


class MemoryStore:
    """A store in the memory of this process; see `fillbook.store.Store`."""

    def __init__(self) -> None:
        self._fork_guard = ForkGuard()
        self._write_lock = FairLock()
        self._guard = threading.RLock()  # held briefly, for every attribute below
        self._tables: dict[type[Any], _Table] = {of: _Table(k) for of, k in BY_TYPE.items()}
        self._journal: list[m.Recorded] = []
        self._cells: Mapping[str, str] = {}  # replaced, never changed in place: views keep theirs
        self._readers: weakref.WeakSet[_View] = weakref.WeakSet()
        self._closed = False

    @classmethod
    def from_address(cls, address: str, env: Mapping[str, str]) -> MemoryStore:
        """
        Open a new, empty store for ``memory://``; *env* is not used.

        Raises: BadAddress for any other address.
        """
        if address != "memory://":
            raise BadAddress(f"{address!r} is not the address of a memory store; use memory://")
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
        with self._write_lock.hold():
            self._check()  # another thread may have closed it during the wait
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
        with self._write_lock.hold():
            self._check()  # another thread may have closed it during the wait
            if self._cells.get(name) != old:
                return False
            rest = {other: value for other, value in self._cells.items() if other != name}
            self._cells = rest if new is None else {**rest, name: new}
            return True

    def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        self._fork_guard.check()
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _commit(self, transaction: _Transaction) -> None:
        with self._guard:
            readers = list(self._readers)
            for of, records in transaction._layer.items():
                for key, record in records.items():
                    before = self._tables[of].set(key, record)
                    for reader in readers:
                        reader._preserve(of, key, before)
            self._journal.extend(transaction._new)
            self._cells = transaction._cells
