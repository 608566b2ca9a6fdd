"""
Protective orders: resting exits that, even if all of them fill, only reduce a position.

`cancel_all` and `fillbook halt` keep and list them: without them, a position has no stop.  An
exit beyond the held quantity would open a position, so it is not protective.
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
    One open order, under any id that the caller uses.

    `name` is its client order id; None: not reported.  `group` is shared by the exits of one OCO
    or bracket, of which only one fills; `is_leg`: the broker created it for another order.
    `leaves` is in base units; None: an order by notional.  `holding` is the symbol of the position
    that it changes; None: its own symbol.
    """

    id: str
    name: str | None = None
    group: str
    symbol: str
    side: m.OrderSide
    type: m.OrderType
    order_class: m.OrderClass
    is_leg: bool
    leaves: Decimal | None
    holding: str | None = None


def of_order(order: m.Order, holding: str | None = None) -> Resting:
    """Return an order of the record as `Resting`."""
    return Resting(
        id=order.client_order_id,
        name=order.client_order_id,
        group=order.parent or order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        order_class=order.order_class,
        is_leg=order.parent is not None,
        leaves=order.leaves_qty,
        holding=holding,
    )


def of_report(report: m.OrderReport, parent: str | None, holding: str | None = None) -> Resting:
    """Return an order of the broker; *parent*: the broker id of the order whose leg it is."""
    qty = report.terms.qty
    return Resting(
        id=report.broker_order_id,
        name=report.client_order_id,
        group=parent or report.broker_order_id,
        symbol=report.terms.symbol,
        side=report.terms.side,
        type=report.terms.type,
        order_class=report.terms.order_class,
        is_leg=parent is not None,
        leaves=None if qty is None else max(ZERO, qty - report.filled_qty),
        holding=holding,
    )


@m.exact
def protective_ids(resting: Iterable[Resting], held: Mapping[str, Decimal]) -> frozenset[str]:
    """
    Return the ids of the orders that protect what is *held* (signed base units by symbol).

    Stops count before limits and each group once, up to the quantity of the position.
    """
    ranked = sorted(resting, key=lambda x: (x.type not in _STOPS, x.group, x.id))
    covered_qty: dict[str, Decimal] = {}
    group_qty: dict[str, Decimal] = {}
    ids: set[str] = set()
    for x in ranked:
        is_exit = x.type in _STOPS or x.order_class is m.OrderClass.OCO or x.is_leg
        symbol = x.holding or x.symbol
        closable = max(ZERO, -x.side.sign * held.get(symbol, ZERO))
        available = closable - covered_qty.get(symbol, ZERO)
        qty = ZERO if x.leaves is None else x.leaves - group_qty.get(x.group, ZERO)
        if not is_exit or x.leaves is None or not x.leaves or qty > available:
            continue
        if not closable:
            continue
        group_qty[x.group] = max(group_qty.get(x.group, ZERO), x.leaves)
        covered_qty[symbol] = covered_qty.get(symbol, ZERO) + max(ZERO, qty)
        ids.add(x.id)
    return frozenset(ids)
