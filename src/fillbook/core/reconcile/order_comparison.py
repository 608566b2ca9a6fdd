"""
The comparison of one order with what the broker reports of it (promise P5).

An order is in sync if its record, its report and its complete fill history agree, on each of its
broker ids.  The reports are already merged, so what is compared here is what evidence leaves open:
sources of the broker that contradict each other, or that have not caught up with each other.

Other halves: `core.reconcile.drift`, which compares the account, and `desk.reconcile.order_sync`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from fillbook import model as m
from fillbook.core.orders.lineage import NOT_LIVE, evidence_of, tip_of
from fillbook.model.journal.overlay import RecordReader


@m.exact
def compare_order(
    records: RecordReader,
    record: m.OrderRecord,
    reports: Iterable[m.OrderReport],
    *,
    has_history: bool,
) -> list[m.Finding]:
    """
    Return what still differs between an order and the *reports* on its ids; nothing: in sync.

    *records* include the reports and, if *has_history*, the complete fill history of each id.
    """
    instrument = records.get(m.Instrument, record.terms.symbol)
    quantum = m.ZERO if instrument is None else instrument.quantum
    evidence = evidence_of(records, record)
    by_id = {report.broker_order_id: report for report in reports}
    found: list[m.Finding] = []
    for e in evidence:
        report = by_id.get(e.broker_order_id)
        if report is not None:
            found += _compare_quantities(record, e, report, quantum, has_history=has_history)
    tip = by_id.get(tip_of(evidence).broker_order_id) if evidence else None
    if tip is not None:
        found += _compare_status(record, tip)
    return found


def _compare_quantities(
    record: m.OrderRecord,
    e: m.Evidence,
    report: m.OrderReport,
    quantum: Decimal,
    *,
    has_history: bool,
) -> list[m.Finding]:
    """Compare the record and the history of one id with its report."""
    symbol, name, total = record.terms.symbol, record.client_order_id, report.filled_qty
    listed = e.history.base if has_history else total
    if _differs(e, e.filled, total, quantum):
        because = f"the record and the order report of {e.broker_order_id} disagree"
        drift = m.MissedFill(symbol, name, e.filled, total)
    elif not e.quote_sized and _differs(e, listed, total, quantum):
        because = (
            f"the order report of {e.broker_order_id} has {m.plain(total)} filled, and the fills "
            f"in its history sum to {m.plain(listed)}"
        )
        drift = m.MissedFill(symbol, name, e.filled, listed)
    elif e.gap:
        because = f"fills of {e.broker_order_id} are reported that no execution shows yet"
        drift = m.MissedFill(symbol, name, e.filled - e.gap, total)
    else:
        return []
    return [m.Finding(drift, m.Confidence.SETTLING, because)]


def _differs(e: m.Evidence, qty: Decimal, total: Decimal, quantum: Decimal) -> bool:
    """Return whether *qty* is not the *total*; of a replacing id it is at most the total."""
    excess = qty - total
    if abs(excess) < quantum:
        return False
    return excess > 0 or (excess < 0 and e.replaces is None)


def _compare_status(record: m.OrderRecord, tip: m.OrderReport) -> list[m.Finding]:
    """Compare whether the order is final; a dispute says that the evidence contradicts itself."""
    ours = record.order.status
    if ours is m.OrderStatus.DISPUTED:
        return [_disputed_finding(record, tip.status)]
    if record.order.is_final != (tip.status in NOT_LIVE):
        because = f"the record is {'final' if record.order.is_final else 'open'}, the report is not"
        drift = m.OrderStatusDiffers(record.terms.symbol, record.client_order_id, ours, tip.status)
        return [m.Finding(drift, m.Confidence.SETTLING, because)]
    return []


def disputed_findings(records: RecordReader) -> list[m.Finding]:
    """Return a finding for each disputed order: a record with one is not in sync."""
    found = []
    for record in records.find(m.OrderRecord, "open", "yes"):
        if record.order.status is m.OrderStatus.DISPUTED:
            word = tip_of(evidence_of(records, record)).word
            # Without a report there are executions alone, and their order works as far as is known.
            status = m.OrderStatus.NEW if word is None else word.status
            found.append(_disputed_finding(record, status))
    return found


def _disputed_finding(record: m.OrderRecord, theirs: m.OrderStatus) -> m.Finding:
    drift = m.OrderStatusDiffers(
        record.terms.symbol, record.client_order_id, record.order.status, theirs
    )
    because = "the reports and executions of the order contradict each other"
    return m.Finding(drift, m.Confidence.SETTLING, because)
