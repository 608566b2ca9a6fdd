"""
The facts about one broker order id, summarized (promises P4 and P5).

The facts are executions, trade busts and snapshots.  They form a set that only grows, and
`Evidence` is a pure function of it: the order of arrival does not matter.  It is computed in
fifteen steps:

 1  Of two contents of one execution id, the one with the greater canonical text counts, and the
    other is an anomaly.
 2  An execution and its corrections form a chain; its newest version is the effective one.
 3  The gross quantity of a chain is the greatest that any of its versions had.  A chain that begins
    with a correction is a fill of its own only within the reported total; else it corrects one.
    Beyond the total, executions of one source that begin at the same quantity of the order are
    versions of one execution, and the newest counts.
 4  A chain is busted if a bust names its newest version; of an older version: disputed.
 5  The source (history or stream) with the greater gross quantity counts; if equal, the history.
 6  A bust or correction that only the other source reported applies to the one chain that matches
    by total, quantity and price; without exactly one match, the order is disputed.
 7  The net quantity and the value are the sums over the chains that are not busted.
 8  The snapshot of the highest version counts (without a broker clock: of the highest total).  The
    reported total is the greater of its total and the highest `cum_qty` of an execution.
 9  The gap is the reported total minus the gross quantity; 0 if it is below the quantum.
10  The price of the gap follows from the reported average price where it is certain; else None.
11  The gap is one inferred fill per id, which shrinks as executions arrive.  Of an id that
    replaces another, only what exceeds the fills of the replaced ids is certainly its own.
12  The filled quantity is the net quantity plus the gap.
13  An order sized in quote currency is counted in quote currency, where it is exact.
14  The quantum is 0 for shares, and a tenth of the base increment for crypto.
15  The evidence is complete if the gross quantity equals the reported total, and the number of
    executions equals the reported one.

Where: step 1 in `core.journal.reports_and_fills`, steps 2 to 6 in
`core.orders.corrections_and_busts`, step 7 and the choice of the snapshot here, steps 8 to 15 in
`core.orders.totals`; `core.journal.evidence_posting` turns the executions (7) and the gap (11)
into movements.

Rule 1: the sources of executions are the history and the stream, whose ids may differ for the
        same fill.  They are counted separately, and one of them counts.
Rule 2: a snapshot is never an execution; it only determines the gap.
Rule 3: the gap is measured against the gross quantity, so that no snapshot restores a busted
        execution.

`add_execution` costs O(1) per fill.  After the first bust, correction or contradiction the
totals of the id are computed from all its facts (`recount`), which is the definition that
`add_execution` is tested against.  Other half: `core.orders.lifecycle`, which computes the
order from the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.orders.corrections_and_busts import (
    CountedExecutions,
    ExecutionChain,
    count_executions,
)
from fillbook.core.orders.totals import (
    EvidenceContext,
    compute_totals,
    current_total,
    reported_total,
)
from fillbook.errors import present
from fillbook.model import EXACT, ZERO
from fillbook.model.journal.kinds import fact_key
from fillbook.model.journal.overlay import RecordReader

#: Without a broker clock, two reads by id at least this far apart reopen a final order.
REOPEN_AFTER: Final = timedelta(seconds=10)
_BASE_QTY_STEP: Final = Decimal("1e-16")  # the base quantity is cut to 16 places


def add_execution(
    evidence: m.Evidence,
    execution: m.Execution,
    known: m.Execution | None,
    context: EvidenceContext,
) -> m.Evidence | None:
    """
    Return *evidence* with one more execution; None: the id needs a `recount`.

    *known* is another content of the same id and source, which is already counted.
    """
    if known is not None or execution.fixes is not None or evidence.amended:
        return None
    if execution.source is m.ExecSource.HISTORY:
        history, stream = add_to_sums(evidence.history, execution, context), evidence.stream
    else:
        history, stream = evidence.history, add_to_sums(evidence.stream, execution, context)
    history_counts = history.gross >= stream.gross
    evidence = evolve(
        evidence,
        history=history,
        stream=stream,
        chosen=history if history_counts else stream,
        source=m.ExecSource.HISTORY if history_counts else m.ExecSource.STREAM,
    )
    return None if may_have_versions(evidence) else compute_totals(evidence, context)


def may_have_versions(evidence: m.Evidence) -> bool:
    """
    Return whether executions sum to more than the order's total, as versions of one do (3).

    That the history alone sums to the current one may mean that it has newer versions.
    """
    history, stream = evidence.history, evidence.stream
    highest = max(history.cum, stream.cum)
    total = max(highest, reported_total(evidence) or ZERO)
    is_beyond = max(history.gross, stream.gross) > total
    return bool(highest) and (is_beyond or current_total(evidence) == history.gross < stream.gross)


def add_to_sums(sums: m.Sums, execution: m.Execution, context: EvidenceContext) -> m.Sums:
    """
    Return *sums* with an execution that is not busted (step 7).

    A fee in another currency than the prices has no known amount in that of the prices.
    """
    # Only inferred fills lack a price, and they are not facts.
    qty, price = execution.qty, present(execution.price, f"the price of {execution.exec_id}")
    is_in_quote = not execution.fee or execution.fee_currency in (None, context.quote)
    fee = execution.fee if is_in_quote or not context.quote else None
    value = qty if execution.in_quote else EXACT.multiply(qty, price)
    is_pending = execution.fee is None and execution.source is m.ExecSource.STREAM
    latest_uncounted = sums.uncounted_at
    if execution.cum_qty is None:
        latest_uncounted = (
            execution.at if latest_uncounted is None else max(latest_uncounted, execution.at)
        )
    return m.Sums(
        sums.rows + 1,
        EXACT.add(sums.gross, qty),
        EXACT.add(sums.net, qty),
        EXACT.add(sums.value, value),
        sums.cum if execution.cum_qty is None else max(sums.cum, execution.cum_qty),
        latest_uncounted,
        execution.at if sums.latest_at is None else max(sums.latest_at, execution.at),
        EXACT.add(sums.base, base_qty(execution)),
        None if sums.fees is None or fee is None else EXACT.add(sums.fees, fee),
        EXACT.add(sums.fee_pending, value) if is_pending else sums.fee_pending,
    )


def base_qty(execution: m.Execution) -> Decimal:
    """Return the quantity of an execution in base units, > 0, before a fee in base (step 13)."""
    if not execution.in_quote:
        return execution.qty
    price = present(execution.price, f"the price of {execution.exec_id}")
    return m.cut(EXACT.divide(execution.qty, price), _BASE_QTY_STEP)


def facts_of(
    records: RecordReader, evidence: m.Evidence
) -> tuple[list[m.Execution], list[m.TradeBust]]:
    """Return the executions and busts of an id that count; see `core.reconcile.settlement`."""
    broker_order_id, ignored = evidence.broker_order_id, frozenset(evidence.ignored)
    executions = records.find(m.Execution, "broker_order_id", broker_order_id)
    busts = records.find(m.TradeBust, "broker_order_id", broker_order_id)
    return (
        [x for x in executions if fact_key(x) not in ignored],
        [x for x in busts if fact_key(x) not in ignored],
    )


def count_facts(records: RecordReader, evidence: m.Evidence) -> CountedExecutions:
    """Return the chains of an id, and those that count (steps 2 to 6)."""
    facts, total = facts_of(records, evidence), reported_total(evidence)
    return count_executions(*facts, total, current_total(evidence))


def recount(
    evidence: m.Evidence,
    executions: Iterable[m.Execution],
    busts: Iterable[m.TradeBust],
    context: EvidenceContext,
) -> m.Evidence:
    """Return *evidence* with its sums computed from all known facts of the id (steps 2 to 7)."""
    busts = tuple(busts)
    total = reported_total(evidence)
    counted = count_executions(executions, busts, total, current_total(evidence))
    history, stream = _sums(counted.history, context), _sums(counted.stream, context)
    totals = history if counted.source is m.ExecSource.HISTORY else stream
    return compute_totals(
        evolve(
            evidence,
            history=history,
            stream=stream,
            chosen=_sums(counted.chosen, context) if counted.has_foreign_amendments else totals,
            source=counted.source,
            amended=counted.is_amended,
            oddities=tuple(x for x in counted.oddities if x not in evidence.settled),
            busted_at=max((bust.at for bust in busts if bust.at is not None), default=None),
        ),
        context,
    )


def _sums(chains: Iterable[ExecutionChain], context: EvidenceContext) -> m.Sums:
    """Return the sums of *chains*: net without busted chains (7), gross with them (3)."""
    sums, gross, cum = m.Sums(), ZERO, ZERO
    for chain in chains:
        if chain.counted is not None:
            sums = add_to_sums(sums, chain.counted, context)
        gross = EXACT.add(gross, chain.gross)
        cum = max(cum, chain.cum)
    return evolve(sums, gross=gross, cum=cum)


def add_snapshot(
    evidence: m.Evidence, snap: m.OrderSnapshot, context: EvidenceContext
) -> m.Evidence:
    """Return *evidence* with one more snapshot (step 8)."""
    evidence = _note_filled_confirmed(evidence, snap)
    if snap.version is None or not context.clocked:
        if evidence.loose is None or snap.size > evidence.loose.size:
            evidence = evolve(evidence, loose=snap)
        if snap.version is None:
            return compute_totals(evidence, context)
    if not context.clocked and evidence.end is None and _is_same(snap, evidence.word):
        return compute_totals(evidence, context)  # it repeats the current snapshot
    if _is_newer(snap, evidence.word):
        evidence = evolve(evidence, word=snap)
    if snap.status in m.ENDINGS:
        if _is_newer(snap, evidence.end):
            evidence = evolve(evidence, end=snap)
    elif snap.source is m.ReportSource.BY_ID:
        evidence = evolve(evidence, working=_relevant((snap, *evidence.working), context))
    return compute_totals(evidence, context)


def _note_filled_confirmed(evidence: m.Evidence, snap: m.OrderSnapshot) -> m.Evidence:
    """Note that a read by id reports FILLED after a bust: the broker confirms the status."""
    reads_filled = snap.source is m.ReportSource.BY_ID and snap.status is m.OrderStatus.FILLED
    if not reads_filled or not evidence.amended or is_filled_confirmed(evidence):
        return evidence
    return evolve(evidence, upheld_at=snap.read_at)


def is_filled_confirmed(evidence: m.Evidence) -> bool:
    """Return whether a read by id after the latest bust confirmed FILLED."""
    confirmed_at, busted_at = evidence.upheld_at, evidence.busted_at
    return confirmed_at is not None and (busted_at is None or confirmed_at > busted_at)


def _is_same(snap: m.OrderSnapshot, current: m.OrderSnapshot | None) -> bool:
    return current is not None and (snap.status, snap.size) == (current.status, current.size)


def _is_newer(snap: m.OrderSnapshot, than: m.OrderSnapshot | None) -> bool:
    return than is None or _sort_key(snap) > _sort_key(than)


def _sort_key(snap: m.OrderSnapshot) -> tuple[m.Version, tuple[object, ...]]:
    return (present(snap.version, "the version of a snapshot"), snap.size)


def _relevant(
    snapshots: Iterable[m.OrderSnapshot], context: EvidenceContext
) -> tuple[m.OrderSnapshot, ...]:
    """Return those of the working snapshots, all read by id, that can still reopen the order."""
    newest_first = sorted({x.version: x for x in snapshots}.values(), key=_sort_key, reverse=True)
    if context.clocked:
        return tuple(newest_first[:1])
    relevant = [newest_first[0]]
    for earlier in newest_first[1:]:
        relevant.append(earlier)
        if _are_apart(relevant[0], earlier):
            break
    return tuple(relevant)


def _are_apart(later: m.OrderSnapshot, earlier: m.OrderSnapshot) -> bool:
    times = (present(x.read_at, "the time of a read by id") for x in (later, earlier))
    last, first = map(m.moment, times)
    return last - first >= REOPEN_AFTER


def current_snapshot(evidence: m.Evidence, *, clocked: bool) -> m.OrderSnapshot | None:
    """
    Return the snapshot that determines the status.

    It is the one of the highest version.  But a final status stands until a read by id of a higher
    version reports the order as working (GTC orders that a broker calls expired overnight);
    without a broker clock, until two such reads at least `REOPEN_AFTER` apart do.
    """
    end = evidence.end
    if end is None or end is evidence.word:
        return evidence.word
    later = [snap for snap in evidence.working if _sort_key(snap) > _sort_key(end)]
    if clocked:
        return evidence.word if later else end
    return evidence.word if later and _are_apart(later[0], later[-1]) else end
