"""
The price at which an order trades, and the price at which it reserves: functions of one quote.

A buy fills at the ask and a sale at the bid, as in Alpaca's paper trading.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.venue.exchange.kinds import NON_RESTING
from fillbook.venue.exchange.values import OrderVersion, Ticket

#: The order types with a limit price.
LIMIT_TYPES: Final = frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT})
#: A short sale reserves at least the ask times this.
SHORT_COLLAR: Final = Decimal("1.03")
_CENT: Final = Decimal("0.01")
_BEYOND: Final = Decimal("0.05")
_STOP_COLLARS: Final = ((Decimal(50), Decimal("1.025")), (Decimal(0), Decimal("1.04")))


@frozen
class Prices:
    """The best bid and ask; `market` is the reserve price of a market buy, None: the ask."""

    bid: Decimal
    ask: Decimal
    market: Decimal | None = None

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    def touch(self, side: m.OrderSide) -> Decimal:
        """Return the price at which an order of *side* trades."""
        return self.ask if side is m.OrderSide.BUY else self.bid


PriceOf = Callable[[str], Prices]


def is_crypto(symbol: str) -> bool:
    return "/" in symbol


def tick_at(price: Decimal, increment: Decimal | None = None) -> Decimal:
    """Return the tick size at *price*: *increment*, or that of shares if it is None."""
    return increment or (_CENT if price >= 1 else _CENT / 100)


def rounded_to_tick(price: Decimal, increment: Decimal | None = None) -> Decimal:
    """Round *price* down to whole ticks, at least one tick."""
    tick = tick_at(price, increment)
    return max(tick, m.cut(price, tick))


def stop_limit_price(stop: Decimal) -> Decimal:
    """Return the limit of a buy stop at *stop*, which Alpaca converts into a stop limit."""
    return next(stop * collar for least, collar in _STOP_COLLARS if stop >= least)


def limit_of(order: OrderVersion | Ticket) -> Decimal | None:
    """Return the worst price at which the order trades; None if it has no limit."""
    if isinstance(order, OrderVersion) and order.triggered_limit is not None:
        return order.triggered_limit
    if order.type is m.OrderType.STOP and order.side is m.OrderSide.BUY and order.stop_price:
        return stop_limit_price(order.stop_price)
    return order.limit_price


def triggers(order: OrderVersion, prices: Prices) -> bool:
    """Whether the order is triggered at *prices*; an order without a stop always is."""
    if order.stop_price is None or order.is_triggered:
        return True
    return is_reached(order, order.stop_price, prices)


def is_reached(order: OrderVersion | Ticket, stop: Decimal, prices: Prices) -> bool:
    """Whether the market is at *stop* or beyond, on the side from which *order* waits for it."""
    return (prices.touch(order.side) - stop) * stop_sign(order) >= 0


def stop_sign(order: OrderVersion | Ticket) -> int:
    """Return 1 for a stop that a rising market reaches, -1 for a falling one."""
    return -order.side.sign if order.stops_in_profit else order.side.sign


def is_trigger_bracket(order: OrderVersion) -> bool:
    """Whether *order* is a take profit and a stop in one: it trades at its limit until the stop."""
    return order.type is m.OrderType.LIMIT and order.stop_price is not None


def triggered_limit(order: OrderVersion, increment: Decimal | None) -> Decimal | None:
    """Return the limit of a bracket whose stop was reached, 5 % beyond it; None: no bracket."""
    if not is_trigger_bracket(order) or order.stop_price is None:
        return None
    return rounded_to_tick(order.stop_price * (1 + order.side.sign * _BEYOND), increment)


def trade_threshold(order: OrderVersion) -> tuple[int, Decimal] | None:
    """
    Return the price from which *order* trades or triggers: (1 at or above, -1 at or below; price).

    None if it may trade at any price, or if every match may change it.
    """
    if order.type is m.OrderType.TRAILING_STOP or order.time_in_force in NON_RESTING:
        return None
    if is_trigger_bracket(order):
        return None  # two prices
    if order.stop_price is not None and not order.is_triggered:
        return stop_sign(order), order.stop_price
    limit = limit_of(order)
    return None if limit is None else (-order.side.sign, limit)


def trail_update(order: OrderVersion, prices: Prices) -> dict[str, Any]:
    """Return the changed fields of a trailing stop at *prices*: `hwm` and `stop_price`."""
    touch, sign = prices.touch(order.side), order.side.sign
    if order.is_triggered or (order.hwm is not None and (order.hwm - touch) * sign <= 0):
        return {}
    trail = order.trail_price or touch * (order.trail_percent or m.ZERO) / 100
    return {"hwm": touch, "stop_price": m.cut(touch + sign * trail, _CENT)}


def trade_price(order: OrderVersion, prices: Prices) -> Decimal | None:
    """Return the price at which the order trades now; None if it does not trade."""
    touch, limit = prices.touch(order.side), limit_of(order)
    if not triggers(order, prices) and not is_trigger_bracket(order):
        return None
    if limit is None or (touch - limit) * order.side.sign <= 0:
        return touch
    return None


def depends_on_quote(order: OrderVersion) -> bool:
    """Whether the amount that the order reserves depends on the quote."""
    return order.side is m.OrderSide.SELL or limit_of(order) is None


def is_wash_checked(order: OrderVersion | Ticket) -> bool:
    """Whether the wash check applies: not to orders of a group and trailing stops."""
    return order.order_class is m.OrderClass.SIMPLE and order.type is not m.OrderType.TRAILING_STOP


def reserve_price(order: OrderVersion | Ticket, prices: Prices) -> Decimal:
    """Return the buying power that one unit of an opening order reserves."""
    limit = limit_of(order)
    if order.type is m.OrderType.TRAILING_STOP:
        # Alpaca does not document this; the reserve of a stop order is the most likely.
        limit = stop_limit_price(prices.ask if order.stop_price is None else order.stop_price)
    if order.side is m.OrderSide.SELL:
        return max(limit or m.ZERO, prices.ask * SHORT_COLLAR)
    return limit or prices.market or prices.ask
