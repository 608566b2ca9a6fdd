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

Where: step 1 in `core.journal.broker_reports`, steps 2 to 6 in `core.orders.corrections`, steps 7
to 15 here; `core.journal.posting` turns the executions (7) and the gap (11) into movements.

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

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.orders.corrections import (
    CountedExecutions,
    ExecutionChain,
    count_executions,
)
from fillbook.model import EXACT, ZERO
from fillbook.model.journal.kinds import fact_key
from fillbook.model.journal.overlay import RecordReader

#: Without a broker clock, two reads by id at least this far apart reopen a final order.
REOPEN_AFTER: Final = timedelta(seconds=10)
_BASE_QTY_STEP: Final = Decimal("1e-16")  # the base quantity is cut to 16 places
_LIMIT_TYPES: Final = frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT})


@frozen(kw_only=True)
class EvidenceContext:
    """What evidence is evaluated with: terms, instrument and broker capabilities."""

    side: m.OrderSide
    limit_price: Decimal | None = None  #: of limit orders only
    quantum: Decimal = ZERO  #: a gap below it is rounding; in the unit of `gross`
    clocked: bool = True  #: the broker's reports have its clock
    replace_cum: m.ReplaceCum = m.ReplaceCum.UNKNOWN
    replaced_qty: Decimal = ZERO  #: filled under the ids that this one replaces, as far as known


def context_for(
    terms: m.Terms,
    instrument: m.Instrument | None,
    binding: m.Binding,
    replaced_qty: Decimal = ZERO,
) -> EvidenceContext:
    """Return the context of an order of those *terms*; *replaced_qty* as in `EvidenceContext`."""
    return EvidenceContext(
        side=terms.side,
        limit_price=terms.limit_price if terms.type in _LIMIT_TYPES else None,
        quantum=ZERO if instrument is None else instrument.quantum,
        clocked=binding.clocked,
        replace_cum=binding.replace_cum,
        replaced_qty=replaced_qty,
    )


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
        history, stream = add_to_sums(evidence.history, execution), evidence.stream
    else:
        history, stream = evidence.history, add_to_sums(evidence.stream, execution)
    history_counts = history.gross >= stream.gross
    evidence = evolve(
        evidence,
        history=history,
        stream=stream,
        chosen=history if history_counts else stream,
        source=m.ExecSource.HISTORY if history_counts else m.ExecSource.STREAM,
    )
    return compute_totals(evidence, context)


def add_to_sums(sums: m.Sums, execution: m.Execution) -> m.Sums:
    """Return *sums* with an execution that is not busted (step 7)."""
    qty, price = execution.qty, execution.price
    assert price is not None  # only inferred fills lack one, and they are not facts
    latest_uncounted = sums.uncounted_at
    if execution.cum_qty is None:
        latest_uncounted = (
            execution.at if latest_uncounted is None else max(latest_uncounted, execution.at)
        )
    return m.Sums(
        sums.rows + 1,
        EXACT.add(sums.gross, qty),
        EXACT.add(sums.net, qty),
        EXACT.add(sums.value, qty) if execution.in_quote else EXACT.fma(qty, price, sums.value),
        sums.cum if execution.cum_qty is None else max(sums.cum, execution.cum_qty),
        latest_uncounted,
        execution.at if sums.latest_at is None else max(sums.latest_at, execution.at),
        EXACT.add(sums.base, base_qty(execution)),
        None if sums.fees is None or execution.fee is None else sums.fees + execution.fee,
    )


def base_qty(execution: m.Execution) -> Decimal:
    """Return the quantity of an execution in base units, > 0, before a fee in base (step 13)."""
    if not execution.in_quote:
        return execution.qty
    assert execution.price is not None
    return m.cut(EXACT.divide(execution.qty, execution.price), _BASE_QTY_STEP)


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
    return count_executions(*facts_of(records, evidence), reported_total(evidence))


def recount(
    evidence: m.Evidence,
    executions: Iterable[m.Execution],
    busts: Iterable[m.TradeBust],
    context: EvidenceContext,
) -> m.Evidence:
    """Return *evidence* with its sums computed from all known facts of the id (steps 2 to 7)."""
    busts = tuple(busts)
    counted = count_executions(executions, busts, reported_total(evidence))
    history, stream = _sums(counted.history), _sums(counted.stream)
    totals = history if counted.source is m.ExecSource.HISTORY else stream
    return compute_totals(
        evolve(
            evidence,
            history=history,
            stream=stream,
            chosen=_sums(counted.chosen) if counted.has_foreign_amendments else totals,
            source=counted.source,
            amended=counted.is_amended,
            oddities=tuple(x for x in counted.oddities if x not in evidence.settled),
            void_at=max((bust.at for bust in busts if bust.at is not None), default=None),
        ),
        context,
    )


def _sums(chains: Iterable[ExecutionChain]) -> m.Sums:
    """Return the sums of *chains*: net without busted chains (7), gross with them (3)."""
    sums, gross, cum = m.Sums(), ZERO, ZERO
    for chain in chains:
        if chain.newest is not None and not chain.is_busted:
            sums = add_to_sums(sums, chain.newest)
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
    confirmed_at, busted_at = evidence.upheld_at, evidence.void_at
    return confirmed_at is not None and (busted_at is None or confirmed_at > busted_at)


def _is_same(snap: m.OrderSnapshot, current: m.OrderSnapshot | None) -> bool:
    return current is not None and (snap.status, snap.size) == (current.status, current.size)


def _is_newer(snap: m.OrderSnapshot, than: m.OrderSnapshot | None) -> bool:
    return than is None or _sort_key(snap) > _sort_key(than)


def _sort_key(snap: m.OrderSnapshot) -> tuple[m.Version, tuple[object, ...]]:
    assert snap.version is not None
    return (snap.version, snap.size)


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
    assert later.read_at is not None
    assert earlier.read_at is not None
    return m.moment(later.read_at) - m.moment(earlier.read_at) >= REOPEN_AFTER


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


def compute_totals(evidence: m.Evidence, context: EvidenceContext) -> m.Evidence:
    """Return *evidence* with totals computed from sums and snapshots (steps 8 to 15)."""
    snap = totals_snapshot(evidence)
    if evidence.quote_sized:
        return _compute_quote_totals(evidence, snap, context)
    sums = evidence.chosen
    # Steps 8 and 9, with the quantum of step 14.
    reported = sums.cum if snap is None else max(snap.cum, sums.cum)
    carried = _carried_qty(evidence, context)
    gap = EXACT.subtract(EXACT.subtract(reported, carried), sums.gross)
    if gap <= 0 or gap < context.quantum:
        gap = ZERO
    # Step 10.
    value: Decimal | None = sums.value
    price = None
    if gap:
        value = None if carried else _value_by_average(gap, evidence, snap, reported)
        price = (
            None
            if value is None
            else _price_of_gap(gap, EXACT.subtract(value, sums.value), context)
        )
        value = value if price is not None else None
    # Steps 11, 12 and 15.
    return evolve(
        evidence,
        filled=EXACT.add(sums.base, gap),
        value=value,
        gap=gap,
        gap_price=price,
        gap_at=_gap_at(snap) if gap else None,
        complete=(sums.gross == reported or _is_complete_by_history(evidence, context))
        and _has_all_rows(sums, snap),
    )


def _compute_quote_totals(
    evidence: m.Evidence, snap: m.OrderSnapshot | None, context: EvidenceContext
) -> m.Evidence:
    """Do the same for an order sized in quote currency, which is exact there (step 13)."""
    sums = evidence.chosen
    reported = sums.gross if snap is None or snap.value is None else max(snap.value, sums.gross)
    gap = EXACT.subtract(reported, sums.gross)
    base = sums.base if snap is None else snap.cum
    has_all_rows = snap is not None and snap.fills is not None and sums.rows >= snap.fills
    history_missing = evidence.replaces is not None and not evidence.history_read
    if gap <= 0 or gap < context.quantum or history_missing or _carried_qty(evidence, context):
        gap = ZERO
    missing = max(ZERO, EXACT.subtract(base, sums.base)) if gap else ZERO
    price = EXACT.divide(gap, missing) if missing and not evidence.amended else None
    exact = bool(has_all_rows and not evidence.amended)
    return evolve(
        evidence,
        filled=base if exact else EXACT.add(sums.base, missing),
        value=EXACT.add(sums.value, gap) if price is not None or not gap else None,
        gap=missing,
        gap_price=price,
        gap_at=_gap_at(snap) if gap else None,
        complete=sums.gross == reported and _has_all_rows(sums, snap),
    )


def totals_snapshot(evidence: m.Evidence) -> m.OrderSnapshot | None:
    """
    Return the snapshot whose totals count (step 8).

    It is the one of the highest version, unless one without a broker clock has a greater total.
    """
    newest, loose = evidence.word, evidence.loose
    if loose is None or (newest is not None and newest.cum >= loose.cum):
        return newest
    return loose


def reported_total(evidence: m.Evidence) -> Decimal | None:
    """
    Return the broker's filled total of an id, in the unit of its executions; None: not known.

    That of a replacing id may include the fills of the replaced one.
    """
    snap = totals_snapshot(evidence)
    if snap is None or evidence.replaces is not None:
        return None
    return snap.value if evidence.quote_sized else snap.cum


def _has_all_rows(sums: m.Sums, snap: m.OrderSnapshot | None) -> bool:
    """Return whether the number of executions is the one that the broker reported (step 15)."""
    return snap is None or snap.fills is None or snap.fills == sums.rows


def _carried_qty(evidence: m.Evidence, context: EvidenceContext) -> Decimal:
    """
    Return how much of a replacing order's total may be fills of the ids that it replaces.

    The quantity beyond it belongs to this id under every reading of the total.  So the sum over
    the replace chain never exceeds the total, however little is known of the replaced ids.
    """
    is_separate = context.replace_cum is m.ReplaceCum.FRESH and evidence.history_read
    return ZERO if evidence.replaces is None or is_separate else context.replaced_qty


def _is_complete_by_history(evidence: m.Evidence, context: EvidenceContext) -> bool:
    # A carried total never equals the sum of the id's own fills, so its history is the proof.
    is_carried = context.replace_cum is m.ReplaceCum.CARRIED
    return evidence.replaces is not None and is_carried and evidence.history_read


def _value_by_average(
    gap: Decimal, evidence: m.Evidence, snap: m.OrderSnapshot | None, reported: Decimal
) -> Decimal | None:
    """Return the filled value by the reported average; None: uncertain (step 10)."""
    if snap is None or snap.avg is None or snap.cum != reported or evidence.amended:
        return None
    latest_uncounted = evidence.chosen.uncounted_at
    if latest_uncounted is not None and (
        snap.last_fill_at is None or latest_uncounted > snap.last_fill_at
    ):
        return None  # the snapshot may not contain that execution
    return EXACT.multiply(snap.avg, snap.cum)


def _price_of_gap(gap: Decimal, value: Decimal, context: EvidenceContext) -> Decimal | None:
    """
    Return the gap's price per unit (step 10); None: the result is impossible.

    A reported average is rounded, so the difference of two values may be negative or beyond the
    limit price.
    """
    price = EXACT.divide(value, gap)
    if price <= 0:
        return None
    if context.limit_price is not None:
        beyond = (price - context.limit_price) * context.side.sign
        return None if beyond > 0 else price
    return price


def _gap_at(snap: m.OrderSnapshot | None) -> m.Timestamp | None:
    return None if snap is None else snap.last_fill_at or reported_at(snap)


def reported_at(snap: m.OrderSnapshot) -> m.Timestamp | None:
    """Return when the broker reported it: by its clock if it has one, else when we read it."""
    version_clock = "" if snap.version is None else snap.version.clock
    # Without a broker clock the version has the number of a snapshot instead.
    return m.Timestamp(version_clock) if "T" in version_clock else snap.read_at
