"""
The broker ids of one order: its replace chain, and what else lives of it.

A replace makes a new id that names the old one.  The old one may fill first, and the new
one is *stillborn*: rejected without a fill, it replaced nothing.  And both may live, as
*twins*: then both are exposure.  All of it is drawn from the facts, whatever was heard
first.  Other half: `core.orders.lifecycle`, for the order that is made from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.model import ZERO

_S = m.OrderStatus
#: Words after which an id costs nothing more than its fills.
DEAD: Final = m.ENDINGS | {_S.FILLED, _S.REPLACED}


def tip_of(evidence: Sequence[m.Evidence]) -> m.Evidence:
    """The end of the replace chain; of several, one that lives, with the newest word."""
    by_id = {e.broker_order_id: e for e in evidence}
    links = [(e.replaces, e) for e in evidence if e.replaces is not None] + [
        (e.broker_order_id, by_id[e.replaced_by]) for e in evidence if e.replaced_by in by_id
    ]
    stillborn = {new.broker_order_id for old, new in links if _is_stillborn(by_id.get(old), new)}
    over = {old for old, new in links if new.broker_order_id not in stillborn} | stillborn
    tips = [e for e in evidence if e.broker_order_id not in over] or list(evidence)
    living = [e for e in tips if is_alive(e)] or [e for e in evidence if is_alive(e)]
    return max(living or tips, key=lambda e: (clock_of(e.word), e.broker_order_id))


def _is_stillborn(old: m.Evidence | None, new: m.Evidence) -> bool:
    """Whether *new* was to replace *old* and was rejected instead."""
    if old is None or new.word is None or old.word is None:
        return False
    rejected = new.word.status is _S.REJECTED and not new.filled
    return rejected and old.word.status is not _S.REPLACED


def clock_of(snap: m.OrderSnapshot | None) -> str:
    """The broker's clock in a snapshot, as text that orders; empty without one."""
    return "" if snap is None or snap.version is None else snap.version.clock


def is_alive(e: m.Evidence) -> bool:
    """Whether the broker says of this id that it may still fill."""
    return e.word is not None and e.word.status not in DEAD and open_qty(e) != ZERO


def open_qty(e: m.Evidence) -> Decimal | None:
    """What of this id's own quantity is not filled; None where that is not told."""
    if e.terms is None or e.terms.qty is None:
        return None
    return max(ZERO, e.terms.qty - e.filled)


def twins(evidence: Sequence[m.Evidence], tip: m.Evidence) -> list[m.Evidence]:
    """The other ids that live: what was replaced and does not say so yet, or a second order."""
    return [e for e in evidence if e is not tip and is_alive(e)]


def is_giving_way(e: m.Evidence) -> bool:
    """Whether an id waits for its successor: either of the two will fill, and not both."""
    return e.word is not None and e.word.status is _S.PENDING_REPLACE
