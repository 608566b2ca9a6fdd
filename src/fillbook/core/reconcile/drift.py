"""
Drift: the comparison of our record with the broker's account (promises P6 and P8).

A `Snapshot` is one complete reading of the account.  Its fills, orders and activities are
merged into the record before the comparison.  What then still differs is a difference.  It is
confirmed only if two consecutive snapshots, at least `account_lag` apart, show the same figures
and the symbol had no activity meanwhile.  Everything here is pure: `check` and `sync` use the
same functions, and only `sync` writes the entries to the journal.

Other half: `desk.reconcile.reconciler`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Final, assert_never

from attrs import evolve, field, frozen

from fillbook import model as m
from fillbook.core import pairs, symbol_names
from fillbook.core.orders import instructions
from fillbook.core.orders.evidence import base_qty
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

#: The tolerance of cash, in the account's currency: brokers round to cents.
CENT: Final = Decimal("0.01")
_BROKER_REPORT: Final = "the broker's own report"


@frozen(kw_only=True)
class Snapshot:
    """
    One complete reading of the account.

    `at` is the broker's time if it reports one, else ours (UTC); `started` and `ended` are
    readings of the monotonic clock.  `fills` and `fills_after` are the fills since the cursor,
    read before and after everything else; the snapshot is valid only if they are the same.
    `fills_since` and `activities_since` are the times from which they were read (UTC); None: the
    broker does not report them.
    `by_id` are orders that were read by id, because the list did not contain them, and
    `not_found` those that the broker reported as not found.  `history_executions` are the
    complete fill histories of the broker ids in `history_ids`, of any age.  `number` orders
    the snapshots of brokers whose reports bear no clock.
    """

    at: m.Timestamp
    started: timedelta
    ended: timedelta
    account: m.AccountSnapshot
    orders: tuple[m.OrderReport, ...]
    positions: tuple[m.PositionSnapshot, ...]
    fills: tuple[m.Execution, ...]
    fills_after: tuple[m.Execution, ...]
    fills_since: m.Timestamp | None = None
    activities_since: m.Timestamp | None = None
    activities: tuple[m.Activity, ...] = ()
    by_id: tuple[m.OrderReport, ...] = ()
    not_found: tuple[m.NotFoundAfterSeen, ...] = ()
    history_ids: tuple[str, ...] = ()
    history_executions: tuple[m.Execution, ...] = ()
    number: int = 0

    @property
    def is_valid(self) -> bool:
        """Whether no order was filled while the snapshot was taken."""
        return {x.exec_id for x in self.fills} == {x.exec_id for x in self.fills_after}


def entries_of(snapshot: Snapshot) -> list[m.Entry]:
    """Convert *snapshot* to journal entries: orders first, so that each fill finds its order."""
    entries: list[m.Entry] = []
    entries += [m.Reported(x, m.ReportSource.LIST, snapshot.number) for x in snapshot.orders]
    entries += [m.Reported(x, m.ReportSource.BY_ID, snapshot.number) for x in snapshot.by_id]
    entries += [m.Executed(x) for x in (*snapshot.fills_after, *snapshot.history_executions)]
    entries += [m.HistoryRead(broker_order_id) for broker_order_id in snapshot.history_ids]
    entries += [m.ActivityReported(_read_at(x, snapshot.at)) for x in snapshot.activities]
    entries += snapshot.not_found
    return entries


def _read_at(activity: m.Activity, at: m.Timestamp) -> m.Activity:
    return evolve(activity, read_at=at) if activity.dated else activity


@m.exact
def explained_findings(
    entries: Iterable[m.Entry], before: RecordReader, after: RecordReader
) -> list[m.Finding]:
    """List the differences that *entries* explain: what changed from *before* to *after*."""
    findings: list[m.Finding] = []
    seen: set[str] = set()
    for entry in entries:
        match entry:
            case m.Reported():
                broker_ids = [entry.report.broker_order_id]
                broker_ids += [leg.broker_order_id for leg in entry.report.legs]
                for broker_order_id in broker_ids:
                    findings += _order_findings(broker_order_id, before, after, seen)
            case m.DisputeSettled():
                findings += _order_findings(entry.broker_order_id, before, after, seen)
            case m.Busted():
                findings += _order_findings(entry.bust.broker_order_id, before, after, seen)
            case m.Executed():
                findings += _order_findings(entry.execution.broker_order_id, before, after, seen)
                findings += _external_fills(entry.execution, after)
            case m.ActivityReported():
                findings.append(_activity_finding(entry.activity))
            case m.NotFoundAfterSeen():
                findings.append(not_found_finding(entry, after))
            case _:
                pass  # the other entries are no reports of the broker
    return findings


def _order_findings(
    broker_order_id: str, before: RecordReader, after: RecordReader, seen: set[str]
) -> list[m.Finding]:
    evidence = after.get(m.Evidence, broker_order_id)
    now = None if evidence is None else after.get(m.OrderRecord, evidence.client_order_id)
    if now is None or now.client_order_id in seen:
        return []
    seen.add(now.client_order_id)
    was = before.get(m.OrderRecord, now.client_order_id)
    if was is not None:
        return order_difference(was, now)
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
    return [m.Finding(unknown, m.Confidence.EXPLAINED, _BROKER_REPORT)]


def order_difference(was: m.OrderRecord, now: m.OrderRecord) -> list[m.Finding]:
    """List how an order differs: *was* is our record, *now* includes the broker's reports."""
    symbol, name = now.terms.symbol, now.client_order_id
    found: list[m.Drift] = [
        m.OrderTermsDiffer(symbol, name, field, ours, theirs)
        for field, ours, theirs in instructions.unrequested_terms(was, now)
    ]
    if was.order.filled_qty != now.order.filled_qty:
        found.insert(0, m.MissedFill(symbol, name, was.order.filled_qty, now.order.filled_qty))
    elif was.order.status is not now.order.status:
        found.insert(0, m.OrderStatusDiffers(symbol, name, was.order.status, now.order.status))
    return [m.Finding(drift, m.Confidence.EXPLAINED, _BROKER_REPORT) for drift in found]


def _external_fills(execution: m.Execution, records: RecordReader) -> list[m.Finding]:
    evidence = records.get(m.Evidence, execution.broker_order_id)
    record = None if evidence is None else records.get(m.OrderRecord, evidence.client_order_id)
    if record is None or record.origin is not m.Origin.EXTERNAL:
        return []
    drift = m.ExternalTrade(
        execution.symbol,
        execution.broker_order_id,
        execution.exec_id,
        base_qty(execution) * execution.side.sign,
        execution.price,
        execution.at,
    )
    return [m.Finding(drift, m.Confidence.EXPLAINED, "external fill")]


def _activity_finding(activity: m.Activity) -> m.Finding:
    drift = m.HappenedWithoutTrade(
        activity.symbol, activity.kind, activity.qty, activity.ratio, activity.cash, activity.at
    )
    because = activity.description or activity.raw_kind or str(activity.kind)
    return m.Finding(drift, m.Confidence.EXPLAINED, because)


def not_found_finding(entry: m.NotFoundAfterSeen, records: RecordReader) -> m.Finding:
    """Build the finding for a live order of ours that was not found at the broker."""
    record = records.get(m.OrderRecord, entry.client_order_id)
    symbol = "" if record is None else record.terms.symbol
    drift = m.UnknownToBroker(symbol, entry.client_order_id)
    return m.Finding(
        drift, m.Confidence.CONFIRMED, "not found at the broker, after it was reported"
    )


# -- differences -----------------------------------------------------------------------

#: The kinds of movements whose `qty` is a change of the quantity.
_CHANGES: Final = frozenset(
    {m.MoveKind.FILL, m.MoveKind.PAYMENT, m.MoveKind.AMOUNT, m.MoveKind.FEE}
)


@frozen
class Difference:
    """A difference in a position, its parts or the cash that no evidence explains."""

    key: str
    drift: m.PositionDrift | m.WrongCash | m.EndedUnitsDiffer
    notional: Decimal | None


@m.exact
def differences(records: RecordReader, snapshot: Snapshot) -> list[Difference]:
    """Compare *snapshot* with the record into which it was merged; sorted by symbol, then cash."""
    theirs = {x.symbol: x for x in snapshot.positions}
    ours = {x.symbol: x for x in records.all(m.Position)}
    found = []
    for symbol in sorted(theirs.keys() | ours.keys()):
        quantum = pairs.quantum(records, symbol)
        drift = position_drift(symbol, ours.get(symbol), theirs.get(symbol), quantum)
        if drift is not None:
            found.append(Difference(f"position/{symbol}", drift, _notional(drift, theirs)))
        unmatched = ZERO if symbol not in ours else ours[symbol].unmatched
        if abs(unmatched) > quantum:
            found.append(
                Difference(f"action/{symbol}", m.EndedUnitsDiffer(symbol, unmatched), None)
            )
    drifts = [_cash_drift(records.get(m.Cash, "cash"), snapshot.account.cash, None)]
    drifts += _other_cash_drifts(records, snapshot.account)
    for cash in drifts:
        if cash is not None:
            notional = abs(cash.theirs - cash.ours) if cash.currency is None else None
            found.append(Difference(m.cash_key(cash.currency), cash, notional))
    return found


@m.exact
def position_drift(
    symbol: str, ours: m.Position | None, theirs: m.PositionSnapshot | None, quantum: Decimal
) -> m.PositionDrift | None:
    """
    Compare the position of one symbol; None if the difference is within *quantum*.

    Fees in base units are posted later, so ours is an interval: a pending fee is no drift.
    """
    high = ZERO if ours is None else ours.qty
    low = high if ours is None else high - ours.fee_due
    actual = ZERO if theirs is None else theirs.qty
    if low - quantum <= actual <= high + quantum:
        return None
    return qty_drift(symbol, high, actual)


def qty_drift(symbol: str, ours: Decimal, theirs: Decimal) -> m.PositionDrift:
    """Name the difference between two quantities of a symbol, in signed base units."""
    if not theirs:
        return m.Phantom(symbol, ours)
    if not ours:
        return m.Untracked(symbol, theirs)
    return m.WrongQty(symbol, ours, theirs)


@m.exact
def qty_difference(drift: m.PositionDrift) -> Decimal:
    """Return theirs minus ours, in signed base units."""
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
    found: Iterable[Difference], records: RecordReader, snapshot: Snapshot, lag: timedelta
) -> m.Unsettled:
    """
    Select from *found* the position differences that fills of the last *lag* do not explain.

    A snapshot may be up to *lag* old.  A quantity that we held within that time is therefore
    no difference.  A balance adjustment is no change of the quantity that the account held.
    """
    since = m.timestamp(m.moment(snapshot.at) - lag)
    rows = []
    for x in found:
        if isinstance(x.drift, m.PositionDrift):
            difference = qty_difference(x.drift)
            moves = records.find(m.Movement, "symbol", x.drift.symbol)
            recent = [move for move in moves if move.at >= since and move.kind in _CHANGES]
            recent.sort(key=lambda move: move.order, reverse=True)
            if difference not in accumulate(-move.qty for move in recent):
                rows.append((x.drift.symbol, difference))
    return m.Unsettled(tuple(rows))


def _notional(drift: m.PositionDrift, theirs: dict[str, m.PositionSnapshot]) -> Decimal | None:
    snapshot = theirs.get(drift.symbol)
    if snapshot is None or snapshot.price is None:
        return None  # neither a fill price nor a cost basis is a market price
    ours = ZERO if isinstance(drift, m.Untracked) else drift.ours
    return abs(snapshot.qty - ours) * snapshot.price


def _cash_drift(ours: m.Cash | None, theirs: Decimal, currency: str | None) -> m.WrongCash | None:
    if ours is None or ours.amount is None:
        return None  # no opening balance yet, or an unknown price: nothing to compare
    difference = theirs - ours.amount
    if -CENT - ours.fee_due <= difference <= CENT:
        return None
    return m.WrongCash(ours.amount, theirs, currency)


def _other_cash_drifts(
    records: RecordReader, account: m.AccountSnapshot
) -> list[m.WrongCash | None]:
    """Compare the cash in every other currency; one without a balance of ours has none."""
    if records.get(m.Cash, "cash") is None:
        return []
    ours = {x.currency: x for x in records.all(m.Cash) if x.other}
    theirs = {x.currency: x.value for x in account.other_cash if x.currency is not None}
    empty = m.Cash(anchor=ZERO)
    return [
        _cash_drift(ours.get(x, empty), theirs.get(x, ZERO), x)
        for x in sorted(ours.keys() | theirs.keys())
    ]


@frozen(kw_only=True)
class Comparison:
    """The differences of one snapshot, to be confirmed by the next snapshot."""

    snapshot: Snapshot
    differences: tuple[Difference, ...]
    active_symbols: frozenset[str] = field(factory=frozenset)
    unsettled: m.Unsettled = field(factory=m.Unsettled)


def active_symbols(records: RecordReader, snapshot: Snapshot, lag: timedelta) -> frozenset[str]:
    """Return the symbols with an order in flight or a fill within *lag*: not to be confirmed."""
    in_flight = filter(_is_in_flight, records.find(m.OrderRecord, "open", "yes"))
    symbols = {record.terms.symbol for record in in_flight}
    since = m.timestamp(m.moment(snapshot.at) - lag)
    recent = [x for x in snapshot.fills_after if x.at >= since]
    symbols |= {symbol_names.resolve(records, x.symbol, x.at) for x in recent}
    active = {holding for x in symbols for holding in pairs.positions_of(records, x)}
    # This includes fills that only the order's total shows so far.
    active |= {x.symbol for x in records.all(m.Position) if x.last and x.last.at >= since}
    return frozenset(active)


#: An order in such a status waits for a reply of the broker.
_IN_FLIGHT: Final = frozenset(
    {m.OrderStatus.UNPROVEN, m.OrderStatus.PENDING_CANCEL, m.OrderStatus.PENDING_REPLACE}
)


def _is_in_flight(record: m.OrderRecord) -> bool:
    return record.order.status in _IN_FLIGHT or record.order.pending is not None


def disputed_symbols(records: RecordReader) -> frozenset[str]:
    """Return the symbols with a disputed order: its evidence contradicts itself."""
    return frozenset(
        holding
        for record in records.find(m.OrderRecord, "open", "yes")
        if record.order.status is m.OrderStatus.DISPUTED
        for holding in pairs.positions_of(records, record.terms.symbol)
    )


def confirm(
    first: Comparison, second: Comparison, lag: timedelta, disputed: frozenset[str] = frozenset()
) -> list[m.Finding]:
    """
    Return the differences of *second* as findings, confirmed or settling.

    A difference is confirmed if both snapshots are valid and at least *lag* apart, show the
    same figures, the symbol had no activity from *lag* before the first snapshot to the end
    of the second, and it is not in *disputed*.
    """
    apart = second.snapshot.started - first.snapshot.ended >= lag
    is_valid = first.snapshot.is_valid and second.snapshot.is_valid and apart
    before = {x.key: x for x in first.differences}
    findings = []
    for found in second.differences:
        earlier = before.get(found.key)
        symbol = getattr(found.drift, "symbol", None)
        busy = first.active_symbols | second.active_symbols | disputed
        is_quiet = not busy if symbol is None else symbol not in busy
        is_confirmed = (
            is_valid and is_quiet and earlier is not None and earlier.drift == found.drift
        )
        findings.append(
            m.Finding(
                found.drift,
                m.Confidence.CONFIRMED if is_confirmed else m.Confidence.SETTLING,
                f"confirmed: {_ruled_out(second.snapshot)}"
                if is_confirmed
                else "not yet confirmed by a second snapshot while the account is idle",
                found.notional,
            )
        )
    return findings


def _ruled_out(snapshot: Snapshot) -> str:
    """List what was read and does not explain a difference, with the time from which it was."""
    read = ["orders"]
    unread = []
    for name, since in (
        ("fills", snapshot.fills_since),
        ("activities", snapshot.activities_since),
    ):
        if since is None:
            unread.append(name)
        else:
            read.append(f"{name} since {since[:19]}Z")
    text = f"{', '.join(read)} do not explain it"
    return f"{text}; this broker reports no {' and no '.join(unread)}" if unread else text
