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
_C = m.Command
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


def _is_ending(e: m.Evidence) -> bool:
    return e.word is not None and e.word.status is _S.PENDING_CANCEL


def is_giving_way(e: m.Evidence) -> bool:
    """Whether an id waits for its successor: either of the two will fill, and not both."""
    return e.word is not None and e.word.status is _S.PENDING_REPLACE


# -- our requests ----------------------------------------------------------------------


def unsettled(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Request | None:
    """Our replace of which it is not known what became; there is never more than one."""
    unwanted = False
    for request in reversed(record.requests):
        if request.change is None:
            unwanted = unwanted or request.command is _C.CANCEL
            continue
        over = request.settled is not None or request.answer is m.AnswerKind.NOT_SENT
        dropped = unwanted and request.command is _C.CANCEL  # the plan was to place another
        return None if over or dropped or _is_seen(request, evidence) else request
    return None


def wanted_qty(record: m.OrderRecord) -> Decimal | None:
    """How much we want of an order in all; None where that is not ours to say, or by notional."""
    if record.intent is None:
        return None
    asked = [
        r.change.qty
        for r in record.requests
        if r.command is _C.REPLACE and r.change is not None and r.settled is None
    ]
    return max([qty for qty in asked if qty], default=record.intent.request.qty)


def _is_seen(request: m.Request, evidence: Sequence[m.Evidence]) -> bool:
    """Whether what a replace makes was shown; by its client id, or by its place without one."""
    assert request.change is not None  # the caller has looked
    place = request.command is _C.REPLACE
    return any(
        e.name == request.change.client_order_id
        or (place and e.name is None and e.replaces == request.broker_order_id)
        for e in evidence
    )


def pending(record: m.OrderRecord, evidence: Sequence[m.Evidence]) -> m.Command | None:
    """Our cancel or replace that is not done with: unanswered, unsettled, or still to be sent."""
    asked = [r for r in record.requests if r.command in (_C.CANCEL, _C.REPLACE)]
    if not asked:
        return None
    last = asked[-1]
    unheard = not evidence or any(is_alive(e) and not _is_ending(e) for e in evidence)
    unanswered = last.answer in (None, m.AnswerKind.AMBIGUOUS) and unheard
    if last.command is _C.CANCEL and (unanswered or _unasked(asked, evidence)):
        return _C.CANCEL
    waits = last.command is _C.REPLACE and any(map(is_giving_way, evidence))
    return _C.REPLACE if waits or unsettled(record, evidence) is not None else None


def _unasked(requests: Sequence[m.Request], evidence: Sequence[m.Evidence]) -> bool:
    """Whether an id lives that nobody has asked to end: a replace came before the cancel."""
    named = {r.broker_order_id for r in requests if r.command is _C.CANCEL}
    return any(is_alive(e) and e.broker_order_id not in named for e in evidence)
