"""
What a company does to all who hold it: splits, dividends, another name.

A split adjusts what rests good till canceled, unless it belongs to a group: those orders are
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
    """Make *ratio* units of one, and by *adjusts* restate the orders that rest."""
    trading.history.split(symbol, ratio)
    for order in trading.orders.open(symbol) if adjusts else ():
        if fields := adjusted(order, ratio):
            trading.restate(order, **fields)


def adjusted(order: OrderVersion, ratio: Decimal) -> dict[str, Any]:
    """What a forward split of *ratio* changes of *order*, as fields; what filled stays."""
    is_plain = order.order_class is m.OrderClass.SIMPLE
    if ratio <= 1 or not is_plain or order.time_in_force is not m.TimeInForce.GTC:
        return {}
    qty = order.filled_qty + order.leaves_qty * ratio
    if order.qty is None or qty % 1:
        return {}
    prices = ((name, getattr(order, name)) for name in _PRICES)
    return {"qty": qty} | {name: rounded_to_tick(price / ratio) for name, price in prices if price}


def rename(trading: Trading, old: str, new: str) -> None:
    """Have what is held and what is open of *old* bear the name *new*; what is over keeps its."""
    trading.history.rename(old, new)
    for order in trading.orders.open(old):
        trading.restate(order, symbol=new)
