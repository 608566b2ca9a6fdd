"""
Closing: the steps that close a part of a position, whose exits hold the units.

Where one OCO covers exactly what is closed, its take profit is moved to the market first: the stop
stays meanwhile.  What that leaves is closed as any other part: the exits that hold the units are
canceled, and are proven to have ended before the order that closes the position is placed.

If only a part is closed, exits without a protection are placed again for the rest (the guard);
those of a protection are planned anew with the next pass.  An exit is placed again in a form that
the broker takes for what is left: of 5.5 shares, 5 as before, and a fraction good for the day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.exits.cover import ExitGroup
from fillbook.model import ZERO

#: How far beyond the market a take profit trades at once, as a percentage, and for how long.
_COLLAR: Final = Decimal(2)
_WITHIN_S: Final = 10
#: No order filled anything.
NO_FILLS: Final[Mapping[str, Mapping[str, Decimal]]] = MappingProxyType({})
#: Whether the broker takes a request, as far as its rules are declared.
IsTaken = Callable[[m.OrderRequest], bool]


@m.exact
def close_steps(
    close: m.PlaceOrder,
    held: Decimal,
    free: Decimal,
    groups: Sequence[ExitGroup],
    again: Mapping[str, m.OrderRequest],
    filled: Mapping[str, Mapping[str, Decimal]] = NO_FILLS,
    *,
    is_taken: IsTaken,
    can_replace: bool = False,
) -> tuple[m.PlanStep, ...]:
    """
    Return the steps that place *close*, a reduce-only order, after the exits it needs are gone.

    *held* > 0 is the part in base units and *free* ≥ 0 what no exit holds of it.  *groups* are its
    exits.  *again* are the requests by which those without a protection are placed again, by name.
    *filled* is what the orders of those of this part alone filled already, by name of the group
    and by order: what they fill from now on is not sold again.  *can_replace*: prices can be
    changed.
    """
    qty = close.request.qty or ZERO
    canceled: list[ExitGroup] = []
    for group in sorted(groups, key=lambda x: (-x.leaves, x.name)):
        if free + sum((x.leaves for x in canceled), ZERO) < qty:
            canceled.append(group)
    left = held - qty - sum((x.leaves for x in groups if x not in canceled), ZERO)
    own: dict[str, Decimal] = {}
    for group in canceled:
        own |= filled.get(group.name, {})
    close = evolve(close, after=tuple(own), filled_before=sum(own.values(), ZERO))
    if can_replace and len(canceled) == 1 and _is_oco_of(canceled[0], qty):
        return _steps_of_oco(close, canceled[0])
    return steps_around(close, canceled, again, left, is_taken)


def _is_oco_of(group: ExitGroup, qty: Decimal) -> bool:
    """Return whether *group* is an OCO of two orders that covers exactly *qty*."""
    is_pair = group.limit_order is not None and group.stop_order not in (None, group.limit_order)
    return is_pair and group.leaves == qty and not group.is_moving


def _steps_of_oco(close: m.PlaceOrder, group: ExitGroup) -> tuple[m.PlanStep, ...]:
    assert group.limit_order is not None  # it is an OCO of two orders
    at_market = m.ReplaceOrder(
        client_order_id=group.limit_order, collar=_COLLAR, beyond=group.stop, within_s=_WITHIN_S
    )
    return (
        m.PlanStep(action=at_market),
        m.PlanStep(action=m.CancelOrder(group.name), stage=1),
        m.PlanStep(action=close, stage=2),
    )


@m.exact
def steps_around(
    order: m.PlaceOrder,
    canceled: Sequence[ExitGroup],
    again: Mapping[str, m.OrderRequest],
    left: Decimal,
    is_taken: IsTaken,
) -> tuple[m.PlanStep, ...]:
    """
    Return the steps that cancel exits, then place *order*, then the exits again.

    *left* is the quantity of which these exits may hold units afterwards, in base units.
    """
    steps = [m.PlanStep(action=m.CancelOrder(x.name)) for x in canceled]
    steps.append(m.PlanStep(action=order, stage=1))
    for group in canceled:
        wanted = again.get(group.name)
        back = min(group.leaves, left)
        if wanted is not None and back > 0:
            left -= back
            for request in _placed_again(evolve(wanted, qty=back, reduce_only=True), is_taken):
                steps.append(m.PlanStep(action=m.PlaceOrder(request), stage=2, guard=True))
    return tuple(steps)


def _placed_again(request: m.OrderRequest, is_taken: IsTaken) -> Iterator[m.OrderRequest]:
    """Yield the orders that cover as *request* would, whole units apart from a fraction if not."""
    qty = request.qty or ZERO
    whole = qty.to_integral_value(rounding=ROUND_FLOOR)
    if is_taken(request) or whole in (ZERO, qty):
        yield _taken(request, is_taken)
    else:
        yield _taken(evolve(request, qty=whole), is_taken)
        yield _taken(evolve(request, qty=qty - whole), is_taken)


def _taken(request: m.OrderRequest, is_taken: IsTaken) -> m.OrderRequest:
    """Return *request*, or the form of it that the broker takes; itself if it takes none."""
    forms = [request]
    if request.order_class is m.OrderClass.OCO:  # the stop alone
        forms.append(
            evolve(
                request,
                stop_price=request.stop_loss,
                take_profit=None,
                stop_loss=None,
                order_class=m.OrderClass.SIMPLE,
                type=m.OrderType.STOP,
            )
        )
    times = dict.fromkeys((request.time_in_force, m.TimeInForce.GTC, m.TimeInForce.DAY))
    offered = (evolve(form, time_in_force=x) for form in forms for x in times)
    return next((x for x in offered if is_taken(x)), request)


@m.exact
def market_limit(
    side: m.OrderSide, price: Decimal, collar: Decimal, beyond: Decimal | None, tick: Decimal | None
) -> Decimal | None:
    """
    Return a limit price that trades at once at *price*, and at most *collar* percent beyond it.

    *beyond* is the stop of the same OCO, which the limit has to keep off by a *tick*; None: there
    is none.  None: no such price would trade.
    """
    step = tick or Decimal("0.01")
    limit = price * (1 + side.sign * collar / 100)
    rounding = ROUND_FLOOR if side is m.OrderSide.BUY else ROUND_CEILING
    limit = (limit / step).to_integral_value(rounding=rounding) * step
    if beyond is not None:
        nearest = beyond - side.sign * step
        limit = min(limit, nearest) if side is m.OrderSide.BUY else max(limit, nearest)
    return limit if (limit - price) * side.sign >= 0 else None
