"""
Whether an order may be replaced, and how.

A replace has a client order id of its own, `<id>.r1` and so on, by which its outcome is found;
where the broker changes orders in place, the outcome is found in the terms that it reports.
No replace is sent while another is unconfirmed (promise P2).  Where it is not known how the
broker reads the quantity of an order with fills, the quantity is changed by cancel-and-new: a
cancel, proof of the end, and a new order for the remaining quantity.

Other half: `desk.orders.replace`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.orders.lifecycle import COMMANDS
from fillbook.core.orders.lineage import is_being_replaced
from fillbook.model import ZERO, Reason

#: The client ids of replaces have at most 128 characters, whatever the order's own is: no broker
#: that is supported accepts fewer.
_STEM_MAX: Final = 120


@frozen
class ProposedChange:
    """An order, the evidence of its ids, a change of it, and the broker's capabilities."""

    record: m.OrderRecord
    evidence: Sequence[m.Evidence]
    change: m.Change
    can: m.Capabilities

    @property
    def order(self) -> m.Order:
        return self.record.order

    @property
    def changed_fields(self) -> dict[str, object]:
        """The fields that the change modifies, by the names of `Change`."""
        terms = self.order.terms
        trail = terms.trail_price if terms.trail_percent is None else terms.trail_percent
        current = {name: getattr(terms, name, trail) for name in _FIELDS}
        requested = {name: getattr(self.change, name) for name in _FIELDS}
        return {name: x for name, x in requested.items() if x is not None and x != current[name]}


_FIELDS: Final = ("qty", "limit_price", "stop_price", "trail", "time_in_force")
#: The fields that only some order types have, each with the price that such a type requires.
_PRICES: Final = {"limit_price": "limit_price", "stop_price": "stop_price", "trail": "trail_price"}


def refusal_of(proposed: ProposedChange) -> Reason | None:
    """Return why the order cannot be replaced: the first check that fails; None: it can be."""
    for check in _CHECKS:
        refusal = check(proposed)
        if refusal is not None:
            return Reason(*refusal)
    return None


_Refusal = tuple[str, str] | None


def _check_capabilities(proposed: ProposedChange) -> _Refusal:
    can = proposed.can
    if not (can.replace and (can.find or can.replace_makes is m.ReplaceMakes.SAME_ID)):
        return (
            "unsupported",
            "this broker does not replace orders: cancel it and submit a new order",
        )
    changed_fields = proposed.changed_fields
    if (
        "time_in_force" in changed_fields
        and changed_fields["time_in_force"] not in can.times_in_force
    ):
        return (
            "unsupported",
            f"this broker does not support time in force {changed_fields['time_in_force']}",
        )
    qty = proposed.change.qty
    if qty is not None and qty != qty.to_integral_value() and not can.fractional:
        return "unsupported", "this broker does not support fractions of a share"
    return None


def _check_status(proposed: ProposedChange) -> _Refusal:
    order, name = proposed.order, proposed.order.client_order_id
    if order.is_final:
        return "order_final", f"order {name} is {order.status}: submit a new order"
    if order.broker_order_id is None:
        return (
            "order_unproven",
            f"order {name} is {order.status}; retry when the broker has reported it",
        )
    if order.pending == m.Command.CANCEL or order.status is m.OrderStatus.PENDING_CANCEL:
        return "pending_cancel", f"order {name} is being canceled"
    if order.pending == m.Command.REPLACE:
        return (
            "replace_unproven",
            f"an earlier replace of order {name} is unconfirmed; wait for its outcome, or cancel "
            "the order",
        )
    if (order.status, m.Command.REPLACE) not in COMMANDS:
        return "not_replaceable", f"order {name} is {order.status}"
    return None


def _check_kind(proposed: ProposedChange) -> _Refusal:
    order, changed_fields = proposed.order, proposed.changed_fields
    if order.qty is None:
        return (
            "notional",
            "an order by notional cannot be replaced: cancel it and submit a new order",
        )
    for name, price in _PRICES.items():
        if name in changed_fields and price not in m.PRICES.get(order.type, ()):
            return "no_such_price", f"a {order.type} order has no {name}"
    is_grouped = order.order_class is not m.OrderClass.SIMPLE or order.parent is not None
    for name in ("qty", "time_in_force"):
        if is_grouped and name in changed_fields:
            return "grouped", f"the {name} of an order with exits, or of an exit, cannot be changed"
    return None


def _check_values(proposed: ProposedChange) -> _Refusal:
    qty, filled = proposed.change.qty, proposed.order.filled_qty
    if qty is not None and qty <= filled:
        return "filled", f"{m.plain(filled)} are already filled: cancel the order instead"
    if not proposed.changed_fields:
        return "unchanged", f"order {proposed.order.client_order_id} has these values already"
    return None


_CHECKS: Final[tuple[Callable[[ProposedChange], _Refusal], ...]] = (
    _check_capabilities,
    _check_status,
    _check_kind,
    _check_values,
)


# -- the change ------------------------------------------------------------------------


def needs_cancel_and_new(proposed: ProposedChange) -> bool:
    """Return whether the quantity has to be changed by a cancel and a new order."""
    is_resize = "qty" in proposed.changed_fields and proposed.order.filled_qty > 0
    return is_resize and proposed.can.replace_qty is not m.ReplaceQty.TOTAL


def way_of(proposed: ProposedChange) -> m.Way:
    """Return how the change is made."""
    if needs_cancel_and_new(proposed):
        return m.Way.ANEW
    in_place = proposed.can.replace_makes is m.ReplaceMakes.SAME_ID
    return m.Way.IN_PLACE if in_place else m.Way.NATIVE


class InPlaceResult(StrEnum):
    """What the newest report on an order shows of a change in place."""

    DONE = "done"  #: the terms that were requested
    PENDING = "pending"  #: the broker reports the replace as pending, or nothing yet
    UNCHANGED = "unchanged"  #: the terms before


def in_place_result(evidence: m.Evidence | None, change: m.Change) -> InPlaceResult:
    """Return what *evidence*, of the id that is changed in place, shows of *change*."""
    if evidence is None or evidence.terms is None or is_being_replaced(evidence):
        return InPlaceResult.PENDING
    is_done = amended_terms(evidence.terms, change) == evidence.terms
    return InPlaceResult.DONE if is_done else InPlaceResult.UNCHANGED


def with_client_order_id(proposed: ProposedChange) -> m.Change:
    """Return the change with the next unused client order id."""
    record = proposed.record
    used = {e.name for e in proposed.evidence}
    used |= {x.change.client_order_id for x in record.instructions if x.change is not None}
    stem, number = record.client_order_id[:_STEM_MAX], 1
    while f"{stem}.r{number}" in used:
        number += 1
    return evolve(proposed.change, client_order_id=f"{stem}.r{number}")


def amended_terms(terms: m.Terms, change: m.Change) -> m.Terms:
    """Return *terms* with *change* applied."""
    values = {name: getattr(change, name) for name in _FIELDS if name != "trail"}
    if change.trail is not None:
        values["trail_price" if terms.trail_percent is None else "trail_percent"] = change.trail
    return evolve(terms, **{name: value for name, value in values.items() if value is not None})


def remaining_request(record: m.OrderRecord, change: m.Change) -> m.OrderRequest | None:
    """Return the new order for the remaining quantity of a canceled one; None: nothing is left."""
    terms = amended_terms(record.terms, change)
    remaining = (terms.qty or ZERO) - record.order.filled_qty
    if remaining <= 0:
        return None
    intent = record.intent
    return m.OrderRequest(
        symbol=terms.symbol,
        side=terms.side,
        qty=remaining,
        # A trailing stop is replaced with the stop price that it has reached.
        **{name: getattr(terms, name) for name in m.PRICES[terms.type]},
        type=terms.type,
        time_in_force=terms.time_in_force,
        extended_hours=terms.extended_hours,
        post_only=intent is not None and intent.request.post_only,
        reduce_only=intent is not None and intent.request.reduce_only,
        strategy=record.strategy,
        good_for_s=None if intent is None else intent.request.good_for_s,
    )


def added_qty(record: m.OrderRecord, change: m.Change) -> Decimal:
    """Return how much more than before may fill after *change*."""
    return max(ZERO, (change.qty or ZERO) - (record.order.qty or ZERO))
