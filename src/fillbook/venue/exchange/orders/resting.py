"""
The open orders of one symbol, remembered as sums and by price: no question looks at them all.

What an order keeps back depends on its family only, those that were placed with it or took its
place; so the sums of all are the sums of families, and only a family that has changed, or whose
price has, is summed anew.  The definitions are in `funds` and `matching`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.venue.exchange.account.funds import holders, kept_back, one_a_chain, spending, worth
from fillbook.venue.exchange.market.matching import LIMITED, Prices, is_priced, may_wash, reach
from fillbook.venue.exchange.values import Picture

_SIDES: Final = (m.OrderSide.BUY, m.OrderSide.SELL)
_DOWN, _UP = -1, 1

Rung = tuple[Decimal, int, str]  #: a price, how many orders are older, and the order's id


@frozen
class Sums:
    """Of one side: units held, what is left of orders by units, and in USD what is left of both."""

    held: Decimal = m.ZERO
    leaves: Decimal = m.ZERO
    worth: Decimal = m.ZERO  #: of orders by units
    spending: Decimal = m.ZERO  #: of orders by notional

    def moved(self, sign: int, other: Sums) -> Sums:
        """With *other* added, or taken away."""
        return Sums(
            self.held + sign * other.held,
            self.leaves + sign * other.leaves,
            self.worth + sign * other.worth,
            self.spending + sign * other.spending,
        )


Both = dict[m.OrderSide, Sums]


def sums(orders: Iterable[Picture], prices: Prices) -> Both:
    """What *orders*, all of one symbol, come to by side: the definition."""
    found: Both = {}
    orders = list(orders)
    for side in {order.side for order in orders}:
        here = [order for order in orders if order.side is side]
        entries = [o for o in one_a_chain(here, lambda o: worth(o, prices)) if not o.parent_id]
        found[side] = Sums(
            held=sum(holders(here, side).values(), m.ZERO),
            leaves=sum((o.leaves_qty for o in entries), m.ZERO),
            worth=sum((worth(o, prices) for o in entries), m.ZERO),
            spending=sum((spending(o) for o in entries), m.ZERO),
        )
    return found


class Ladder:
    """Orders by a price, and by age where it is the same."""

    def __init__(self) -> None:
        self._rungs: list[Rung] = []

    def add(self, rung: Rung) -> None:
        insort(self._rungs, rung)

    def remove(self, rung: Rung) -> None:
        del self._rungs[bisect_left(self._rungs, rung)]

    def up_to(self, price: Decimal) -> list[Rung]:
        """Those of *price* or lower."""
        return self._rungs[: bisect_right(self._rungs, price, key=lambda rung: rung[0])]

    def lowest(self) -> list[str]:
        """The id of the lowest and oldest, if there is any."""
        return [order_id for _, _, order_id in self._rungs[:1]]


class Resting:
    """The open orders of one symbol, oldest first."""

    def __init__(self) -> None:
        self._orders: dict[str, Picture] = {}
        self._places: dict[str, int] = {}
        self._families: dict[str, dict[str, Picture]] = {}
        self._kin: dict[str, str] = {}
        # Sums, and what they are made of; `_priced` are the families that go with the price.
        self._totals: Both = {side: Sums() for side in _SIDES}
        self._parts: dict[str, Both] = {}
        self._stale: set[str] = set()
        self._priced: set[str] = set()
        self._prices: Prices | None = None
        # By the price that lets them trade, downwards negative; and those that any price may.
        self._reach = {(side, way): Ladder() for side in _SIDES for way in (_DOWN, _UP)}
        self._anyhow: dict[str, None] = {}
        # Those that may trade with our own, best limit first; and those at any price.
        self._limits = {side: Ladder() for side in _SIDES}
        self._markets: dict[m.OrderSide, dict[str, None]] = {side: {} for side in _SIDES}

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self._orders.values())

    def ids(self) -> Iterable[str]:
        return self._orders.keys()

    # ----------------------------------------------------------------- change

    def put(self, order: Picture, place: int, family: str) -> None:
        """Have *order*, which *place* others are older than, instead of what it was."""
        before = self._orders.get(order.id)
        self._orders[order.id] = order
        self._places[order.id], self._kin[order.id] = place, family
        self._families.setdefault(family, {})[order.id] = order
        self._stale.add(family)
        if before is None or _where(before) != _where(order):
            if before is not None:
                self._lift(before, place)
            self._lay(order, place)

    def drop(self, order_id: str) -> None:
        """Forget an order, if it is there."""
        order = self._orders.pop(order_id, None)
        if order is None:
            return
        self._lift(order, self._places.pop(order_id))
        family = self._kin.pop(order_id)
        self._stale.add(family)
        del self._families[family][order_id]

    def _lay(self, order: Picture, place: int) -> None:
        bound = reach(order)
        if bound is None:
            self._anyhow[order.id] = None
        else:
            way, price = bound
            self._reach[order.side, way].add((way * price, place, order.id))
        if may_wash(order) and order.type in LIMITED:
            self._limits[order.side].add(_limit_rung(order, place))
        elif may_wash(order):
            self._markets[order.side].setdefault(order.id)

    def _lift(self, order: Picture, place: int) -> None:
        bound = reach(order)
        if bound is None:
            del self._anyhow[order.id]
        else:
            way, price = bound
            self._reach[order.side, way].remove((way * price, place, order.id))
        if may_wash(order) and order.type in LIMITED:
            self._limits[order.side].remove(_limit_rung(order, place))
        elif may_wash(order):
            del self._markets[order.side][order.id]

    # ------------------------------------------------------------------- look

    def touched(self, prices: Prices) -> list[str]:
        """The ids of those that *prices* may let trade, or trigger, oldest first; maybe others."""
        found = set(self._anyhow)
        for (side, way), ladder in self._reach.items():
            found |= {order_id for _, _, order_id in ladder.up_to(way * prices.touch(side))}
        return sorted(found, key=self._places.__getitem__)

    def rivals(self, side: m.OrderSide) -> list[Picture]:
        """
        Whom an order of *side* would trade with first among those that it must not.

        One that trades at any price, and that of the best limit: if neither is in its way,
        none is.
        """
        other = m.OrderSide.SELL if side is m.OrderSide.BUY else m.OrderSide.BUY
        anyhow = next(iter(self._markets[other]), None)
        ids = [*([] if anyhow is None else [anyhow]), *self._limits[other].lowest()]
        return [self._orders[order_id] for order_id in ids]

    def held(self, side: m.OrderSide, prices: Prices, without: Picture | None = None) -> Decimal:
        """The units that orders of *side* keep back, as if there were no order *without*."""
        return self._sums(prices, without)[side].held

    def kept(self, qty: Decimal, prices: Prices, without: Picture | None = None) -> Decimal:
        """What is kept back in USD while *qty* (signed) is held, as if there were no *without*."""
        total = m.ZERO
        for side, here in self._sums(prices, without).items():
            closable = max(m.ZERO, -side.sign * qty)
            if here.leaves > closable > 0:
                # Some close and some open, and which is which goes by age.
                rest = (o for o in self if without is None or o.id != without.id)
                return kept_back(rest, qty, prices)
            total += here.spending + (m.ZERO if closable else here.worth)
        return total

    def _sums(self, prices: Prices, without: Picture | None) -> Both:
        self._freshen(prices)
        if without is None or without.id not in self._orders:
            return self._totals
        family = self._kin[without.id]
        rest = [o for o in self._families[family].values() if o.id != without.id]
        return _moved(_moved(self._totals, -1, self._parts[family]), 1, sums(rest, prices))

    def _freshen(self, prices: Prices) -> None:
        """Sum anew the families that have changed, and those that a new price does."""
        if prices != self._prices:
            self._stale |= self._priced
            self._prices = prices
        for family in self._stale:
            members = self._families[family]
            part = sums(members.values(), prices)
            self._totals = _moved(self._totals, -1, self._parts.pop(family, {}))
            self._totals = _moved(self._totals, 1, part)
            self._priced.discard(family)
            if any(is_priced(order) for order in members.values()):
                self._priced.add(family)
            if members:
                self._parts[family] = part
            else:
                del self._families[family]
        self._stale.clear()


def _moved(totals: Both, sign: int, part: Both) -> Both:
    return {
        side: here.moved(sign, part[side]) if side in part else here
        for side, here in totals.items()
    }


def _where(order: Picture) -> object:
    """All that an order's places by price depend on."""
    return reach(order), order.limit_price


def _limit_rung(order: Picture, place: int) -> Rung:
    return (-order.side.sign * (order.limit_price or m.ZERO), place, order.id)
