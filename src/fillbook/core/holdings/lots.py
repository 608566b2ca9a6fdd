"""
The lots of one holding: which units a trade closes, and at what cost.

By FIFO each opening fill is a lot, and the oldest is closed first.  By average cost there is one
lot, to which every opening fill adds.  A cost or a price that is not known stays unknown (None).

Other half: `core.pnl.lot_accounting`, which keeps the lots of each strategy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.model import ZERO


@frozen
class Units:
    """Units with their cost ≥ 0; signed, in base units; `cost` None: unknown."""

    qty: Decimal
    cost: Decimal | None
    opened_at: m.Timestamp


@frozen
class Closed:
    """Units that were closed, and for what (≥ 0); None: unknown."""

    units: Units
    proceeds: Decimal | None

    @property
    def pnl(self) -> Decimal | None:
        """The realized P&L, signed; None: a part is unknown."""
        cost = self.units.cost
        if self.proceeds is None or cost is None:
            return None
        return self.proceeds - cost if self.units.qty > 0 else cost - self.proceeds


class Lots:
    """The lots of one part of a position, oldest first: a mutable fold of its changes."""

    def __init__(self, method: m.CostMethod) -> None:
        self._method = method
        self.lots: deque[Units] = deque()
        self.currency: str | None = None

    @property
    def qty(self) -> Decimal:
        return sum((x.qty for x in self.lots), ZERO)

    @property
    def cost(self) -> Decimal | None:
        """The cost of all lots; None: one is unknown."""
        return _sum(x.cost for x in self.lots)

    def trade(self, qty: Decimal, price: Decimal | None, at: m.Timestamp) -> list[Closed]:
        """Buy (sell) *qty* units at *price*; return what this closes."""
        closed = []
        for units in self.take(qty):
            value = None if price is None else abs(units.qty) * price
            closed.append(Closed(units, value))
            qty += units.qty
        self.open(qty, None if price is None else abs(qty) * price, at)
        return closed

    def take(self, qty: Decimal) -> list[Units]:
        """Remove up to |*qty*| units of the opposite sign, the oldest first; return them."""
        taken: list[Units] = []
        while qty and self.lots and self.lots[0].qty * qty < 0:
            first = self.lots.popleft()
            if abs(first.qty) > abs(qty):
                part = _part(first, -qty)
                self.lots.appendleft(_less(first, part))
                first = part
            taken.append(first)
            qty += first.qty
        return taken

    def open(self, qty: Decimal, cost: Decimal | None, at: m.Timestamp) -> None:
        """Add *qty* units that nothing closes."""
        if not qty:
            return
        if self._method is m.CostMethod.AVERAGE and self.lots:
            (units,) = self.lots
            units = Units(units.qty + qty, _sum((units.cost, cost)), units.opened_at)
            self.lots = deque([units])
        else:
            self.lots.append(Units(qty, cost, at))

    def add(self, units: Iterable[Units]) -> list[Closed]:
        """Add the units of other lots; those of the other sign close each other, at no price."""
        closed = []
        for one in units:
            taken = [Closed(x, None) for x in self.take(one.qty)]
            rest = one.qty + sum((x.units.qty for x in taken), ZERO)
            self.open(rest, _part(one, rest).cost, one.opened_at)
            closed += taken
        return closed

    def scale(self, qty: Decimal, at: m.Timestamp) -> None:
        """Make the quantity *qty* at the same cost: a fee in units, or a split."""
        whole = self.qty
        if not whole or not qty or whole * qty < 0:
            cost = self.cost
            self.lots.clear()
            self.open(qty, cost, at)
        elif qty != whole:
            scaled = [evolve(x, qty=x.qty * qty / whole) for x in self.lots]
            last = scaled[-1]
            off = qty - sum((x.qty for x in scaled), ZERO)
            scaled[-1] = evolve(last, qty=last.qty + off)  # what a division does not end
            self.lots = deque(scaled)

    def pay_back(self, paid: Decimal) -> Decimal:
        """Reduce the cost by *paid* ≥ 0; return what exceeds it, which is realized."""
        cost = self.cost
        if cost is None:
            return ZERO
        share = min(paid, cost)
        if cost:
            self.lots = deque(
                evolve(x, cost=(x.cost or ZERO) * (cost - share) / cost) for x in self.lots
            )
        return paid - share

    def portion(self, share: Decimal) -> list[Units]:
        """Remove the *share* of every lot; return it."""
        if share == 1:
            gone = list(self.lots)
            self.lots.clear()
            return gone
        gone = [_part(x, x.qty * share) for x in self.lots]
        self.lots = deque(_less(x, y) for x, y in zip(self.lots, gone, strict=True))
        return gone


def _part(units: Units, qty: Decimal) -> Units:
    if qty == units.qty:
        return units
    cost = None if units.cost is None else units.cost * qty / units.qty
    return Units(qty, cost, units.opened_at)


def _less(units: Units, part: Units) -> Units:
    cost = None if units.cost is None or part.cost is None else units.cost - part.cost
    return Units(units.qty - part.qty, cost, units.opened_at)


def _sum(costs: Iterable[Decimal | None]) -> Decimal | None:
    total = ZERO
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total
