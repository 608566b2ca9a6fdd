"""What an account really holds and did, for whoever checks what was seen of it."""

from __future__ import annotations

from decimal import Decimal

from fillbook.venue.exchange.account.ledger import nets
from fillbook.venue.exchange.floor import Floor
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.values import Event, Fill, Picture, Row


class Truth:
    """What really is, without lag or fault; legs are orders of their own here."""

    def __init__(self, trading: Trading, floor: Floor) -> None:
        self._trading = trading
        self._floor = floor

    def orders(self) -> list[Picture]:
        with self._floor.timeline.turn():
            return list(self._trading.orders)

    def order(self, order_id: str) -> Picture:
        with self._floor.timeline.turn():
            return self._trading.orders[order_id]

    def get(self, order_id: str) -> Picture | None:
        with self._floor.timeline.turn():
            return self._trading.orders.get(order_id)

    def find(self, client_order_id: str) -> Picture | None:
        with self._floor.timeline.turn():
            order_id = self._trading.orders.id_of(client_order_id)
            return None if order_id is None else self._trading.orders[order_id]

    def fills(self, order_id: str | None = None) -> list[Fill]:
        """Oldest first, those that were busted or corrected included."""
        with self._floor.timeline.turn():
            return list(self._trading.history.of(order_id))

    def rows(self) -> list[Row]:
        with self._floor.timeline.turn():
            return list(self._trading.history.rows)

    def events(self) -> list[Event]:
        """All that ever happened, heard or not."""
        with self._floor.timeline.turn():
            return list(self._trading.feed.events)

    def positions(self) -> dict[str, Decimal]:
        """Signed units by symbol; nothing that is zero."""
        with self._floor.timeline.turn():
            return {s: stake.qty for s, stake in self._trading.history.ledger.now.stakes.items()}

    def nets(self) -> dict[str, Decimal]:
        """The same, summed afresh from fills and rows."""
        with self._floor.timeline.turn():
            history = self._trading.history
            return nets(history.fills, history.rows, self._floor.current)

    def cash(self) -> Decimal:
        with self._floor.timeline.turn():
            return self._trading.history.ledger.now.cash
