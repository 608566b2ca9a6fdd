"""
Absence (promise P6): a snapshot without an order or a position does not prove that it is gone.

A snapshot that misses too many positions at once, or whose sums disagree, is discarded.  A fill
counts as busted only if two of the broker's sources agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.orders.corrections_and_busts import (
    CountedExecutions,
    ExecutionChain,
    count_executions,
    may_be_same,
)
from fillbook.core.orders.evidence import base_qty, count_facts
from fillbook.core.orders.totals import reported_total
from fillbook.core.reconcile.drift import CENT, Snapshot
from fillbook.core.reconcile.settlement import has_recent_fill, inferred_bust, split_factor
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

#: A snapshot that misses more than this share of the known positions is discarded.
MISSING_SHARE_MAX: Final = Decimal("0.5")
#: The relative tolerance between the sum of market values and the account's figure.
MARKET_VALUE_TOLERANCE: Final = Decimal("0.02")


@m.exact
def infer_busts(
    records: RecordReader, broker_order_id: str, history: Iterable[m.Execution], at: m.Timestamp
) -> tuple[list[m.TradeBust], Decimal]:
    """
    Infer busts: fills of one broker id that its complete *history*, read *at*, lacks.

    Returns the busts, and their total quantity in signed base units of today (by which the fills
    moved the position, multiplied by the splits since).  A missing row alone is no proof, because
    a history may lag.  The caller uses the busts only if they equal a confirmed position
    difference, so that two of the broker's sources agree.
    """
    rows = list({x.exec_id: x for x in history}.values())
    evidence = records.get(m.Evidence, broker_order_id)
    record = None if evidence is None else records.get(m.OrderRecord, evidence.client_order_id)
    if evidence is None or record is None or has_recent_fill(records, evidence, at):
        return [], ZERO
    missing = evidence.filled - sum(map(base_qty, rows), ZERO)
    standing = [x.counted for x in _counted(records, broker_order_id).chosen]
    unlisted = [x for x in standing if x is not None and not _contains(rows, x)]
    busts = [_bust(broker_order_id, x.exec_id, x.qty, x.source) for x in unlisted]
    # A value that is divided by its price is not exactly the broker's quantity.
    rounding = evidence.filled - evidence.chosen.base - evidence.gap
    rounding = rounding if evidence.quote_sized else ZERO
    remaining_qty = missing - rounding - sum(map(base_qty, unlisted), ZERO)
    if remaining_qty < 0:
        return [], ZERO
    symbol = pairs.holding_of(records, record.terms.symbol)
    moved = sum((base_qty(x) * split_factor(records, symbol, x.at) for x in unlisted), ZERO)
    moved += rounding if unlisted else ZERO
    if remaining_qty:  # known from the order's total only
        total = reported_total(evidence) if evidence.quote_sized else None
        if total is not None and remaining_qty != evidence.gap:
            return [], ZERO  # the value of a part of it is not known
        qty = remaining_qty if total is None else total - evidence.chosen.gross
        busts.append(inferred_bust(records, broker_order_id, qty))
        moved += remaining_qty * split_factor(records, symbol, evidence.gap_at or at)
    return busts, moved * record.terms.side.sign


def confirmed_busts(
    records: RecordReader, broker_ids: Iterable[str], rows: Iterable[m.Execution]
) -> list[m.TradeBust]:
    """Confirm the stream's busts of each of *broker_ids*, whose complete histories are *rows*."""
    rows = list(rows)
    return [
        bust
        for i in broker_ids
        for bust in confirm_busts(records, i, [x for x in rows if x.broker_order_id == i])
    ]


@m.exact
def confirm_busts(
    records: RecordReader, broker_order_id: str, history: Iterable[m.Execution]
) -> list[m.TradeBust]:
    """
    Confirm the stream's busts of fills that the id's complete *history* lacks.

    Of a busted fill that no source reported before, only the quantity is known.  It counts as
    absent from the history if the broker's totals then agree.
    """
    rows = list({x.exec_id: x for x in history}.values())
    counted = _counted(records, broker_order_id)
    known = {x.root for x in counted.history} | {row.exec_id for row in rows}
    busted_chains = [x for x in counted.stream if x.is_busted and x.root not in known]
    busted = [x for x in busted_chains if x.newest is not None and not _contains(rows, x.newest)]
    unknown = [x for x in busted_chains if x.newest is None]
    evidence = records.get(m.Evidence, broker_order_id)
    if unknown and _totals_agree(evidence, rows, (*busted, *unknown)):
        busted += unknown
    return [
        _bust(broker_order_id, x.root, x.gross)
        if x.newest is None
        else _bust(broker_order_id, x.newest.exec_id, x.newest.qty)
        for x in busted
    ]


def _totals_agree(
    evidence: m.Evidence | None, rows: Iterable[m.Execution], busted: Iterable[ExecutionChain]
) -> bool:
    """Return whether *rows*, without or with *busted*, equal the broker's totals."""
    if evidence is None or evidence.quote_sized:
        return False
    rows = list(rows)
    net = sum((row.qty for row in rows), ZERO)
    gross = net + sum((x.gross for x in busted), ZERO)
    status_cum = ZERO if evidence.word is None else evidence.word.cum
    reported = max((status_cum, evidence.stream.cum, *(row.cum_qty or ZERO for row in rows)))
    # A bust lowers a broker's total, or not; a correction lowers it below that of older executions.
    return status_cum in (net, gross) or gross == reported


def _counted(records: RecordReader, broker_order_id: str) -> CountedExecutions:
    evidence = records.get(m.Evidence, broker_order_id)
    return count_executions((), ()) if evidence is None else count_facts(records, evidence)


def _contains(rows: Iterable[m.Execution], x: m.Execution) -> bool:
    same_source = x.source is m.ExecSource.HISTORY
    return any(
        x.exec_id == row.exec_id or (not same_source and may_be_same(x, row)) for row in rows
    )


def _bust(
    broker_order_id: str,
    exec_id: str,
    qty: Decimal,
    source: m.ExecSource = m.ExecSource.HISTORY,
) -> m.TradeBust:
    return m.TradeBust(source=source, exec_id=exec_id, broker_order_id=broker_order_id, qty=qty)


# -- discarding a snapshot -------------------------------------------------------------


@m.exact
def discard_reason(
    records: RecordReader, snapshot: Snapshot, values_crypto: bool | None = None
) -> str | None:
    """
    Return why *snapshot* is discarded as a whole; None: it is usable.

    At most half of the known positions may be missing at once without fills that explain it, and
    if one is missing, the market values have to sum to the account's figure (P6).  Before the
    opening balance nothing is known, and any may be missing.  *values_crypto* is the capability.
    """
    known = [x for x in records.all(m.Position) if x.qty]
    listed = {x.symbol for x in snapshot.positions}
    missing = [x.symbol for x in known if x.symbol not in listed]
    if len(known) > 1 and Decimal(len(missing)) > len(known) * MISSING_SHARE_MAX:
        return (
            f"{len(missing)} of {len(known)} known positions are missing from one snapshot; if "
            "they are closed, confirm it with sync(adopt=True) or `fillbook sync --adopt`"
        )
    is_opened = records.get(m.Cash, "cash") is not None
    return None if is_opened and not missing else _values_disagree(records, snapshot, values_crypto)


def _values_disagree(
    records: RecordReader, snapshot: Snapshot, values_crypto: bool | None
) -> str | None:
    account = snapshot.account
    if account.long_market_value is None or account.short_market_value is None:
        return None
    reported = account.long_market_value - account.short_market_value
    sums: list[Decimal] = []
    for with_crypto in (True, False) if values_crypto is None else (values_crypto,):
        values = [
            x.market_value
            for x in snapshot.positions
            if with_crypto or not pairs.holds_crypto(records, x.symbol)
        ]
        if any(value is None for value in values):
            return None
        sums.append(sum((abs(value) for value in values if value is not None), ZERO))
    if any(abs(reported - x) <= MARKET_VALUE_TOLERANCE * max(reported, x) + CENT for x in sums):
        return None
    return (
        f"the positions are worth {' or '.join(map(m.plain, sums))}, but the account reports "
        f"{m.plain(reported)}"
    )
