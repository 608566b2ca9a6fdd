"""The exchange's words in ours: orders, executions, events, rows; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange import Amendment, Event, Fill, Picture, Row, RowKind, Ticket

_KINDS: Final[Mapping[RowKind, m.ActivityKind]] = {
    RowKind.SPLIT: m.ActivityKind.SPLIT,
    RowKind.CRYPTO_FEE: m.ActivityKind.FEE,
    RowKind.TRANSFER: m.ActivityKind.TRANSFER,
    RowKind.ASSIGNMENT: m.ActivityKind.ASSIGNMENT,
    RowKind.CASH: m.ActivityKind.TRANSFER,
    RowKind.DIVIDEND: m.ActivityKind.DIVIDEND,
    RowKind.NAME_CHANGE: m.ActivityKind.SYMBOL_CHANGE,
}
#: A broker that uses one of our own words means something else by it.
_OURS: Final = frozenset({"denied", "unproven", "absent", "unrecognised", "disputed"})
_STATUSES: Final = {word.value: word for word in m.OrderStatus if word.value not in _OURS}


def report(order: Picture) -> m.OrderReport:
    """The exchange's picture in our words."""
    word = str(order.status)
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
        status=_STATUSES.get(word, m.OrderStatus.UNRECOGNISED),
        raw_status=word,
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
    """A row of the history.  Crypto fees are not in it; they are posted at the end of the day."""
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
        fixes=fill.fixes,
        fee=None if fill.fee else m.ZERO,
        fee_currency=None if fill.fee else "USD",
    )


def event_report(event: Event) -> m.OrderReport:
    """An event in our words: the order after it, and the execution or bust that it tells of."""
    order = report(event.order)
    if event.qty is None:
        return order
    if event.name == "trade_bust":
        void = m.TradeBust(
            source=m.ExecSource.STREAM,
            exec_id=event.previous_id or "",
            broker_order_id=event.order.id,
            qty=event.qty,
            at=event.at,
        )
        return evolve(order, voids=(void,))
    is_coin = event.order.asset_class is m.AssetClass.CRYPTO
    fill = m.Execution(
        source=m.ExecSource.STREAM,
        exec_id=event.execution_id or "",
        broker_order_id=event.order.id,
        symbol=event.order.symbol,
        side=event.order.side,
        qty=event.qty,
        price=event.price,
        at=event.at,
        # A correction may be of any fill: the order's total is not the one after it.
        cum_qty=None if event.previous_id else event.order.filled_qty,
        fixes=event.previous_id,
        fee=None if is_coin else m.ZERO,
        fee_currency=None if is_coin else "USD",
    )
    return evolve(order, executions=(fill,))


def activity(row: Row) -> m.Activity:
    return m.Activity(
        activity_id=row.id,
        kind=_KINDS[row.kind],
        at=row.at,
        symbol=row.symbol,
        # A dividend's qty is what was held; no unit moved.
        qty=None if row.kind is RowKind.DIVIDEND else row.qty,
        price=row.price,
        cash=row.cash,
        ratio=row.ratio,
        raw_kind=row.kind,
        description=row.description,
    )


def ticket_of(intent: m.Intent) -> Ticket:
    wish = intent.request
    return Ticket(
        symbol=wish.symbol,
        side=wish.side,
        type=wish.type,
        time_in_force=wish.time_in_force,
        order_class=wish.order_class,
        qty=wish.qty,
        notional=wish.notional,
        limit_price=wish.limit_price,
        stop_price=wish.stop_price,
        trail_price=wish.trail_price,
        trail_percent=wish.trail_percent,
        take_profit=wish.take_profit,
        stop_loss=wish.stop_loss,
        stop_loss_limit=wish.stop_loss_limit,
        extended_hours=wish.extended_hours,
        client_order_id=intent.client_order_id,
    )


def amendment_of(change: m.Change) -> Amendment:
    return Amendment(
        qty=change.qty,
        limit_price=change.limit_price,
        stop_price=change.stop_price,
        trail=change.trail,
        time_in_force=change.time_in_force,
        client_order_id=change.client_order_id,
    )
