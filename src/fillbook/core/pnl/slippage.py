"""
Slippage: what the execution of an order cost against the price at which it was decided.

The decision price is kept with the order: the price that its request names, and the middle of the
market when it was written, as far as it was read then.  Fills at an unknown price have none.
"""

from __future__ import annotations

from decimal import Decimal

from fillbook import model as m
from fillbook.model.account.pnl import Slippage


def slippage_of(record: m.OrderRecord) -> Slippage | None:
    """Return the slippage of one order; None: it is not ours, or has no fill with a price."""
    order, intent = record.order, record.intent
    if intent is None or order.avg_price is None or not order.filled_qty:
        return None
    return Slippage(
        client_order_id=record.client_order_id,
        symbol=order.symbol,
        strategy=record.strategy,
        side=order.side,
        at=intent.at,
        qty=order.filled_qty,
        executed=order.avg_price,
        requested=requested_price(intent),
        arrival=_middle(intent),
    )


def requested_price(intent: m.Intent) -> Decimal | None:
    """Return the price that the bot had in mind; None: its request names none."""
    request = intent.wish
    if request.reference_price is not None:
        return request.reference_price
    return request.limit_price or request.stop_price


@m.exact
def _middle(intent: m.Intent) -> Decimal | None:
    if intent.bid is None or intent.ask is None:
        return None
    return (intent.bid + intent.ask) / 2
