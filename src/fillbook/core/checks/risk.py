"""
Checks of what an order would do to the account: position, other orders, the bot's limits.

Limits bound new risk; an order that only reduces the position passes them.  `core.checks`
holds the order of all checks.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks.broker_rules import sized
from fillbook.core.checks.context import CheckContext, SentOrder, StrategyPart
from fillbook.core.checks.figures import account_currency, percent
from fillbook.model import ZERO, Reason, ReasonCode
from fillbook.model.orders.order import may_fill

_MINUTE: Final = timedelta(minutes=1)
#: The window of `Limits.day_notional_max`.
DAY: Final = timedelta(days=1)


def position(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny an order that flips the position, or closes more than other orders leave closable."""
    symbol, qty = request.symbol, context.qty(request)
    held = context.held(request.side)
    opens = not held and not request.reduce_only
    if (context.position is None or request.side is m.OrderSide.BUY) and opens:
        return None
    closable = context.closable(request)
    if not held:
        if opens and context.capabilities.short and not context.is_crypto(request):
            return None
        return Reason(
            ReasonCode.NO_POSITION,
            f"there is no position in {symbol} to {request.side}",
            (("held", ZERO),),
        )
    if qty is None or qty <= closable:
        return None
    if qty <= held:
        return Reason(
            ReasonCode.UNITS_HELD,
            f"only {m.plain(closable)} of the {m.plain(held)} {symbol} held can be "
            f"{_closed(request)}: {_reserved(request, context)}{_advice(request, context)}",
            (("asked", qty), ("closable", closable), ("held", held)),
        )
    figures = (("asked", qty), ("held", held), ("first", held), ("then", qty - held))
    return Reason(ReasonCode.THROUGH_ZERO, _flip(request, context, qty), figures)


def _flip(request: m.OrderRequest, context: CheckContext, qty: Decimal) -> str:
    """Return why *qty* is more than the position, and how to trade it in two orders, if at all."""
    held, closable = context.held(request.side), context.closable(request)
    units = f"{m.plain(held)} {request.symbol}"
    if closable < held:
        return (
            f"the position is {units}, less than the order's {m.plain(qty)}: only "
            f"{m.plain(closable)} can be {_closed(request)}, because "
            f"{_reserved(request, context)}{_advice(request, context)}"
        )
    part = context.strategy_part(request)
    if part is not None and _closable_by(part, context) < held:
        return (
            f"the position is {units}, less than the order's {m.plain(qty)}, and strategy "
            f"{request.strategy} can close {m.plain(_closable_by(part, context))} of it"
            f"{_advice(request, context)}"
        )
    if request.side is m.OrderSide.SELL and context.is_crypto(request):
        return f"the position is {units}, less than the order's {m.plain(qty)}: sell at most " + (
            m.plain(held)
        )
    return (
        f"it would flip the position of {units}: {request.side} {m.plain(held)} first, and after "
        f"its fill {m.plain(qty - held)} in a second order"
    )


def _closed(request: m.OrderRequest) -> str:
    return "sold" if request.side is m.OrderSide.SELL else "bought back"


def _reserved(request: m.OrderRequest, context: CheckContext) -> str:
    """Return what keeps a part of the position from being closed."""
    position, sign = context.position, -request.side.sign
    assert position is not None  # something is held
    leaves = context.leaves(request)
    theirs = min((sign * (position.qty + x) for x in context.differences), default=ZERO)
    why: list[str] = []
    if position.qty > 0 and position.fee_due:
        why.append(f"{m.plain(position.fee_due)} may still be taken as a fee")
    if leaves:
        much = m.plain(leaves) if leaves.is_finite() else "all of it"
        why.append(f"open orders reserve {much}")
    if context.reserved_units:
        why.append(f"open orders pay with {m.plain(context.reserved_units)}")
    if context.differences and theirs < context.held(request.side):
        why.append(f"the broker reports {m.plain(sign * theirs)} (see `fillbook check`)")
    return ", ".join(why)


def _how_to_close(request: m.OrderRequest, context: CheckContext) -> str:
    """Return how to close units that open orders reserve; ``""``: none, or those of others."""
    position, part, qty = context.position, context.strategy_part(request), context.qty(request)
    if position is None or not (context.leaves(request) if part is None else part.reserved):
        return ""
    strategy, held = request.strategy, context.held(request.side) if part is None else part.held
    if strategy is None and len([name for name, x in position.by_strategy if x.qty]) > 1:
        strategy = "NAME"
    whose = "" if strategy is None else f" --strategy {strategy}"
    much = "" if qty is None or qty >= held else f" --qty {m.plain(qty)}"
    return (
        f". `fillbook close {request.symbol}{whose}{much}` (close_position) cancels these orders "
        "first, and places the exits of the rest again"
    )


def _closable_by(part: StrategyPart, context: CheckContext) -> Decimal:
    """Return the quantity that a strategy may close now, with what it may take of no strategy."""
    takes = context.limits.strategy_oversell is m.StrategyOversell.TAKE
    return part.closable + (part.unattributed if takes else ZERO)


def _advice(request: m.OrderRequest, context: CheckContext) -> str:
    """Return what can be closed now, unless the broker would reject it, and how to close more."""
    closable, part = context.closable(request), context.strategy_part(request)
    if part is not None:
        closable = min(closable, _closable_by(part, context))
    how = _how_to_close(request, context)
    if not closable or sized(evolve(request, qty=closable), context) is not None:
        return how
    return f". {str(request.side).title()} at most {m.plain(closable)}{how}"


@m.exact
def strategy_position(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny an order that closes more of the position than its strategy holds."""
    part = context.strategy_part(request)
    if part is None:
        return None
    qty = context.qty(request)
    if qty is None:
        return no_price(request)
    if qty <= _closable_by(part, context):
        return None
    symbol, plain = request.symbol, m.plain
    reserved, others = min(part.held, part.reserved), part.unattributed
    of = f", of which its open orders reserve {plain(reserved)}" if reserved else ""
    text = (
        f"strategy {request.strategy} holds {plain(part.held)} {symbol}{of}, so it can close "
        f"{plain(part.closable)}, not {plain(qty)}"
    )
    text += _how_to_close(request, context)
    if others:
        text += f". {plain(others)} {symbol} belong to no strategy: `fillbook assign` gives them "
        text += "to one"
    return Reason(
        ReasonCode.STRATEGY_POSITION,
        text,
        (
            ("asked", qty),
            ("held", part.held),
            ("closable", part.closable),
            ("unattributed", part.unattributed),
        ),
    )


def wash(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny an order that could trade with a working order of the same account (wash trade)."""
    rule = context.capabilities.wash_rule
    if rule is None or request.order_class is not m.OrderClass.SIMPLE:
        return None
    for order in context.orders.opposing(request, rule):
        if order.side is not request.side and may_match(request, order, rule):
            return Reason(
                ReasonCode.WASH_TRADE,
                f"wash trade: it could match the working {order.type} {order.side} order "
                f"{order.client_order_id}; the broker accepts both sides only as brackets, OCO "
                f"orders or trailing stops. {_how_to_add(order, context)}",
                (("order", order.client_order_id),),
            )
    return None


def _how_to_add(working: m.Order, context: CheckContext) -> str:
    """Return how to trade beside *working*, an order of the other side."""
    if context.held(working.side):  # it is an exit: without it the position has none
        return (
            "That order is an exit of the position: send this one as a bracket, with its own "
            "take profit and stop loss, or use `fillbook rebalance`, which places the exits again"
        )
    return "Cancel that order first, or give the entry its exits"


def may_match(request: m.OrderRequest, order: m.Order, rule: m.WashRule) -> bool:
    """Return whether *request* could match the working *order* of the other side."""
    exempt = order.order_class is not m.OrderClass.SIMPLE or order.parent is not None
    if exempt or order.broker_order_id is None or not may_fill(order):
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


def duplicate(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny an order without a key that repeats another one within `Limits.duplicate_s`."""
    if context.key is not None or not context.limits.duplicate_s:
        return None
    period = period_of(context.limits.duplicate_s)
    for sent in _sent_within(context, period):
        if sent.key is None and sent.request == request:
            return Reason(
                ReasonCode.DUPLICATE,
                f"the same order was sent at {sent.at}; to send both, give each its own "
                "idempotency key",
                (("sent_at", sent.at), ("duplicate_s", context.limits.duplicate_s)),
            )
    return None


def period_of(seconds: Decimal) -> timedelta:
    """Convert *seconds*, a setting of the bot, to a timedelta."""
    return timedelta(microseconds=int(seconds * 1_000_000))


def _sent_within(context: CheckContext, period: timedelta) -> list[SentOrder]:
    # An order dated after `now` counts as recent: the wall clock may have been set back.
    return [x for x in context.recent if context.now - m.moment(x.at) < period]


@m.exact
def order_notional(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny an order whose notional is above `Limits.order_notional_max`."""
    limit = context.limits.order_notional_max
    what = "the notional of the order"
    return _notional_reason(ReasonCode.ORDER_NOTIONAL, what, limit, request, context, ZERO)


@m.exact
def symbol_notional(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Bound the symbol's notional if this and every live order of its side fills."""
    limit = context.limits.symbol_notional_max
    if limit is None or context.reduces(request):
        return None
    price, worst_case_qty = context.price(request), _worst_case_qty(request, context)
    worth = None if price is None or worst_case_qty is None else price * worst_case_qty
    return _limit_reason(
        ReasonCode.SYMBOL_NOTIONAL,
        f"the notional of {request.symbol}",
        limit,
        context.in_account_currency(worth),
        account_currency(context),
    )


@m.exact
def day_notional(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """
    Bound the notional of the orders of the last 24 hours, including this one.

    An order of unknown worth counts only if it opened exposure, and then the sum is unknown.
    """
    limit, sent = context.limits.day_notional_max, _sent_within(context, DAY)
    unknown = next((x for x in sent if x.worth is None and x.opens), None)
    code, what = ReasonCode.DAY_NOTIONAL, "the notional of the last 24 hours"
    if unknown is not None and limit is not None and not context.reduces(request):
        return Reason(
            ReasonCode.NO_PRICE,
            f"{what} cannot be checked against its limit: that of the order in "
            f"{unknown.request.symbol} sent at {unknown.at} is unknown, because its price in the "
            "currency of the account was not read",
            (("sent_at", unknown.at),),
        )
    sent_before = sum((x.worth or ZERO for x in sent), ZERO)
    return _notional_reason(code, what, limit, request, context, sent_before)


def orders_per_minute(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Bound the number of orders of the last minute, including this one."""
    limit = context.limits.orders_per_minute_max
    if limit is None or context.reduces(request):
        return None
    count = Decimal(len(_sent_within(context, _MINUTE)) + 1)
    subject = "the number of orders of the last minute"
    return _limit_reason(ReasonCode.ORDERS_PER_MINUTE, subject, Decimal(limit), count)


def position_limit(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Bound the position in base units if this and every live order of its side fills."""
    limit = context.limits.position_max
    if limit is None or context.reduces(request):
        return None
    subject = f"the position of {request.symbol}"
    return _limit_reason(ReasonCode.POSITION, subject, limit, _worst_case_qty(request, context))


@m.exact
def price_collar(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny a limit or stop price that is too far worse than the market (fat finger)."""
    limit, own = context.limits.price_collar, request.limit_price or request.stop_price
    if limit is None or own is None or context.reduces(request):
        return None
    if context.quote is None:
        return no_price(request)
    market = context.quote.ask if request.side is m.OrderSide.BUY else context.quote.bid
    deviation = (own - market) * request.side.sign / market
    if deviation <= limit:
        return None
    return Reason(
        ReasonCode.PRICE_COLLAR,
        f"a {request.side} at {m.plain(own)} is {percent(deviation)} worse than the market at "
        f"{m.plain(market)}, and the price collar is {percent(limit)}",
        (("price", own), ("market", market), ("most", limit)),
    )


def _notional_reason(
    code: ReasonCode,
    what: str,
    limit: Decimal | None,
    request: m.OrderRequest,
    context: CheckContext,
    sent_before: Decimal,
) -> Reason | None:
    """Compare the notional of *request*, plus *sent_before*, with *limit*."""
    if limit is None or context.reduces(request):
        return None
    worth = context.in_account_currency(context.worth(request))
    total = None if worth is None else sent_before + worth
    return _limit_reason(code, what, limit, total, account_currency(context))


def _limit_reason(
    code: ReasonCode, what: str, limit: Decimal, value: Decimal | None, unit: str = ""
) -> Reason | None:
    if value is None:
        return Reason(
            ReasonCode.NO_PRICE,
            f"{what} cannot be checked against its limit without a price in the currency of the "
            "account",
        )
    if value <= limit:
        return None
    found, most = (f"{x:,f} {unit}".strip() for x in (value, limit))
    message = f"{what} would be {found}, and {code}_max is {most}"
    return Reason(code, message, (("found", value), ("most", limit)))


@m.exact
def _worst_case_qty(request: m.OrderRequest, context: CheckContext) -> Decimal | None:
    """Return |position| if this and every live order of its side fills; the other side does not."""
    qty = context.qty(request)
    held = ZERO if context.position is None else context.position.qty
    if qty is None:
        return None
    added_qty = context.leaves(request) + qty
    return abs(held + request.side.sign * added_qty)


def no_price(request: m.OrderRequest) -> Reason:
    """Build the reason for an order that cannot be valued without a quote."""
    return Reason(
        ReasonCode.NO_PRICE,
        f"the cost of a {request.type} order is unknown, because there is no recent quote of "
        f"{request.symbol}; give a limit_price (a bot may give a reference_price instead)",
    )
