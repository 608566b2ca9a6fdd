"""
Every version of every order of one account, so that views can show old versions.

Open orders are indexed by symbol and changes by time: a query for one symbol does not read
all open orders, and a query for a recent time does not read all versions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain

from fillbook import model as m
from fillbook.venue.exchange.account.funds import Reserved
from fillbook.venue.exchange.account.ledger import Balance
from fillbook.venue.exchange.market.matching import PriceOf, is_crypto
from fillbook.venue.exchange.orders.resting import RestingOrders
from fillbook.venue.exchange.values import OrderVersion


class Orders:
    """The orders of one account by id and client order id, oldest first; none is removed."""

    def __init__(self) -> None:
        self._versions: dict[str, list[tuple[timedelta, OrderVersion]]] = {}
        self._by_client_id: dict[str, str] = {}
        self._resting: dict[str, RestingOrders] = {}  # by symbol
        self._families: dict[str, str] = {}  # order id to family id; see `resting`
        self._ids: list[str] = []
        self._sequences: dict[str, int] = {}
        self._hidden_until: dict[str, timedelta] = {}
        self._changes: list[tuple[timedelta, str]] = []

    def put(self, order: OrderVersion, at: timedelta) -> None:
        if order.id not in self._sequences:
            self._sequences[order.id] = len(self._ids)
            self._ids.append(order.id)
            family = order.chain_id or order.parent_id or order.id
            self._families[order.id] = self._families.get(family, family)
        before = self.get(order.id)
        if before is not None and (order.is_final or before.symbol != order.symbol):
            self._remove_resting(before)
        self._versions.setdefault(order.id, []).append((at, order))
        self._changes.append((at, order.id))
        self._by_client_id.setdefault(order.client_order_id, order.id)
        if not order.is_final:
            if order.symbol not in self._resting:
                self._resting[order.symbol] = RestingOrders()
            sequence, family = self._sequences[order.id], self._families[order.id]
            self._resting[order.symbol].put(order, sequence, family)

    def _remove_resting(self, order: OrderVersion) -> None:
        resting = self.resting(order.symbol)
        resting.drop(order.id)
        if not resting:
            self._resting.pop(order.symbol, None)

    def sequence_of(self, order_id: str | None) -> int | None:
        """Return the number of orders before this one; None if the id is unknown."""
        return None if order_id is None else self._sequences.get(order_id)

    def hide(self, order_id: str, until: timedelta) -> None:
        """Hide the order from all views before *until*."""
        self._hidden_until[order_id] = until

    def get(self, order_id: str) -> OrderVersion | None:
        versions = self._versions.get(order_id)
        return versions[-1][1] if versions else None

    def __getitem__(self, order_id: str) -> OrderVersion:
        return self._versions[order_id][-1][1]

    def __iter__(self) -> Iterator[OrderVersion]:
        return (versions[-1][1] for versions in self._versions.values())

    def at(self, order_id: str, moment: timedelta) -> OrderVersion | None:
        """Return the order as it was at *moment*; None if it did not exist or was hidden."""
        if moment < self._hidden_until.get(order_id, moment):
            return None
        return self._version_at(order_id, moment)

    def _version_at(self, order_id: str, moment: timedelta) -> OrderVersion | None:
        for since, order in reversed(self._versions.get(order_id, ())):
            if since <= moment:
                return order
        return None

    def all_at(self, moment: timedelta, span: slice) -> Iterator[OrderVersion]:
        """Return the orders with the sequence numbers in *span*, as they were at *moment*."""
        return self._at(self._ids[span], moment)

    def working_at(self, moment: timedelta, span: slice) -> Iterator[OrderVersion]:
        """Return the orders that were open at *moment*, with their parents; maybe also others."""
        maybe_open = self._maybe_open_ids(moment)
        parents = (self[order_id].parent_id for order_id in maybe_open)
        sequences = range(len(self._ids))[span]
        ids = self._sorted({*maybe_open, *filter(None, parents)})
        return self._at((each for each in ids if self._sequences[each] in sequences), moment)

    def open_at(self, moment: timedelta, symbol: str | None = None) -> Iterator[OrderVersion]:
        """Return the orders (of *symbol*, None: all) that were open at *moment*, hidden or not."""
        seen = (
            self._version_at(each, moment)
            for each in self._sorted(self._maybe_open_ids(moment, symbol))
        )
        return (order for order in seen if order is not None and not order.is_final)

    def open(self, symbol: str | None = None) -> list[OrderVersion]:
        """Return the open orders (of *symbol*, None: all)."""
        if symbol is not None:
            return list(self.resting(symbol))
        found = chain.from_iterable(self._resting.values())
        return sorted(found, key=lambda order: self._sequences[order.id])

    def resting(self, symbol: str) -> RestingOrders:
        """Return the index of the open orders of *symbol*."""
        return self._resting.get(symbol) or RestingOrders()

    def marketable(self, prices: PriceOf, symbol: str | None = None) -> list[str]:
        """Return the ids of the orders (of *symbol*, None: all) that may trade at *prices*."""
        if symbol is not None:
            return self.resting(symbol).marketable(prices(symbol))
        return self._sorted(
            chain.from_iterable(
                resting.marketable(prices(name)) for name, resting in self._resting.items()
            )
        )

    def reserved(
        self, balance: Balance, prices: PriceOf, without: OrderVersion | None = None
    ) -> Reserved:
        """Return `funds.total_reserved` of the open orders, as if *without* did not exist."""
        reserved = {False: m.ZERO, True: m.ZERO}
        for symbol, resting in self._resting.items():
            reserved[is_crypto(symbol)] += resting.reserved_notional(
                balance.qty(symbol), prices(symbol), without
            )
        return Reserved(reserved[False], reserved[True])

    def id_of(self, client_order_id: str) -> str | None:
        return self._by_client_id.get(client_order_id)

    def _at(self, ids: Iterable[str], moment: timedelta) -> Iterator[OrderVersion]:
        seen = (self.at(order_id, moment) for order_id in ids)
        return (order for order in seen if order is not None)

    def _maybe_open_ids(self, moment: timedelta, symbol: str | None = None) -> set[str]:
        """Return the ids of all orders (of *symbol*) that are open or changed after *moment*."""
        since = bisect_right(self._changes, moment, key=lambda each: each[0])
        changed = {order_id for _, order_id in self._changes[since:]}
        if symbol is None:
            return changed.union(*(resting.ids() for resting in self._resting.values()))
        return {i for i in changed if self[i].symbol == symbol}.union(self.resting(symbol).ids())

    def _sorted(self, ids: Iterable[str]) -> list[str]:
        return sorted(ids, key=self._sequences.__getitem__)
