"""
Which resting orders protect a position: exits that in the worst case only reduce it.

`cancel_all` and `fillbook halt` leave these, and name them: to take them away leaves a position
without its stop.  An exit beyond what is held would open a position, so it protects nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.model import ZERO

_STOPS: Final = frozenset({m.OrderType.STOP, m.OrderType.STOP_LIMIT, m.OrderType.TRAILING_STOP})


@frozen(kw_only=True)
class Resting:
    """
    One open order, by whatever id the caller knows it.

    `group` is shared by the exits of one OCO or bracket, which fill once in all; `is_leg`: the
    broker made it for an entry.  `leaves` in base units, None where the order is not in units.
    """

    id: str
    group: str
    symbol: str
    side: m.OrderSide
    type: m.OrderType
    order_class: m.OrderClass
    is_leg: bool
    leaves: Decimal | None


def of_order(order: m.Order) -> Resting:
    """An order of the record."""
    return Resting(
        id=order.client_order_id,
        group=order.parent or order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        order_class=order.order_class,
        is_leg=order.parent is not None,
        leaves=order.leaves_qty,
    )


def of_report(report: m.OrderReport, parent: str | None) -> Resting:
    """An order as the broker lists it; *parent* is the broker id of the order it is nested in."""
    qty = report.terms.qty
    return Resting(
        id=report.broker_order_id,
        group=parent or report.broker_order_id,
        symbol=report.terms.symbol,
        side=report.terms.side,
        type=report.terms.type,
        order_class=report.terms.order_class,
        is_leg=parent is not None,
        leaves=None if qty is None else max(ZERO, qty - report.filled_qty),
    )


@m.exact
def protective(resting: Iterable[Resting], held: Mapping[str, Decimal]) -> frozenset[str]:
    """
    The ids of those of *resting* that protect what is *held* (signed base units by symbol).

    Stops count before limits, each group once, as long as their sum is no more than the position.
    """
    ranked = sorted(resting, key=lambda x: (x.type not in _STOPS, x.group, x.id))
    covered: dict[str, Decimal] = {}
    groups: dict[str, Decimal] = {}
    found: set[str] = set()
    for x in ranked:
        is_exit = x.type in _STOPS or x.order_class is m.OrderClass.OCO or x.is_leg
        left = max(ZERO, -x.side.sign * held.get(x.symbol, ZERO)) - covered.get(x.symbol, ZERO)
        more = ZERO if x.leaves is None else x.leaves - groups.get(x.group, ZERO)
        if not is_exit or x.leaves is None or not x.leaves or more > left:
            continue
        if -x.side.sign * held.get(x.symbol, ZERO) <= 0:
            continue
        groups[x.group] = max(groups.get(x.group, ZERO), x.leaves)
        covered[x.symbol] = covered.get(x.symbol, ZERO) + max(ZERO, more)
        found.add(x.id)
    return frozenset(found)
