"""
An order made to fit: steps of quantity, of price, and what is held.

Quantities and notionals are cut down.  Prices go the side on which the order trades no worse
than was asked: a buy pays no more, a sale takes no less, and a stop is reached no later.  What
is too small then is refused by the checks, never rounded up.  Nothing is changed silently:
each change is an `Adjustment`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks.context import CheckContext

#: Prices of the order's own side, and those of the exits that come after its fill.
_OWN: Final = ("limit_price", "stop_price")
_EXITS: Final = ("take_profit", "stop_loss", "stop_loss_limit")

Adjusted = tuple[m.OrderRequest, tuple[m.Adjustment, ...]]


@m.exact
def adjusted(request: m.OrderRequest, world: CheckContext) -> Adjusted:
    """*request* as it may be sent, and how that differs."""
    made = tuple(
        change
        for change in (*_sizes(request, world), *_prices(request, world))
        if change.sent != change.wished and change.sent > 0
    )
    sent: dict[str, Any] = {x.field: x.sent for x in made}
    return evolve(request, **sent) if sent else request, made


def _sizes(request: m.OrderRequest, world: CheckContext) -> list[m.Adjustment]:
    made = []
    step = world.can.notional_step
    if request.notional is not None and step is not None:
        cut = m.cut(request.notional, step)
        made.append(m.Adjustment("notional", request.notional, cut, f"steps of {m.plain(step)}"))
    if request.qty is not None:
        sent, why = request.qty, ""
        closable = world.closable(request)
        if world.limits.oversell is m.Oversell.CUT and 0 < closable < sent:
            sent, why = closable, "no more can be closed"
        step = _step(request, world)
        if step is not None and sent != m.cut(sent, step):
            sent = m.cut(sent, step)
            why = ", ".join(x for x in (why, f"steps of {m.plain(step)}") if x)
        made.append(m.Adjustment("qty", request.qty, sent, why))
    return made


def _step(request: m.OrderRequest, world: CheckContext) -> Decimal | None:
    """The step of quantities; None where a fraction is refused instead, or nothing is known."""
    listed = world.listed
    if listed is None or not (world.is_coin(request) or listed.fractionable):
        return None
    return listed.qty_increment


def _prices(request: m.OrderRequest, world: CheckContext) -> list[m.Adjustment]:
    """Each price on the step that trades no worse; the exits of an entry are of the other side."""
    is_exit = request.order_class is m.OrderClass.OCO  # its exits are the order itself
    sign = request.side.sign
    signs = dict.fromkeys(_OWN, sign) | dict.fromkeys(_EXITS, sign if is_exit else -sign)
    signs["trail_price"] = 1  # a distance: the shorter one is reached no later
    made = []
    for name, sign in signs.items():
        price: Decimal | None = getattr(request, name)
        step = None if price is None else tick(price, world)
        if price is not None and step is not None:
            down = m.cut(price, step)
            sent = down if sign > 0 or down == price else down + step
            made.append(m.Adjustment(name, price, sent, f"steps of {m.plain(step)}"))
    return made


def tick(price: Decimal, world: CheckContext) -> Decimal | None:
    """The step of a *price*: the instrument's own, else by height; None if nothing is known."""
    if world.listed is not None and world.listed.price_increment is not None:
        return world.listed.price_increment
    return next((x.step for x in world.can.ticks if price >= x.least), None)
