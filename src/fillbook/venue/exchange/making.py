"""What a ticket becomes: the order and its exits as they are when they are taken."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange import sessions
from fillbook.venue.exchange.floor import Floor
from fillbook.venue.exchange.groups import legs_of
from fillbook.venue.exchange.values import Picture, S, Ticket


def pictures(ticket: Ticket, floor: Floor) -> tuple[Picture, list[Picture]]:
    """The order that *ticket* becomes, and its exits."""
    stamp, now = floor.timeline.stamp(), floor.timeline.now()
    instrument = floor.instruments[ticket.symbol]
    is_coin = instrument.asset_class is m.AssetClass.CRYPTO
    limit = ticket.limit_price
    if ticket.order_class is m.OrderClass.OCO:
        limit = ticket.take_profit  # the take-profit is the parent, the stop its child
    order = Picture(
        id=floor.new_id(),
        client_order_id=ticket.client_order_id or floor.new_id(),
        symbol=ticket.symbol,
        asset_class=instrument.asset_class,
        side=ticket.side,
        type=ticket.type,
        time_in_force=ticket.time_in_force,
        order_class=ticket.order_class,
        status=S.PENDING_NEW if is_coin else S.ACCEPTED,
        created_at=stamp,
        updated_at=stamp,
        submitted_at=stamp,
        expires_at=m.stamp(ends_at(ticket, now)),
        qty=ticket.qty,
        notional=ticket.notional,
        limit_price=limit,
        stop_price=ticket.stop_price,
        extended_hours=ticket.extended_hours,
        is_queued=not floor.is_live(ticket),
    )
    legs = legs_of(order, ticket, floor.new_id)
    return evolve(order, leg_ids=tuple(leg.id for leg in legs)), legs


def ends_at(order: Ticket | Picture, now: datetime) -> datetime:
    """When an order that is placed at *now* ends by itself."""
    if order.time_in_force is m.TimeInForce.DAY:
        return sessions.day_order_ends(now, extended=order.extended_hours)
    return sessions.gtc_ends(now)
