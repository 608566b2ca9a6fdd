"""The acceptance of a ticket: the new order and its legs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.market.matching import trail_update
from fillbook.venue.exchange.orders.groups import legs_of
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.values import OrderVersion, S, Ticket

_AUCTION: Final = timedelta(milliseconds=1)
_DECADE: Final = timedelta(days=3650)


def new_orders(
    ticket: Ticket, state: ExchangeState, *, overnight: bool = True
) -> tuple[OrderVersion, list[OrderVersion]]:
    """Return the order of *ticket* and its legs; *overnight*: it may trade overnight."""
    stamp, now = state.timeline.stamp(), state.timeline.now()
    instrument = state.instruments[ticket.symbol]
    is_crypto = instrument.asset_class is m.AssetClass.CRYPTO
    limit = ticket.limit_price
    is_bracket = state.spot is not None and ticket.order_class is m.OrderClass.OCO
    if ticket.order_class is m.OrderClass.OCO:
        limit = ticket.take_profit  # the take-profit is the parent, the stop its child
    order = OrderVersion(
        id=state.new_id(),
        client_order_id=ticket.client_order_id or state.new_id(),
        symbol=ticket.symbol,
        asset_class=instrument.asset_class,
        side=ticket.side,
        type=ticket.type,
        time_in_force=ticket.time_in_force,
        order_class=ticket.order_class,
        status=S.PENDING_NEW if is_crypto else S.ACCEPTED,
        created_at=stamp,
        updated_at=stamp,
        submitted_at=stamp,
        expires_at=ticket.good_until or _ends(ticket, now, is_spot=state.spot is not None),
        qty=ticket.qty,
        notional=ticket.notional,
        limit_price=limit,
        stop_price=ticket.stop_loss if is_bracket else ticket.stop_price,
        trail_price=ticket.trail_price,
        trail_percent=ticket.trail_percent,
        extended_hours=ticket.extended_hours,
        post_only=ticket.post_only,
        stops_in_profit=ticket.stops_in_profit,
        is_overnight=overnight and ticket.extended_hours and ticket.symbol in state.overnight,
    )
    is_queued = not state.is_in_session(order) or order.time_in_force is m.TimeInForce.CLS
    order = evolve(order, is_queued=is_queued)
    if order.type is m.OrderType.TRAILING_STOP and not order.is_queued:
        order = evolve(order, **trail_update(order, state.price(order.symbol)))
    legs = [] if is_bracket else legs_of(order, ticket, state.new_id)
    return evolve(order, leg_ids=tuple(leg.id for leg in legs)), legs


def _ends(ticket: Ticket, now: datetime, *, is_spot: bool) -> m.Timestamp:
    """Return when an order ends by age; one at a spot exchange does not, in effect."""
    return m.timestamp(now + _DECADE if is_spot else ends_at(ticket, now))


def routed_at(order: OrderVersion, now: datetime) -> datetime:
    """Return when an order that is queued at *now* is routed: at an opening or for the close."""
    if order.time_in_force is m.TimeInForce.CLS:
        # The closing auction is the last event of the session.
        return sessions.day_order_ends(now, extended=False) - _AUCTION
    return sessions.next_opening(now, extended=order.extended_hours, overnight=order.is_overnight)


def ends_at(order: Ticket | OrderVersion, now: datetime) -> datetime:
    """Return when an order that is placed at *now* ends by age."""
    if order.time_in_force is m.TimeInForce.GTC:
        return sessions.gtc_ends(now)
    return sessions.day_order_ends(now, extended=order.extended_hours)
