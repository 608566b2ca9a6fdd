"""
Checks before an order, in order; the first that fails names the result.

A symbol is closed for *new risk* while an order on it is unproven or disputed, or a
confirmed drift stands.  Orders that reduce in the worst case pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import frozen

from fillbook import model as m
from fillbook.core.lifecycle import LIVE
from fillbook.model import ZERO


@frozen
class Reason:
    """Why an order is not sent: a word for programs and a sentence for people."""

    code: str
    message: str


def unsupported(request: m.OrderRequest, can: m.Capabilities) -> Reason | None:
    """What the broker cannot do of *request*; nothing is emulated silently."""
    wants = (
        (request.type in can.order_types, f"{request.type} orders"),
        (request.time_in_force in can.times_in_force, f"time in force {request.time_in_force}"),
        (request.order_class in can.order_classes, f"{request.order_class} orders"),
        (request.notional is None or can.notional, "orders by notional"),
        (not request.extended_hours or can.extended_hours, "extended hours"),
        (request.qty is None or _whole(request) or can.fractional, "fractions of a share"),
    )
    for possible, what in wants:
        if not possible:
            return Reason("unsupported", f"this broker does not take {what}")
    return None


def _whole(request: m.OrderRequest) -> bool:
    return request.qty is None or request.qty == request.qty.to_integral_value()


def locked(
    request: m.OrderRequest,
    position: m.Position | None,
    orders: Iterable[m.Order],
    drifts: Iterable[m.OpenDrift],
) -> Reason | None:
    """Why no new risk may be taken on the symbol now; *orders* are those that are followed."""
    orders = [order for order in orders if order.symbol == request.symbol]
    if request.qty is not None and request.qty <= closable(request.side, position, orders):
        return None
    for order in orders:
        if order.status in (m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED):
            return Reason(
                "symbol_locked",
                f"{request.symbol} is closed for new risk: order {order.client_order_id} is "
                f"{order.status}; it opens once the broker has answered",
            )
    for drift in drifts:
        if getattr(drift.drift, "symbol", None) == request.symbol:
            return Reason(
                "symbol_locked",
                f"{request.symbol} is closed for new risk since {drift.since}: our record and "
                "the broker differ; see `fillbook check`, and `fillbook sync --adopt` if the "
                "broker is right",
            )
    return None


@m.exact
def closable(side: m.OrderSide, position: m.Position | None, orders: Iterable[m.Order]) -> Decimal:
    """
    How much an order of *side* may close in the worst case, in base units, ≥ 0.

    The smallest position that the evidence allows, less what live and unproven orders of
    that side may still close (the exits of one bracket count once).
    """
    if position is None or position.qty * side.sign >= 0:
        return ZERO
    held = abs(position.qty)
    held -= position.fee_due if position.qty > 0 else ZERO
    return max(ZERO, held - _leaving(side, orders))


def _leaving(side: m.OrderSide, orders: Iterable[m.Order]) -> Decimal:
    groups: dict[str, Decimal] = {}
    for order in orders:
        if order.side is not side or order.is_final or not _alive(order):
            continue
        leaves = order.leaves_qty if order.leaves_qty is not None else Decimal("Infinity")
        group = order.parent or order.client_order_id
        groups[group] = max(groups.get(group, ZERO), leaves)
    return sum(groups.values(), ZERO)


def _alive(order: m.Order) -> bool:
    return order.status in LIVE or order.status is m.OrderStatus.UNPROVEN
