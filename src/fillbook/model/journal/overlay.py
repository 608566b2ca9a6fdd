"""
Records as they would become: changes laid over a reader, which stays as it is.

What is laid over is indexed as a store's records are, so that finding one takes as long however
many changes there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, cast

from fillbook import model as m
from fillbook.model.journal.kinds import BY_TYPE

R = TypeVar("R")


class RecordReader(Protocol):
    """Records as they are; a store's reader is one, and so is an `Overlay`."""

    def get(self, of: type[R], key: str) -> R | None: ...
    def find(self, of: type[R], index: str, value: str) -> Sequence[R]: ...
    def all(self, of: type[R]) -> Sequence[R]: ...


class Nothing:
    """The records of an empty journal."""

    def get(self, of: type[R], key: str) -> R | None:
        return None

    def find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        return ()

    def all(self, of: type[R]) -> Sequence[R]:
        return ()


class Overlay:
    """Changes laid over the records of *under*; each is the record that is now, or its end."""

    def __init__(self, under: RecordReader) -> None:
        self._under = under
        #: By type and key; None: there is no such record any more.
        self._laid: dict[type[Any], dict[str, Any]] = defaultdict(dict)
        #: The keys of what is laid over, by type, index and word.
        self._keys: dict[tuple[type[Any], str, str], dict[str, None]] = defaultdict(dict)

    # -- reading -----------------------------------------------------------------------

    def get(self, of: type[R], key: str) -> R | None:
        laid = self._laid[of]
        return cast("R | None", laid[key]) if key in laid else self._under.get(of, key)

    def find(self, of: type[R], index: str, value: str) -> list[R]:
        laid, key_of = self._laid[of], BY_TYPE[of].key
        below = {key_of(x): x for x in self._under.find(of, index, value)}
        found = {key: x for key, x in below.items() if key not in laid}
        found |= {key: laid[key] for key in self._keys[of, index, value]}
        return [found[key] for key in sorted(found)]

    def all(self, of: type[R]) -> list[R]:
        key_of = BY_TYPE[of].key
        found = {key_of(x): x for x in self._under.all(of)} | self._laid[of]
        return [x for _, x in sorted(found.items()) if x is not None]

    # -- changing ----------------------------------------------------------------------

    def put(self, record: m.Record) -> None:
        """Lay *record* over, unless it equals what is there below."""
        of = type(record)
        key = BY_TYPE[of].key(record)
        if self._under.get(of, key) == record:
            self._lift(of, key)
        else:
            self._lay(of, key, record)

    def drop(self, of: type[m.Record], key: str) -> None:
        """End a record; one that is not there below leaves no trace."""
        if self._under.get(of, key) is None:
            self._lift(of, key)
        else:
            self._lay(of, key, None)

    def take(self, changes: m.Changes) -> None:
        """Lay *changes* over."""
        for of, key in changes.drop:
            self.drop(of, key)
        for record in changes.put:
            self.put(record)

    def changes(self) -> m.Changes:
        """What differs from the records below."""
        laid = [(of, key, x) for of, records in self._laid.items() for key, x in records.items()]
        return m.Changes(
            tuple(x for _, _, x in laid if x is not None),
            tuple((of, key) for of, key, x in laid if x is None),
        )

    def laid(self, of: type[R]) -> list[R]:
        """The records of that type that are laid over, in the order in which they first were."""
        return [x for x in self._laid[of].values() if x is not None]

    def _lay(self, of: type[m.Record], key: str, record: m.Record | None) -> None:
        self._unlist(of, key)
        self._laid[of][key] = record
        for place in self._places(of, record):
            self._keys[place][key] = None

    def _lift(self, of: type[m.Record], key: str) -> None:
        self._unlist(of, key)
        self._laid[of].pop(key, None)

    def _unlist(self, of: type[m.Record], key: str) -> None:
        for place in self._places(of, self._laid[of].get(key)):
            del self._keys[place][key]

    def _places(
        self, of: type[m.Record], record: m.Record | None
    ) -> list[tuple[type[m.Record], str, str]]:
        if record is None:
            return []
        said = ((index, word_of(record)) for index, word_of in BY_TYPE[of].indexes.items())
        return [(of, index, word) for index, word in said if word is not None]
