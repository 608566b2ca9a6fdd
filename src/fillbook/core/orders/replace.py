"""
Whether an order may be changed, and how.

A replace is asked for under a client id of its own, `<id>.r1` and so on, and what became of
it is found by that.  None follows another that is unproven (promise P2).  Where nobody
knows what the broker takes a quantity for once there are fills, the quantity is changed by
a plan instead: cancel, proof, and a new order for what is then left.

Other half: `desk.orders.replace`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.orders.lifecycle import COMMANDS
from fillbook.model import ZERO, Reason

#: The client ids of replaces have at most 128 characters, whatever the order's own is
#: (https://docs.alpaca.markets/reference/patchorderbyorderid-1).
_STEM_MAX: Final = 120


@frozen
class Wanted:
    """An order, what is known of its ids, what is to change, and what its broker can do."""

    record: m.OrderRecord
    evidence: Sequence[m.Evidence]
    change: m.Change
    can: m.Capabilities

    @property
    def order(self) -> m.Order:
        return self.record.order

    @property
    def given(self) -> dict[str, object]:
        """What would differ, by the names of `Change`."""
        terms = self.order.terms
        trail = terms.trail_price if terms.trail_percent is None else terms.trail_percent
        now = {name: getattr(terms, name, trail) for name in _FIELDS}
        asked = {name: getattr(self.change, name) for name in _FIELDS}
        return {name: x for name, x in asked.items() if x is not None and x != now[name]}


_FIELDS: Final = ("qty", "limit_price", "stop_price", "trail", "time_in_force")
#: Which of them need a type of order that has them, by its prices.
_PRICES: Final = {"limit_price": "limit_price", "stop_price": "stop_price", "trail": "trail_price"}


def refused(wanted: Wanted) -> Reason | None:
    """Why the order is not changed; the first that applies, None if it may be."""
    for refuses in _REFUSALS:
        why = refuses(wanted)
        if why is not None:
            return Reason(*why)
    return None


_Why = tuple[str, str] | None


def _unsupported(wanted: Wanted) -> _Why:
    can = wanted.can
    if not (can.replace and can.find):
        return "unsupported", "this broker does not replace orders: cancel it and place another"
    given = wanted.given
    if "time_in_force" in given and given["time_in_force"] not in can.times_in_force:
        return "unsupported", f"this broker does not take time in force {given['time_in_force']}"
    qty = wanted.change.qty
    if qty is not None and qty != qty.to_integral_value() and not can.fractional:
        return "unsupported", "this broker does not take fractions of a share"
    return None


def _state(wanted: Wanted) -> _Why:
    order, name = wanted.order, wanted.order.client_order_id
    if order.is_final:
        return "order_final", f"order {name} is {order.status}: place another"
    if order.broker_order_id is None:
        return "order_unproven", f"order {name} is {order.status}; wait until the broker shows it"
    if order.pending == m.Command.CANCEL or order.status is m.OrderStatus.PENDING_CANCEL:
        return "pending_cancel", f"order {name} is being canceled"
    if order.pending == m.Command.REPLACE:
        return (
            "replace_unproven",
            f"an earlier replace of order {name} is unproven; wait until it is known what became "
            "of it, or cancel the order",
        )
    if (order.status, m.Command.REPLACE) not in COMMANDS:
        return "not_replaceable", f"order {name} is {order.status}"
    return None


def _kind(wanted: Wanted) -> _Why:
    order, given = wanted.order, wanted.given
    if order.qty is None:
        return "notional", "an order by notional cannot be replaced: cancel it and place another"
    for name, price in _PRICES.items():
        if name in given and price not in m.PRICES.get(order.type, ()):
            return "no_such_price", f"a {order.type} order has no {name}"
    is_grouped = order.order_class is not m.OrderClass.SIMPLE or order.parent is not None
    for name in ("qty", "time_in_force"):
        if is_grouped and name in given:
            return "grouped", f"the {name} of an order with exits, or of an exit, cannot be changed"
    return None


def _figures(wanted: Wanted) -> _Why:
    qty, filled = wanted.change.qty, wanted.order.filled_qty
    if qty is not None and qty <= filled:
        return "filled", f"{m.plain(filled)} are filled already: cancel the order instead"
    if not wanted.given:
        return "unchanged", f"order {wanted.order.client_order_id} asks for that already"
    return None


_REFUSALS: Final[tuple[Callable[[Wanted], _Why], ...]] = (_unsupported, _state, _kind, _figures)


# -- how -------------------------------------------------------------------------------


def by_cancel(wanted: Wanted) -> bool:
    """Whether the quantity is to be changed by cancel, proof and a new order."""
    resized = "qty" in wanted.given and wanted.order.filled_qty > 0
    return resized and wanted.can.replace_qty is not m.ReplaceQty.TOTAL


def numbered(wanted: Wanted) -> m.Change:
    """The change under the next client id that nobody has borne."""
    record = wanted.record
    names = {e.name for e in wanted.evidence}
    names |= {x.change.client_order_id for x in record.instructions if x.change is not None}
    stem, number = record.client_order_id[:_STEM_MAX], 1
    while f"{stem}.r{number}" in names:
        number += 1
    return evolve(wanted.change, client_order_id=f"{stem}.r{number}")


def changed(terms: m.Terms, change: m.Change) -> m.Terms:
    """What an order of *terms* asks for once *change* is made."""
    given = {name: getattr(change, name) for name in _FIELDS if name != "trail"}
    if change.trail is not None:
        given["trail_price" if terms.trail_percent is None else "trail_percent"] = change.trail
    return evolve(terms, **{name: value for name, value in given.items() if value is not None})


def rest(record: m.OrderRecord, change: m.Change) -> m.OrderRequest | None:
    """The new order for what is left of one that was canceled to be changed; None: nothing."""
    terms = changed(record.terms, change)
    left = (terms.qty or ZERO) - record.order.filled_qty
    if left <= 0:
        return None
    intent = record.intent
    return m.OrderRequest(
        symbol=terms.symbol,
        side=terms.side,
        qty=left,
        # A trailing stop bears the stop price that it has come to.
        **{name: getattr(terms, name) for name in m.PRICES[terms.type]},
        type=terms.type,
        time_in_force=terms.time_in_force,
        extended_hours=terms.extended_hours,
        strategy=record.strategy,
        good_for_s=None if intent is None else intent.request.good_for_s,
    )


def added(record: m.OrderRecord, change: m.Change) -> Decimal:
    """How much more than before may be filled once *change* is made."""
    return max(ZERO, (change.qty or ZERO) - (record.order.qty or ZERO))
