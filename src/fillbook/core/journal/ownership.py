"""
The order to which evidence belongs: ours by client order id, ours by lineage, or an external one.

Evidence that was attributed to another order before is moved, with its movements.  So the
orders do not depend on the order in which reports arrive (promise P5).
"""

from __future__ import annotations

import re
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft, binding
from fillbook.core.journal.evidence_posting import (
    new_record,
    repost_movements,
    update_order,
    with_id,
)
from fillbook.core.orders.anomalies import is_of_older_create

#: A replace of ours has the client order id of its order, with a number appended.
_REPLACE_ID: Final = re.compile(r"(.+)\.r\d+")


def find_owner(draft: Draft, report: m.OrderReport, parent: str | None) -> m.OrderRecord:
    """
    Return the order of a report: ours by client order id, lineage or known id, or an external one.

    Evidence that was attributed to another order before is moved to it.
    """
    known = draft.get(m.Evidence, report.broker_order_id)
    record = _by_client_id(draft, report)
    if record is None or record.origin is not m.Origin.OURS:  # a replace has its own client id
        record = _by_lineage(draft, report) or record
    if known is not None and (record is None or record.origin is not m.Origin.OURS):
        holder = draft.need(m.OrderRecord, known.client_order_id)
        if holder.origin is m.Origin.OURS or (record is None and report.client_order_id is None):
            record = holder  # whatever client order id is reported: the broker's id is known
    if record is None:
        record = _external_record(draft, report, _external_key(draft, report))
    if parent is not None and record.origin is not m.Origin.OURS and record.parent is None:
        record = _as_leg(draft, record, parent)
    if known is not None and known.client_order_id != record.client_order_id:
        record = move_evidence(draft, known, record)
    return with_successors(draft, record, report.broker_order_id)


def with_successors(draft: Draft, record: m.OrderRecord, broker_order_id: str) -> m.OrderRecord:
    """Return *record* with the ids that replace that id, if they were reported before it."""
    for successor in draft.find(m.Evidence, "replaces", broker_order_id):
        holder = draft.get(m.OrderRecord, successor.client_order_id)
        if holder is None or holder.origin is m.Origin.OURS:
            continue  # ours by client order id, which takes precedence over lineage
        if holder.client_order_id != record.client_order_id:
            record = move_evidence(draft, successor, record)
            record = with_successors(draft, record, successor.broker_order_id)
    return record


def _placeholder_id(broker_order_id: str) -> str:
    return f"?{broker_order_id}"


def _external_key(draft: Draft, report: m.OrderReport) -> str:
    """Return the key of an external order; its client order id may be that of an order of ours."""
    name, placeholder = report.client_order_id, _placeholder_id(report.broker_order_id)
    if name is None:
        return placeholder
    return name if draft.get(m.OrderRecord, name) is None else name + placeholder


def _by_client_id(draft: Draft, report: m.OrderReport) -> m.OrderRecord | None:
    name = report.client_order_id
    if name is None:
        return None
    replace = _REPLACE_ID.fullmatch(name)
    for key in (name, replace.group(1) if replace else None):
        record = None if key is None else draft.get(m.OrderRecord, key)
        if record is None or (key != name and record.origin is not m.Origin.OURS):
            continue
        is_unique = binding(draft).duplicate_check
        return record if is_unique or not is_of_older_create(record, report.created_at) else None
    return None


def _by_lineage(draft: Draft, report: m.OrderReport) -> m.OrderRecord | None:
    known = draft.get(m.Evidence, report.broker_order_id)
    replaces = report.replaces or (None if known is None else known.replaces)
    replaced = None if replaces is None else draft.get(m.Evidence, replaces)
    return None if replaced is None else draft.get(m.OrderRecord, replaced.client_order_id)


def _external_record(draft: Draft, report: m.OrderReport, key: str) -> m.OrderRecord:
    created = report.created_at or report.clock or draft.at
    return new_record(m.Origin.EXTERNAL, key, report.terms, created)


def _as_leg(draft: Draft, record: m.OrderRecord, parent: str) -> m.OrderRecord:
    """Return *record* as an exit that the broker created for *parent*, with its strategy."""
    parent_record = draft.get(m.OrderRecord, parent)
    is_ours = parent_record is not None and parent_record.origin is not m.Origin.EXTERNAL
    record = evolve(
        record,
        origin=m.Origin.LEG if is_ours else m.Origin.EXTERNAL,
        parent=parent,
        strategy=None if parent_record is None else parent_record.strategy,
    )
    record = update_order(draft, record)
    for broker_order_id in record.ids:
        repost_movements(draft, record, broker_order_id)
    return record


def with_instructions_of(target: m.OrderRecord, source: m.OrderRecord) -> m.OrderRecord:
    """Return *target* with the instructions and requests of *source*, which it replaces."""
    instruction_offset, request_offset = len(target.instructions), len(target.requests)
    instructions = tuple(
        evolve(x, number=x.number + instruction_offset) for x in source.instructions
    )
    requests = tuple(
        evolve(
            x,
            number=x.number + request_offset,
            instruction=None if x.instruction is None else x.instruction + instruction_offset,
        )
        for x in source.requests
    )
    return evolve(
        target, instructions=target.instructions + instructions, requests=target.requests + requests
    )


def move_evidence(draft: Draft, evidence: m.Evidence, target: m.OrderRecord) -> m.OrderRecord:
    """Move the evidence of one id to its order; an external order without evidence is removed."""
    source = draft.need(m.OrderRecord, evidence.client_order_id)
    ids = tuple(i for i in source.ids if i != evidence.broker_order_id)
    if ids or source.origin is m.Origin.OURS:
        update_order(draft, evolve(source, ids=ids))
    else:
        target = with_instructions_of(target, source)
        if target.origin is m.Origin.EXTERNAL:
            target = evolve(
                target,
                strategy=target.strategy or source.strategy,
                assigned=(*source.assigned, *target.assigned),
            )
        draft.drop(m.OrderRecord, source.client_order_id)
        for leg in draft.find(m.OrderRecord, "parent", source.client_order_id):
            _as_leg(draft, leg, target.client_order_id)
    draft.put(evolve(evidence, client_order_id=target.client_order_id))
    target = update_order(draft, with_id(target, evidence.broker_order_id))
    repost_movements(draft, target, evidence.broker_order_id)
    return target
