"""
Every version of every order of one account, so that old ones can be shown.

Open orders are kept by symbol and changes in their order, so that no question costs more
than what it is about: not the whole book for one symbol, not all that ever was for a moment ago.
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
    """Orders by id and by client order id, oldest first; nothing is ever forgotten."""

    def __init__(self) -> None:
        self._versions: dict[str, list[tuple[timedelta, OrderVersion]]] = {}
        self._by_client_id: dict[str, str] = {}
        self._resting: dict[str, RestingOrders] = {}  # by symbol
        self._families: dict[str, str] = {}  # the first order of all that belong together
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
        here = self.resting(order.symbol)
        here.drop(order.id)
        if not here:
            self._resting.pop(order.symbol, None)

    def sequence_of(self, order_id: str | None) -> int | None:
        """How many orders were born before this one; None if there is none of this id."""
        return None if order_id is None else self._sequences.get(order_id)

    def hide(self, order_id: str, until: timedelta) -> None:
        """Show the order to nobody before *until*."""
        self._hidden_until[order_id] = until

    def get(self, order_id: str) -> OrderVersion | None:
        versions = self._versions.get(order_id)
        return versions[-1][1] if versions else None

    def __getitem__(self, order_id: str) -> OrderVersion:
        return self._versions[order_id][-1][1]

    def __iter__(self) -> Iterator[OrderVersion]:
        return (versions[-1][1] for versions in self._versions.values())

    def at(self, order_id: str, moment: timedelta) -> OrderVersion | None:
        """The order as it was at *moment*; None if it was not there yet, or hidden."""
        if moment < self._hidden_until.get(order_id, moment):
            return None
        return self._version_at(order_id, moment)

    def _version_at(self, order_id: str, moment: timedelta) -> OrderVersion | None:
        for since, order in reversed(self._versions.get(order_id, ())):
            if since <= moment:
                return order
        return None

    def all_at(self, moment: timedelta, span: slice) -> Iterator[OrderVersion]:
        """Those of the places in *span*, as they were at *moment*."""
        return self._at(self._ids[span], moment)

    def working_at(self, moment: timedelta, span: slice) -> Iterator[OrderVersion]:
        """Those that were not over at *moment*, and the entries of their groups; maybe others."""
        maybe_open = self._maybe_open_ids(moment)
        parents = (self[order_id].parent_id for order_id in maybe_open)
        sequences = range(len(self._ids))[span]
        ids = self._sorted({*maybe_open, *filter(None, parents)})
        return self._at((each for each in ids if self._sequences[each] in sequences), moment)

    def open_at(self, moment: timedelta, symbol: str | None = None) -> Iterator[OrderVersion]:
        """Those (of *symbol*, None: of all) that were not over at *moment*, hidden ones too."""
        seen = (
            self._version_at(each, moment)
            for each in self._sorted(self._maybe_open_ids(moment, symbol))
        )
        return (order for order in seen if order is not None and not order.is_final)

    def open(self, symbol: str | None = None) -> list[OrderVersion]:
        """Those (of *symbol*, None: of all) that are not over."""
        if symbol is not None:
            return list(self.resting(symbol))
        found = chain.from_iterable(self._resting.values())
        return sorted(found, key=lambda order: self._sequences[order.id])

    def resting(self, symbol: str) -> RestingOrders:
        """Those of *symbol* that are not over, as sums and by price."""
        return self._resting.get(symbol) or RestingOrders()

    def marketable(self, prices: PriceOf, symbol: str | None = None) -> list[str]:
        """The ids of those (of *symbol*, None: of all) that *prices* may let trade."""
        if symbol is not None:
            return self.resting(symbol).marketable(prices(symbol))
        return self._sorted(
            chain.from_iterable(
                here.marketable(prices(name)) for name, here in self._resting.items()
            )
        )

    def reserved(
        self, balance: Balance, prices: PriceOf, without: OrderVersion | None = None
    ) -> Reserved:
        """`funds.reserved` of those that are not over, as if there were no order *without*."""
        reserved = {False: m.ZERO, True: m.ZERO}
        for symbol, here in self._resting.items():
            reserved[is_crypto(symbol)] += here.reserved_notional(
                balance.qty(symbol), prices(symbol), without
            )
        return Reserved(reserved[False], reserved[True])

    def id_of(self, client_order_id: str) -> str | None:
        return self._by_client_id.get(client_order_id)

    def _at(self, ids: Iterable[str], moment: timedelta) -> Iterator[OrderVersion]:
        seen = (self.at(order_id, moment) for order_id in ids)
        return (order for order in seen if order is not None)

    def _maybe_open_ids(self, moment: timedelta, symbol: str | None = None) -> set[str]:
        """All (of *symbol*) that were open at *moment*: they still are, or have changed since."""
        since = bisect_right(self._changes, moment, key=lambda each: each[0])
        changed = {order_id for _, order_id in self._changes[since:]}
        if symbol is None:
            return changed.union(*(here.ids() for here in self._resting.values()))
        return {i for i in changed if self[i].symbol == symbol}.union(self.resting(symbol).ids())

    def _sorted(self, ids: Iterable[str]) -> list[str]:
        return sorted(ids, key=self._sequences.__getitem__)
