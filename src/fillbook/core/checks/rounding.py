"""
Rounding: a request, rounded to the broker's increments and to the closable quantity.

Quantities and notionals are rounded down.  Prices are rounded to the side on which the order
does not trade worse than requested: a buy does not pay more, a sale does not receive less, and
a stop does not trigger later.  A quantity that is then too small is denied by the checks; it is
never rounded up.  Every change is reported as an `Adjustment`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks.context import CheckContext

#: The prices of the order itself, and those of the exits after its fill.
_ORDER_PRICES: Final = ("limit_price", "stop_price")
_EXIT_PRICES: Final = ("take_profit", "stop_loss", "stop_loss_limit")

Adjusted = tuple[m.OrderRequest, tuple[m.Adjustment, ...]]


@m.exact
def adjusted(request: m.OrderRequest, context: CheckContext) -> Adjusted:
    """Round *request*; return what may be sent, and the adjustments."""
    rounded = (*_size_adjustments(request, context), *_price_adjustments(request, context))
    adjustments = tuple(x for x in rounded if x.sent != x.wished and x.sent > 0)
    sent: dict[str, Any] = {x.field: x.sent for x in adjustments}
    return evolve(request, **sent) if sent else request, adjustments


def _size_adjustments(request: m.OrderRequest, context: CheckContext) -> list[m.Adjustment]:
    adjustments = []
    step = context.capabilities.notional_step
    if request.notional is not None and step is not None:
        sent, why = m.cut(request.notional, step), f"steps of {m.plain(step)}"
        adjustments.append(m.Adjustment("notional", request.notional, sent, why))
    if request.qty is not None:
        sent, why = request.qty, ""
        closable, limits = context.closable(request), context.limits
        cuts = request.reduce_only or limits.oversell is m.Oversell.CUT
        if cuts and 0 < closable < sent:
            sent, why = closable, "limited to the closable quantity"
        part = context.strategy_part(request)
        cuts = request.reduce_only or limits.strategy_oversell is m.StrategyOversell.CUT
        if cuts and part is not None and 0 < part.closable < sent:
            sent, why = part.closable, "limited to what the strategy holds"
        step = _qty_step(request, sent, context)
        if step is not None and sent != m.cut(sent, step):
            sent = m.cut(sent, step)
            why = ", ".join(x for x in (why, f"steps of {m.plain(step)}") if x)
        adjustments.append(m.Adjustment("qty", request.qty, sent, why))
    return adjustments


def _qty_step(request: m.OrderRequest, qty: Decimal, context: CheckContext) -> Decimal | None:
    """Return the increment of *qty*; None: unknown, or the broker rejects fractions instead."""
    listed = context.listed
    if listed is None:
        return None
    takes_fractions = listed.fractionable or context.is_crypto(request)
    is_whole = qty == qty.to_integral_value()
    return listed.qty_increment if takes_fractions or is_whole else None


def _price_adjustments(request: m.OrderRequest, context: CheckContext) -> list[m.Adjustment]:
    """Round each price to its tick; the exits of an entry trade on the opposite side."""
    is_oco = request.order_class is m.OrderClass.OCO  # the exits are the order itself
    sign = request.side.sign
    signs = dict.fromkeys(_ORDER_PRICES, sign)
    signs |= dict.fromkeys(_EXIT_PRICES, sign if is_oco else -sign)
    signs["trail_price"] = 1  # a distance: the shorter one does not trigger later
    adjustments = []
    for name, sign in signs.items():
        price: Decimal | None = getattr(request, name)
        step = None if price is None else tick_size(price, context)
        if price is not None and step is not None:
            rounded_down = m.cut(price, step)
            sent = rounded_down if sign > 0 or rounded_down == price else rounded_down + step
            adjustments.append(m.Adjustment(name, price, sent, f"steps of {m.plain(step)}"))
    return adjustments


def tick_size(price: Decimal, context: CheckContext) -> Decimal | None:
    """Return the tick size at *price*; None: unknown."""
    return tick_of(price, context.listed, context.capabilities)


def tick_of(price: Decimal, listed: m.Instrument | None, can: m.Capabilities) -> Decimal | None:
    """Return the tick size at *price*: the instrument's own, else the broker's; None: unknown."""
    if listed is not None and listed.price_increment is not None:
        return listed.price_increment
    return next((x.step for x in can.ticks if price >= x.least), None)
