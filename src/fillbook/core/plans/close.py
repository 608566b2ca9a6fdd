"""
Closing: the steps that close a part of a position, whose exits hold the units.

The exits that hold the units are canceled first, and are proven to have ended before the order that
closes the position is placed.  If only a part is closed, exits without a protection are placed
again for the rest (the guard); those of a protection are planned anew with the next pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.cover import ExitGroup
from fillbook.model import ZERO


@m.exact
def close_steps(
    close: m.PlaceOrder,
    held: Decimal,
    free: Decimal,
    groups: Sequence[ExitGroup],
    again: Mapping[str, m.OrderRequest],
) -> tuple[m.PlanStep, ...]:
    """
    Return the steps that place *close*, a reduce-only order, after the exits it needs are gone.

    *held* > 0 is the part in base units and *free* ≥ 0 what no exit holds of it.  *groups* are its
    exits.  *again* are the requests by which those without a protection are placed again, by name.
    """
    qty = close.request.qty or ZERO
    canceled: list[ExitGroup] = []
    for group in sorted(groups, key=lambda x: (-x.leaves, x.name)):
        if free + sum((x.leaves for x in canceled), ZERO) < qty:
            canceled.append(group)
    left = held - qty - sum((x.leaves for x in groups if x not in canceled), ZERO)
    return steps_around(close, canceled, again, left)


@m.exact
def steps_around(
    order: m.PlaceOrder,
    canceled: Sequence[ExitGroup],
    again: Mapping[str, m.OrderRequest],
    left: Decimal,
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
            guard = m.PlaceOrder(evolve(wanted, qty=back, reduce_only=True))
            steps.append(m.PlanStep(action=guard, stage=2, guard=True))
    return tuple(steps)


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
