"""
Whose evidence is: ours by its client id, ours by its lineage, or somebody else's.

What was taken for another order's before moves to where it belongs, with its movements;
so whatever is heard first, the same orders come out (promise P5).
"""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.posting import blank, rebook, redraw, with_id

#: A replace of ours bears its order's client id with a number behind it.
_REPLACE_ID: Final = re.compile(r"(.+)\.r\d+")


def owner(draft: Draft, report: m.OrderReport, parent: str | None) -> m.OrderRecord:
    """
    The order that a report is about: ours by its client id, ours by its lineage, or nobody's.

    Where it was taken for another order's before, it moves; so whatever was heard first,
    the same orders come out.
    """
    known = draft.get(m.Evidence, report.broker_order_id)
    record = _by_client_id(draft, report)
    if record is None or record.origin is not m.Origin.OURS:  # a replace has a name of its own
        record = _by_lineage(draft, report) or record
    if record is None and known is not None and report.client_order_id is None:
        record = draft.get(m.OrderRecord, known.client_order_id)  # a name left out is no other
    if record is None:
        key = report.client_order_id or _placeholder(report.broker_order_id)
        record = _external(draft, report, key)
    if parent is not None and record.origin is not m.Origin.OURS and record.parent is None:
        record = _made_leg(draft, record, parent)
    if known is not None and known.client_order_id != record.client_order_id:
        record = move(draft, known, record)
    return with_successors(draft, record, report.broker_order_id)


def with_successors(draft: Draft, record: m.OrderRecord, broker_order_id: str) -> m.OrderRecord:
    """*record* with what replaced that id, and what replaced those, if they were heard first."""
    for later in draft.find(m.Evidence, "replaces", broker_order_id):
        held = draft.get(m.OrderRecord, later.client_order_id)
        if held is None or held.origin is m.Origin.OURS:
            continue  # ours by its client id, which says more than lineage
        if held.client_order_id != record.client_order_id:
            record = move(draft, later, record)
            record = with_successors(draft, record, later.broker_order_id)
    return record


def _placeholder(broker_order_id: str) -> str:
    return f"?{broker_order_id}"


def _by_client_id(draft: Draft, report: m.OrderReport) -> m.OrderRecord | None:
    name = report.client_order_id
    if name is None:
        return None
    replace = _REPLACE_ID.fullmatch(name)
    for key in (name, replace.group(1) if replace else None):
        record = None if key is None else draft.get(m.OrderRecord, key)
        if record is not None and (key == name or record.origin is m.Origin.OURS):
            return record
    return None


def _by_lineage(draft: Draft, report: m.OrderReport) -> m.OrderRecord | None:
    known = draft.get(m.Evidence, report.broker_order_id)
    replaces = report.replaces or (None if known is None else known.replaces)
    root = None if replaces is None else draft.get(m.Evidence, replaces)
    return None if root is None else draft.get(m.OrderRecord, root.client_order_id)


def _external(draft: Draft, report: m.OrderReport, key: str) -> m.OrderRecord:
    created = report.created_at or report.clock or draft.at
    return blank(m.Origin.EXTERNAL, key, report.terms, created)


def _made_leg(draft: Draft, record: m.OrderRecord, parent: str) -> m.OrderRecord:
    """An exit that the broker made for *parent*: it bears the parent's strategy."""
    above = draft.get(m.OrderRecord, parent)
    ours = above is not None and above.origin is not m.Origin.EXTERNAL
    record = evolve(
        record,
        origin=m.Origin.LEG if ours else m.Origin.EXTERNAL,
        parent=parent,
        strategy=None if above is None else above.strategy,
    )
    record = redraw(draft, record)
    for broker_order_id in record.ids:
        rebook(draft, record, broker_order_id)
    return record


def with_instructions_of(to: m.OrderRecord, left: m.OrderRecord) -> m.OrderRecord:
    """*to* with what was instructed and attempted on an order that it takes the place of."""
    first, later = len(to.instructions), len(to.requests)
    asked = tuple(evolve(x, number=x.number + first) for x in left.instructions)
    made = tuple(
        evolve(
            x,
            number=x.number + later,
            instruction=None if x.instruction is None else x.instruction + first,
        )
        for x in left.requests
    )
    return evolve(to, instructions=to.instructions + asked, requests=to.requests + made)


def move(draft: Draft, found: m.Evidence, to: m.OrderRecord) -> m.OrderRecord:
    """Give the evidence of one id to the order whose it is; an order left without any goes."""
    left = draft.get(m.OrderRecord, found.client_order_id)
    assert left is not None  # evidence never outlives its order
    ids = tuple(i for i in left.ids if i != found.broker_order_id)
    if ids or left.origin is m.Origin.OURS:
        redraw(draft, evolve(left, ids=ids))
    else:
        to = with_instructions_of(to, left)
        draft.drop(m.OrderRecord, left.client_order_id)
        for leg in draft.find(m.OrderRecord, "parent", left.client_order_id):
            _made_leg(draft, leg, to.client_order_id)
    draft.put(evolve(found, client_order_id=to.client_order_id))
    to = with_id(to, found.broker_order_id)
    draft.put(to)
    rebook(draft, to, found.broker_order_id)
    return to
