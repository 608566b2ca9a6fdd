"""
What an exit looks like: its prices, and the best form that the broker takes.

Prices are resolved once per entry fill and stored; a split restates the stored prices.  A form is
one request; of the forms of an exit, the first that the broker takes is placed.  A quantity whose
best form is taken for whole units only is divided: the rest is an exit of its own, usually a DAY
order that is placed for each session.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks import broker_rules, risk
from fillbook.core.checks.context import CheckContext
from fillbook.core.plans.exits.context import ExitContext
from fillbook.core.plans.exits.cover import ExitGroup
from fillbook.model import ZERO

#: Two quotes that confirm each other are at least so far apart, and at most so far.
QUOTES_APART: Final = timedelta(seconds=5)
QUOTES_WITHIN: Final = timedelta(seconds=90)
#: The times in force of an exit, the best first; that of the policy comes before them.
_TIMES: Final = (m.TimeInForce.GTC, m.TimeInForce.DAY)
# -- prices --------------------------------------------------------------------------------


def trip_of(part: m.Holding) -> str:
    """Return what opened a part: an order, whichever of its fills is the first; ``""``: flat."""
    return (part.opened_by or "").partition("@")[0].partition("/")[0]


@m.exact
def resolved(protection: m.Protection, context: ExitContext) -> m.Protection:
    """
    Return *protection* with the prices for the present entry of its part, which is held.

    They change with an entry fill only; a stop never becomes looser, unless the policy says so.
    """
    part = dict(context.position.by_strategy)[protection.strategy]
    trip = trip_of(part)
    known = (protection.entered, protection.opened_by)
    if known == (part.entered, trip) and protection.priced_at is not None:
        return protection
    policy, sign = protection.policy, 1 if part.qty > 0 else -1
    is_same_trip = protection.opened_by == trip
    before = _restated(protection.stop_price, protection, context) if is_same_trip else None
    stop = policy.stop_price if policy.stop_loss is None else None
    if policy.stop_loss is not None:
        stop = policy.stop_loss.price(part.avg_price, -sign)
    elif before is not None:
        stop = before
    if before is not None and policy.on_add is m.OnAdd.KEEP:
        stop = before if stop is None else _tighter(stop, before, sign)
    at_break_even = is_same_trip and protection.at_break_even
    if at_break_even and part.avg_price is not None:
        stop = part.avg_price if stop is None else _tighter(stop, part.avg_price, sign)
    level = policy.take_profit
    profit = None if level is None else level.price(part.avg_price, sign)
    if level is not None and not level.is_percent and is_same_trip and protection.priced_at:
        profit = _restated(protection.take_profit, protection, context)
    return evolve(
        protection,
        stop_price=stop,
        take_profit=profit,
        priced_at=m.timestamp(context.now),
        entered=part.entered,
        opened_by=trip,
        at_break_even=at_break_even,
        trail_begun=is_same_trip and protection.trail_begun,
    )


def _tighter(one: Decimal, other: Decimal, sign: int) -> Decimal:
    return max(one, other) if sign > 0 else min(one, other)


def _restated(
    price: Decimal | None, protection: m.Protection, context: ExitContext
) -> Decimal | None:
    """Return a stored price in the units of today, after the splits since it was resolved."""
    return None if price is None else price / context.ratio_since(protection.priced_at)


@m.exact
def at_break_even(protection: m.Protection, part: m.Holding, context: ExitContext) -> m.Protection:
    """Return *protection* with its stop at the average cost of *part*, or tighter."""
    cost = part.avg_price
    if cost is None:
        return protection
    cost *= context.ratio_since(protection.priced_at)
    stop = protection.stop_price
    stop = cost if stop is None else _tighter(stop, cost, context.sign)
    return evolve(protection, stop_price=stop, at_break_even=True)


@m.exact
def with_best_stop(
    protection: m.Protection, groups: Sequence[ExitGroup], context: ExitContext
) -> m.Protection:
    """Return *protection* with the best stop that a trail has reached: none starts looser again."""
    reached = [
        x.stop / (context.ratio_of(x.name) if is_of_before(x, protection, context) else 1)
        for x in groups
        if x.is_ours and x.trail and x.stop is not None
    ]
    stored = _restated(protection.stop_price, protection, context)
    best = reached if stored is None else [*reached, stored]
    if not reached:
        return protection
    tightest = max(best, key=lambda price: context.sign * price)
    if tightest == stored:
        return protection
    return evolve(protection, stop_price=tightest * context.ratio_since(protection.priced_at))


@m.exact
def is_of_before(group: ExitGroup, protection: m.Protection, context: ExitContext) -> bool:
    """
    Return whether a trailing stop is still that of before a split, which the broker did not adjust.

    Its price is compared with the best one that is stored: no market moves as far as a split.
    """
    ratio, stored = (
        context.ratio_of(group.name),
        _restated(protection.stop_price, protection, context),
    )
    if ratio == 1 or stored is None or group.stop is None:
        return False
    return abs(group.stop / ratio - stored) < abs(group.stop - stored)


@m.exact
def stop_price(protection: m.Protection, context: ExitContext) -> Decimal | None:
    """
    Return the stop price in the units of today, on its tick; None: there is none, or not known.

    The stop of a sale is rounded down, that of a buy up: it is never nearer than asked.
    """
    price = _restated(protection.stop_price, protection, context)
    return None if price is None else _on_tick(price, context, up=context.sign < 0)


@m.exact
def take_profit(protection: m.Protection, context: ExitContext) -> Decimal | None:
    """Return the take-profit price in the units of today, on its tick; None: there is none."""
    price = _restated(protection.take_profit, protection, context)
    return None if price is None else _on_tick(price, context, up=context.sign > 0)


def _on_tick(price: Decimal, context: ExitContext, *, up: bool) -> Decimal:
    step = context.tick(price)
    if step is None:
        return price
    rounding = ROUND_CEILING if up else ROUND_FLOOR
    return (price / step).to_integral_value(rounding=rounding) * step


@m.exact
def beyond(price: Decimal, protection: m.Protection, context: ExitContext) -> Decimal:
    """Return a limit price that is the policy's collar beyond *price*, on its tick."""
    moved = price * (1 - context.sign * protection.policy.collar / 100)
    return _on_tick(moved, context, up=context.sign < 0)


@m.exact
def trails(protection: m.Protection, context: ExitContext) -> bool:
    """Return whether the trailing stop is the tighter exit now, as far as a quote shows."""
    trail, stop = protection.trail, stop_price(protection, context)
    if trail is None or stop is None:
        return trail is not None
    price = market_price(context)
    if price is None:
        return False
    reached = price - context.sign * _distance(protection, price, context)
    return (reached - stop) * context.sign > 0


def _distance(protection: m.Protection, price: Decimal, context: ExitContext) -> Decimal:
    trail = protection.trail
    assert trail is not None  # the caller has checked it
    if trail.is_percent:
        return price * trail.value / 100
    return trail_price(trail, protection, context)


def trail_price(trail: m.Level, protection: m.Protection, context: ExitContext) -> Decimal:
    """Return the distance of a trail, per unit of today; it was given in those of `set_at`."""
    return trail.value / context.ratio_since(protection.set_at or protection.priced_at)


def market_price(context: ExitContext) -> Decimal | None:
    """Return the price at which the position could be closed now; None: no quote was read."""
    if not context.quotes:
        return None
    newest = context.quotes[-1]
    return newest.bid if context.sign > 0 else newest.ask


# -- forms ---------------------------------------------------------------------------------


def is_dust(qty: Decimal, protection: m.Protection, context: ExitContext) -> bool:
    """
    Return whether *qty* is too little for any order.

    Without a quote it is valued at the price of its own exit.
    """
    listed = context.instrument
    if listed is None:
        return False
    if not context.is_coin and not listed.fractionable:
        return qty < 1
    if listed.min_qty is not None and qty < listed.min_qty:
        return True
    own = stop_price(protection, context) or take_profit(protection, context)
    price = market_price(context) or own
    return (
        listed.min_notional is not None and price is not None and qty * price < listed.min_notional
    )


def least_qty(context: ExitContext) -> Decimal:
    """Return the least quantity of an order, as far as it is known; ≥ 0."""
    listed = context.instrument
    return ZERO if listed is None else max(listed.min_qty or ZERO, listed.qty_increment)


@m.exact
def requests_for(
    protection: m.Protection, qty: Decimal, context: ExitContext
) -> tuple[m.OrderRequest, ...]:
    """Return the requests of the exits for *qty*; none if a price is not known."""
    forms = list(_forms(protection, qty, context))
    if not forms:
        return ()
    best, whole = _best(forms, context), qty.to_integral_value(rounding=ROUND_FLOOR)
    if whole in (ZERO, qty):
        return (best,)
    better = _best(list(_forms(protection, whole, context)), context)
    if _kind_of(better) == _kind_of(best):
        return (best,)
    rest = qty - whole
    if is_dust(rest, protection, context):
        return (better,)
    return better, _best(list(_forms(protection, rest, context)), context)


def _kind_of(request: m.OrderRequest) -> tuple[m.OrderClass, m.OrderType, m.TimeInForce]:
    return request.order_class, request.type, request.time_in_force


def _best(forms: list[m.OrderRequest], context: ExitContext) -> m.OrderRequest:
    """Return the first form that the broker takes; the last one, if it takes none."""
    return next((x for x in forms if is_taken(x, context)), forms[-1])


def is_taken(request: m.OrderRequest, context: ExitContext) -> bool:
    """Return whether the broker takes *request*, as far as its rules are declared."""
    return broker_rules.is_taken(request, context.capabilities, context.instrument, context.pair)


def _forms(
    protection: m.Protection, qty: Decimal, context: ExitContext
) -> Iterator[m.OrderRequest]:
    """Yield the requests that may protect *qty*, the best first."""
    if 0 < qty < 1 and protection.strategy in context.exited and not context.is_coin:
        # The exit of the whole units was filled: the fraction that is left is closed with them.
        yield _request(protection, qty, context, m.TimeInForce.DAY)
        return
    for fields in _shapes(protection, context):
        for time_in_force in dict.fromkeys((protection.policy.time_in_force, *_TIMES)):
            yield _request(protection, qty, context, time_in_force, **fields)


def _shapes(protection: m.Protection, context: ExitContext) -> Iterator[dict[str, object]]:
    """Yield the prices and the class of the exits that may protect a part, the best first."""
    stop, profit = stop_price(protection, context), take_profit(protection, context)
    policy, trail = protection.policy, protection.trail
    if trail is not None and trails(protection, context):
        if trail.is_percent:
            yield {"trail_percent": trail.value}
        else:
            yield {"trail_price": trail_price(trail, protection, context)}
        price = market_price(context)
        if price is not None:  # without a trail, it is placed anew for each session
            reached = price - context.sign * _distance(protection, price, context)
            stop = _on_tick(reached, context, up=context.sign < 0)
    elif stop is not None and profit is not None:
        oco = {"order_class": m.OrderClass.OCO, "type": m.OrderType.LIMIT}
        yield {"take_profit": profit, "stop_loss": stop, **oco}
    elif profit is not None and not policy.has_stop:
        yield {"limit_price": profit}
    if stop is not None:
        yield {"stop_price": stop}
        yield {"stop_price": stop, "limit_price": beyond(stop, protection, context)}


def _request(
    protection: m.Protection,
    qty: Decimal,
    context: ExitContext,
    time_in_force: m.TimeInForce,
    **fields: object,
) -> m.OrderRequest:
    return m.OrderRequest(
        symbol=context.symbol,
        side=context.exit_side,
        qty=qty,
        time_in_force=time_in_force,
        strategy=protection.strategy or None,
        reduce_only=True,
        **fields,  # type: ignore[arg-type]
    )


def market_exit(
    protection: m.Protection, qty: Decimal, context: ExitContext, price: Decimal
) -> m.OrderRequest:
    """Return the order that closes *qty* now, by the policy; *price* is that of the market."""
    fields: dict[str, object] = {"reference_price": price}
    if protection.policy.on_breach is m.OnBreach.LIMIT or context.is_extended:
        fields["limit_price"] = beyond(price, protection, context)
    if context.is_extended:
        fields["extended_hours"] = True
    forms = [
        _request(protection, qty, context, tif, **fields)
        for tif in (m.TimeInForce.DAY, m.TimeInForce.GTC)
    ]
    return _best(forms, context)


def blocking(steps: Sequence[m.PlanStep], context: ExitContext) -> list[m.Order]:
    """Return the working orders with which an exit could trade: the broker would reject it."""
    found: list[m.Order] = []
    known = CheckContext(now=context.now, capabilities=context.capabilities, orders=context.orders)
    requests = [x.action.request for x in steps if isinstance(x.action, m.PlaceOrder)]
    for request in requests:
        others = [x for x in context.orders if x not in found]
        while (reason := risk.wash(request, evolve(known, orders=others))) is not None:
            name = dict(reason.figures)["order"]
            found += [x for x in others if x.client_order_id == name]
            others = [x for x in others if x.client_order_id != name]
    return found


@m.exact
def watched_exit(
    protection: m.Protection, qty: Decimal, stops: Sequence[ExitGroup], context: ExitContext
) -> m.PlaceOrder | None:
    """Return the step that closes *qty* at a watched price; None: it is not passed."""
    profit = take_profit(protection, context)
    prices = [x.bid if context.sign > 0 else x.ask for x in confirming_quotes(context)]
    if len(prices) < 2:  # one bad quote sells nothing
        return None
    if any(x.limit is not None for x in stops):
        profit = None  # the broker watches it
    if profit is not None and all((x - profit) * context.sign >= 0 for x in prices):
        times = (m.TimeInForce.GTC, m.TimeInForce.DAY)
        forms = [_request(protection, qty, context, x, limit_price=profit) for x in times]
        return m.PlaceOrder(_best(forms, context), fills=True)
    limits = [x.passed_at for x in stops if x.passed_at is not None]
    if limits and all((x - limit) * context.sign < 0 for x in prices for limit in limits):
        request = market_exit(protection, qty, context, prices[-1])
        return m.PlaceOrder(request, fills=True, as_stop=True)
    return None


def confirming_quotes(context: ExitContext) -> tuple[m.Quote, ...]:
    """Return the newest quote and an earlier one that can confirm it; fewer: there is none."""
    if not context.quotes:
        return ()
    newest = context.quotes[-1]
    earlier = [x for x in context.quotes[:-1] if QUOTES_APART <= newest.at - x.at <= QUOTES_WITHIN]
    return (*earlier[-1:], newest)


# -- comparison ----------------------------------------------------------------------------


@m.exact
def differs(group: ExitGroup, protection: m.Protection, context: ExitContext) -> bool:
    """Return whether an exit that we placed has other terms than the protection wants now."""
    wanted = requests_for(protection, group.leaves, context)
    if not wanted:
        return False
    stop = stop_price(protection, context)
    if group.trail:
        is_looser = (
            stop is not None and group.stop is not None and (stop - group.stop) * context.sign > 0
        )
        is_old = is_of_before(group, protection, context)
        return is_looser or is_old or protection.trail is None
    request = wanted[0]
    if request.type is m.OrderType.TRAILING_STOP:
        return True
    wants_stop = request.stop_price or request.stop_loss
    if wants_stop is not None and stop is None:
        return False  # a trailing stop in a form without a trail: placed anew for each session
    wants_limit = request.take_profit or (request.limit_price if wants_stop is None else None)
    return (wants_stop, wants_limit) != (group.stop, group.limit)


def changes(
    group: ExitGroup, protection: m.Protection, context: ExitContext
) -> tuple[m.ReplaceOrder, ...]:
    """Return the changes of prices that make *group* as wanted; none: it has to be placed anew."""
    requests = requests_for(protection, group.leaves, context)
    names = (group.stop_order, group.limit_order)
    is_fixed = not context.capabilities.replace or any(x in context.fixed for x in names)
    if is_fixed or len(requests) != 1 or group.trail or trails(protection, context):
        return ()
    request = requests[0]
    if request.order_class is m.OrderClass.OCO:
        if None in names or group.stop_order == group.limit_order:
            return ()
        wanted = (request.stop_loss, request.take_profit)
    elif group.stop_order is not None and group.limit_order is None:
        is_limited = group.passed_at is not None
        if request.stop_price is None or is_limited is not (request.limit_price is not None):
            return ()
        return (
            m.ReplaceOrder(
                client_order_id=group.stop_order,
                stop_price=request.stop_price,
                limit_price=request.limit_price,
            ),
        )
    elif group.stop_order is None and request.stop_price is None:
        wanted = (None, request.limit_price)
    else:
        return ()
    found = []
    if group.stop_order is not None and wanted[0] != group.stop:
        found.append(m.ReplaceOrder(client_order_id=group.stop_order, stop_price=wanted[0]))
    if group.limit_order is not None and wanted[1] != group.limit:
        found.append(m.ReplaceOrder(client_order_id=group.limit_order, limit_price=wanted[1]))
    return tuple(found)
