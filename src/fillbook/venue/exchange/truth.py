"""The actual state of an account, for tests that compare it with a client's view."""

from __future__ import annotations

from decimal import Decimal

from fillbook.venue.exchange.account.ledger import net_positions
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.values import Activity, Event, Fill, OrderVersion


class Truth:
    """Reads without lag and faults; legs are listed as separate orders."""

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
        """Return all executions (of *order_id*), oldest first, busted and corrected included."""
        with self._state.timeline.locked():
            return list(self._trading.history.fills_of(order_id))

    def activities(self) -> list[Activity]:
        with self._state.timeline.locked():
            return list(self._trading.history.activities)

    def events(self) -> list[Event]:
        """Return all events, oldest first, whether they were delivered or not."""
        with self._state.timeline.locked():
            return list(self._trading.feed.events)

    def positions(self) -> dict[str, Decimal]:
        """Return the signed units by symbol, without zeros."""
        with self._state.timeline.locked():
            return {
                s: position.qty
                for s, position in self._trading.history.ledger.now.positions.items()
            }

    def net_positions(self) -> dict[str, Decimal]:
        """Return the same as `positions`, summed anew from fills and activities."""
        with self._state.timeline.locked():
            history = self._trading.history
            return net_positions(
                history.fills,
                history.activities,
                self._state.current_symbol,
                history.positions_of,
            )

    def cash(self) -> Decimal:
        with self._state.timeline.locked():
            return self._trading.history.ledger.now.cash
