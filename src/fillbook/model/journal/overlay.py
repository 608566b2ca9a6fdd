"""
Overlay: changed records on top of a reader, which is not modified.

The changed records are indexed like those of a store, so that a lookup takes the same time for
any number of changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast

from fillbook import model as m
from fillbook.model.journal.kinds import BY_TYPE

R = TypeVar("R")


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
        #: The keys of the changed records, by type, index and value.
        self._indexed: dict[tuple[type[Any], str, str], dict[str, None]] = defaultdict(dict)

    # -- reading -----------------------------------------------------------------------

    def get(self, of: type[R], key: str) -> R | None:
        changed = self._changed[of]
        return cast("R | None", changed[key]) if key in changed else self._base.get(of, key)

    def find(self, of: type[R], index: str, value: str) -> list[R]:
        changed, key_of = self._changed[of], BY_TYPE[of].key
        base = {key_of(x): x for x in self._base.find(of, index, value)}
        found = {key: x for key, x in base.items() if key not in changed}
        found |= {key: changed[key] for key in self._indexed[of, index, value]}
        return [found[key] for key in sorted(found)]

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
        self._unindex(of, key)
        self._changed[of][key] = record
        for index_key in self._index_keys(of, record):
            self._indexed[index_key][key] = None

    def _unset(self, of: type[m.Record], key: str) -> None:
        self._unindex(of, key)
        self._changed[of].pop(key, None)

    def _unindex(self, of: type[m.Record], key: str) -> None:
        for index_key in self._index_keys(of, self._changed[of].get(key)):
            del self._indexed[index_key][key]

    def _index_keys(
        self, of: type[m.Record], record: m.Record | None
    ) -> list[tuple[type[m.Record], str, str]]:
        if record is None:
            return []
        values = ((index, value_of(record)) for index, value_of in BY_TYPE[of].indexes.items())
        return [(of, index, value) for index, value in values if value is not None]
