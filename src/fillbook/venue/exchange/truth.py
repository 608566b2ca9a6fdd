"""What an account really holds and did, for whoever checks what was seen of it."""

from __future__ import annotations

from decimal import Decimal

from fillbook.venue.exchange.account.ledger import net_positions
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.values import Activity, Event, Fill, OrderVersion


class Truth:
    """What really is, without lag or fault; legs are orders of their own here."""

    def __init__(self, trading: Trading, state: ExchangeState) -> None:
        self._trading = trading
        self._state = state

    def orders(self) -> list[OrderVersion]:
        with self._state.timeline.locked():
            return list(self._trading.orders)

    def order(self, order_id: str) -> OrderVersion:
        with self._state.timeline.locked():
            return self._trading.orders[order_id]

    def get(self, order_id: str) -> OrderVersion | None:
        with self._state.timeline.locked():
            return self._trading.orders.get(order_id)

    def find(self, client_order_id: str) -> OrderVersion | None:
        with self._state.timeline.locked():
            order_id = self._trading.orders.id_of(client_order_id)
            return None if order_id is None else self._trading.orders[order_id]

    def fills(self, order_id: str | None = None) -> list[Fill]:
        """Oldest first, those that were busted or corrected included."""
        with self._state.timeline.locked():
            return list(self._trading.history.fills_of(order_id))

    def activities(self) -> list[Activity]:
        with self._state.timeline.locked():
            return list(self._trading.history.activities)

    def events(self) -> list[Event]:
        """All that ever happened, heard or not."""
        with self._state.timeline.locked():
            return list(self._trading.feed.events)

    def positions(self) -> dict[str, Decimal]:
        """Signed units by symbol; nothing that is zero."""
        with self._state.timeline.locked():
            return {
                s: position.qty
                for s, position in self._trading.history.ledger.now.positions.items()
            }

    def net_positions(self) -> dict[str, Decimal]:
        """The same, summed afresh from fills and rows."""
        with self._state.timeline.locked():
            history = self._trading.history
            return net_positions(history.fills, history.activities, self._state.current_symbol)

    def cash(self) -> Decimal:
        with self._state.timeline.locked():
            return self._trading.history.ledger.now.cash
