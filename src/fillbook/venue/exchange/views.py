"""
What a client is shown of one account: orders and positions, as lag and faults have them.

Views are made from old versions.  Each read looks at a moment of its own, and that need not be
later than the moment of the read before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.account.funds import holders
from fillbook.venue.exchange.faults.kinds import Fault, Occasion
from fillbook.venue.exchange.floor import Floor
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.values import Holding, OrderFilter, Picture

_STRANGE_WORD: Final = "under_deliberation"


class Views:
    """Orders and positions of one account; whoever asks has the exchange for himself."""

    def __init__(self, trading: Trading, floor: Floor) -> None:
        self._trading = trading
        self._floor = floor

    def orders(self, which: OrderFilter) -> list[Picture]:
        """The orders that *which* lets through; newest first unless it says otherwise."""
        moment = self._floor.seen_at(Occasion.SHOW_ORDERS, self._floor.lag.orders)
        shown = list(self._rows(which, moment))
        if which.nested:
            tops = (order for order in shown if order.parent_id is None)
            shown = [self.nested(order, moment) for order in tops]
        found = [order for order in shown if _matches(order, which)]
        if not which.oldest_first:
            found.reverse()
        return self._masked(found[: which.limit])

    def order(self, order_id: str, *, nested: bool = True) -> Picture | None:
        """One order by its id; None if it is not (yet) there for this client."""
        moment = self._floor.seen_at(Occasion.SHOW_ORDERS, self._floor.lag.orders)
        order = self._trading.orders.at(order_id, moment)
        if order is None:
            return None
        return self._masked([self.nested(order, moment) if nested else order])[0]

    def find(self, client_order_id: str, *, nested: bool = True) -> Picture | None:
        """One order by its client order id."""
        order_id = self._trading.orders.id_of(client_order_id)
        return None if order_id is None else self.order(order_id, nested=nested)

    def positions(self) -> list[Holding]:
        moment = self._floor.seen_at(Occasion.SHOW_POSITIONS, self._floor.lag.positions)
        stakes = self._trading.history.ledger.at(moment).stakes
        return [self._holding(symbol, moment) for symbol in sorted(stakes)]

    def position(self, symbol: str) -> Holding | None:
        """What is held of *symbol*, in any spelling; None if nothing is."""
        moment = self._floor.seen_at(Occasion.SHOW_POSITIONS, self._floor.lag.positions)
        instrument = self._floor.instrument(symbol)
        if instrument is None or not self._trading.history.ledger.at(moment).qty(instrument.symbol):
            return None
        return self._holding(instrument.symbol, moment)

    def nested(self, order: Picture, moment: timedelta) -> Picture:
        """*order* with its legs, as they were at *moment*."""
        if not order.leg_ids:
            return order
        legs = (self._trading.orders.at(leg_id, moment) for leg_id in order.leg_ids)
        return evolve(order, legs=tuple(leg for leg in legs if leg is not None))

    def _holding(self, symbol: str, moment: timedelta) -> Holding:
        stake = self._trading.history.ledger.at(moment).stakes[symbol]
        side = m.OrderSide.SELL if stake.qty > 0 else m.OrderSide.BUY
        held = self._held(symbol, side, moment)
        free = max(m.ZERO, abs(stake.qty) - held)
        return Holding(
            symbol=symbol,
            asset_class=self._floor.instruments[self._floor.current(symbol)].asset_class,
            qty=stake.qty,
            qty_available=free if stake.qty > 0 else -free,
            avg_price=stake.avg_price,
            price=self._floor.price(symbol).mid,
        )

    def _held(self, symbol: str, side: m.OrderSide, moment: timedelta) -> Decimal:
        """The units that orders of *side* keep back."""
        orders = self._trading.orders
        if moment < self._floor.timeline.elapsed:
            return sum(holders(orders.open_at(moment, symbol), side).values(), m.ZERO)
        return orders.resting(symbol).held(side, self._floor.reckoning()(symbol))

    def _rows(self, which: OrderFilter, moment: timedelta) -> Iterator[Picture]:
        """Those that were born between the two orders that the filter names."""
        known = self._trading.orders
        first, end = (known.place(which.after_order_id), known.place(which.before_order_id))
        span = slice(0 if first is None else first + 1, end)
        rows = known.working_at if which.scope == "open" else known.all_at
        return rows(moment, span)

    def _masked(self, orders: list[Picture]) -> list[Picture]:
        """What the faults of a view make of it."""
        if orders and self._floor.strikes(Occasion.SHOW_ORDERS, Fault.UPDATED_AT_NULL):
            orders = [evolve(order, updated_at=None) for order in orders]
        if orders and self._floor.strikes(Occasion.SHOW_ORDERS, Fault.UNKNOWN_WORD):
            orders = [o if o.is_over else evolve(o, status=_STRANGE_WORD) for o in orders]
        return orders


def _matches(order: Picture, which: OrderFilter) -> bool:
    at = order.submitted_at or order.created_at
    is_open = not order.is_over or any(not leg.is_over for leg in order.legs)
    return (
        which.scope in ("all", "open" if is_open else "closed")
        and (which.after is None or at > which.after)
        and (which.until is None or at < which.until)
        and (not which.symbols or order.symbol in which.symbols)
        and which.side in (None, order.side)
    )
