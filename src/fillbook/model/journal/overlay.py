"""
Overlay: changed records on top of a reader, which is not modified.

The changed records are indexed like those of a store, so that a lookup takes the same time for
any number of changes.  An index is built when it is used for the first time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from fillbook import model as m
from fillbook.model.journal.kinds import BY_TYPE

R = TypeVar("R")

#: The keys of records, by the value of an index.
_Index = dict[str, dict[str, None]]


class RecordReader(Protocol):
    """Reads records; a store's reader and an `Overlay` implement it."""

    def get(self, of: type[R], key: str) -> R | None: ...
    def find(self, of: type[R], index: str, value: str) -> Sequence[R]: ...
    def all(self, of: type[R]) -> Sequence[R]: ...


class Nothing:
    """Reads the records of an empty journal: none."""

    def get(self, of: type[R], key: str) -> R | None:
        return None

    def find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        return ()

    def all(self, of: type[R]) -> Sequence[R]:
        return ()


class Overlay:
    """Changes on top of the records of *base*: each is a new record, or a removal."""

    def __init__(self, base: RecordReader) -> None:
        self._base = base
        #: The changed records, by type and key; None: removed.
        self._changed: dict[type[Any], dict[str, Any]] = defaultdict(dict)
        #: By type, for each index that was used: the keys of the changed records, by value.
        self._indexed: dict[type[Any], dict[str, _Index]] = defaultdict(dict)

    # -- reading -----------------------------------------------------------------------

    def get(self, of: type[R], key: str) -> R | None:
        changed = self._changed[of]
        return cast("R | None", changed[key]) if key in changed else self._base.get(of, key)

    def find(self, of: type[R], index: str, value: str) -> list[R]:
        base = self._base.find(of, index, value)
        changed = self._changed[of]
        if not changed:
            return list(base)
        key_of = BY_TYPE[of].key
        found = {key: x for x in base if (key := key_of(x)) not in changed}
        found |= {key: changed[key] for key in self._index(of, index).get(value, ())}
        return [found[key] for key in sorted(found)]

    def _index(self, of: type[Any], index: str) -> _Index:
        """Return the keys of the changed records by their value of *index*."""
        known = self._indexed[of].get(index)
        if known is None:
            known = self._indexed[of][index] = {}
            for key, record in self._changed[of].items():
                _add(known, BY_TYPE[of].indexes[index], key, record)
        return known

    def all(self, of: type[R]) -> list[R]:
        key_of = BY_TYPE[of].key
        found = {key_of(x): x for x in self._base.all(of)} | self._changed[of]
        return [x for _, x in sorted(found.items()) if x is not None]

    # -- changing ----------------------------------------------------------------------

    def put(self, record: m.Record) -> None:
        """Set *record*; a record that equals the one in the base is no change."""
        of = type(record)
        key = BY_TYPE[of].key(record)
        if self._base.get(of, key) == record:
            self._unset(of, key)
        else:
            self._set(of, key, record)

    def drop(self, of: type[m.Record], key: str) -> None:
        """Remove a record; one that is not in the base is no change."""
        if self._base.get(of, key) is None:
            self._unset(of, key)
        else:
            self._set(of, key, None)

    def apply(self, changes: m.Changes) -> None:
        """Apply *changes*."""
        for of, key in changes.drop:
            self.drop(of, key)
        for record in changes.put:
            self.put(record)

    def changes(self) -> m.Changes:
        """Return the changes from the base."""
        rows = [(of, key, x) for of, records in self._changed.items() for key, x in records.items()]
        return m.Changes(
            tuple(x for _, _, x in rows if x is not None),
            tuple((of, key) for of, key, x in rows if x is None),
        )

    def changed(self, of: type[R]) -> list[R]:
        """Return the changed records of one type, in the order of their first change."""
        return [x for x in self._changed[of].values() if x is not None]

    def removed(self, of: type[m.Record]) -> list[str]:
        """Return the keys of the removed records of one type."""
        return [key for key, x in self._changed[of].items() if x is None]

    def _set(self, of: type[m.Record], key: str, record: m.Record | None) -> None:
        changed = self._changed[of]
        for index, known in self._indexed[of].items():
            value_of = BY_TYPE[of].indexes[index]
            _remove(known, value_of, key, changed.get(key))
            _add(known, value_of, key, record)
        changed[key] = record

    def _unset(self, of: type[m.Record], key: str) -> None:
        record = self._changed[of].pop(key, None)
        for index, known in self._indexed[of].items():
            _remove(known, BY_TYPE[of].indexes[index], key, record)


def _add(
    index: _Index, value_of: Callable[[Any], str | None], key: str, record: m.Record | None
) -> None:
    value = None if record is None else value_of(record)
    if value is not None:
        index.setdefault(value, {})[key] = None


def _remove(
    index: _Index, value_of: Callable[[Any], str | None], key: str, record: m.Record | None
) -> None:
    value = None if record is None else value_of(record)
    if value is not None:
        del index[value][key]
