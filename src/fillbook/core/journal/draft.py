"""
A draft: the records as they were, with what becomes of them by one entry laid over.

What a bot is to be told is numbered by that entry, so that the outbox has an order that
never changes.  `core.journal.apply` makes one for each entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from fillbook import model as m
from fillbook.core.orders import evidence
from fillbook.model import ZERO

R = TypeVar("R")


class Before(Protocol):
    """The records as they are; a store's reader is one."""

    def get(self, of: type[R], key: str) -> R | None: ...
    def find(self, of: type[R], index: str, word: str) -> Sequence[R]: ...
    def all(self, of: type[R]) -> Sequence[R]: ...


def fact_key(fact: m.Execution | m.Void) -> str:
    """The key of a fact: ids are unique only within an order and a source."""
    return f"{fact.broker_order_id}/{fact.source}/{fact.exec_id}"


#: The keys of what is found by a word here; `fillbook.model.journal.records` has them all.
KEYS: Final[dict[type[Any], Callable[[Any], str]]] = {
    m.OrderRecord: lambda x: x.client_order_id,
    m.Evidence: lambda x: x.broker_order_id,
    m.Execution: fact_key,
    m.Void: fact_key,
    m.Movement: lambda x: x.key,
    m.Trade: lambda x: x.key,
}


class Draft:
    """The records as they become by one entry; what a bot is told is numbered by that entry."""

    def __init__(self, before: Before, number: int, at: m.Stamp) -> None:
        self.before = before
        self.number = number
        self.at = at
        self._put: dict[tuple[type[Any], str], m.Record] = {}
        self._gone: dict[tuple[type[Any], str], None] = {}
        self._told: list[m.Event] = []

    def get(self, of: type[R], key: str) -> R | None:
        if (of, key) in self._gone:
            return None
        laid = self._put.get((of, key))
        return laid if isinstance(laid, of) else self.before.get(of, key)

    def find(self, of: type[R], index: str, word: str) -> list[R]:
        """The records whose attribute *index* is *word*, as they are in the draft."""
        key_of = KEYS[of]
        found = {key_of(x): x for x in self.before.find(of, index, word)}
        for (kind, key), laid in self._put.items():
            if kind is of and isinstance(laid, of):
                found.pop(key, None)
                if getattr(laid, index) == word:
                    found[key] = laid
        return [x for key, x in sorted(found.items()) if (of, key) not in self._gone]

    def orders(self) -> list[tuple[m.OrderRecord | None, m.OrderRecord]]:
        """The orders that changed: as they were, and as they become."""
        laid = [x for x in self._put.values() if isinstance(x, m.OrderRecord)]
        return [(self.before.get(m.OrderRecord, x.client_order_id), x) for x in laid]

    def put(self, key: str, record: m.Record) -> None:
        """Lay *record* over, unless it says what is there already."""
        of = type(record)
        self._gone.pop((of, key), None)
        if self.before.get(of, key) == record:
            self._put.pop((of, key), None)
        else:
            self._put[of, key] = record

    def drop(self, of: type[m.Record], key: str) -> None:
        self._put.pop((of, key), None)
        if self.before.get(of, key) is not None:
            self._gone[of, key] = None

    def tell(self, kind: m.EventKind, **about: object) -> None:
        """Put one row into the outbox."""
        cursor = f"{self.number:012d}.{len(self._told):04d}"
        self._told.append(m.Event(cursor=cursor, kind=kind, at=self.at, **about))  # type: ignore[arg-type]

    def changes(self) -> m.Changes:
        """What becomes of the records; nothing is told where nothing changed."""
        if not self._put and not self._gone and not self._told:
            return m.Changes()
        return m.Changes((*self._put.values(), *self._told), tuple(self._gone))


def binding(draft: Draft) -> m.Binding:
    """What the record is bound to; before that, the manners of the strictest broker."""
    bound = draft.get(m.Binding, "account")
    return bound or m.Binding(m.AccountId("", "", ""))


def measure_of(draft: Draft, terms: m.Terms, of: m.Evidence | None = None) -> evidence.Measure:
    """What the evidence *of* one id of an order of *terms* is measured by."""
    instrument = draft.get(m.Instrument, terms.symbol)
    before = ZERO if of is None else _filled_before(draft, of)
    return evidence.measure(terms, instrument, binding(draft), before)


def _filled_before(draft: Draft, of: m.Evidence) -> Decimal:
    """What the ids filled that *of* replaces, one after another, as far as they are known."""
    filled, seen, later = ZERO, {of.broker_order_id}, of
    while later.replaces is not None and later.replaces not in seen:
        seen.add(later.replaces)
        earlier = draft.get(m.Evidence, later.replaces)
        if earlier is None:
            break
        filled, later = filled + earlier.filled, earlier
    return filled
