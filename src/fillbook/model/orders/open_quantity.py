"""
The running sums of what the open orders of a symbol may still fill.

`core.orders.open_quantities` defines and keeps them, so that no decision reads every open order.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from fillbook.model.number import ZERO
from fillbook.model.orders.enums import OrderSide


@frozen
class OpenSum:
    """
    One sum: of a side, and of a strategy (``""``: unattributed; None: of all).

    `leaves` ≥ 0 is in base units.  `unlimited` is the number of orders whose leaves are not known
    in base units (orders by notional), `orders` that of all.  Of the exits of one bracket, and of
    an OCO order, only the largest counts.
    """

    side: OrderSide
    strategy: str | None
    leaves: Decimal = ZERO
    unlimited: int = 0
    orders: int = 0


@frozen
class OpenQuantity:
    """The sums of one symbol; none of them is of 0 orders."""

    symbol: str
    sums: tuple[OpenSum, ...] = ()

    def of(self, side: OrderSide, strategy: str | None = None) -> OpenSum:
        """Return the sum of *side* and *strategy* (None: of all)."""
        found = (x for x in self.sums if (x.side, x.strategy) == (side, strategy))
        return next(found, OpenSum(side, strategy))
