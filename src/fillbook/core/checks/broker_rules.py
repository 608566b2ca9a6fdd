"""
Checks of what the broker takes: kinds of orders, instruments, steps, prices.

They refuse only what is known to be refused or canceled at once; what was not observed
passes, and the broker decides.  The order of all checks is in `core.checks`.
"""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.checks.context import CheckContext
from fillbook.core.checks.rounding import tick
from fillbook.model import Reason, ReasonCode

_AT_ONCE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})
_ENTRIES: Final = frozenset({m.OrderClass.BRACKET, m.OrderClass.OTO})


def market_open(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What the broker would refuse at this hour, or cancel at once; coins trade always."""
    if world.session is None or world.is_coin(request):
        return None
    word, opens = request.time_in_force, world.session.opens
    if word in _AT_ONCE and not world.is_open:
        when = m.timestamp(opens)[:16] + "Z"
        return Reason(
            ReasonCode.MARKET_CLOSED,
            f"{word} orders end at once, and the market opens at {when}",
            (("opens_at", m.timestamp(opens)),),
        )
    for auction in world.can.auctions:
        shut, again = opens + auction.shut, opens + auction.opens_again
        if word is auction.time_in_force and shut <= world.now < again:
            return Reason(
                ReasonCode.MARKET_CLOSED,
                f"{word} orders are not taken before {m.timestamp(again)[:16]}Z",
                (("taken_from", m.timestamp(again)),),
            )
    return None


def supported(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What the broker cannot do of *request*; nothing is emulated silently."""
    can = world.can
    fraction = request.qty is not None and not _is_whole(request)
    wants = (
        (request.type in can.order_types, f"{request.type} orders"),
        (request.time_in_force in can.times_in_force, f"time in force {request.time_in_force}"),
        (request.order_class in can.order_classes, f"{request.order_class} orders"),
        (request.notional is None or can.notional, "orders by notional"),
        (not request.extended_hours or can.extended_hours, "extended hours"),
        (not fraction or can.fractional, "fractions of a share"),
        (_goes_together(request, world), _kind(request, world)),
    )
    for possible, what in wants:
        if not possible:
            return Reason(
                ReasonCode.UNSUPPORTED, f"this broker does not take {what}", (("what", what),)
            )
    return None


def _goes_together(request: m.OrderRequest, world: CheckContext) -> bool:
    """Whether a row of the broker's table has this type, time in force and class."""
    rows = [row for row in world.can.takes if row.sort is _sort(request, world)]
    kind = m.OrderType.LIMIT if request.order_class is m.OrderClass.OCO else request.type
    return not rows or any(
        kind in row.types
        and request.time_in_force in row.times_in_force
        and request.order_class in row.classes
        for row in rows
    )


def _sort(request: m.OrderRequest, world: CheckContext) -> m.OrderSort:
    if world.is_coin(request):
        return m.OrderSort.COIN
    if request.extended_hours:
        return m.OrderSort.EXTENDED
    whole = request.notional is None and _is_whole(request)
    return m.OrderSort.WHOLE if whole else m.OrderSort.FRACTION


def _kind(request: m.OrderRequest, world: CheckContext) -> str:
    sort = _sort(request, world)
    return f"{request.order_class} {request.type} orders {request.time_in_force} ({sort})"


def _is_whole(request: m.OrderRequest) -> bool:
    return request.qty is None or request.qty == request.qty.to_integral_value()


def tradable(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """Whether the instrument may be traded so: now, in fractions, short."""
    symbol, listed = request.symbol, world.listed
    if isinstance(world.instrument, m.Absent):
        return Reason(ReasonCode.UNKNOWN_SYMBOL, f"the broker has no {symbol}")
    if listed is None:
        return None
    if not listed.tradable:
        return Reason(ReasonCode.NOT_TRADABLE, f"{symbol} cannot be traded now")
    whole = request.notional is None and _is_whole(request)
    if not (whole or listed.fractionable or world.is_coin(request)):
        return Reason(ReasonCode.NOT_FRACTIONABLE, f"{symbol} is traded in whole units only")
    sells = request.side is m.OrderSide.SELL and world.position is not None
    if sells and not (listed.shortable or world.is_coin(request) or world.held(request.side)):
        return Reason(
            ReasonCode.NOT_SHORTABLE, f"{symbol} cannot be sold short, and none of it is held"
        )
    return None


def sized(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """A quantity below the smallest step, or below the least that the broker takes."""
    listed = world.listed
    if listed is None:
        return None
    coin, basis = world.is_coin(request), request.notional
    if coin or listed.fractionable:
        least = max(listed.min_qty or m.ZERO, listed.qty_increment)
    else:
        least = listed.min_qty or m.ZERO
    if request.qty is not None and request.qty < least:
        return _too_small(request.symbol, "units", request.qty, least)
    if coin and basis is None:  # a broker's least notional of shares is for orders by notional
        basis = world.worth(request)
    if basis is not None and listed.min_notional is not None and basis < listed.min_notional:
        return _too_small(request.symbol, "in value", basis, listed.min_notional)
    return None


def _too_small(symbol: str, unit: str, asked: Decimal, least: Decimal) -> Reason:
    return Reason(
        ReasonCode.QUANTITY,
        f"{m.plain(asked)} of {symbol} {unit} is below the least that the broker takes, "
        f"{m.plain(least)}; what is so small stays as it is",
        (("asked", asked), ("least", least)),
    )


def priced(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """A price off its step, a stop that is reached already, exits on the wrong side."""
    for name in ("limit_price", "stop_price", "take_profit", "stop_loss", "stop_loss_limit"):
        price: Decimal | None = getattr(request, name)
        step = None if price is None else tick(price, world)
        if price is not None and step is not None and price != m.cut(price, step):
            words = f"{name} {m.plain(price)} is no step of {m.plain(step)}"
            return Reason(ReasonCode.PRICE, words, ((name, price), ("step", step)))
    return _reached(request, world) or _exits(request, world)


def _reached(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """A stop that the market has passed would trade at once: brokers refuse it."""
    if request.stop_price is None or world.quote is None:
        return None
    market = world.quote.ask if request.side is m.OrderSide.BUY else world.quote.bid
    if (request.stop_price - market) * request.side.sign > 0:
        return None
    return Reason(
        ReasonCode.PRICE,
        f"the market is at {m.plain(market)}: a stop to {request.side} at "
        f"{m.plain(request.stop_price)} is reached already",
        (("stop_price", request.stop_price), ("market", market)),
    )


def _exits(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """The profit of an entry lies beyond its price, and its stop before it."""
    sign = request.side.sign if request.order_class in _ENTRIES else -request.side.sign
    base = world.price(request) if request.order_class in _ENTRIES else None
    takes, stops = request.take_profit, request.stop_loss
    ladder = [("stop_loss", stops), ("price", base), ("take_profit", takes)]
    known = [(name, price) for name, price in ladder if price is not None]
    for (low, below), (high, above) in itertools.pairwise(known):
        if (above - below) * sign <= 0:
            word = "above" if sign > 0 else "below"
            return Reason(
                ReasonCode.PRICE,
                f"{high} {m.plain(above)} is to be {word} {low} {m.plain(below)}",
                ((low, below), (high, above)),
            )
    return None
