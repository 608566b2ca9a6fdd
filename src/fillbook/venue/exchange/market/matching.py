"""
At what price an order trades, and what it keeps back until it has: pure, of one quote.

Fills happen at the far side of the quote (Alpaca's paper does the same).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.venue.exchange.kinds import NON_RESTING
from fillbook.venue.exchange.values import OrderVersion, Ticket

#: Those that trade at a limit, once triggered if they have a stop.
LIMIT_TYPES: Final = frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT})
#: A short sale reserves this much above the ask.
SHORT_COLLAR: Final = Decimal("1.03")
_CENT: Final = Decimal("0.01")
_STOP_COLLARS: Final = ((Decimal(50), Decimal("1.025")), (Decimal(0), Decimal("1.04")))


@frozen
class Prices:
    """The best bid and ask; `market` is what a market buy is reckoned at, None: the ask."""

    bid: Decimal
    ask: Decimal
    market: Decimal | None = None

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    def touch(self, side: m.OrderSide) -> Decimal:
        """What an order of *side* trades at."""
        return self.ask if side is m.OrderSide.BUY else self.bid


PriceOf = Callable[[str], Prices]


def is_crypto(symbol: str) -> bool:
    return "/" in symbol


def tick_at(price: Decimal, increment: Decimal | None = None) -> Decimal:
    """The step in which prices around *price* are told: *increment*, or as shares have it."""
    return increment or (_CENT if price >= 1 else _CENT / 100)


def rounded_to_tick(price: Decimal, increment: Decimal | None = None) -> Decimal:
    """*price* as a market tells it: in whole ticks, and one at least."""
    tick = tick_at(price, increment)
    return max(tick, m.cut(price, tick))


def stop_limit_price(stop: Decimal) -> Decimal:
    """The limit that a buy stop at *stop* is turned into."""
    return next(stop * collar for least, collar in _STOP_COLLARS if stop >= least)


def limit_of(order: OrderVersion | Ticket) -> Decimal | None:
    """The worst price the order takes; None for any."""
    if order.type is m.OrderType.STOP and order.side is m.OrderSide.BUY and order.stop_price:
        return stop_limit_price(order.stop_price)
    return order.limit_price


def triggers(order: OrderVersion, prices: Prices) -> bool:
    """Whether the order's stop price is touched, or was, or there is none."""
    if order.stop_price is None or order.is_triggered:
        return True
    if order.side is m.OrderSide.BUY:
        return prices.ask >= order.stop_price
    return prices.bid <= order.stop_price


def trade_threshold(order: OrderVersion) -> tuple[int, Decimal] | None:
    """
    From which price on *order* trades or triggers, and which way: 1 upwards, -1 downwards.

    None for any price, and for what every look at it may change.
    """
    if order.type is m.OrderType.TRAILING_STOP or order.time_in_force in NON_RESTING:
        return None
    if order.stop_price is not None and not order.is_triggered:
        return order.side.sign, order.stop_price
    limit = limit_of(order)
    return None if limit is None else (-order.side.sign, limit)


def trail_update(order: OrderVersion, prices: Prices) -> dict[str, Any]:
    """What moves of a trailing stop at *prices*, as fields: its mark and the stop behind it."""
    touch, sign = prices.touch(order.side), order.side.sign
    if order.is_triggered or (order.hwm is not None and (order.hwm - touch) * sign <= 0):
        return {}
    trail = order.trail_price or touch * (order.trail_percent or m.ZERO) / 100
    return {"hwm": touch, "stop_price": m.cut(touch + sign * trail, _CENT)}


def trade_price(order: OrderVersion, prices: Prices) -> Decimal | None:
    """What the order trades at now; None if it does not."""
    touch, limit = prices.touch(order.side), limit_of(order)
    if not triggers(order, prices):
        return None
    if limit is None or (touch - limit) * order.side.sign <= 0:
        return touch
    return None


def depends_on_quote(order: OrderVersion) -> bool:
    """Whether what it keeps back goes with the quote."""
    return order.side is m.OrderSide.SELL or limit_of(order) is None


def is_wash_checked(order: OrderVersion | Ticket) -> bool:
    """Whether it must not meet another of its account; complex orders and trailing stops may."""
    return order.order_class is m.OrderClass.SIMPLE and order.type is not m.OrderType.TRAILING_STOP


def reserve_price(order: OrderVersion | Ticket, prices: Prices) -> Decimal:
    """What one unit of an order that opens exposure keeps back of the buying power."""
    limit = limit_of(order)
    if order.type is m.OrderType.TRAILING_STOP:
        # Nobody has said what it reserves; its stop with the margin of a stop is the most likely.
        limit = stop_limit_price(prices.ask if order.stop_price is None else order.stop_price)
    if order.side is m.OrderSide.SELL:
        return max(limit or m.ZERO, prices.ask * SHORT_COLLAR)
    return limit or prices.market or prices.ask
