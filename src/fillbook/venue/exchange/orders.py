"""Every version of every order of one account, so that old ones can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fillbook.venue.exchange.values import Picture


class Orders:
    """Orders by id and by client order id, oldest first; nothing is ever forgotten."""

    def __init__(self) -> None:
        self._past: dict[str, list[tuple[timedelta, Picture]]] = {}
        self._by_client_id: dict[str, str] = {}
        self._open: dict[str, None] = {}
        self._places: dict[str, int] = {}
        self._hidden_until: dict[str, timedelta] = {}
        self._latest = timedelta.min

    def put(self, order: Picture, at: timedelta) -> None:
        self._past.setdefault(order.id, []).append((at, order))
        self._places.setdefault(order.id, len(self._places))
        self._latest = at
        self._by_client_id.setdefault(order.client_order_id, order.id)
        if order.is_over:
            self._open.pop(order.id, None)
        else:
            self._open.setdefault(order.id)

    def place(self, order_id: str) -> int | None:
        """How many orders were born before this one; None if there is none of this id."""
        return self._places.get(order_id)

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
        for since, order in reversed(self._past.get(order_id, ())):
            if since <= moment:
                return order
        return None

    def all_at(self, moment: timedelta) -> Iterator[Picture]:
        for order_id in self._past:
            if order := self.at(order_id, moment):
                yield order

    def working_at(self, moment: timedelta) -> Iterator[Picture]:
        """Those that were not over at *moment*, and the entries of their groups; maybe others."""
        if moment < self._latest:
            return self.all_at(moment)
        ids = {order_id for each in self.open() for order_id in (each.id, each.parent_id)}
        places = sorted((self._places[i], i) for i in ids if i is not None)
        seen = (self.at(order_id, moment) for _, order_id in places)
        return (order for order in seen if order is not None)

    def open_at(self, moment: timedelta) -> list[Picture]:
        """Those that were not over at *moment*."""
        if moment >= self._latest:
            return self.open()
        return [order for order in self.all_at(moment) if not order.is_over]

    def open(self) -> list[Picture]:
        """Those that are not over."""
        return [self[order_id] for order_id in self._open]

    def id_of(self, client_order_id: str) -> str | None:
        return self._by_client_id.get(client_order_id)
