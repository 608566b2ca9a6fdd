"""
Corporate actions: splits and renames of a symbol.

A split adjusts open orders good till canceled, but not those of a group: these are
"do not reduce".  Source: https://docs.alpaca.markets/docs/orders-at-alpaca, "time in force".
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillbook import model as m
from fillbook.venue.exchange.market.matching import rounded_to_tick
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.values import OrderVersion

_PRICES: Final = ("limit_price", "stop_price", "trail_price", "hwm")


def split(trading: Trading, symbol: str, ratio: Decimal, *, adjusts: bool) -> None:
    """Make *ratio* units of one; if *adjusts*, restate the open orders too."""
    trading.history.split(symbol, ratio)
    for order in trading.orders.open(symbol) if adjusts else ():
        if fields := adjusted(order, ratio):
            trading.restate(order, **fields)


def adjusted(order: OrderVersion, ratio: Decimal) -> dict[str, Any]:
    """Return the fields of *order* that a forward split of *ratio* changes, with new values."""
    is_plain = order.order_class is m.OrderClass.SIMPLE
    if ratio <= 1 or not is_plain or order.time_in_force is not m.TimeInForce.GTC:
        return {}
    qty = order.filled_qty + order.leaves_qty * ratio
    if order.qty is None or qty % 1:
        return {}
    prices = ((name, getattr(order, name)) for name in _PRICES)
    return {"qty": qty} | {name: rounded_to_tick(price / ratio) for name, price in prices if price}


def rename(trading: Trading, old: str, new: str) -> None:
    """Rename *old* to *new* in the position and the open orders; final orders keep *old*."""
    trading.history.rename(old, new)
    for order in trading.orders.open(old):
        trading.restate(order, symbol=new)
