"""
The open orders of one symbol, with totals and price indexes, so that no query reads them all.

A family is an order with its legs and the replacements of all of them.  What an order
reserves depends on its family only.  So the totals are sums over families, and only a family
that has changed, or that depends on a changed quote, is summed anew.  The definitions are in
`funds` and `matching`.
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

PriceKey = tuple[Decimal, int, str]  #: a price, the number of older orders, and the order's id


@frozen
class SideTotals:
    """The totals of the open orders of one side; all are ≥ 0."""

    reserved_qty: Decimal = m.ZERO  #: reserved units
    leaves: Decimal = m.ZERO  #: leaves quantity of orders by units
    open_value: Decimal = m.ZERO  #: value of that leaves quantity, in quote currency
    open_notional: Decimal = m.ZERO  #: open amount of orders by notional, in quote currency

    def adjusted(self, sign: int, other: SideTotals) -> SideTotals:
        """Return the totals plus (*sign* 1) or minus (*sign* -1) *other*."""
        return SideTotals(
            self.reserved_qty + sign * other.reserved_qty,
            self.leaves + sign * other.leaves,
            self.open_value + sign * other.open_value,
            self.open_notional + sign * other.open_notional,
        )


TotalsBySide = dict[m.OrderSide, SideTotals]


def totals_by_side(orders: Iterable[OrderVersion], prices: Prices) -> TotalsBySide:
    """Return the totals of *orders*, all of one symbol, by side: the definition."""
    found: TotalsBySide = {}
    orders = list(orders)
    for side in {order.side for order in orders}:
        same_side = [order for order in orders if order.side is side]
        entries = [
            o for o in one_per_chain(same_side, lambda o: open_value(o, prices)) if not o.parent_id
        ]
        found[side] = SideTotals(
            reserved_qty=sum(reserved_units(same_side, side).values(), m.ZERO),
            leaves=sum((o.leaves_qty for o in entries), m.ZERO),
            open_value=sum((open_value(o, prices) for o in entries), m.ZERO),
            open_notional=sum((open_notional(o) for o in entries), m.ZERO),
        )
    return found


class PriceIndex:
    """Orders sorted by a price, then by age."""

    def __init__(self) -> None:
        self._keys: list[PriceKey] = []

    def add(self, key: PriceKey) -> None:
        insort(self._keys, key)

    def remove(self, key: PriceKey) -> None:
        del self._keys[bisect_left(self._keys, key)]

    def up_to(self, price: Decimal) -> list[PriceKey]:
        """Return the keys with a price ≤ *price*."""
        return self._keys[: bisect_right(self._keys, price, key=lambda key: key[0])]

    def lowest(self) -> list[str]:
        """Return the id of the oldest order at the lowest price, as a list of at most one."""
        return [order_id for _, _, order_id in self._keys[:1]]


class RestingOrders:
    """The open orders of one symbol, oldest first."""

    def __init__(self) -> None:
        self._orders: dict[str, OrderVersion] = {}
        self._sequences: dict[str, int] = {}
        self._families: dict[str, dict[str, OrderVersion]] = {}
        self._family_of: dict[str, str] = {}
        # The totals of all orders and of each family; the families to sum anew are `_stale`,
        # those whose totals depend on the quote `_quote_dependent`.
        self._totals: TotalsBySide = {side: SideTotals() for side in _SIDES}
        self._family_totals: dict[str, TotalsBySide] = {}
        self._stale: set[str] = set()
        self._quote_dependent: set[str] = set()
        self._prices: Prices | None = None
        # The orders by the price from which they trade, negated if they trade below it; and
        # those without such a price.
        self._by_threshold = {
            (side, direction): PriceIndex() for side in _SIDES for direction in (_DOWN, _UP)
        }
        self._any_price: dict[str, None] = {}
        # The orders of the wash check: by limit, best first; and those without a limit.
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
        """Add *order*, or replace its previous version; *sequence* orders are older."""
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
        """Remove an order, if it is in the index."""
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

    # ---------------------------------------------------------------- queries

    def marketable(self, prices: Prices) -> list[str]:
        """Return the ids of all orders that *prices* fill or trigger, and maybe others."""
        found = set(self._any_price)
        for (side, direction), index in self._by_threshold.items():
            found |= {order_id for _, _, order_id in index.up_to(direction * prices.touch(side))}
        return sorted(found, key=self._sequences.__getitem__)

    def wash_candidates(self, side: m.OrderSide) -> list[OrderVersion]:
        """
        Return the orders that an order of *side* might trade with first (wash trade).

        These are one without a limit and the one with the best limit: if the new order trades
        with neither, it trades with no other.
        """
        other = m.OrderSide.SELL if side is m.OrderSide.BUY else m.OrderSide.BUY
        any_price = next(iter(self._unlimited[other]), None)
        ids = [*([] if any_price is None else [any_price]), *self._by_limit[other].lowest()]
        return [self._orders[order_id] for order_id in ids]

    def reserved_qty(
        self, side: m.OrderSide, prices: Prices, without: OrderVersion | None = None
    ) -> Decimal:
        """Return the units that orders of *side* reserve, as if *without* did not exist."""
        return self._current_totals(prices, without)[side].reserved_qty

    def reserved_notional(
        self, qty: Decimal, prices: Prices, without: OrderVersion | None = None
    ) -> Decimal:
        """
        Return the reserved amount in USD, as if the order *without* did not exist.

        *qty* is the signed position in units.
        """
        total = m.ZERO
        for side, side_totals in self._current_totals(prices, without).items():
            closable = max(m.ZERO, -side.sign * qty)
            if side_totals.leaves > closable > 0:
                # Some orders close the position and some open one; their age decides which.
                rest = (o for o in self if without is None or o.id != without.id)
                return reserved_notional(rest, qty, prices)
            total += side_totals.open_notional + (m.ZERO if closable else side_totals.open_value)
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
        """Sum anew the families that have changed or depend on a changed quote."""
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
        side: side_totals.adjusted(sign, part[side]) if side in part else side_totals
        for side, side_totals in totals.items()
    }


def _index_keys(order: OrderVersion) -> object:
    """Return what the price indexes depend on."""
    return trade_threshold(order), order.limit_price


def _limit_key(order: OrderVersion, sequence: int) -> PriceKey:
    return (-order.side.sign * (order.limit_price or m.ZERO), sequence, order.id)
