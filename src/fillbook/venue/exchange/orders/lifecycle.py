"""
The lives of one account's orders: taken, routed, filled, canceled, expired, rejected.

Rule 1: `_change` is the only place where an order changes; it keeps the version and stamps it.
Rule 2: every end and every fill is followed by `_follow_up`, what it means for the group.
Rule 3: nothing here decides whether an order is allowed; `rules` did.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.account.funds import is_asleep
from fillbook.venue.exchange.account.history import PLACES, History, rounded
from fillbook.venue.exchange.account.stream import Feed
from fillbook.venue.exchange.faults.kinds import Fault, Occasion
from fillbook.venue.exchange.floor import Floor, about
from fillbook.venue.exchange.kinds import AT_ONCE
from fillbook.venue.exchange.market.matching import trade_price, trailed, triggers
from fillbook.venue.exchange.orders.acceptance import ends_at, pictures, routed_at
from fillbook.venue.exchange.orders.groups import siblings
from fillbook.venue.exchange.orders.replace import Habit, beginning, successor, working_word
from fillbook.venue.exchange.orders.versions import Orders
from fillbook.venue.exchange.values import (
    PENDING,
    WORKING,
    Amendment,
    Event,
    Fill,
    Picture,
    S,
    Ticket,
)

_K: Final = m.TimeInForce

_CORRECTION: Final = Decimal("0.01")  #: what a correction adds to the price
_RETRY_S: Final = 0.5  #: after a partial fill the rest waits this long for the next

#: Which stamp tells of an end.
_END_STAMPS: Final = {
    S.CANCELED: "canceled_at",
    S.EXPIRED: "expired_at",
    S.REJECTED: "failed_at",
    S.FILLED: "filled_at",
}


class Trading:
    """One account's orders and all that changes them; what that moves is in `history`."""

    def __init__(self, name: str, floor: Floor, history: History) -> None:
        self._name = name
        self._floor = floor
        self.orders = Orders()
        self.history = history
        self.feed = Feed(floor)
        self._stuck: set[str] = set()

    # ------------------------------------------------------------------ begin

    def take(self, ticket: Ticket, *, overnight: bool = True) -> Picture:
        """The order that *ticket* becomes; it is routed a moment later."""
        order, legs = pictures(ticket, self._floor, overnight=overnight)
        at = self._floor.timeline.elapsed
        for each in (order, *legs):
            self.orders.put(each, at)
            self._watch_end(each)
        self._send_off(order)
        if self._floor.strikes(Occasion.TAKEN, Fault.REJECT_AFTER_ACCEPT, order):
            self._floor.timeline.later(
                self._floor.latency_s / 2, lambda: self.reject(order.id, "rejected by the venue")
            )
        strike = self._floor.faults.next(
            Occasion.TAKEN, among=(Fault.CLOCK_JUMP,), about=about(order)
        )
        if strike is not None:
            self._floor.timeline.jump(strike.seconds)
        return order

    def _send_off(self, order: Picture) -> None:
        """Have the order routed: a moment later, when its market opens, or by the fault now."""
        if order.is_queued:
            self._tell("accepted", order)
            when = routed_at(order, self._now())
            self._floor.timeline.at(when, lambda: self._route(order.id))
        elif self._floor.strikes(Occasion.TAKEN, Fault.EVENT_EARLY, order):
            with self.feed.at_once():
                self._route(order.id)
        else:
            self._floor.timeline.later(self._floor.latency_s, lambda: self._route(order.id))

    def _route(self, order_id: str) -> None:
        order = self.orders[order_id]
        if order.is_over:
            return
        if order.status != S.PENDING_CANCEL:
            order = self._change(order, status=S.PENDING_NEW, is_queued=False)
            self._tell("pending_new", order, execution_id=None)
            order = self._change(order, status=S.NEW)
            self._tell("new", order, execution_id=self._floor.new_id())
        self.match(order_id)

    def _watch_end(self, order: Picture) -> None:
        assert order.expires_at is not None
        when = m.moment(order.expires_at)
        self._floor.timeline.at(when, lambda: self._age(order.id))

    def _age(self, order_id: str) -> None:
        """A day order expires; for one good till canceled a cancel is sent, for its age."""
        order = self.orders[order_id]
        if order.is_over or order_id in self._stuck:
            return
        if order.time_in_force is _K.GTC:
            self.cancel(order_id)
        else:
            self._end(order, S.EXPIRED)

    # ------------------------------------------------------------------ trade

    def match_all(self, symbol: str | None = None) -> None:
        """Let every order (of *symbol*, None: of all) trade that can, oldest first."""
        for order_id in self.orders.touched(self._floor.price, symbol):
            self.match(order_id)

    def match(self, order_id: str) -> None:
        """Let one order trade, if its price is there."""
        order = self.orders[order_id]
        if not self._can_trade(order):
            return
        prices = self._floor.price(order.symbol)
        if order.type is m.OrderType.TRAILING_STOP and (moved := trailed(order, prices)):
            order = self._change(order, **moved)
        if order.stop_price is not None and not order.is_triggered and triggers(order, prices):
            order = self._change(order, is_triggered=True)
        price = trade_price(order, prices)
        if price is not None:
            whole = self.leaves(order, price)
            part = self._floor.part_of(whole, self._increment(order))
            if part == whole or order.time_in_force is not _K.FOK:
                self.execute(order_id, part, price)
            if part < whole and order.time_in_force not in AT_ONCE:
                self._floor.timeline.later(_RETRY_S, lambda: self.match(order_id))
        if order.time_in_force in AT_ONCE and not self.orders[order_id].is_over:
            self._end(self.orders[order_id], S.CANCELED)

    def _can_trade(self, order: Picture) -> bool:
        return (
            order.status in WORKING
            and not order.is_queued
            and not is_asleep(order)
            and order.symbol not in self._floor.halted
            and self._floor.is_live(order)
        )

    def _increment(self, order: Picture) -> Decimal:
        if order.qty is not None and order.qty == order.qty.to_integral_value():
            coin = order.asset_class is m.AssetClass.CRYPTO
            return PLACES if coin else Decimal(1)
        return PLACES

    def leaves(self, order: Picture, price: Decimal) -> Decimal:
        if order.qty is not None:
            return order.qty - order.filled_qty
        spent = order.filled_qty * (order.filled_avg_price or m.ZERO)
        return m.cut(((order.notional or m.ZERO) - spent) / price, PLACES)

    def execute(self, order_id: str, qty: Decimal, price: Decimal) -> Fill:
        """
        Fill *qty* of an order at *price*, and all that follows from it.

        An order that is over keeps its word: the fill was on its way when it ended.
        """
        order = self.orders[order_id]
        leaves = max(m.ZERO, self.leaves(order, price) - qty)
        cum = order.filled_qty + qty
        value = order.filled_qty * (order.filled_avg_price or m.ZERO) + qty * price
        fields: dict[str, Any] = {"filled_qty": cum, "filled_avg_price": rounded(value / cum)}
        if order.is_over:
            pass
        elif not leaves:
            fields |= {"status": S.FILLED, "filled_at": self._floor.timeline.stamp()}
        elif order.status not in PENDING:
            fields |= {"status": S.PARTIALLY_FILLED}
        order = self._change(order, **fields)
        fill = self.history.execute(order, qty, price, leaves)
        self._tell_fill("partial_fill" if leaves else "fill", order, fill)
        self._follow_up(order, traded=qty)
        self._strike_fill(fill)
        return fill

    def _strike_fill(self, fill: Fill) -> None:
        strike = self._floor.faults.next(
            Occasion.FILL,
            among=(Fault.BUST, Fault.CORRECTION),
            about=about(self.orders[fill.order_id]),
        )
        if strike is None:
            return

        def strike_now() -> None:
            if strike.fault is Fault.BUST:
                self.bust(fill.exec_id)
            else:
                self.correct(fill.exec_id, fill.price + _CORRECTION, fill.qty)

        self._floor.timeline.later(strike.seconds, strike_now)

    # -------------------------------------------------------------- take back

    def bust(self, exec_id: str) -> None:
        """Take an execution back; the order's total is kept, or lowered by the fault."""
        fill = self.history.standing(exec_id)
        if fill is None:
            return
        self.history.void(fill)
        order = self.orders[fill.order_id]
        lowered = self._floor.strikes(Occasion.TAKEN_BACK, Fault.CUM_LOWERED, order)
        order = self._change(order, **(self.history.totals(order) if lowered else {}))
        self._tell_fill("trade_bust", order, fill, previous_id=fill.stream_id)

    def correct(self, exec_id: str, price: Decimal, qty: Decimal) -> Fill | None:
        """Put another execution in one's place; None if it does not stand any more."""
        old = self.history.standing(exec_id)
        if old is None:
            return None
        new = self.history.fix(old, price, qty)
        order = self.orders[old.order_id]
        order = self._change(order, **self.history.totals(order))
        self._tell_fill("trade_correct", order, new, previous_id=old.stream_id)
        return new

    # ---------------------------------------------------------------- replace

    def replace(self, order_id: str, change: Amendment) -> Picture:
        """What is to take the place of an order, which may still fill meanwhile."""
        old = self.orders[order_id]
        new = successor(old, change, self._floor.new_id(), self._floor.timeline.stamp())
        new = evolve(new, expires_at=m.timestamp(ends_at(new, self._now())))
        self.orders.put(new, self._floor.timeline.elapsed)
        self._watch_end(new)
        self._change(old, status=S.PENDING_REPLACE)
        if self._floor.strikes(Occasion.ASKED_REPLACE, Fault.REPLACE_FILLS, old):
            self._floor.timeline.later(self._floor.latency_s / 2, lambda: self._fill_now(order_id))
        habit = Habit(
            is_fresh=self._floor.strikes(Occasion.ASKED_REPLACE, Fault.CUM_FRESH, old),
            is_repeated=self._floor.strikes(Occasion.ASKED_REPLACE, Fault.QTY_REMAINING, old),
        )
        self._floor.timeline.later(
            self._floor.latency_s, lambda: self._settle_replace(order_id, new.id, change.qty, habit)
        )
        return new

    def _settle_replace(self, old_id: str, new_id: str, qty: Decimal | None, habit: Habit) -> None:
        """One of the two works on: the new order, unless the old one or the new one has ended."""
        old, new = self.orders[old_id], self.orders[new_id]
        # A group shrinks as one of it fills, so what was not changed is what it is now.
        size = qty or old.qty or m.ZERO
        if old.is_over or new.is_over or size <= old.filled_qty:
            if not new.is_over:
                self._end(new, S.REJECTED, reason=f'order is already in "{old.status}" state')
            if not old.is_over:
                old = self._change(old, status=working_word(old))
                self._tell("order_replace_rejected", old)
            return
        stamp = self._floor.timeline.stamp()
        old = self._change(old, status=S.REPLACED, replaced_by=new.id, replaced_at=stamp)
        self._tell("replaced", old, execution_id=self._floor.new_id())
        self._regroup(old, new_id)
        new = self._change(self.orders[new_id], **beginning(old, size, habit))
        if new.status != S.PENDING_CANCEL:
            new = self._change(new, status=working_word(new))
            if new.status != S.HELD:
                self._tell("new", new, execution_id=self._floor.new_id())
        self.match(new.id)

    def _regroup(self, old: Picture, new_id: str) -> None:
        """Put the new order in the old one's place among those that belong together."""
        if old.parent_id is not None:
            parent = self.orders[old.parent_id]
            legs = tuple(new_id if leg_id == old.id else leg_id for leg_id in parent.leg_ids)
            self._change(parent, leg_ids=legs)
        for leg_id in old.leg_ids:
            self._change(self.orders[leg_id], parent_id=new_id)
        self._change(self.orders[new_id], leg_ids=old.leg_ids)
        self._change(self.orders[old.id], leg_ids=())

    # -------------------------------------------------------------------- end

    def cancel(self, order_id: str) -> None:
        """Begin to cancel an order that is not over; it may still fill meanwhile."""
        order = self.orders[order_id]
        if order.status == S.PENDING_CANCEL:
            return
        stamp = self._floor.timeline.stamp()
        self._change(order, status=S.PENDING_CANCEL, cancel_requested_at=stamp)
        if self._floor.strikes(Occasion.ASKED_CANCEL, Fault.CANCEL_NEVER_ENDS, order):
            self._stuck.add(order_id)
            return
        if self._floor.strikes(Occasion.ASKED_CANCEL, Fault.CANCEL_FILLS, order):
            self._floor.timeline.later(self._floor.latency_s / 2, lambda: self._fill_now(order_id))
        if self._floor.strikes(Occasion.ASKED_CANCEL, Fault.CANCEL_REJECTED, order):
            self._floor.timeline.later(self._floor.latency_s, lambda: self._not_canceled(order))
        else:
            self._floor.timeline.later(self._floor.latency_s, lambda: self._canceled(order_id))

    def end_cancel(self, order_id: str) -> None:
        """Have a cancel that was asked be done now, unless by a fault it never is."""
        order = self.orders[order_id]
        if order.status == S.PENDING_CANCEL and order_id not in self._stuck:
            self._canceled(order_id)

    def _not_canceled(self, before: Picture) -> None:
        """The cancel is refused: the order has the word again that it had *before*, or a later."""
        order = self.orders[before.id]
        if order.is_over:
            return
        word = S.PARTIALLY_FILLED if order.filled_qty else before.status
        self._tell("order_cancel_rejected", self._change(order, status=word))

    def recall(self) -> None:
        """Cancel what rests to sell short of what has become hard to borrow."""
        for order in self.orders.open():
            if self._sells_short(order) and not self._floor.instruments[order.symbol].shortable:
                self._end(order, S.CANCELED, reason="hard to borrow")

    def _sells_short(self, order: Picture) -> bool:
        is_sale = order.side is m.OrderSide.SELL and order.asset_class is m.AssetClass.EQUITY
        return is_sale and not is_asleep(order) and self.history.ledger.now.qty(order.symbol) <= 0

    def _canceled(self, order_id: str) -> None:
        order = self.orders[order_id]
        if not order.is_over:
            self._end(order, S.CANCELED)

    def _fill_now(self, order_id: str) -> None:
        """The race lost: it fills at its own limit, or at the market."""
        order = self.orders[order_id]
        if order.is_over or is_asleep(order) or not self._floor.is_live(order):
            return
        price = order.limit_price or self._floor.price(order.symbol).touch(order.side)
        self.execute(order_id, self.leaves(order, price), price)

    def reject(self, order_id: str, reason: str) -> None:
        """The venue refuses an order that was accepted."""
        order = self.orders[order_id]
        if not order.is_over:
            self._end(order, S.REJECTED, reason=reason)

    def expire(self, order_id: str) -> None:
        order = self.orders[order_id]
        if not order.is_over:
            self._end(order, S.EXPIRED)

    def _end(self, order: Picture, word: m.OrderStatus, *, reason: str | None = None) -> None:
        stamp = self._floor.timeline.stamp()
        order = self._change(order, status=word, reason=reason, **{_END_STAMPS[word]: stamp})
        self._tell(word, order, execution_id=self._floor.new_id())
        self._follow_up(order, traded=m.ZERO)

    def _follow_up(self, order: Picture, traded: Decimal) -> None:
        """What a fill or an end of one order of a group means for the others."""
        if order.status == S.FILLED and order.order_class is not m.OrderClass.OCO:
            for leg_id in order.leg_ids:
                self._wake(self.orders[leg_id])
        for other in siblings(order, self.orders):
            if other.is_over:
                continue
            if order.is_over:
                # One close ends a whole day group: its legs expire and are not canceled.
                expired = order.status == S.EXPIRED
                self._end(other, S.EXPIRED if expired else S.CANCELED)
            elif traded and other.qty is not None:
                self._change(other, qty=other.qty - traded)

    def _wake(self, leg: Picture) -> None:
        """The entry has filled: the exit works, a bracket's stop as `held`."""
        if leg.is_over:
            return
        parent = self.orders[leg.parent_id or ""]
        watched = leg.stop_price is not None and len(parent.leg_ids) > 1
        word = leg.status if leg.status in PENDING else S.HELD if watched else S.NEW
        leg = self._change(leg, is_awake=True, status=word)
        if word == S.NEW:
            self._tell("new", leg, execution_id=self._floor.new_id())
        self._floor.timeline.later(self._floor.latency_s, lambda: self.match(leg.id))

    # ------------------------------------------------------------------- both

    def restate(self, order: Picture, **fields: Any) -> None:
        """Change an order that nobody asked to change."""
        self._tell("restated", self._change(order, **fields))

    def _change(self, order: Picture, **fields: Any) -> Picture:
        stamp = self._floor.timeline.stamp()
        if not self._floor.strikes(Occasion.CHANGE, Fault.UPDATED_AT_FROZEN, order):
            fields["updated_at"] = stamp
        order = evolve(order, **fields)
        self.orders.put(order, self._floor.timeline.elapsed)
        return order

    def _tell(self, name: str, order: Picture, **fields: Any) -> None:
        self.feed.send(
            Event(
                number=len(self.feed.events) + 1,
                account=self._name,
                name=name,
                order=order,
                at=self._floor.timeline.stamp(),
                **fields,
            )
        )

    def _tell_fill(
        self, name: str, order: Picture, fill: Fill, previous_id: str | None = None
    ) -> None:
        self._tell(
            name,
            order,
            execution_id=fill.stream_id,
            price=fill.price,
            qty=fill.qty,
            position_qty=self.history.ledger.now.qty(self._floor.current(order.symbol)),
            previous_id=previous_id,
        )

    def _now(self) -> datetime:
        return self._floor.timeline.now()
