"""
Apply what the broker reports about an order: reports, executions, busts (promises P4 and P5).

Evidence is merged, never refused; what is already known changes nothing.  Step 1 of
`core.orders.evidence` is taken here, the other steps follow from it.

Other half: `core.journal.requests`, for what we request.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import symbol_names
from fillbook.core.journal import renames
from fillbook.core.journal.draft import Draft, binding, context_of
from fillbook.core.journal.evidence_posting import new_record, post_evidence, update_order
from fillbook.core.journal.ownership import find_owner, with_successors
from fillbook.core.orders import evidence as ev
from fillbook.core.orders.totals import (
    EvidenceContext,
    compute_totals,
    current_total,
    reported_total,
)
from fillbook.model import ZERO
from fillbook.model.journal.kinds import fact_key

#: The rank of a status: it orders the reports of one time and total, whatever arrived first.
_STATUS_RANK: Final = {
    status: rank
    for rank, status in enumerate(
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


def apply_report(
    draft: Draft, report: m.OrderReport, entry: m.Reported, parent: str | None
) -> None:
    """
    Apply a report with its executions, busts and legs; *parent*: the order whose leg it is.

    A streamed fill is a report with its execution: together they are one change.
    """
    before = draft.get(m.Evidence, report.broker_order_id)
    report = symbol_names.with_symbol(draft, report, report.created_at or draft.at)
    if before is not None and before.terms is not None:
        report = _renamed(draft, before, report, entry)
    record = find_owner(draft, report, parent)
    before = draft.get(m.Evidence, report.broker_order_id)
    after = before or m.Evidence(
        broker_order_id=report.broker_order_id, client_order_id=record.client_order_id
    )
    snapshot = _snapshot_of(draft, report, entry)
    terms, terms_at, echoed = _newest_terms(after, report, snapshot, clocked=binding(draft).clocked)
    after = evolve(
        after,
        terms=terms,
        terms_at=terms_at,
        echoed=echoed,
        created_at=after.created_at or report.created_at,
        name=after.name or report.client_order_id,
        replaces=report.replaces or after.replaces,
        replaced_by=report.replaced_by or after.replaced_by,
        expires_at=report.expires_at or after.expires_at,
        not_found=after.not_found and _is_stale_event(snapshot, after),
    )
    new: list[m.Execution] = []
    for execution in report.executions:
        after = _with_execution(draft, record.terms, after, execution, new)
    if before is not None and before.terms is None:  # its executions were reported first
        after = _with_odd_executions(after, report.terms.side, ev.facts_of(draft, after)[0])
    for bust in report.busts:
        after = _with_bust(draft, record.terms, after, bust)
    context = context_of(draft, record.terms, after)
    totals = reported_total(after), current_total(after)
    after = ev.add_snapshot(after, snapshot, context)
    is_changed = (reported_total(after), current_total(after)) != totals
    if is_changed and (after.amended or ev.may_have_versions(after)):
        after = _recount(draft, after, context)
    if after != before:
        record = post_evidence(draft, record, before, after, new)
    for leg in report.legs:
        apply_report(draft, leg, entry, record.client_order_id)


def _renamed(
    draft: Draft, before: m.Evidence, report: m.OrderReport, entry: m.Reported
) -> m.OrderReport:
    """
    Return *report* with the present symbol; an order that is read under another one was renamed.

    An event proves no rename: whoever passes it on may spell the symbol in a way of their own.
    """
    assert before.terms is not None
    known, reported = before.terms.symbol, report.terms.symbol
    if known != reported and entry.source is m.ReportSource.STREAM:
        fills = tuple(evolve(x, symbol=known) for x in report.executions)
        return evolve(report, terms=evolve(report.terms, symbol=known), executions=fills)
    version = _snapshot_of(draft, report, entry).version
    if known == reported or version is None or before.terms_at is None:
        return report
    is_newer = version >= before.terms_at
    old, new = (known, reported) if is_newer else (reported, known)
    renames.rename(draft, old, new, report.clock or draft.at)
    return evolve(report, terms=evolve(report.terms, symbol=new))


def _newest_terms(
    known: m.Evidence, report: m.OrderReport, snapshot: m.OrderSnapshot, *, clocked: bool
) -> tuple[m.Terms, m.Version | None, m.Terms | None]:
    """
    Return the terms of the newest report, by version, with it, and those that it echoes.

    While a replace is pending, a report may echo the requested terms, which are not in force yet.
    Without the broker's clock, a later read of the same terms is no change (promise P8).
    """
    terms, terms_at, echoed = known.terms, known.terms_at, known.echoed
    version, newest = snapshot.version, None if known.word is None else known.word.version
    is_pending = snapshot.status is m.OrderStatus.PENDING_REPLACE
    if version is not None and (newest is None or version >= newest):
        echoed = report.terms if is_pending else None
    is_newest = version is not None and (terms_at is None or version >= terms_at)
    if is_newest and not is_pending and (clocked or report.terms != terms):
        terms, terms_at = report.terms, version
    return terms or report.terms, terms_at, echoed


def _is_stale_event(snapshot: m.OrderSnapshot, known: m.Evidence) -> bool:
    """Return whether a report proves nothing about now: a streamed one that is not newer."""
    newest = None if known.word is None else known.word.version
    is_newer = snapshot.version is not None and (newest is None or snapshot.version > newest)
    return snapshot.source is m.ReportSource.STREAM and not is_newer


def _snapshot_of(draft: Draft, report: m.OrderReport, entry: m.Reported) -> m.OrderSnapshot:
    clocked = binding(draft).clocked
    clock = report.clock if clocked else f"{entry.snapshot:012d}"
    # A status that only we assign is unknown as a reported one.
    status = report.status if report.status in _STATUS_RANK else m.OrderStatus.UNRECOGNISED
    rank = _STATUS_RANK[status]
    version = None
    if clock is not None:
        version = m.Version(clock, report.filled_qty, rank, report.raw_status)
    return m.OrderSnapshot(
        status=status,
        cum=report.filled_qty,
        version=version,
        avg=report.avg_price or None,  # 0 is no price: the value is unknown, not nothing
        value=report.filled_value or None if report.filled_qty else report.filled_value,
        fills=report.fill_count,
        last_fill_at=report.last_fill_at,
        source=entry.source,
        read_at=draft.at,
        reason=report.reason,
    )


def _owner_of_fact(draft: Draft, fact: m.Execution | m.TradeBust) -> m.OrderRecord:
    """Return the order of an execution or bust; before its first report, an external order."""
    known = draft.get(m.Evidence, fact.broker_order_id)
    if known is not None:
        return draft.need(m.OrderRecord, known.client_order_id)
    terms = m.Terms(
        symbol=fact.symbol if isinstance(fact, m.Execution) else "",
        side=fact.side if isinstance(fact, m.Execution) else m.OrderSide.BUY,
        type=m.OrderType.UNRECOGNISED,
        time_in_force=m.TimeInForce.UNRECOGNISED,
    )
    key = f"?{fact.broker_order_id}"
    record = new_record(m.Origin.EXTERNAL, key, terms, fact.at or draft.at)
    return with_successors(draft, record, fact.broker_order_id)


def apply_execution(draft: Draft, execution: m.Execution) -> None:
    """Apply an execution."""
    if draft.get(m.Execution, fact_key(execution)) == execution:
        return
    record = _owner_of_fact(draft, execution)
    if not record.terms.symbol:
        record = evolve(
            record, terms=evolve(record.terms, symbol=execution.symbol, side=execution.side)
        )
    before = draft.get(m.Evidence, execution.broker_order_id)
    after = before or m.Evidence(
        broker_order_id=execution.broker_order_id, client_order_id=record.client_order_id
    )
    new: list[m.Execution] = []
    after = _with_execution(draft, record.terms, after, execution, new)
    post_evidence(draft, record, before, after, new)


def _with_execution(
    draft: Draft,
    terms: m.Terms,
    evidence: m.Evidence,
    execution: m.Execution,
    new: list[m.Execution],
) -> m.Evidence:
    """
    Return *evidence* with an execution (step 1: two contents of one id).

    The execution is appended to *new* if its id was not known.
    """
    known = draft.get(m.Execution, fact_key(execution))
    if known == execution:
        return evidence
    if known is None:
        new.append(execution)
        evidence = _with_odd_executions(evidence, (evidence.terms or terms).side, [execution])
    else:
        conflicts = tuple(sorted({*evidence.conflicts, execution.exec_id}))
        evidence = evolve(evidence, conflicts=conflicts)
        execution = max(known, execution, key=canonical_text)
    draft.put(execution)
    context = context_of(draft, terms, evidence)
    if execution.in_quote and not evidence.quote_sized:
        evidence = evolve(evidence, quote_sized=True)
    if known == execution:
        return evidence
    merged = ev.add_execution(evidence, execution, known, context)
    return _recount(draft, evidence, context) if merged is None else merged


def _with_odd_executions(
    evidence: m.Evidence, side: m.OrderSide, executions: Sequence[m.Execution]
) -> m.Evidence:
    """Note the *executions* of an order of *side* that are of the other side, or at price 0."""
    odd = {x.exec_id for x in executions if x.side is not side or not x.price}
    if not odd:
        return evidence
    return evolve(evidence, odd_executions=tuple(sorted({*evidence.odd_executions, *odd})))


def _recount(draft: Draft, evidence: m.Evidence, context: EvidenceContext) -> m.Evidence:
    return ev.recount(evidence, *ev.facts_of(draft, evidence), context)


def canonical_text(execution: m.Execution) -> str:
    """Return the content as text; of two contents of one id, the greater text counts (step 1)."""
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


def apply_bust(draft: Draft, bust: m.TradeBust) -> None:
    """Apply a bust."""
    record = _owner_of_fact(draft, bust)
    before = draft.get(m.Evidence, bust.broker_order_id)
    after = before or m.Evidence(
        broker_order_id=bust.broker_order_id, client_order_id=record.client_order_id
    )
    after = _with_bust(draft, record.terms, after, bust)
    if after != before:
        post_evidence(draft, record, before, after)


def _with_bust(draft: Draft, terms: m.Terms, evidence: m.Evidence, bust: m.TradeBust) -> m.Evidence:
    """Return *evidence* with a bust; of two reports of it, the one with more fields counts."""
    known = draft.get(m.TradeBust, fact_key(bust))
    if known is not None:
        bust = max(known, bust, key=lambda x: (x.qty or ZERO, x.at or ""))
    if known == bust:
        return evidence
    draft.put(bust)
    return _recount(draft, evidence, context_of(draft, terms, evidence))


def apply_history_read(draft: Draft, broker_order_id: str) -> None:
    """Note that the complete fill history of a broker id was read."""
    before = draft.get(m.Evidence, broker_order_id)
    if before is None or before.history_read:
        return
    record = draft.need(m.OrderRecord, before.client_order_id)
    context = context_of(draft, record.terms, before)
    post_evidence(draft, record, before, compute_totals(evolve(before, history_read=True), context))


def apply_settlement(draft: Draft, entry: m.DisputeSettled) -> None:
    """Apply the settlement of a dispute: the facts that do not count are ignored from here on."""
    before = draft.get(m.Evidence, entry.broker_order_id)
    record = None if before is None else draft.get(m.OrderRecord, before.client_order_id)
    if before is None or record is None:
        return
    upheld_at = max(draft.at, before.busted_at or draft.at, before.upheld_at or draft.at)
    after = evolve(before, upheld_at=upheld_at)
    if entry.exec_ids is None:
        after = evolve(after, settled=tuple(sorted({*before.settled, *before.oddities})))
    else:
        executions, busts = ev.facts_of(draft, before)
        uncounted = [
            x
            for x in executions
            if x.source is not m.ExecSource.HISTORY or x.exec_id not in entry.exec_ids
        ]
        ignored = {*before.ignored, *map(fact_key, uncounted), *map(fact_key, busts)}
        after = evolve(after, ignored=tuple(sorted(ignored)))
    post_evidence(
        draft, record, before, _recount(draft, after, context_of(draft, record.terms, after))
    )


def apply_not_found(draft: Draft, entry: m.NotFoundAfterSeen) -> None:
    """Note that a broker id was not found at the broker, after it was reported."""
    known = draft.get(m.Evidence, entry.broker_order_id)
    record = draft.get(m.OrderRecord, entry.client_order_id)
    if known is not None and record is not None and not known.not_found:
        draft.put(evolve(known, not_found=True))
        update_order(draft, record)
