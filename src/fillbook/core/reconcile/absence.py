"""
Absence needs agreement (promise P6): what a look does not show may only not be shown.

A look that loses too much at once, or whose sums disagree, is none.  A fill is taken for
gone only where two of the broker's sources agree that it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.orders.executions import Chain, Counted, alike, choose
from fillbook.core.reconcile.drift import CENT, Snapshot
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

#: A pass that loses more than this share of the known positions at once saw nothing.
LOST_AT_ONCE: Final = Decimal("0.5")
#: How far the sum of market values may be from the account's.
VALUES_WITHIN: Final = Decimal("0.02")


#: A fill younger than that may only not be shown yet, by several endpoints at once.
YOUNG: Final = timedelta(seconds=60)


@m.exact
def taken_back(
    after: RecordReader, broker_order_id: str, history: Iterable[m.Execution], at: m.Timestamp
) -> tuple[list[m.TradeBust], Decimal]:
    """
    What counts as filled of one id, and its whole *history* does not hold; signed, as it moved.
    *at* is when that was read.

    Alone that proves nothing: a history may be late.  It is believed only where it is the
    whole of a confirmed difference, so that two of the broker's sources agree.
    """
    rows = list({x.exec_id: x for x in history}.values())
    evidence = after.get(m.Evidence, broker_order_id)
    record = None if evidence is None else after.get(m.OrderRecord, evidence.client_order_id)
    if evidence is None or record is None or _is_young(after, evidence, at):
        return [], ZERO
    missing = evidence.filled - sum((x.qty for x in rows), ZERO)
    living = [x.newest for x in _counted(after, broker_order_id).chosen if not x.dead]
    voids = [
        _void(broker_order_id, x.exec_id, x.qty, x.source)
        for x in living
        if x is not None and not _holds(rows, x)
    ]
    rest = missing - sum((void.qty or ZERO for void in voids), ZERO)
    if missing <= 0 or rest < 0:
        return [], ZERO
    if rest:  # told by the order's total alone
        voids.append(_void(broker_order_id, f"{broker_order_id}/{m.ExecSource.INFERRED}", rest))
    return voids, missing * record.terms.side.sign


def _is_young(after: RecordReader, evidence: m.Evidence, at: m.Timestamp) -> bool:
    since = m.timestamp(m.moment(at) - YOUNG)
    moves = after.find(m.Movement, "owner", evidence.broker_order_id)
    return any(x.at > since for x in moves)


@m.exact
def agreed_voids(
    after: RecordReader, broker_order_id: str, history: Iterable[m.Execution]
) -> list[m.TradeBust]:
    """
    The fills that the stream took back and that the id's whole *history* does not hold.

    Of a fill that nobody told of before, only its quantity is known; it is believed to be out
    of the history if the sums then come out.
    """
    rows = list({x.exec_id: x for x in history}.values())
    counted = _counted(after, broker_order_id)
    known = {x.root for x in counted.history} | {row.exec_id for row in rows}
    dead = [x for x in counted.stream if x.dead and x.root not in known]
    gone = [x for x in dead if x.newest is not None and not _holds(rows, x.newest)]
    unseen = [x for x in dead if x.newest is None]
    if unseen and _comes_out(after.get(m.Evidence, broker_order_id), rows, (*gone, *unseen)):
        gone += unseen
    return [
        _void(broker_order_id, x.root, x.gross)
        if x.newest is None
        else _void(broker_order_id, x.newest.exec_id, x.newest.qty)
        for x in gone
    ]


def _comes_out(
    evidence: m.Evidence | None, rows: Iterable[m.Execution], gone: Iterable[Chain]
) -> bool:
    """Whether *rows*, alone or with what is *gone*, are what the broker's totals say."""
    if evidence is None or evidence.quote_sized:
        return False
    rows = list(rows)
    net = sum((row.qty for row in rows), ZERO)
    gross = net + sum((x.gross for x in gone), ZERO)
    word = ZERO if evidence.word is None else evidence.word.cum
    told = max((word, evidence.stream.cum, *(row.cum_qty or ZERO for row in rows)))
    return net == word or gross == told  # brokers lower their total by a bust, or keep it


def _counted(after: RecordReader, broker_order_id: str) -> Counted:
    return choose(
        after.find(m.Execution, "broker_order_id", broker_order_id),
        after.find(m.TradeBust, "broker_order_id", broker_order_id),
    )


def _holds(rows: Iterable[m.Execution], x: m.Execution) -> bool:
    same_source = x.source is m.ExecSource.HISTORY
    return any(x.exec_id == row.exec_id or (not same_source and alike(x, row)) for row in rows)


def _void(
    broker_order_id: str,
    exec_id: str,
    qty: Decimal,
    source: m.ExecSource = m.ExecSource.HISTORY,
) -> m.TradeBust:
    return m.TradeBust(source=source, exec_id=exec_id, broker_order_id=broker_order_id, qty=qty)


# -- whether a look may be believed at all -----------------------------------------------


@m.exact
def doubt(after: RecordReader, look: Snapshot) -> str | None:
    """
    Why *look* cannot be believed as a whole, or None.

    Absence needs agreement (P6): market values sum to the account's, and not more than half
    of the known positions vanish at once without fills that say so.
    """
    known = [x for x in after.all(m.Position) if x.qty]
    listed = {x.symbol for x in look.positions}
    lost = [x.symbol for x in known if x.symbol not in listed]
    if len(known) > 1 and Decimal(len(lost)) > len(known) * LOST_AT_ONCE:
        return f"{len(lost)} of {len(known)} known positions are missing at once"
    return _values_disagree(look)


def _values_disagree(look: Snapshot) -> str | None:
    account = look.account
    if account.long_market_value is None or account.short_market_value is None:
        return None
    values = [x.market_value for x in look.positions]
    if any(value is None for value in values):
        return None
    told = account.long_market_value - account.short_market_value
    summed = sum((abs(value) for value in values if value is not None), ZERO)
    if abs(told - summed) <= VALUES_WITHIN * max(told, summed) + CENT:
        return None
    return f"positions sum to {m.plain(summed)}, the account says {m.plain(told)}"
