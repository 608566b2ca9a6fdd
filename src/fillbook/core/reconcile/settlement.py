"""
The settlement of disputes: an order whose evidence contradicts itself (promise P5).

A dispute ends with the first snapshot on which every source of the broker agrees: the reports on
each id of the order, the complete fill history, and the position.  Of three readings of the order
the first that agrees with the position and with the reported average price counts: the rows of the
history, if the reported totals have nothing beside them but what was busted; the facts as they are
computed; the reported totals, at their average.  All
disputed orders of a symbol are settled together.  An order that is disputed because another one has
its client order id ends its dispute by its own end.

Other halves: `core.orders.corrections_and_busts`, which finds disputes, and
`desk.reconcile.reconciler`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.orders.anomalies import is_contradictory
from fillbook.core.orders.evidence import base_qty
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.orders.totals import (
    average_differs,
    includes,
    is_average_of,
    total_of,
    totals_snapshot,
)
from fillbook.core.pairs import holding_of
from fillbook.core.position import fold
from fillbook.core.reconcile.drift import Snapshot, position_drift
from fillbook.core.symbol_names import resolve
from fillbook.errors import present
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

#: A younger fill may be missing from several endpoints because they lag.
RECENT_FILL: Final = timedelta(seconds=60)


@m.exact
def settlements(records: RecordReader, snapshot: Snapshot, lag: timedelta) -> list[m.Entry]:
    """
    Return the settlements that *snapshot* proves; *records* include what it reports.

    Nothing is settled on a symbol with a change within *lag*, which the position may lack.
    """
    if not snapshot.is_valid:
        return []
    disputed: dict[str, list[m.OrderRecord]] = {}
    for record in records.find(m.OrderRecord, "open", "yes"):
        order = record.order
        if order.status is m.OrderStatus.DISPUTED and is_contradictory(order.anomalies):
            disputed.setdefault(holding_of(records, record.terms.symbol), []).append(record)
    since = m.timestamp(m.moment(snapshot.at) - lag)
    found: list[m.Entry] = []
    for symbol, orders in disputed.items():
        is_idle = all((x.seen_at or "") <= since for x in orders)
        if is_idle and _were_all_read(orders, snapshot):
            found += _settlements_of(records, symbol, orders, snapshot)
    return found


def _were_all_read(orders: Iterable[m.OrderRecord], snapshot: Snapshot) -> bool:
    """
    Return whether the snapshot has a report on each id of *orders*, and its history.

    A broker that reports no fills has no history.
    """
    reported = {x.broker_order_id for x in (*snapshot.orders, *snapshot.by_id)}
    reported |= {leg.broker_order_id for x in (*snapshot.orders, *snapshot.by_id) for leg in x.legs}
    ids = {i for order in orders for i in order.ids}
    has_histories = snapshot.fills_since is None or ids <= set(snapshot.history_ids)
    return ids <= reported and has_histories


def _settlements_of(
    records: RecordReader, symbol: str, orders: Sequence[m.OrderRecord], snapshot: Snapshot
) -> list[m.Entry]:
    evidence = [e for order in orders for e in evidence_of(records, order)]
    rows = {
        e.broker_order_id: [
            x
            for x in {row.exec_id: row for row in snapshot.history_executions}.values()
            if x.broker_order_id == e.broker_order_id
        ]
        for e in evidence
    }
    counted = sum((_moved(records, e.broker_order_id) for e in evidence), ZERO)
    listed = sum((_qty_of_rows(records, rows[e.broker_order_id]) for e in evidence), ZERO)
    reported = sum((_reported_qty(records, e) for e in evidence), ZERO)
    busted = {
        e.broker_order_id: _qty_beside(records, rows[e.broker_order_id], e, snapshot.at)
        for e in evidence
    }
    ids = [e.broker_order_id for e in evidence]
    agree = None not in busted.values() and all(
        _has_average_of_rows(e, rows[e.broker_order_id]) for e in evidence
    )
    if agree and _position_agrees(records, symbol, listed - counted, snapshot):
        settled = [m.DisputeSettled(i, tuple(sorted(x.exec_id for x in rows[i]))) for i in ids]
        # The total would bring the busted executions back, once the busts are ignored.
        busts = [m.Busted(inferred_bust(records, i, qty)) for i, qty in busted.items() if qty]
        return [*settled, *busts]
    if not any(map(average_differs, evidence)) and _position_agrees(
        records, symbol, ZERO, snapshot
    ):
        return [m.DisputeSettled(i, None) for i in ids]
    if _position_agrees(records, symbol, reported - counted, snapshot):
        return [m.DisputeSettled(i, ()) for i in ids]
    return []


def _qty_beside(
    records: RecordReader, rows: Iterable[m.Execution], evidence: m.Evidence, at: m.Timestamp
) -> Decimal | None:
    """
    Return what the reported total of one id has beside *rows*: the executions that were busted.

    It is in their unit.  None: the rows do not sum to the total, or a recent fill may be missing
    from them.  The total of a replacing id may have carried fills.
    """
    total = total_of(evidence, _total_of(evidence))
    summed = sum((x.qty for x in rows), ZERO)
    if summed == total or (total is not None and evidence.replaces is not None and summed < total):
        return ZERO
    if total is None or summed > total or has_recent_fill(records, evidence, at):
        return None
    return total - summed


def _has_average_of_rows(evidence: m.Evidence, rows: Sequence[m.Execution]) -> bool:
    """Return whether the reported average is that of *rows*, as far as it is later than they."""
    snap = _total_of(evidence)
    latest = max((x.at for x in rows), default=None)
    if evidence.quote_sized or evidence.replaces is not None or not includes(snap, latest):
        return True
    if sum((x.qty for x in rows), ZERO) != snap.cum:
        return True
    return is_average_of(snap, sum((x.qty * (x.price or ZERO) for x in rows), ZERO))


def has_recent_fill(records: RecordReader, evidence: m.Evidence, at: m.Timestamp) -> bool:
    """Return whether an id has a fill that lagging endpoints may lack *at* that time."""
    since = m.timestamp(m.moment(at) - RECENT_FILL)
    movements = records.find(m.Movement, "owner", evidence.broker_order_id)
    return any(x.at > since for x in movements)


def inferred_bust(records: RecordReader, broker_order_id: str, qty: Decimal) -> m.TradeBust:
    """Build a bust of executions that only the total of the order shows; it has a new id."""
    name = f"{broker_order_id}/{m.ExecSource.INFERRED}"
    busts = records.find(m.TradeBust, "broker_order_id", broker_order_id)
    known = sum(x.exec_id.startswith(name) for x in busts)
    return m.TradeBust(
        source=m.ExecSource.HISTORY,
        exec_id=f"{name}/{known}" if known else name,
        broker_order_id=broker_order_id,
        qty=qty,
    )


def _moved(records: RecordReader, broker_order_id: str) -> Decimal:
    """Return by how much the fills of an id moved the position, in today's units."""
    moves = records.find(m.Movement, "owner", broker_order_id)
    moves = [x for x in moves if x.kind is m.MoveKind.FILL]
    return sum((x.qty * split_factor(records, x.symbol, x.at) for x in moves), ZERO)


def _qty_of_rows(records: RecordReader, rows: Iterable[m.Execution]) -> Decimal:
    return sum((_moved_qty(records, x) for x in rows), ZERO)


def _moved_qty(records: RecordReader, row: m.Execution) -> Decimal:
    symbol = resolve(records, row.symbol, row.at)
    factor = split_factor(records, holding_of(records, symbol), row.at)
    fee = pairs.fee_in_base(row, records.get(m.Pair, symbol)) or ZERO
    return base_qty(row) * row.side.sign * factor - fee


def _reported_qty(records: RecordReader, evidence: m.Evidence) -> Decimal:
    """Return the quantity that the reported total of an id moved; a replacing id has its part."""
    snap, name = _total_of(evidence), evidence.broker_order_id
    terms = present(evidence.terms, f"the terms of {name}")
    at = present(snap.last_fill_at or snap.read_at, f"the time of a report on {name}")
    qty = evidence.filled if evidence.replaces else snap.cum
    holding = holding_of(records, terms.symbol)
    return qty * terms.side.sign * split_factor(records, holding, at)


def _total_of(evidence: m.Evidence) -> m.OrderSnapshot:
    return present(totals_snapshot(evidence), f"the report on {evidence.broker_order_id}")


def split_factor(records: RecordReader, symbol: str, at: m.Timestamp) -> Decimal:
    """Return how many of today's units one unit of *symbol* at that time is."""
    factor, held = Decimal(1), m.Position(symbol=symbol)
    for x in sorted(records.find(m.Movement, "symbol", symbol), key=lambda x: x.order):
        after, _ = fold(held, x)
        if x.kind is m.MoveKind.RATIO and x.at > at:
            factor *= x.ratio or (after.qty / held.qty if held.qty else 1)
        held = after
    return factor


def _position_agrees(
    records: RecordReader, symbol: str, added: Decimal, snapshot: Snapshot
) -> bool:
    """Return whether our position plus *added* is the one of the snapshot."""
    ours = records.get(m.Position, symbol) or m.Position(symbol=symbol)
    theirs = next((x for x in snapshot.positions if x.symbol == symbol), None)
    quantum = pairs.quantum(records, symbol)
    moved = evolve(ours, account=evolve(ours.account, qty=ours.account.qty + added))
    return position_drift(symbol, moved, theirs, quantum) is None
