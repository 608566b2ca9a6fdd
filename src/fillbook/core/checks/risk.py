"""
Checks of what an order would do to the account: positions, other orders, the bot's limits.

Limits bound new risk: an order that only reduces passes them.  The order of all checks is
in `core.checks`.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.checks.context import CheckContext, Sent, is_alive, leaving
from fillbook.model import ZERO, Reason, ReasonCode

_MINUTE: Final = timedelta(minutes=1)
#: How far back the day's limit looks.
DAY: Final = timedelta(days=1)


def position(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """More than is held is not closed: through zero are two orders."""
    symbol, qty = request.symbol, world.qty(request)
    if world.position is None or (request.side is m.OrderSide.BUY and not world.held(request.side)):
        return None
    held, closable = world.held(request.side), world.closable(request)
    if not held:
        if world.can.short and not world.is_coin(request):
            return None
        return Reason(ReasonCode.NO_POSITION, f"there is no {symbol} to sell", (("held", ZERO),))
    if qty is None or qty <= closable:
        return None
    if qty <= held:
        return Reason(
            ReasonCode.UNITS_HELD,
            f"of {m.plain(held)} {symbol} only {m.plain(closable)} can be closed: other live "
            "orders, fees that are due, or a difference with the broker take the rest",
            (("asked", qty), ("closable", closable), ("held", held)),
        )
    figures = (("asked", qty), ("held", held), ("first", held), ("then", qty - held))
    return Reason(
        ReasonCode.THROUGH_ZERO,
        f"{m.plain(held)} {symbol} are held: {request.side} {m.plain(held)} first, and once that "
        f"is filled {m.plain(qty - held)} in an order of its own",
        figures,
    )


def wash(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What could trade with an order of this account that the broker has shown."""
    rule = world.can.wash_rule
    if rule is None or request.order_class is not m.OrderClass.SIMPLE:
        return None
    for order in world.of(request.symbol):
        if order.side is not request.side and _may_meet(request, order, rule):
            return Reason(
                ReasonCode.WASH_TRADE,
                f"it could trade with order {order.client_order_id}, a {order.type} {order.side} "
                "that rests: the broker refuses both sides at once but for brackets, OCO orders "
                "and trailing stops",
                (("order", order.client_order_id),),
            )
    return None


def _may_meet(request: m.OrderRequest, order: m.Order, rule: m.WashRule) -> bool:
    exempt = order.order_class is not m.OrderClass.SIMPLE or order.parent is not None
    if exempt or order.is_final or order.broker_order_id is None or not is_alive(order):
        return False
    types = {request.type, order.type}
    if not types <= rule.always | rule.crossing:
        return False
    if types & rule.always:
        return True
    ours, theirs = request.limit_price, order.limit_price
    if ours is None or theirs is None:
        return False
    return (ours - theirs) * request.side.sign >= 0


def duplicate(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """The same again, so soon that it is likely an error of the bot's."""
    if world.key is not None or not world.limits.duplicate_s:
        return None
    length = length_of(world.limits.duplicate_s)
    for sent in _since(world, length):
        if sent.key is None and sent.request == request:
            return Reason(
                ReasonCode.DUPLICATE,
                f"the same order was sent at {sent.at}; give each a key of its own if both "
                "are meant",
                (("sent_at", sent.at), ("duplicate_s", world.limits.duplicate_s)),
            )
    return None


def length_of(seconds: Decimal) -> timedelta:
    """A length from a bot's limits."""
    return timedelta(microseconds=int(seconds * 1_000_000))


def _since(world: CheckContext, length: timedelta) -> list[Sent]:
    # A clock that was set back must not make what was sent since look old.
    return [x for x in world.recent if world.now - m.moment(x.at) < length]


@m.exact
def order_notional(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What one order is worth."""
    most = world.limits.order_notional_max
    return _above(ReasonCode.ORDER_NOTIONAL, "the order", most, request, world, ZERO)


@m.exact
def symbol_notional(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What all of the symbol is worth, if every live order of that side fills."""
    most = world.limits.symbol_notional_max
    if most is None or world.reduces(request):
        return None
    price, worst = world.price(request), _worst(request, world)
    worth = None if price is None or worst is None else price * worst
    return _bounded(ReasonCode.SYMBOL_NOTIONAL, f"all of {request.symbol}", most, worth)


@m.exact
def day_notional(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What was sent in the last 24 hours, and this order."""
    before = sum((x.worth or ZERO for x in _since(world, DAY)), ZERO)
    most = world.limits.day_notional_max
    return _above(ReasonCode.DAY_NOTIONAL, "the day's orders", most, request, world, before)


def orders_per_minute(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """How many orders were sent in the last minute, and this one."""
    most = world.limits.orders_per_minute_max
    if most is None or world.reduces(request):
        return None
    count = Decimal(len(_since(world, _MINUTE)) + 1)
    words = "the orders of this minute"
    return _bounded(ReasonCode.ORDERS_PER_MINUTE, words, Decimal(most), count)


def position_limit(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What is held of the symbol, if every live order of that side fills."""
    most = world.limits.position_max
    if most is None or world.reduces(request):
        return None
    words = f"the units of {request.symbol}"
    return _bounded(ReasonCode.POSITION, words, most, _worst(request, world))


@m.exact
def price_collar(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """A price that is so much worse than the market's is taken for a slip of the keys."""
    most, own = world.limits.price_collar, request.limit_price or request.stop_price
    if most is None or own is None or world.reduces(request):
        return None
    if world.quote is None:
        return no_price(request)
    market = world.quote.ask if request.side is m.OrderSide.BUY else world.quote.bid
    off = (own - market) * request.side.sign / market
    if off <= most:
        return None
    return Reason(
        ReasonCode.PRICE_COLLAR,
        f"a {request.side} at {m.plain(own)} is further from the market at {m.plain(market)} "
        f"than the share of {m.plain(most)} that is allowed",
        (("price", own), ("market", market), ("most", most)),
    )


def _above(
    code: ReasonCode,
    what: str,
    most: Decimal | None,
    request: m.OrderRequest,
    world: CheckContext,
    before: Decimal,
) -> Reason | None:
    """What *request* is worth, with what came *before* it, against the *most* allowed."""
    if most is None or world.reduces(request):
        return None
    worth = world.worth(request)
    return _bounded(code, what, most, None if worth is None else before + worth)


def _bounded(code: ReasonCode, what: str, most: Decimal, found: Decimal | None) -> Reason | None:
    if found is None:
        return Reason(ReasonCode.NO_PRICE, f"{what}: its limit cannot be held without a price")
    if found <= most:
        return None
    words = f"{what} would come to {_n(found)}; the limit is {_n(most)}"
    return Reason(code, words, (("found", found), ("most", most)))


def _n(value: Decimal) -> str:
    return f"{value:,f}"


@m.exact
def _worst(request: m.OrderRequest, world: CheckContext) -> Decimal | None:
    """|position| if this and every live order of its side fills, and nothing of the other."""
    qty = world.qty(request)
    held = ZERO if world.position is None else world.position.qty
    if qty is None:
        return None
    more = leaving(request.side, world.of(request.symbol)) + qty
    return abs(held + request.side.sign * more)


def no_price(request: m.OrderRequest) -> Reason:
    """What cannot be said without the market's price."""
    return Reason(
        ReasonCode.NO_PRICE,
        f"no quote of {request.symbol} is fresh enough to say what a {request.type} order costs; "
        "give a reference_price, or a limit",
    )
