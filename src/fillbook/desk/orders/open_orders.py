"""
The open orders of the record, as the checks ask for them: few rows, however many are open.

Other halves: `core.orders.open_quantities`, which keeps the sums, and the indexes of orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.checks.context import UNLIMITED_QTY, TrackedOrders
from fillbook.model.journal.kinds import opposing
from fillbook.model.orders.open_quantity import OpenQuantity
from fillbook.store import Reader


class OpenOrders(TrackedOrders):
    """The open orders by the record of *reader*."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(self._read)
        self._reader = reader

    def leaves(self, symbol: str, side: m.OrderSide, strategy: str | None = None) -> Decimal:
        known = self._reader.get(OpenQuantity, symbol)
        if known is None:
            return m.ZERO
        found = known.of(side, strategy)
        return UNLIMITED_QTY if found.unlimited else found.leaves

    def leaves_on(self, position: str, side: m.OrderSide) -> Decimal:
        """Return the total leaves of *side* on all symbols whose fills change *position*."""
        symbols = pairs.symbols_held_as(self._reader, position)
        return sum((self.leaves(x, side) for x in symbols), m.ZERO)

    def unclear(self, symbol: str) -> Iterable[m.Order]:
        return _sent(self._reader.find(m.OrderRecord, "unclear", symbol))

    def opposing(self, request: m.OrderRequest, rule: m.WashRule) -> Iterator[m.Order]:
        symbol, side = request.symbol, request.side.opposite
        known = self._reader.get(OpenQuantity, symbol)
        if known is None or not known.of(side).orders:
            return
        always = rule.always | rule.crossing if request.type in rule.always else rule.always
        for order_type in sorted(always):
            yield from self._first("key", opposing(symbol, side, order_type))
        for order_type in sorted(
            rule.crossing - always
        ):  # the best price is the one that matches first
            group, newest = opposing(symbol, side, order_type), side is m.OrderSide.BUY
            yield from self._first("limit", group, newest=newest)

    def _first(self, index: str, group: str, *, newest: bool = False) -> tuple[m.Order, ...]:
        where = {"opposing": (group,)}
        page = self._reader.page(m.OrderRecord, index, where=where, limit=1, newest=newest)
        return tuple(x.order for x in page)

    def _read(self, symbol: str | None) -> tuple[m.Order, ...]:
        """
        Return the orders that are not complete, of *symbol* or of all symbols (None).

        Intents without a request and without a broker id are left out.
        """
        where = ("open", "yes") if symbol is None else ("followed", symbol)
        return _sent(self._reader.find(m.OrderRecord, *where))


def _sent(records: Iterable[m.OrderRecord]) -> tuple[m.Order, ...]:
    return tuple(x.order for x in records if x.requests or x.ids)
