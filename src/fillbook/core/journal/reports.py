"""
What the broker tells of an order, taken into the record: reports, fills, voids.

Evidence is merged, never refused; what is known already changes nothing (promises P4
and P5).  Other half: `core.journal.requests`, for what we tell the broker.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft, binding, measure_of
from fillbook.core.journal.ownership import owner, with_successors
from fillbook.core.journal.posting import blank, merge, redraw
from fillbook.core.orders import evidence as ev
from fillbook.model import ZERO
from fillbook.model.journal.kinds import fact_key

#: How far along a word is; it orders reports of one moment and total, whatever came first.
_ALONG: Final = {
    word: rank
    for rank, word in enumerate(
        (
            m.OrderStatus.UNRECOGNISED,
            m.OrderStatus.PENDING_REVIEW,
            m.OrderStatus.PENDING_NEW,
            m.OrderStatus.ACCEPTED,
            m.OrderStatus.ACCEPTED_FOR_BIDDING,
            m.OrderStatus.HELD,
            m.OrderStatus.NEW,
            m.OrderStatus.STOPPED,
            m.OrderStatus.SUSPENDED,
            m.OrderStatus.PARTIALLY_FILLED,
            m.OrderStatus.DONE_FOR_DAY,
            m.OrderStatus.CALCULATED,
            m.OrderStatus.PENDING_REPLACE,
            m.OrderStatus.PENDING_CANCEL,
            m.OrderStatus.REPLACED,
            m.OrderStatus.REJECTED,
            m.OrderStatus.EXPIRED,
            m.OrderStatus.CANCELED,
            m.OrderStatus.FILLED,
        )
    )
}


def take_report(draft: Draft, report: m.OrderReport, entry: m.Reported, parent: str | None) -> None:
    record = owner(draft, report, parent)
    was = draft.get(m.Evidence, report.broker_order_id)
    now = was or m.Evidence(
        broker_order_id=report.broker_order_id, client_order_id=record.client_order_id
    )
    snap = _snap(draft, report, entry)
    now = evolve(
        now,
        terms=now.terms if _stale(snap, now) else report.terms,
        name=now.name or report.client_order_id,
        replaces=report.replaces or now.replaces,
        replaced_by=report.replaced_by or now.replaced_by,
        expires_at=report.expires_at or now.expires_at,
    )
    now = ev.look(now, snap, measure_of(draft, record.terms, now))
    if now != was:
        record = merge(draft, record, was, now)
    for execution in report.executions:
        take_execution(draft, execution)
    for void in report.voids:
        take_void(draft, void)
    for leg in report.legs:
        take_report(draft, leg, entry, record.client_order_id)


def _stale(snap: m.OrderSnapshot, known: m.Evidence) -> bool:
    """Whether a report is older than what is known: it then says nothing of the terms."""
    newest = None if known.word is None else known.word.version
    return snap.version is not None and newest is not None and snap.version < newest


def _snap(draft: Draft, report: m.OrderReport, entry: m.Reported) -> m.OrderSnapshot:
    clocked = binding(draft).clocked
    clock = report.clock if clocked else f"{entry.look:012d}"
    # A word that is ours alone says nothing as a broker's.
    status = report.status if report.status in _ALONG else m.OrderStatus.UNRECOGNISED
    rank = _ALONG[status]
    version = None
    if clock is not None:
        version = m.Version(clock, report.filled_qty, rank, report.raw_status)
    return m.OrderSnapshot(
        status=status,
        cum=report.filled_qty,
        version=version,
        avg=report.avg_price,
        value=report.filled_value,
        fills=report.fill_count,
        last_fill_at=report.last_fill_at,
        source=entry.source,
        read_at=draft.at,
        reason=report.reason,
    )


def _owner_of_fact(draft: Draft, fact: m.Execution | m.TradeBust) -> m.OrderRecord:
    """The order that a fill belongs to; before its first report, an order of nobody's."""
    known = draft.get(m.Evidence, fact.broker_order_id)
    if known is not None:
        record = draft.get(m.OrderRecord, known.client_order_id)
        assert record is not None  # evidence never outlives its order
        return record
    unknown = m.Terms(
        symbol=fact.symbol if isinstance(fact, m.Execution) else "",
        side=fact.side if isinstance(fact, m.Execution) else m.OrderSide.BUY,
        type=m.OrderType.UNRECOGNISED,
        time_in_force=m.TimeInForce.UNRECOGNISED,
    )
    key = f"?{fact.broker_order_id}"
    record = blank(m.Origin.EXTERNAL, key, unknown, fact.at or draft.at)
    return with_successors(draft, record, fact.broker_order_id)


def take_execution(draft: Draft, execution: m.Execution) -> None:
    record = _owner_of_fact(draft, execution)
    key = fact_key(execution)
    known = draft.get(m.Execution, key)
    if known == execution:
        return
    was = draft.get(m.Evidence, execution.broker_order_id)
    now = was or m.Evidence(
        broker_order_id=execution.broker_order_id, client_order_id=record.client_order_id
    )
    if not record.terms.symbol:
        record = evolve(
            record, terms=evolve(record.terms, symbol=execution.symbol, side=execution.side)
        )
    if known is not None:
        conflicts = tuple(sorted({*now.conflicts, execution.exec_id}))
        now, execution = evolve(now, conflicts=conflicts), max(known, execution, key=canonical)
    draft.put(execution)
    by = measure_of(draft, record.terms, now)
    now = evolve(now, quote_sized=now.quote_sized or execution.in_quote)
    added = ev.add(now, execution, known, by) if known != execution else now
    if added is None:
        added = _recount(draft, now, by)
    merge(draft, record, was, added, execution if known is None else None)


def _recount(draft: Draft, now: m.Evidence, by: ev.Measure) -> m.Evidence:
    executions = draft.find(m.Execution, "broker_order_id", now.broker_order_id)
    voids = draft.find(m.TradeBust, "broker_order_id", now.broker_order_id)
    return ev.recount(now, executions, voids, by)


def canonical(execution: m.Execution) -> str:
    """One text for one content: of two contents under one id the greater text counts."""
    return "|".join(
        "" if part is None else m.plain(part) if isinstance(part, Decimal) else str(part)
        for part in (
            execution.qty,
            execution.price,
            execution.cum_qty,
            execution.at,
            execution.fixes,
            execution.side,
            execution.symbol,
            execution.fee,
            execution.fee_currency,
        )
    )


def take_void(draft: Draft, void: m.TradeBust) -> None:
    record = _owner_of_fact(draft, void)
    known = draft.get(m.TradeBust, fact_key(void))
    if known is not None:
        # Told twice: the fuller telling counts, whichever came first.
        void = max(known, void, key=lambda v: (v.qty or ZERO, v.at or ""))
    if known == void:
        return
    draft.put(void)
    was = draft.get(m.Evidence, void.broker_order_id)
    now = was or m.Evidence(
        broker_order_id=void.broker_order_id, client_order_id=record.client_order_id
    )
    merge(draft, record, was, _recount(draft, now, measure_of(draft, record.terms, now)))


def take_history(draft: Draft, broker_order_id: str) -> None:
    was = draft.get(m.Evidence, broker_order_id)
    if was is None or was.history_read:
        return
    record = draft.get(m.OrderRecord, was.client_order_id)
    assert record is not None  # evidence never outlives its order
    by = measure_of(draft, record.terms, was)
    merge(draft, record, was, ev.settle(evolve(was, history_read=True), by))


def take_not_found(draft: Draft, entry: m.NotFoundAfterSeen) -> None:
    known = draft.get(m.Evidence, entry.broker_order_id)
    record = draft.get(m.OrderRecord, entry.client_order_id)
    if known is not None and record is not None and not known.not_found:
        draft.put(evolve(known, not_found=True))
        redraw(draft, record)
