"""
Assignments: a person gives an external order, a fill or an opening position to a strategy.

An assignment to None makes it unattributed again.  Other half: `desk.record.strategy_assignments`.
"""

from __future__ import annotations

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.evidence_posting import post_movements, repost_movements, update_order
from fillbook.core.symbol_names import resolve


def apply_assignment(draft: Draft, entry: m.Assigned) -> None:
    """Apply an assignment; the movements and the round trips after it are computed again."""
    if entry.client_order_id is not None:
        record = draft.get(m.OrderRecord, entry.client_order_id)
        if record is not None:
            _assign_order(draft, record, entry)
        return
    if entry.movement is not None:
        movement = draft.get(m.Movement, entry.movement)
        movements = [] if movement is None else [movement]
    else:
        found = draft.find(m.Movement, "symbol", resolve(draft, entry.symbol or ""))
        movements = [x for x in found if x.kind is m.MoveKind.ANCHOR]
    changed = [x for x in movements if x.strategy != entry.strategy]
    if changed:
        after = [evolve(x, strategy=entry.strategy) for x in changed]
        post_movements(draft, changed, after)


def _assign_order(draft: Draft, record: m.OrderRecord, entry: m.Assigned) -> None:
    """Assign one fill of an order, or the order with all its fills and legs."""
    if entry.movement is not None:
        others = [x for x in record.assigned if x[0] != entry.movement]
        record = evolve(record, assigned=(*others, (entry.movement, entry.strategy)))
    else:
        record = evolve(record, assigned=(), strategy=entry.strategy)
        for leg in draft.find(m.OrderRecord, "parent", record.client_order_id):
            _assign_order(draft, leg, entry)
    record = update_order(draft, record)
    for broker_order_id in record.ids:
        repost_movements(draft, record, broker_order_id)
