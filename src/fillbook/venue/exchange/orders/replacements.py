"""
How a replace is carried out: by a new order, or in place.

Other half: `replace`, which has the checks and the fields of the result.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.exchange.faults.kinds import Fault, InjectionPoint
from fillbook.venue.exchange.orders.acceptance import ends_at
from fillbook.venue.exchange.orders.lifecycle import Trading
from fillbook.venue.exchange.orders.replace import (
    ReplaceBehavior,
    amended_fields,
    initial_fields,
    successor,
    working_status,
)
from fillbook.venue.exchange.state import ExchangeState
from fillbook.venue.exchange.values import Amendment, Edit, OrderVersion, S

_P: Final = InjectionPoint


class Replacements:
    """The replaces of one account's orders."""

    def __init__(self, trading: Trading, state: ExchangeState) -> None:
        self._trading = trading
        self._state = state
        self._time = state.timeline

    def begin(self, order_id: str, change: Amendment) -> OrderVersion:
        """Begin a replace; return the new order, or the order itself if it is changed in place."""
        return (self._edit if self._state.edits_in_place else self._replace)(order_id, change)

    def _replace(self, order_id: str, change: Amendment) -> OrderVersion:
        """Begin to replace an order and return the new one; the old one may still fill."""
        old = self._trading.orders[order_id]
        new = successor(old, change, self._state.new_id(), self._time.stamp())
        new = evolve(new, expires_at=m.timestamp(ends_at(new, self._time.now())))
        self._trading.orders.put(new, self._time.elapsed)
        self._trading.schedule_end(new)
        self._trading.change(old, status=S.PENDING_REPLACE)
        if self._state.injects(_P.ASKED_REPLACE, Fault.REPLACE_FILLS, old):
            self._time.call_later(
                self._state.latency_s / 2, lambda: self._trading.fill_before_end(order_id)
            )
        behavior = ReplaceBehavior(
            counts_own_fills_only=self._state.injects(_P.ASKED_REPLACE, Fault.CUM_FRESH, old),
            repeats_whole_qty=self._state.injects(_P.ASKED_REPLACE, Fault.QTY_REMAINING, old),
        )
        self._time.call_later(
            self._state.latency_s,
            lambda: self._complete_replace(order_id, new.id, change.qty, behavior),
        )
        return new

    def _complete_replace(
        self, old_id: str, new_id: str, qty: Decimal | None, behavior: ReplaceBehavior
    ) -> None:
        """Complete the replace, or reject the new order if the old or the new one has ended."""
        old, new = self._trading.orders[old_id], self._trading.orders[new_id]
        # A fill in the group reduces the quantity, so an unchanged quantity is the current one.
        size = qty or old.qty or m.ZERO
        if old.is_final or new.is_final or size <= old.filled_qty:
            if not new.is_final:
                self._trading.end(
                    new, S.REJECTED, reason=f'order is already in "{old.status}" state'
                )
            if not old.is_final:
                old = self._trading.change(old, status=working_status(old))
                self._trading.publish("order_replace_rejected", old)
            return
        stamp = self._time.stamp()
        old = self._trading.change(old, status=S.REPLACED, replaced_by=new.id, replaced_at=stamp)
        self._trading.publish("replaced", old, execution_id=self._state.new_id())
        self._regroup(old, new_id)
        new = self._trading.change(
            self._trading.orders[new_id], **initial_fields(old, size, behavior)
        )
        if new.status != S.PENDING_CANCEL:
            new = self._trading.change(new, status=working_status(new))
            if new.status != S.HELD:
                self._trading.publish("new", new, execution_id=self._state.new_id())
        self._trading.match(new.id)

    def _edit(self, order_id: str, change: Amendment) -> OrderVersion:
        """Begin to change an order in place and return it; it may still fill as it is."""
        order = self._trading.change(self._trading.orders[order_id], status=S.PENDING_REPLACE)
        if self._state.injects(_P.ASKED_REPLACE, Fault.REPLACE_FILLS, order):
            self._time.call_later(
                self._state.latency_s / 2, lambda: self._trading.fill_before_end(order_id)
            )
        self._time.call_later(self._state.latency_s, lambda: self._complete_edit(order_id, change))
        return order

    def _complete_edit(self, order_id: str, change: Amendment) -> None:
        """Complete a change in place, unless the order has ended or has filled as much."""
        order = self._trading.orders[order_id]
        if order.status != S.PENDING_REPLACE:
            return
        if change.qty is not None and change.qty <= order.filled_qty:
            order = self._trading.change(order, status=working_status(order))
            self._trading.publish("order_replace_rejected", order)
            return
        order = self._trading.change(order, **amended_fields(order, change))
        edit = Edit(order.qty, order.limit_price, self._time.stamp())
        order = self._trading.change(order, edits=(*order.edits, edit))
        order = self._trading.change(order, status=working_status(order))
        self._trading.publish("replaced", order, execution_id=self._state.new_id())
        self._trading.match(order_id)

    def _regroup(self, old: OrderVersion, new_id: str) -> None:
        """Replace the old order by the new one in its group."""
        if old.parent_id is not None:
            parent = self._trading.orders[old.parent_id]
            legs = tuple(new_id if leg_id == old.id else leg_id for leg_id in parent.leg_ids)
            self._trading.change(parent, leg_ids=legs)
        for leg_id in old.leg_ids:
            self._trading.change(self._trading.orders[leg_id], parent_id=new_id)
        self._trading.change(self._trading.orders[new_id], leg_ids=old.leg_ids)
        self._trading.change(self._trading.orders[old.id], leg_ids=())
