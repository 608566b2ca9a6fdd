"""
A draft: the records, overlaid with the changes of one entry.

The events of an entry are numbered by it, so the order of the outbox never changes.
`core.journal.apply` creates one draft per entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast

from fillbook import model as m
from fillbook.core.orders.totals import EvidenceContext, context_for, gross_filled
from fillbook.errors import present
from fillbook.model import ZERO
from fillbook.model.journal.overlay import Overlay, RecordReader

R = TypeVar("R")


class _Remembered:
    """The records before an entry; each that was read is kept, for it is read several times."""

    def __init__(self, base: RecordReader) -> None:
        self._records: dict[tuple[type[Any], str], Any] = {}
        self._found: dict[tuple[type[Any], str, str], Sequence[Any]] = {}
        self._base = base
        self.all = base.all

    def get(self, of: type[R], key: str) -> R | None:
        name = (of, key)
        if name not in self._records:
            self._records[name] = self._base.get(of, key)
        return cast("R | None", self._records[name])

    def find(self, of: type[R], index: str, value: str) -> Sequence[R]:
        query = (of, index, value)
        if query not in self._found:
            self._found[query] = self._base.find(of, index, value)
        return self._found[query]


class Draft(Overlay):
    """The records as one entry changes them, with the events that it emits."""

    def __init__(self, before: RecordReader, number: int, at: m.Timestamp) -> None:
        self.before: RecordReader = _Remembered(before)
        super().__init__(self.before)
        self.number = number
        self.at = at
        #: The symbols whose earlier movements changed, with the time of the first one.
        self.refolded: dict[str, m.Timestamp] = {}
        self._events: list[m.Event] = []

    def need(self, of: type[R], key: str) -> R:
        """Return the record under *key*, which another record names. Raises: StoreDamaged."""
        return present(self.get(of, key), f"{of.__name__} {key}")

    def orders(self) -> list[tuple[m.OrderRecord | None, m.OrderRecord]]:
        """Return the changed orders: before (None: a new order) and after."""
        changed = self.changed(m.OrderRecord)
        return [(self.before.get(m.OrderRecord, x.client_order_id), x) for x in changed]

    def emit(self, kind: m.EventKind, **fields: object) -> None:
        """Add one event to the outbox."""
        cursor = f"{self.number:012d}.{len(self._events):04d}"
        self._events.append(m.Event(cursor=cursor, kind=kind, at=self.at, **fields))  # type: ignore[arg-type]

    def changes(self) -> m.Changes:
        """Return the changes of the records, and the events."""
        changes = super().changes()
        return m.Changes((*changes.put, *self._events), changes.drop)


def binding(draft: Draft) -> m.Binding:
    """Return the binding of the record; before there is one, that of the strictest broker."""
    bound = draft.get(m.Binding, "account")
    return bound or m.Binding(m.AccountId("", "", ""))


def context_of(draft: Draft, terms: m.Terms, of: m.Evidence | None = None) -> EvidenceContext:
    """Return the context in which the evidence *of* one id of an order of *terms* is evaluated."""
    instrument = draft.get(m.Instrument, terms.symbol)
    replaced_qty = ZERO if of is None else _replaced_qty_of(draft, of)
    pair = draft.get(m.Pair, terms.symbol)
    return context_for(terms, instrument, binding(draft), replaced_qty, pair)


def _replaced_qty_of(draft: Draft, of: m.Evidence) -> Decimal:
    """
    Return the quantity filled under the ids that *of* replaces, as far as they are known.

    It includes busted fills: the total of *of* may include them.
    """
    filled, visited, current = ZERO, {of.broker_order_id}, of
    while current.replaces is not None and current.replaces not in visited:
        visited.add(current.replaces)
        replaced = draft.get(m.Evidence, current.replaces)
        if replaced is None:
            break
        filled, current = filled + gross_filled(replaced), replaced
    return filled
