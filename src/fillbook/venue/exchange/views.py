"""
The orders and positions that a client reads, with lag and faults applied.

A view shows the state at an earlier time.  Each read has a time of its own, which may be
earlier than the time of the previous read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.account.funds import reserved_units
from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.values import OrderFilter, OrderVersion, PositionReport

_UNKNOWN_STATUS: Final = "under_deliberation"


class Views:
    """Orders and positions of one account; the caller holds the lock of the exchange."""

    def __init__(self, trading: Trading, state: ExchangeState) -> None:
        self._trading = trading
        self._state = state

    def orders(self, query: OrderFilter) -> list[OrderVersion]:
        """Return the orders that match *query*; newest first unless it asks for oldest first."""
        moment = self._state.view_time(InjectionPoint.SHOW_ORDERS, self._state.lag.orders)
        candidates = list(self._candidates(query, moment))
        if query.nested:
            parents = (order for order in candidates if order.parent_id is None)
            candidates = [self.nested(order, moment) for order in parents]
        found = [order for order in candidates if _matches(order, query)]
        if not query.oldest_first:
            found.reverse()
        return self._with_faults(found[: query.limit])

    def order(self, order_id: str, *, nested: bool = True) -> OrderVersion | None:
        """Return an order by its id; None if the view does not contain it (yet)."""
        moment = self._state.view_time(InjectionPoint.SHOW_ORDERS, self._state.lag.orders)
        order = self._trading.orders.at(order_id, moment)
        if order is None:
            return None
        return self._with_faults([self.nested(order, moment) if nested else order])[0]

    def find(self, client_order_id: str, *, nested: bool = True) -> OrderVersion | None:
        """Return an order by its client order id; None if the view does not contain it (yet)."""
        order_id = self._trading.orders.id_of(client_order_id)
        return None if order_id is None else self.order(order_id, nested=nested)

    def positions(self) -> list[PositionReport]:
        moment = self._state.view_time(InjectionPoint.SHOW_POSITIONS, self._state.lag.positions)
        positions = self._trading.history.ledger.at(moment).positions
        return [self._position_report(symbol, moment) for symbol in sorted(positions)]

    def position(self, symbol: str) -> PositionReport | None:
        """Return the position in *symbol*, in any spelling; None if there is none."""
        moment = self._state.view_time(InjectionPoint.SHOW_POSITIONS, self._state.lag.positions)
        instrument = self._state.instrument(symbol)
        if instrument is None or not self._trading.history.ledger.at(moment).qty(instrument.symbol):
            return None
        return self._position_report(instrument.symbol, moment)

    def nested(self, order: OrderVersion, moment: timedelta) -> OrderVersion:
        """Return *order* with its legs, as they were at *moment*."""
        if not order.leg_ids:
            return order
        legs = (self._trading.orders.at(leg_id, moment) for leg_id in order.leg_ids)
        return evolve(order, legs=tuple(leg for leg in legs if leg is not None))

    def _position_report(self, symbol: str, moment: timedelta) -> PositionReport:
        position = self._trading.history.ledger.at(moment).positions[symbol]
        side = m.OrderSide.SELL if position.qty > 0 else m.OrderSide.BUY
        reserved_qty = self._reserved_qty(symbol, side, moment)
        free = max(m.ZERO, abs(position.qty) - reserved_qty)
        return PositionReport(
            symbol=symbol,
            asset_class=self._state.asset_class(symbol),
            qty=position.qty,
            qty_available=free if position.qty > 0 else -free,
            avg_price=position.avg_price,
            price=self._state.price(symbol).mid,
        )

    def _reserved_qty(self, symbol: str, side: m.OrderSide, moment: timedelta) -> Decimal:
        """Return the units that open orders of *side* reserve."""
        orders = self._trading.orders
        if moment < self._state.timeline.elapsed:
            return sum(reserved_units(orders.open_at(moment, symbol), side).values(), m.ZERO)
        return orders.resting(symbol).reserved_qty(side, self._state.reserve_prices()(symbol))

    def _candidates(self, query: OrderFilter, moment: timedelta) -> Iterator[OrderVersion]:
        """Return the orders that were submitted between the two orders that *query* names."""
        orders = self._trading.orders
        first, end = (
            orders.sequence_of(query.after_order_id),
            orders.sequence_of(query.before_order_id),
        )
        span = slice(0 if first is None else first + 1, end)
        candidates = orders.working_at if query.scope == "open" else orders.all_at
        return candidates(moment, span)

    def _with_faults(self, orders: list[OrderVersion]) -> list[OrderVersion]:
        """Apply the faults of a view to *orders*."""
        if orders and self._state.injects(InjectionPoint.SHOW_ORDERS, Fault.UPDATED_AT_NULL):
            orders = [evolve(order, updated_at=None) for order in orders]
        if orders and self._state.injects(InjectionPoint.SHOW_ORDERS, Fault.UNKNOWN_WORD):
            orders = [o if o.is_final else evolve(o, status=_UNKNOWN_STATUS) for o in orders]
        return orders


def _matches(order: OrderVersion, query: OrderFilter) -> bool:
    at = order.submitted_at or order.created_at
    is_open = not order.is_final or any(not leg.is_final for leg in order.legs)
    return (
        query.scope in ("all", "open" if is_open else "closed")
        and (query.after is None or at > query.after)
        and (query.until is None or at < query.until)
        and (not query.symbols or order.symbol in query.symbols)
        and query.side in (None, order.side)
    )
