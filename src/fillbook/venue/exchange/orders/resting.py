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
from fillbook.venue.exchange.account.funds import (
    one_per_chain,
    open_notional,
    open_value,
    reserved_notional,
    reserved_units,
)
from fillbook.venue.exchange.market.matching import (
    LIMIT_TYPES,
    Prices,
    depends_on_quote,
    is_wash_checked,
    trade_threshold,
)
from fillbook.venue.exchange.values import OrderVersion

_SIDES: Final = (m.OrderSide.BUY, m.OrderSide.SELL)
_DOWN, _UP = -1, 1

PriceKey = tuple[Decimal, int, str]  #: a price, how many orders are older, and the order's id


@frozen
class SideTotals:
    """Of one side: units held, what is left of orders by units, and in USD what is left of both."""

    reserved_qty: Decimal = m.ZERO
    leaves: Decimal = m.ZERO
    open_value: Decimal = m.ZERO  #: of orders by units
    open_notional: Decimal = m.ZERO  #: of orders by notional

    def adjusted(self, sign: int, other: SideTotals) -> SideTotals:
        """With *other* added, or taken away."""
        return SideTotals(
            self.reserved_qty + sign * other.reserved_qty,
            self.leaves + sign * other.leaves,
            self.open_value + sign * other.open_value,
            self.open_notional + sign * other.open_notional,
        )


TotalsBySide = dict[m.OrderSide, SideTotals]


def totals_by_side(orders: Iterable[OrderVersion], prices: Prices) -> TotalsBySide:
    """What *orders*, all of one symbol, come to by side: the definition."""
    found: TotalsBySide = {}
    orders = list(orders)
    for side in {order.side for order in orders}:
        here = [order for order in orders if order.side is side]
        entries = [
            o for o in one_per_chain(here, lambda o: open_value(o, prices)) if not o.parent_id
        ]
        found[side] = SideTotals(
            reserved_qty=sum(reserved_units(here, side).values(), m.ZERO),
            leaves=sum((o.leaves_qty for o in entries), m.ZERO),
            open_value=sum((open_value(o, prices) for o in entries), m.ZERO),
            open_notional=sum((open_notional(o) for o in entries), m.ZERO),
        )
    return found


class PriceIndex:
    """Orders by a price, and by age where it is the same."""

    def __init__(self) -> None:
        self._keys: list[PriceKey] = []

    def add(self, key: PriceKey) -> None:
        insort(self._keys, key)

    def remove(self, key: PriceKey) -> None:
        del self._keys[bisect_left(self._keys, key)]

    def up_to(self, price: Decimal) -> list[PriceKey]:
        """Those of *price* or lower."""
        return self._keys[: bisect_right(self._keys, price, key=lambda key: key[0])]

    def lowest(self) -> list[str]:
        """The id of the lowest and oldest, if there is any."""
        return [order_id for _, _, order_id in self._keys[:1]]


class RestingOrders:
    """The open orders of one symbol, oldest first."""

    def __init__(self) -> None:
        self._orders: dict[str, OrderVersion] = {}
        self._sequences: dict[str, int] = {}
        self._families: dict[str, dict[str, OrderVersion]] = {}
        self._family_of: dict[str, str] = {}
        # Sums, and what they are made of; `_priced` are the families that go with the price.
        self._totals: TotalsBySide = {side: SideTotals() for side in _SIDES}
        self._family_totals: dict[str, TotalsBySide] = {}
        self._stale: set[str] = set()
        self._quote_dependent: set[str] = set()
        self._prices: Prices | None = None
        # By the price that lets them trade, downwards negative; and those that any price may.
        self._by_threshold = {
            (side, direction): PriceIndex() for side in _SIDES for direction in (_DOWN, _UP)
        }
        self._any_price: dict[str, None] = {}
        # Those that may trade with our own, best limit first; and those at any price.
        self._by_limit = {side: PriceIndex() for side in _SIDES}
        self._unlimited: dict[m.OrderSide, dict[str, None]] = {side: {} for side in _SIDES}

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[OrderVersion]:
        return iter(self._orders.values())

    def ids(self) -> Iterable[str]:
        return self._orders.keys()

    # ----------------------------------------------------------------- change

    def put(self, order: OrderVersion, sequence: int, family: str) -> None:
        """Have *order*, which *place* others are older than, instead of what it was."""
        before = self._orders.get(order.id)
        self._orders[order.id] = order
        self._sequences[order.id], self._family_of[order.id] = sequence, family
        self._families.setdefault(family, {})[order.id] = order
        self._stale.add(family)
        if before is None or _index_keys(before) != _index_keys(order):
            if before is not None:
                self._remove_from_indexes(before, sequence)
            self._add_to_indexes(order, sequence)

    def drop(self, order_id: str) -> None:
        """Forget an order, if it is there."""
        order = self._orders.pop(order_id, None)
        if order is None:
            return
        self._remove_from_indexes(order, self._sequences.pop(order_id))
        family = self._family_of.pop(order_id)
        self._stale.add(family)
        del self._families[family][order_id]

    def _add_to_indexes(self, order: OrderVersion, sequence: int) -> None:
        bound = trade_threshold(order)
        if bound is None:
            self._any_price[order.id] = None
        else:
            direction, price = bound
            self._by_threshold[order.side, direction].add((direction * price, sequence, order.id))
        if is_wash_checked(order) and order.type in LIMIT_TYPES:
            self._by_limit[order.side].add(_limit_key(order, sequence))
        elif is_wash_checked(order):
            self._unlimited[order.side].setdefault(order.id)

    def _remove_from_indexes(self, order: OrderVersion, sequence: int) -> None:
        bound = trade_threshold(order)
        if bound is None:
            del self._any_price[order.id]
        else:
            direction, price = bound
            self._by_threshold[order.side, direction].remove(
                (direction * price, sequence, order.id)
            )
        if is_wash_checked(order) and order.type in LIMIT_TYPES:
            self._by_limit[order.side].remove(_limit_key(order, sequence))
        elif is_wash_checked(order):
            del self._unlimited[order.side][order.id]

    # ------------------------------------------------------------------- look

    def marketable(self, prices: Prices) -> list[str]:
        """The ids of those that *prices* may let trade, or trigger, oldest first; maybe others."""
        found = set(self._any_price)
        for (side, direction), index in self._by_threshold.items():
            found |= {order_id for _, _, order_id in index.up_to(direction * prices.touch(side))}
        return sorted(found, key=self._sequences.__getitem__)

    def wash_candidates(self, side: m.OrderSide) -> list[OrderVersion]:
        """
        Whom an order of *side* would trade with first among those that it must not.

        One that trades at any price, and that of the best limit: if neither is in its way,
        none is.
        """
        other = m.OrderSide.SELL if side is m.OrderSide.BUY else m.OrderSide.BUY
        any_price = next(iter(self._unlimited[other]), None)
        ids = [*([] if any_price is None else [any_price]), *self._by_limit[other].lowest()]
        return [self._orders[order_id] for order_id in ids]

    def reserved_qty(
        self, side: m.OrderSide, prices: Prices, without: OrderVersion | None = None
    ) -> Decimal:
        """The units that orders of *side* keep back, as if there were no order *without*."""
        return self._current_totals(prices, without)[side].reserved_qty

    def reserved_notional(
        self, qty: Decimal, prices: Prices, without: OrderVersion | None = None
    ) -> Decimal:
        """What is kept back in USD while *qty* (signed) is held, as if there were no *without*."""
        total = m.ZERO
        for side, here in self._current_totals(prices, without).items():
            closable = max(m.ZERO, -side.sign * qty)
            if here.leaves > closable > 0:
                # Some close and some open, and which is which goes by age.
                rest = (o for o in self if without is None or o.id != without.id)
                return reserved_notional(rest, qty, prices)
            total += here.open_notional + (m.ZERO if closable else here.open_value)
        return total

    def _current_totals(self, prices: Prices, without: OrderVersion | None) -> TotalsBySide:
        self._refresh(prices)
        if without is None or without.id not in self._orders:
            return self._totals
        family = self._family_of[without.id]
        rest = [o for o in self._families[family].values() if o.id != without.id]
        return _adjusted(
            _adjusted(self._totals, -1, self._family_totals[family]),
            1,
            totals_by_side(rest, prices),
        )

    def _refresh(self, prices: Prices) -> None:
        """Sum anew the families that have changed, and those that a new price does."""
        if prices != self._prices:
            self._stale |= self._quote_dependent
            self._prices = prices
        for family in self._stale:
            members = self._families[family]
            part = totals_by_side(members.values(), prices)
            self._totals = _adjusted(self._totals, -1, self._family_totals.pop(family, {}))
            self._totals = _adjusted(self._totals, 1, part)
            self._quote_dependent.discard(family)
            if any(depends_on_quote(order) for order in members.values()):
                self._quote_dependent.add(family)
            if members:
                self._family_totals[family] = part
            else:
                del self._families[family]
        self._stale.clear()


def _adjusted(totals: TotalsBySide, sign: int, part: TotalsBySide) -> TotalsBySide:
    return {
        side: here.adjusted(sign, part[side]) if side in part else here
        for side, here in totals.items()
    }


def _index_keys(order: OrderVersion) -> object:
    """All that an order's places by price depend on."""
    return trade_threshold(order), order.limit_price


def _limit_key(order: OrderVersion, sequence: int) -> PriceKey:
    return (-order.side.sign * (order.limit_price or m.ZERO), sequence, order.id)
