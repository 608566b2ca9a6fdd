"""
The life cycle of one account's orders: accepted, routed, filled, canceled, expired, rejected.

Rule 1: only `_change` changes an order; it stores a new version with a timestamp.
Rule 2: every end and every fill calls `_update_group` for the other orders of the group.
Rule 3: this module does not check whether an order is allowed; `rules` does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.account.funds import is_inactive_leg
from fillbook.venue.exchange.account.history import QTY_STEP, History, rounded
from fillbook.venue.exchange.account.stream import Feed
from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.kinds import NON_RESTING
from fillbook.venue.exchange.market import sessions
from fillbook.venue.exchange.market.matching import (
    trade_price,
    trail_update,
    triggered_limit,
    triggers,
)
from fillbook.venue.exchange.market.spot import PLACES, by_quote
from fillbook.venue.exchange.orders.acceptance import new_orders, routed_at
from fillbook.venue.exchange.orders.groups import siblings
from fillbook.venue.exchange.orders.versions import Orders
from fillbook.venue.exchange.state import ExchangeState, subjects_of
from fillbook.venue.exchange.values import (
    PENDING,
    WORKING,
    Event,
    Fill,
    OrderVersion,
    S,
    Ticket,
)

_K: Final = m.TimeInForce
_P: Final = InjectionPoint

_CORRECTION: Final = Decimal("0.01")  #: what a correction adds to the price
_RETRY_S: Final = 0.5  #: the time between a partial fill and the next

#: The timestamp that each final status sets.
_END_STAMPS: Final = {
    S.CANCELED: "canceled_at",
    S.EXPIRED: "expired_at",
    S.REJECTED: "failed_at",
    S.FILLED: "filled_at",
}


class Trading:
    """One account's orders and all their changes; `history` holds cash and positions."""

    def __init__(self, name: str, state: ExchangeState, history: History) -> None:
        self._name = name
        self._state = state
        self._time = state.timeline
        self.orders: Orders = Orders()
        self.history = history
        self.feed: Feed = Feed(state)
        self._stuck_cancels: set[str] = set()
        self._freed_late_s: dict[str, float] = {}

    # ----------------------------------------------------------------- accept

    def accept(self, ticket: Ticket, *, overnight: bool = True) -> OrderVersion:
        """Accept *ticket* and return its order; it is routed `latency_s` later."""
        order, legs = new_orders(ticket, self._state, overnight=overnight)
        at = self._time.elapsed
        for each in (order, *legs):
            self.orders.put(each, at)
            self.schedule_end(each)
        self._schedule_routing(order)
        if self._state.injects(_P.TAKEN, Fault.REJECT_AFTER_ACCEPT, order):
            self._time.call_later(
                self._state.latency_s / 2, lambda: self.reject(order.id, "rejected by the venue")
            )
        injected = self._state.faults.next(
            _P.TAKEN, among=(Fault.CLOCK_JUMP,), subjects=subjects_of(order)
        )
        if injected is not None:
            self._time.jump(injected.seconds)
        return order

    def _schedule_routing(self, order: OrderVersion) -> None:
        """Schedule the routing: `latency_s` later, at the opening, or now under the fault."""
        if order.is_queued:
            self.publish("accepted", order)
            when = routed_at(order, self._time.now())
            self._time.call_at(when, lambda: self._route(order.id))
        elif self._state.injects(_P.TAKEN, Fault.EVENT_EARLY, order):
            with self.feed.at_once():
                self._route(order.id)
        else:
            self._time.call_later(self._state.latency_s, lambda: self._route(order.id))

    def _route(self, order_id: str) -> None:
        order = self.orders[order_id]
        if order.is_final:
            return
        if order.status != S.PENDING_CANCEL:
            order = self.change(order, status=S.PENDING_NEW, is_queued=False)
            self.publish("pending_new", order, execution_id=None)
            order = self.change(order, status=S.NEW)
            self.publish("new", order, execution_id=self._state.new_id())
        self.match(order_id)
        order = self.orders[order_id]
        if not order.is_final:
            self.orders.put(evolve(order, is_resting=True), self._time.elapsed)

    def schedule_end(self, order: OrderVersion) -> None:
        assert order.expires_at is not None
        when = m.moment(order.expires_at)
        self._time.call_at(when, lambda: self._end_for_age(order.id))

    def _end_for_age(self, order_id: str) -> None:
        """End an order by age: cancel it if it is good till canceled, else expire it."""
        order = self.orders[order_id]
        if order.is_final or order_id in self._stuck_cancels:
            return
        if order.time_in_force is _K.GTC:
            self.cancel(order_id)
        else:
            self.end(order, S.EXPIRED)

    # ------------------------------------------------------------------ trade

    def match_all(self, symbol: str | None = None) -> None:
        """Match every open order (of *symbol*, None: all), oldest first."""
        for order_id in self.orders.marketable(self._state.price, symbol):
            self.match(order_id)

    def match(self, order_id: str) -> None:
        """Match one order with the quote."""
        order = self.orders[order_id]
        if not self._can_trade(order):
            return
        prices = self._state.price(order.symbol)
        if order.type is m.OrderType.TRAILING_STOP and (moved := trail_update(order, prices)):
            order = self.change(order, **moved)
        if order.stop_price is not None and not order.is_triggered and triggers(order, prices):
            increment = self._state.instruments[order.symbol].price_increment
            limit = triggered_limit(order, increment)
            order = self.change(order, is_triggered=True, triggered_limit=limit)
        price = trade_price(order, prices)
        if price is not None:
            whole = self.leaves(order, price)
            part = self._state.traded_qty(whole, self._increment(order))
            if part == whole or order.time_in_force is not _K.FOK:
                self.execute(order_id, part, price)
            if part < whole and order.time_in_force not in NON_RESTING:
                self._time.call_later(_RETRY_S, lambda: self.match(order_id))
        if order.time_in_force in NON_RESTING and not self.orders[order_id].is_final:
            self.end(self.orders[order_id], S.CANCELED)

    def _can_trade(self, order: OrderVersion) -> bool:
        return (
            order.status in WORKING
            and not order.is_queued
            and not is_inactive_leg(order)
            and order.symbol not in self._state.halted
            and self._state.is_in_session(order)
        )

    def _increment(self, order: OrderVersion) -> Decimal:
        if order.qty is not None and order.qty == order.qty.to_integral_value():
            is_crypto = order.asset_class is m.AssetClass.CRYPTO
            return QTY_STEP if is_crypto else Decimal(1)
        return QTY_STEP

    def leaves(self, order: OrderVersion, price: Decimal) -> Decimal:
        if order.qty is not None:
            return order.qty - order.filled_qty
        if self._state.spot is not None:
            left = (order.notional or m.ZERO) - order.spent
            return by_quote(left, price, self._state.spot.taker_fee)[0]
        spent = order.filled_qty * (order.filled_avg_price or m.ZERO)
        return m.cut(((order.notional or m.ZERO) - spent) / price, QTY_STEP)

    def execute(self, order_id: str, qty: Decimal, price: Decimal) -> Fill:
        """
        Fill *qty* of an order at *price* and apply the consequences.

        A final order keeps its status: this is a late fill.
        """
        order = self.orders[order_id]
        leaves = max(m.ZERO, self.leaves(order, price) - qty)
        cum = order.filled_qty + qty
        value = order.filled_qty * (order.filled_avg_price or m.ZERO) + qty * price
        average = rounded(value / cum)
        traded = None
        if self._state.spot is not None:
            traded = self._value_in_quote(order, qty, price, is_last=not leaves)
            done = self.history.value_of(order.id)
            value = done + (qty * price if traded is None else traded)
            average = (value / cum).quantize(PLACES).normalize()
        fields: dict[str, Any] = {"filled_qty": cum, "filled_avg_price": average}
        if order.is_final:
            pass
        elif not leaves:
            fields |= {"status": S.FILLED, "filled_at": self._time.stamp()}
        elif order.status not in PENDING:
            fields |= {"status": S.PARTIALLY_FILLED}
        order = self.change(order, **fields)
        fill = self.history.execute(order, qty, price, leaves, traded)
        if traded is not None:
            order = self.change(order, spent=order.spent + traded + fill.fee)
        self._publish_fill("partial_fill" if leaves else "fill", order, fill)
        self._update_group(order, traded=qty)
        self._inject_fill_fault(fill)
        return fill

    def _value_in_quote(
        self, order: OrderVersion, qty: Decimal, price: Decimal, *, is_last: bool
    ) -> Decimal | None:
        """Return the value of a fill of an order that is sized in the quote; None: of another."""
        terms = self._state.spot
        if order.notional is None or terms is None:
            return None
        if is_last:
            return by_quote(order.notional - order.spent, price, terms.taker_fee)[1]
        return m.cut(qty * price, PLACES)

    def _inject_fill_fault(self, fill: Fill) -> None:
        injected = self._state.faults.next(
            _P.FILL,
            among=(Fault.BUST, Fault.CORRECTION),
            subjects=subjects_of(self.orders[fill.order_id]),
        )
        if injected is None:
            return

        def take_effect() -> None:
            if injected.fault is Fault.BUST:
                self.bust(fill.exec_id)
            else:
                self.correct(fill.exec_id, fill.price + _CORRECTION, fill.qty)

        self._time.call_later(injected.seconds, take_effect)

    # ---------------------------------------------------- busts and corrections

    def bust(self, exec_id: str) -> None:
        """Bust an execution; the order's `filled_qty` stays, unless the fault lowers it."""
        fill = self.history.valid_fill(exec_id)
        if fill is None:
            return
        self.history.bust(fill)
        order = self.orders[fill.order_id]
        lowered = self._state.injects(_P.TAKEN_BACK, Fault.CUM_LOWERED, order)
        order = self.change(order, **(self.history.totals(order) if lowered else {}))
        self._publish_fill("trade_bust", order, fill, previous_id=fill.stream_id)

    def correct(self, exec_id: str, price: Decimal, qty: Decimal) -> Fill | None:
        """Correct an execution; return None if it is already busted or corrected."""
        old = self.history.valid_fill(exec_id)
        if old is None:
            return None
        new = self.history.correct(old, price, qty)
        order = self.orders[old.order_id]
        order = self.change(order, **self.history.totals(order))
        self._publish_fill("trade_correct", order, new, previous_id=old.stream_id)
        return new

    # -------------------------------------------------------------------- end

    def cancel(self, order_id: str) -> None:
        """Begin to cancel an open order; it may still fill until the cancel is done."""
        order = self.orders[order_id]
        if order.status == S.PENDING_CANCEL:
            return
        stamp = self._time.stamp()
        self.change(order, status=S.PENDING_CANCEL, cancel_requested_at=stamp)
        if self._state.injects(_P.ASKED_CANCEL, Fault.CANCEL_NEVER_ENDS, order):
            self._stuck_cancels.add(order_id)
            return
        freed_late = self._state.injected(_P.ASKED_CANCEL, Fault.UNITS_FREED_LATE, order)
        if freed_late is not None:
            self._freed_late_s[order_id] = freed_late.seconds
        is_closed = not self._state.is_in_session(order)
        if is_closed and self._state.injects(_P.ASKED_CANCEL, Fault.CANCEL_AT_OPEN, order):
            opens = sessions.next_opening(self._time.now(), extended=False)
            self._time.call_at(opens, lambda: self._complete_cancel(order_id))
            return
        if self._state.injects(_P.ASKED_CANCEL, Fault.CANCEL_FILLS, order):
            self._time.call_later(self._state.latency_s / 2, lambda: self.fill_before_end(order_id))
        if self._state.injects(_P.ASKED_CANCEL, Fault.CANCEL_REJECTED, order):
            self._time.call_later(self._state.latency_s, lambda: self._reject_cancel(order))
        else:
            self._time.call_later(self._state.latency_s, lambda: self._complete_cancel(order_id))

    def finish_cancel(self, order_id: str) -> None:
        """Complete a pending cancel now, unless the fault keeps it pending."""
        order = self.orders[order_id]
        if order.status == S.PENDING_CANCEL and order_id not in self._stuck_cancels:
            self._complete_cancel(order_id)

    def _reject_cancel(self, before: OrderVersion) -> None:
        """Reject the cancel and restore the order's status from *before*, or a later one."""
        order = self.orders[before.id]
        if order.is_final:
            return
        status = S.PARTIALLY_FILLED if order.filled_qty else before.status
        self.publish("order_cancel_rejected", self.change(order, status=status))

    def recall(self) -> None:
        """Cancel the open short sales of symbols that are hard to borrow."""
        for order in self.orders.open():
            if self._sells_short(order) and not self._state.instruments[order.symbol].shortable:
                self.end(order, S.CANCELED, reason="hard to borrow")

    def _sells_short(self, order: OrderVersion) -> bool:
        is_sale = order.side is m.OrderSide.SELL and order.asset_class is m.AssetClass.EQUITY
        return (
            is_sale
            and not is_inactive_leg(order)
            and self.history.ledger.now.qty(order.symbol) <= 0
        )

    def _complete_cancel(self, order_id: str) -> None:
        order = self.orders[order_id]
        if not order.is_final:
            seconds = self._freed_late_s.pop(order_id, None)
            self.end(order, S.CANCELED)
            if seconds is not None and order.qty is not None:
                self._state.keep_reserved(order, order.qty - order.filled_qty, seconds)

    def fill_before_end(self, order_id: str) -> None:
        """Fill the order before its cancel or replace, at its limit or else at the quote."""
        order = self.orders[order_id]
        if order.is_final or is_inactive_leg(order) or not self._state.is_in_session(order):
            return
        price = order.limit_price or self._state.price(order.symbol).touch(order.side)
        self.execute(order_id, self.leaves(order, price), price)

    def reject(self, order_id: str, reason: str) -> None:
        """Reject an accepted order."""
        order = self.orders[order_id]
        if not order.is_final:
            self.end(order, S.REJECTED, reason=reason)

    def expire(self, order_id: str) -> None:
        order = self.orders[order_id]
        if not order.is_final:
            self.end(order, S.EXPIRED)

    def end(self, order: OrderVersion, status: m.OrderStatus, *, reason: str | None = None) -> None:
        stamp = self._time.stamp()
        order = self.change(order, status=status, reason=reason, **{_END_STAMPS[status]: stamp})
        self.publish(status, order, execution_id=self._state.new_id())
        self._update_group(order, traded=m.ZERO)

    def _update_group(self, order: OrderVersion, traded: Decimal) -> None:
        """Apply a fill or an end of *order* to the other orders of its group."""
        if order.status == S.FILLED and order.order_class is not m.OrderClass.OCO:
            for leg_id in order.leg_ids:
                self._activate(self.orders[leg_id])
        late = self._state.injected(_P.FILL, Fault.SIBLING_LATE, order) if traded else None
        if late is None:
            self._update_siblings(order, traded)
        else:
            self._time.call_later(late.seconds, lambda: self._update_siblings(order, traded))

    def _update_siblings(self, order: OrderVersion, traded: Decimal) -> None:
        for other in siblings(order, self.orders):
            if other.is_final:
                continue
            if order.is_final:
                # The close expires a whole day group: its legs are not canceled.
                expired = order.status == S.EXPIRED
                self.end(other, S.EXPIRED if expired else S.CANCELED)
            elif traded and other.qty is not None:
                self.change(other, qty=other.qty - traded)

    def _activate(self, leg: OrderVersion) -> None:
        """Activate an exit after its opening order has filled; a bracket's stop is `held`."""
        if leg.is_final:
            return
        parent = self.orders[leg.parent_id or ""]
        is_held = leg.stop_price is not None and len(parent.leg_ids) > 1
        status = leg.status if leg.status in PENDING else S.HELD if is_held else S.NEW
        leg = self.change(leg, is_active=True, status=status)
        if status == S.NEW:
            self.publish("new", leg, execution_id=self._state.new_id())
        self._time.call_later(self._state.latency_s, lambda: self.match(leg.id))

    # ---------------------------------------------------------------- changes

    def restate(self, order: OrderVersion, **fields: Any) -> None:
        """Change an order without a request of the client (ExecType 150 = D, restated)."""
        self.publish("restated", self.change(order, **fields))

    def change(self, order: OrderVersion, **fields: Any) -> OrderVersion:
        stamp = self._time.stamp()
        if not self._state.injects(_P.CHANGE, Fault.UPDATED_AT_FROZEN, order):
            fields["updated_at"] = stamp
        order = evolve(order, **fields)
        self.orders.put(order, self._time.elapsed)
        return order

    def publish(self, name: str, order: OrderVersion, **fields: Any) -> None:
        self.feed.send(
            Event(
                number=len(self.feed.events) + 1,
                account=self._name,
                name=name,
                order=order,
                at=self._time.stamp(),
                **fields,
            )
        )

    def _publish_fill(
        self, name: str, order: OrderVersion, fill: Fill, previous_id: str | None = None
    ) -> None:
        self.publish(
            name,
            order,
            execution_id=fill.stream_id,
            price=fill.price,
            qty=fill.qty,
            position_qty=self.history.ledger.now.qty(self._state.current_symbol(order.symbol)),
            previous_id=previous_id,
        )
