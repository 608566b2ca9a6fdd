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
from fillbook.venue.exchange.account.funds import Kept
from fillbook.venue.exchange.account.ledger import Balance
from fillbook.venue.exchange.market.matching import PriceOf, is_coin
from fillbook.venue.exchange.orders.resting import Resting
from fillbook.venue.exchange.values import Picture


class Orders:
    """Orders by id and by client order id, oldest first; nothing is ever forgotten."""

    def __init__(self) -> None:
        self._past: dict[str, list[tuple[timedelta, Picture]]] = {}
        self._by_client_id: dict[str, str] = {}
        self._open: dict[str, Resting] = {}  # by symbol
        self._families: dict[str, str] = {}  # the first order of all that belong together
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._hidden_until: dict[str, timedelta] = {}
        self._changed: list[tuple[timedelta, str]] = []

    def put(self, order: Picture, at: timedelta) -> None:
        if order.id not in self._places:
            self._places[order.id] = len(self._ids)
            self._ids.append(order.id)
            kin = order.chain_id or order.parent_id or order.id
            self._families[order.id] = self._families.get(kin, kin)
        before = self.get(order.id)
        if before is not None and (order.is_over or before.symbol != order.symbol):
            self._close(before)
        self._past.setdefault(order.id, []).append((at, order))
        self._changed.append((at, order.id))
        self._by_client_id.setdefault(order.client_order_id, order.id)
        if not order.is_over:
            if order.symbol not in self._open:
                self._open[order.symbol] = Resting()
            place, family = self._places[order.id], self._families[order.id]
            self._open[order.symbol].put(order, place, family)

    def _close(self, order: Picture) -> None:
        here = self.resting(order.symbol)
        here.drop(order.id)
        if not here:
            self._open.pop(order.symbol, None)

    def place(self, order_id: str | None) -> int | None:
        """How many orders were born before this one; None if there is none of this id."""
        return None if order_id is None else self._places.get(order_id)

    def hide(self, order_id: str, until: timedelta) -> None:
        """Show the order to nobody before *until*."""
        self._hidden_until[order_id] = until

    def get(self, order_id: str) -> Picture | None:
        past = self._past.get(order_id)
        return past[-1][1] if past else None

    def __getitem__(self, order_id: str) -> Picture:
        return self._past[order_id][-1][1]

    def __iter__(self) -> Iterator[Picture]:
        return (past[-1][1] for past in self._past.values())

    def at(self, order_id: str, moment: timedelta) -> Picture | None:
        """The order as it was at *moment*; None if it was not there yet, or hidden."""
        if moment < self._hidden_until.get(order_id, moment):
            return None
        return self._then(order_id, moment)

    def _then(self, order_id: str, moment: timedelta) -> Picture | None:
        for since, order in reversed(self._past.get(order_id, ())):
            if since <= moment:
                return order
        return None

    def all_at(self, moment: timedelta, span: slice) -> Iterator[Picture]:
        """Those of the places in *span*, as they were at *moment*."""
        return self._at(self._ids[span], moment)

    def working_at(self, moment: timedelta, span: slice) -> Iterator[Picture]:
        """Those that were not over at *moment*, and the entries of their groups; maybe others."""
        near = self._near(moment)
        parents = (self[order_id].parent_id for order_id in near)
        places = range(len(self._ids))[span]
        ids = self._sorted({*near, *filter(None, parents)})
        return self._at((each for each in ids if self._places[each] in places), moment)

    def open_at(self, moment: timedelta, symbol: str | None = None) -> Iterator[Picture]:
        """Those (of *symbol*, None: of all) that were not over at *moment*, hidden ones too."""
        seen = (self._then(each, moment) for each in self._sorted(self._near(moment, symbol)))
        return (order for order in seen if order is not None and not order.is_over)

    def open(self, symbol: str | None = None) -> list[Picture]:
        """Those (of *symbol*, None: of all) that are not over."""
        if symbol is not None:
            return list(self.resting(symbol))
        found = chain.from_iterable(self._open.values())
        return sorted(found, key=lambda order: self._places[order.id])

    def resting(self, symbol: str) -> Resting:
        """Those of *symbol* that are not over, as sums and by price."""
        return self._open.get(symbol) or Resting()

    def touched(self, prices: PriceOf, symbol: str | None = None) -> list[str]:
        """The ids of those (of *symbol*, None: of all) that *prices* may let trade."""
        if symbol is not None:
            return self.resting(symbol).touched(prices(symbol))
        return self._sorted(
            chain.from_iterable(here.touched(prices(name)) for name, here in self._open.items())
        )

    def kept(self, balance: Balance, prices: PriceOf, without: Picture | None = None) -> Kept:
        """`funds.reserved` of those that are not over, as if there were no order *without*."""
        kept = {False: m.ZERO, True: m.ZERO}
        for symbol, here in self._open.items():
            kept[is_coin(symbol)] += here.kept(balance.qty(symbol), prices(symbol), without)
        return Kept(kept[False], kept[True])

    def id_of(self, client_order_id: str) -> str | None:
        return self._by_client_id.get(client_order_id)

    def _at(self, ids: Iterable[str], moment: timedelta) -> Iterator[Picture]:
        seen = (self.at(order_id, moment) for order_id in ids)
        return (order for order in seen if order is not None)

    def _near(self, moment: timedelta, symbol: str | None = None) -> set[str]:
        """All (of *symbol*) that were open at *moment*: they still are, or have changed since."""
        since = bisect_right(self._changed, moment, key=lambda each: each[0])
        changed = {order_id for _, order_id in self._changed[since:]}
        if symbol is None:
            return changed.union(*(here.ids() for here in self._open.values()))
        return {i for i in changed if self[i].symbol == symbol}.union(self.resting(symbol).ids())

    def _sorted(self, ids: Iterable[str]) -> list[str]:
        return sorted(ids, key=self._places.__getitem__)
