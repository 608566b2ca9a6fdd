"""
The broker ids of one order: its replace chain, and the other ids that are still live.

A replace creates a new id that names the old one.  The old id may fill first; then the new one
is rejected without a fill, and replaced nothing.  Or both ids are live; then both are exposure.
All of it is computed from the facts, whatever their order of arrival.

Other half: `core.orders.lifecycle`, which computes the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

_S = m.OrderStatus
#: The statuses in which an id reserves nothing beyond its fills.
NOT_LIVE: Final = m.ENDINGS | {_S.FILLED, _S.REPLACED}


def evidence_of(records: RecordReader, record: m.OrderRecord) -> list[m.Evidence]:
    """Return the evidence of each broker id of an order."""
    found = (records.get(m.Evidence, broker_order_id) for broker_order_id in record.ids)
    return [x for x in found if x is not None]


def tip_of(evidence: Sequence[m.Evidence]) -> m.Evidence:
    """Return the last id of the replace chain; of several, a live one with the latest report."""
    by_id = {e.broker_order_id: e for e in evidence}
    links = [(e.replaces, e) for e in evidence if e.replaces is not None] + [
        (e.broker_order_id, by_id[e.replaced_by]) for e in evidence if e.replaced_by in by_id
    ]
    failed = {
        new.broker_order_id for old, new in links if _is_rejected_replace(by_id.get(old), new)
    }
    replaced = {old for old, new in links if new.broker_order_id not in failed} | failed
    tips = [e for e in evidence if e.broker_order_id not in replaced] or list(evidence)
    live = [e for e in tips if is_live(e)] or [e for e in evidence if is_live(e)]
    return max(live or tips, key=lambda e: (clock_of(e.word), e.broker_order_id))


def _is_rejected_replace(old: m.Evidence | None, new: m.Evidence) -> bool:
    """Return whether *new* was to replace *old*, and was rejected instead."""
    if old is None or new.word is None or old.word is None:
        return False
    rejected = new.word.status is _S.REJECTED and not new.filled
    return rejected and old.word.status is not _S.REPLACED


def clock_of(snap: m.OrderSnapshot | None) -> str:
    """Return the broker clock of a snapshot as sortable text; empty: it has none."""
    return "" if snap is None or snap.version is None else snap.version.clock


def is_live(e: m.Evidence) -> bool:
    """
    Return whether the broker reports that the id may still fill.

    An id whose reports bear no broker clock yet exists, and may fill.
    """
    snap = e.loose if e.word is None else e.word
    return snap is not None and snap.status not in NOT_LIVE and leaves_qty(e) != ZERO


def leaves_qty(e: m.Evidence) -> Decimal | None:
    """Return the quantity of this id that is not filled; None: its quantity is not reported."""
    if e.terms is None or e.terms.qty is None:
        return None
    return max(ZERO, e.terms.qty - e.filled)


def other_live_ids(evidence: Sequence[m.Evidence], tip: m.Evidence) -> list[m.Evidence]:
    """Return the other live ids: replaced without a report of it yet, or a second order."""
    return [e for e in evidence if e is not tip and is_live(e)]


def is_being_replaced(e: m.Evidence) -> bool:
    """Return whether a replace of the id is pending: it or its successor fills, not both."""
    return e.word is not None and e.word.status is _S.PENDING_REPLACE
