"""Order groups (bracket, OCO, OTO): the orders that belong together, and their legs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.orders.versions import Orders
from fillbook.venue.exchange.values import OrderVersion, Ticket

_OPPOSITE: Final = {
    m.OrderSide.BUY: m.OrderSide.SELL,
    m.OrderSide.SELL: m.OrderSide.BUY,
}


def legs_of(order: OrderVersion, ticket: Ticket, new_id: Callable[[], str]) -> list[OrderVersion]:
    """
    Return the exit legs of a group, take-profit first, all `held`.

    The whole group has one time in force.  The take-profit of an OCO is the parent itself, and
    its stop is active from the beginning.
    """
    is_oco = ticket.order_class is m.OrderClass.OCO
    legs: list[OrderVersion] = []

    def add(kind: m.OrderType, limit: Decimal | None, stop: Decimal | None) -> None:
        own: dict[str, Any] = {"type": kind, "limit_price": limit, "stop_price": stop}
        side = order.side if is_oco else _OPPOSITE[order.side]
        legs.append(
            evolve(
                order,
                id=new_id(),
                client_order_id=new_id(),
                side=side,
                status=m.OrderStatus.HELD,
                parent_id=order.id,
                is_active=is_oco,
                is_queued=False,
                **own,
            )
        )

    if ticket.take_profit is not None and not is_oco:
        add(m.OrderType.LIMIT, ticket.take_profit, None)
    if ticket.stop_loss is not None:
        limit = ticket.stop_loss_limit
        kind = m.OrderType.STOP if limit is None else m.OrderType.STOP_LIMIT
        add(kind, limit, ticket.stop_loss)
    return legs


def siblings(order: OrderVersion, orders: Orders) -> list[OrderVersion]:
    """
    Return the orders that end when *order* ends, and whose quantity a fill of it reduces.

    The exits of an opening order end with it only if it did not fill; a fill activates them.
    """
    if order.parent_id is not None:
        parent = orders[order.parent_id]
        if order.id not in parent.leg_ids:
            return []  # the replace of an exit that was rejected
        group = [orders[leg_id] for leg_id in parent.leg_ids]
        if parent.order_class is m.OrderClass.OCO:
            group.append(parent)
        return [other for other in group if other.id != order.id]
    if order.order_class is m.OrderClass.OCO:
        return [orders[leg_id] for leg_id in order.leg_ids]
    entry_ended = order.is_final and order.status != m.OrderStatus.FILLED
    return [orders[leg_id] for leg_id in order.leg_ids] if entry_ended else []


def group_of(order: OrderVersion, orders: Orders) -> list[OrderVersion]:
    """Return the other orders of the group of *order*."""
    parent = order if order.parent_id is None else orders[order.parent_id]
    return [orders[one] for one in (parent.id, *parent.leg_ids) if one != order.id]
