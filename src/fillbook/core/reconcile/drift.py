"""
Drift: our record against the broker's, explained (promises P6 and P8).

A `Snapshot` is one complete reading of the account.  Whatever fills, orders and
activities in it explain is merged before anything is compared; the rest is a
difference, and is believed only if two looks a lag apart say the same while nothing
moved.  Everything here is pure: `check` and `sync` share it, and differ only in
whether what was heard is written down.

Other half: `desk.reconcile.reconciler`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Final, assert_never

from attrs import field, frozen

from fillbook import model as m
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

#: Sums of cents are rounded by brokers.
CENT: Final = Decimal("0.01")
_BY_REPORT: Final = "the broker's own report"


@frozen(kw_only=True)
class Snapshot:
    """
    One complete reading of the account; `at` is of the broker's clock if it told it, else of
    ours; `started` and `ended` are of the monotonic clock.

    `fills` are those since the cursor, read before and after everything else; the look is
    valid only if both readings are the same.  `told` are the whole fill histories of the ids
    in `histories`, of any age.
    """

    at: m.Timestamp
    started: timedelta
    ended: timedelta
    account: m.AccountSnapshot
    orders: tuple[m.OrderReport, ...]
    positions: tuple[m.PositionSnapshot, ...]
    fills: tuple[m.Execution, ...]
    fills_after: tuple[m.Execution, ...]
    activities: tuple[m.Activity, ...] = ()
    by_id: tuple[m.OrderReport, ...] = ()
    gone: tuple[m.NotFoundAfterSeen, ...] = ()
    histories: tuple[str, ...] = ()
    told: tuple[m.Execution, ...] = ()
    number: int = 0

    @property
    def valid(self) -> bool:
        """Whether nothing was filled while it was taken."""
        return {x.exec_id for x in self.fills} == {x.exec_id for x in self.fills_after}


def heard(look: Snapshot) -> list[m.Entry]:
    """What *look* tells, as entries: orders first, so that each fill finds its order."""
    entries: list[m.Entry] = []
    entries += [m.Reported(x, m.ReportSource.LIST, look.number) for x in look.orders]
    entries += [m.Reported(x, m.ReportSource.BY_ID, look.number) for x in look.by_id]
    entries += [m.Executed(x) for x in (*look.fills_after, *look.told)]
    entries += [m.HistoryRead(broker_order_id) for broker_order_id in look.histories]
    entries += [m.ActivityReported(x) for x in look.activities]
    entries += look.gone
    return entries


@m.exact
def explained(
    entries: Iterable[m.Entry], before: RecordReader, after: RecordReader
) -> list[m.Finding]:
    """What *entries*, which changed the record, say that it had not known."""
    findings: list[m.Finding] = []
    seen: set[str] = set()
    for entry in entries:
        match entry:
            case m.Reported():
                broker_ids = [entry.report.broker_order_id]
                broker_ids += [leg.broker_order_id for leg in entry.report.legs]
                for broker_order_id in broker_ids:
                    findings += _order(broker_order_id, before, after, seen)
            case m.Executed():
                findings += _order(entry.execution.broker_order_id, before, after, seen)
                findings += _external(entry.execution, after)
            case m.ActivityReported():
                findings.append(_happened(entry.activity))
            case m.NotFoundAfterSeen():
                findings.append(denied(entry, after))
            case _:
                pass  # the other entries tell nothing of the broker
    return findings


def _order(
    broker_order_id: str, before: RecordReader, after: RecordReader, seen: set[str]
) -> list[m.Finding]:
    evidence = after.get(m.Evidence, broker_order_id)
    now = None if evidence is None else after.get(m.OrderRecord, evidence.client_order_id)
    if now is None or now.client_order_id in seen:
        return []
    seen.add(now.client_order_id)
    was = before.get(m.OrderRecord, now.client_order_id)
    if was is not None:
        return changed(was, now)
    if now.origin is m.Origin.LEG:
        return []
    unknown = m.UnknownToUs(
        now.terms.symbol,
        broker_order_id,
        now.terms.side,
        now.terms.qty,
        now.order.filled_qty,
        now.order.status,
    )
    return [m.Finding(unknown, m.Confidence.EXPLAINED, _BY_REPORT)]


def changed(was: m.OrderRecord, now: m.OrderRecord) -> list[m.Finding]:
    """What an order's record had not known."""
    symbol, name = now.terms.symbol, now.client_order_id
    found: m.Drift
    if was.order.filled_qty != now.order.filled_qty:
        found = m.MissedFill(symbol, name, was.order.filled_qty, now.order.filled_qty)
    elif was.order.status is not now.order.status:
        found = m.OrderStatusDiffers(symbol, name, was.order.status, now.order.status)
    else:
        return []
    return [m.Finding(found, m.Confidence.EXPLAINED, _BY_REPORT)]


def _external(execution: m.Execution, after: RecordReader) -> list[m.Finding]:
    evidence = after.get(m.Evidence, execution.broker_order_id)
    record = None if evidence is None else after.get(m.OrderRecord, evidence.client_order_id)
    if record is None or record.origin is not m.Origin.EXTERNAL:
        return []
    drift = m.ExternalTrade(
        execution.symbol,
        execution.broker_order_id,
        execution.exec_id,
        execution.qty * execution.side.sign,
        execution.price,
        execution.at,
    )
    return [m.Finding(drift, m.Confidence.EXPLAINED, "a fill of an order that is not ours")]


def _happened(activity: m.Activity) -> m.Finding:
    drift = m.HappenedWithoutTrade(
        activity.symbol, activity.kind, activity.qty, activity.ratio, activity.cash, activity.at
    )
    because = activity.description or activity.raw_kind or str(activity.kind)
    return m.Finding(drift, m.Confidence.EXPLAINED, because)


def denied(entry: m.NotFoundAfterSeen, after: RecordReader) -> m.Finding:
    """A live order of ours that the broker says it does not have."""
    record = after.get(m.OrderRecord, entry.client_order_id)
    symbol = "" if record is None else record.terms.symbol
    drift = m.UnknownToBroker(symbol, entry.client_order_id)
    return m.Finding(drift, m.Confidence.CONFIRMED, "the broker denies what it showed before")


# -- what is left ----------------------------------------------------------------------


@frozen
class Difference:
    """A position or the cash, where evidence does not explain it."""

    key: str
    drift: m.PositionDrift | m.WrongCash
    notional: Decimal | None


@m.exact
def differences(after: RecordReader, look: Snapshot) -> list[Difference]:
    """Where the record and *look* still differ once everything heard is merged; by symbol."""
    theirs = {x.symbol: x for x in look.positions}
    ours = {x.symbol: x for x in after.all(m.Position)}
    found = []
    for symbol in sorted(theirs.keys() | ours.keys()):
        quantum = _quantum(after, symbol)
        drift = position_drift(symbol, ours.get(symbol), theirs.get(symbol), quantum)
        if drift is not None:
            found.append(Difference(f"position/{symbol}", drift, _notional(drift, theirs)))
    cash = _cash_drift(after.get(m.Cash, "cash"), look.account)
    if cash is not None:
        found.append(Difference("cash", cash, abs(cash.theirs - cash.ours)))
    return found


def _quantum(after: RecordReader, symbol: str) -> Decimal:
    instrument = after.get(m.Instrument, symbol)
    return ZERO if instrument is None else instrument.quantum


@m.exact
def position_drift(
    symbol: str, ours: m.Position | None, theirs: m.PositionSnapshot | None, quantum: Decimal
) -> m.PositionDrift | None:
    """
    The difference of one symbol, or None within one increment.

    Where fees in base are posted late, ours is an interval: a fee that is pending is no drift.
    """
    high = ZERO if ours is None else ours.qty
    low = high if ours is None else high - ours.fee_due
    actual = ZERO if theirs is None else theirs.qty
    if low - quantum <= actual <= high + quantum:
        return None
    if not actual:
        return m.Phantom(symbol, high)
    if not high:
        return m.Untracked(symbol, actual)
    return m.WrongQty(symbol, high, actual)


@m.exact
def by_which(drift: m.PositionDrift) -> Decimal:
    """Theirs less ours, signed, in units of the base."""
    match drift:
        case m.Phantom(ours=ours):
            return -ours
        case m.Untracked(theirs=theirs):
            return theirs
        case m.WrongQty(ours=ours, theirs=theirs):
            return theirs - ours
        case _:
            assert_never(drift)


@m.exact
def unsettled(
    found: Iterable[Difference], after: RecordReader, look: Snapshot, lag: timedelta
) -> m.Unsettled:
    """
    The positions of *found* that no fill of the last *lag* explains.

    A snapshot may be that old: a quantity that was held since then is no other evidence.
    """
    since = m.timestamp(m.moment(look.at) - lag)
    rows = []
    for x in found:
        if isinstance(x.drift, m.PositionDrift):
            difference = by_which(x.drift)
            moves = after.find(m.Movement, "symbol", x.drift.symbol)
            recent = [move for move in moves if move.at >= since]
            recent.sort(key=lambda move: move.order, reverse=True)
            if difference not in accumulate(-move.qty for move in recent):
                rows.append((x.drift.symbol, difference))
    return m.Unsettled(tuple(rows))


def _notional(drift: m.PositionDrift, theirs: dict[str, m.PositionSnapshot]) -> Decimal | None:
    snapshot = theirs.get(drift.symbol)
    if snapshot is None or snapshot.price is None:
        return None  # a fill or a cost basis is never a price
    ours = ZERO if isinstance(drift, m.Untracked) else drift.ours
    return abs(snapshot.qty - ours) * snapshot.price


def _cash_drift(ours: m.Cash | None, account: m.AccountSnapshot) -> m.WrongCash | None:
    if ours is None or ours.amount is None:
        return None  # no anchor, or a price that is not known yet: nothing to compare
    difference = account.cash - ours.amount
    if -CENT - ours.fee_due <= difference <= CENT:
        return None
    return m.WrongCash(ours.amount, account.cash)


@frozen(kw_only=True)
class Comparison:
    """The differences of one look, kept to be confirmed by another."""

    look: Snapshot
    found: tuple[Difference, ...]
    moved: frozenset[str] = field(factory=frozenset)  #: symbols that may still be moving
    unsettled: m.Unsettled = field(factory=m.Unsettled)


def moving(after: RecordReader, look: Snapshot, lag: timedelta) -> frozenset[str]:
    """The symbols on which something is going on, so that no difference is to be believed."""
    symbols = {
        record.terms.symbol
        for record in after.find(m.OrderRecord, "open", "yes")
        if _unsettled(record)
    }
    since = m.timestamp(m.moment(look.at) - lag)
    symbols |= {x.symbol for x in look.fills_after if x.at >= since}
    # A fill that only the order's total tells of yet is one too.
    symbols |= {x.symbol for x in after.all(m.Position) if x.last and x.last.at >= since}
    return frozenset(symbols)


#: An order in such a state is about to become something else.
_IN_FLIGHT: Final = frozenset(
    {m.OrderStatus.UNPROVEN, m.OrderStatus.PENDING_CANCEL, m.OrderStatus.PENDING_REPLACE}
)


def _unsettled(record: m.OrderRecord) -> bool:
    return record.order.status in _IN_FLIGHT or record.order.pending is not None


def disputed(after: RecordReader) -> frozenset[str]:
    """The symbols with an order whose evidence contradicts itself."""
    return frozenset(
        record.terms.symbol
        for record in after.find(m.OrderRecord, "open", "yes")
        if record.order.status is m.OrderStatus.DISPUTED
    )


def confirm(
    first: Comparison, second: Comparison, lag: timedelta, doubted: frozenset[str] = frozenset()
) -> list[m.Finding]:
    """
    The differences of *second*, and which of them are confirmed.

    Confirmed: both looks valid and a lag apart, the same figures on both sides, and nothing
    moving on that symbol from a lag before the first to the end of the second; and no order
    on it disputed (*doubted*).
    """
    apart = second.look.started - first.look.ended >= lag
    valid = first.look.valid and second.look.valid and apart
    before = {x.key: x for x in first.found}
    findings = []
    for found in second.found:
        still = before.get(found.key)
        symbol = getattr(found.drift, "symbol", None)
        moving = first.moved | second.moved | doubted
        quiet = not moving if symbol is None else symbol not in moving
        sure = valid and quiet and still is not None and still.drift == found.drift
        findings.append(
            m.Finding(
                found.drift,
                m.Confidence.CONFIRMED if sure else m.Confidence.SETTLING,
                "fills, orders and activities were read and do not explain it"
                if sure
                else "seen, not yet confirmed by a second look at rest",
                found.notional,
            )
        )
    return findings
