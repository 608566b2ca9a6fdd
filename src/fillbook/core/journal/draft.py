"""
A draft: the records as they were, with what becomes of them by one entry laid over.

What a bot is to be told is numbered by that entry, so that the outbox has an order that
never changes.  `core.journal.apply` makes one for each entry.
"""

from __future__ import annotations

from decimal import Decimal

from fillbook import model as m
from fillbook.core.orders import evidence
from fillbook.model import ZERO
from fillbook.model.journal.overlay import Overlay, RecordReader


class Draft(Overlay):
    """The records as they become by one entry; the events of it are numbered by that entry."""

    def __init__(self, before: RecordReader, number: int, at: m.Timestamp) -> None:
        super().__init__(before)
        self.before = before
        self.number = number
        self.at = at
        self._told: list[m.Event] = []

    def orders(self) -> list[tuple[m.OrderRecord | None, m.OrderRecord]]:
        """The orders that changed: as they were, and as they become."""
        changed = self.changed(m.OrderRecord)
        return [(self.before.get(m.OrderRecord, x.client_order_id), x) for x in changed]

    def tell(self, kind: m.EventKind, **about: object) -> None:
        """Put one row into the outbox."""
        cursor = f"{self.number:012d}.{len(self._told):04d}"
        self._told.append(m.Event(cursor=cursor, kind=kind, at=self.at, **about))  # type: ignore[arg-type]

    def changes(self) -> m.Changes:
        """What becomes of the records, with the events of it."""
        made = super().changes()
        return m.Changes((*made.put, *self._told), made.drop)


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
