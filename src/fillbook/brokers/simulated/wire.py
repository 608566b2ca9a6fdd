"""Translate the exchange's orders, executions, events and activities to ours; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange import (
    Activity,
    ActivityKind,
    Amendment,
    Event,
    Fill,
    OrderVersion,
    Ticket,
)

_KINDS: Final[Mapping[ActivityKind, m.ActivityKind]] = {
    ActivityKind.SPLIT: m.ActivityKind.SPLIT,
    ActivityKind.MERGER: m.ActivityKind.MERGER,
    ActivityKind.SPIN_OFF: m.ActivityKind.SPIN_OFF,
    ActivityKind.WORTHLESS: m.ActivityKind.MERGER,
    ActivityKind.CRYPTO_FEE: m.ActivityKind.FEE,
    ActivityKind.TRANSFER: m.ActivityKind.TRANSFER,
    ActivityKind.JOURNAL: m.ActivityKind.TRANSFER,
    ActivityKind.ASSIGNMENT: m.ActivityKind.ASSIGNMENT,
    ActivityKind.CASH: m.ActivityKind.TRANSFER,
    ActivityKind.DIVIDEND: m.ActivityKind.DIVIDEND,
    ActivityKind.NAME_CHANGE: m.ActivityKind.SYMBOL_CHANGE,
}
#: Our own statuses: from a broker, the same text would mean something else.
_OWN_STATUSES: Final = frozenset({"denied", "unproven", "absent", "unrecognised", "disputed"})
_STATUSES: Final = {
    status.value: status for status in m.OrderStatus if status.value not in _OWN_STATUSES
}


def pair(symbol: str) -> m.Pair | None:
    """Return the currencies of a pair, from its symbol; all are quoted in dollars."""
    base, slash, quote = symbol.partition("/")
    return m.Pair(symbol, base, quote, symbol) if slash else None


def report(order: OrderVersion) -> m.OrderReport:
    """Translate an order of the exchange to a report."""
    status = str(order.status)
    return m.OrderReport(
        broker_order_id=order.id,
        client_order_id=order.client_order_id,
        terms=m.Terms(
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            time_in_force=order.time_in_force,
            order_class=order.order_class,
            qty=order.qty,
            notional=order.notional,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            trail_price=order.trail_price,
            trail_percent=order.trail_percent,
            extended_hours=order.extended_hours,
        ),
        status=_STATUSES.get(status, m.OrderStatus.UNRECOGNISED),
        raw_status=status,
        filled_qty=order.filled_qty,
        avg_price=order.filled_avg_price,
        clock=order.updated_at,
        created_at=order.created_at,
        last_fill_at=order.filled_at,
        expires_at=order.expires_at,
        replaces=order.replaces,
        replaced_by=order.replaced_by,
        reason=order.reason,
        legs=tuple(report(leg) for leg in order.legs),
    )


def execution(fill: Fill) -> m.Execution:
    """Translate a fill.  It has no crypto fees, which are posted at the end of the day."""
    return m.Execution(
        source=m.ExecSource.HISTORY,
        exec_id=fill.exec_id,
        broker_order_id=fill.order_id,
        symbol=fill.symbol,
        side=fill.side,
        qty=fill.qty,
        price=fill.price,
        at=fill.at,
        cum_qty=fill.cum_qty,
        fixes=fill.corrects,
        fee=None if fill.fee else m.ZERO,
        fee_currency=None if fill.fee else "USD",
    )


def event_report(event: Event) -> m.OrderReport:
    """Translate an event: the order after it, and its execution or bust."""
    order = report(event.order)
    if event.qty is None:
        return order
    if event.name == "trade_bust":
        bust = m.TradeBust(
            source=m.ExecSource.STREAM,
            exec_id=event.previous_id or "",
            broker_order_id=event.order.id,
            qty=event.qty,
            at=event.at,
        )
        return evolve(order, busts=(bust,))
    is_crypto = event.order.asset_class is m.AssetClass.CRYPTO
    fill = m.Execution(
        source=m.ExecSource.STREAM,
        exec_id=event.execution_id or "",
        broker_order_id=event.order.id,
        symbol=event.order.symbol,
        side=event.order.side,
        qty=event.qty,
        price=event.price,
        at=event.at,
        # A correction may be of an earlier fill: the order's total is not the total after it.
        cum_qty=None if event.previous_id else event.order.filled_qty,
        fixes=event.previous_id,
        fee=None if is_crypto else m.ZERO,
        fee_currency=None if is_crypto else "USD",
    )
    return evolve(order, executions=(fill,))


def activity(row: Activity) -> m.Activity:
    """Translate an activity that is no trade."""
    return m.Activity(
        activity_id=row.id,
        kind=_KINDS[row.kind],
        at=row.at,
        symbol=row.symbol,
        # The qty of a cash dividend is the position; no units moved.
        qty=row.qty if row.per_share is None else None,
        price=row.price,
        cash=row.cash,
        ratio=row.ratio,
        raw_kind=row.kind,
        description=row.description,
        group_id=row.group_id,
        source=row.source,
    )


def ticket_of(intent: m.Intent) -> Ticket:
    """Translate an intent to the exchange's order ticket."""
    request = intent.request
    return Ticket(
        symbol=request.symbol,
        side=request.side,
        type=request.type,
        time_in_force=request.time_in_force,
        order_class=request.order_class,
        qty=request.qty,
        notional=request.notional,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail_price=request.trail_price,
        trail_percent=request.trail_percent,
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        stop_loss_limit=request.stop_loss_limit,
        extended_hours=request.extended_hours,
        closes=True if intent.closes else None,
        client_order_id=intent.client_order_id,
    )


def amendment_of(change: m.Change) -> Amendment:
    """Translate a change to the exchange's amendment."""
    return Amendment(
        qty=change.qty,
        limit_price=change.limit_price,
        stop_price=change.stop_price,
        trail=change.trail,
        time_in_force=change.time_in_force,
        client_order_id=change.client_order_id,
    )
