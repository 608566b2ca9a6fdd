"""
Replace chains: whether an order may be replaced, and the new order.

The checks run in order and the first that fails raises `Refused`, with the messages and codes
of Alpaca's error bodies; the checks of the new order itself are in `rules`.  A group has
one time in force and one quantity, so a replace changes only prices of its orders.
Source: https://docs.alpaca.markets/reference/patchorderbyorderid-1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.venue.exchange.account.funds import is_inactive_leg
from fillbook.venue.exchange.orders.rules import bad
from fillbook.venue.exchange.values import Amendment, OrderVersion, S, Ticket

_R: Final = m.RejectKind
_TOO_LATE: Final = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED})
_TOO_EARLY: Final = frozenset({S.ACCEPTED, S.PENDING_NEW, S.PENDING_CANCEL})

#: The refusal for each status in which an order may not be replaced.
_REFUSALS: Final[Mapping[str, tuple[str, m.RejectKind]]] = {
    S.REPLACED: ("order already replaced", _R.TOO_LATE),
    S.PENDING_REPLACE: ("order already pending replacement", _R.NOT_NOW),
    **{status: (f"cannot replace order in {status} status", _R.TOO_LATE) for status in _TOO_LATE},
    **{status: (f"cannot replace order in {status} status", _R.NOT_NOW) for status in _TOO_EARLY},
}

#: The fields that a replace may change; order and amendment have the same names.
_FIELDS: Final = ("qty", "limit_price", "stop_price", "trail", "time_in_force")
#: The order types that have a field, for fields that not all types have.
_TYPES_WITH: Final = {
    "limit_price": frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT}),
    "stop_price": frozenset({m.OrderType.STOP, m.OrderType.STOP_LIMIT}),
    "trail": frozenset({m.OrderType.TRAILING_STOP}),
}


@frozen
class ReplaceRequest:
    """An order, the requested changes, and the other orders of its group."""

    order: OrderVersion
    change: Amendment
    siblings: Collection[OrderVersion]

    @property
    def changed(self) -> frozenset[str]:
        """The names of the fields whose value would change."""
        given = ((name, getattr(self.change, name)) for name in _FIELDS)
        return frozenset(
            name for name, value in given if value not in (None, getattr(self.order, name))
        )


def check(request: ReplaceRequest) -> None:
    """Run the checks of a replace request.  Raises: Refused, from the first that fails."""
    for guard in _GUARDS:
        guard(request)


def _status(request: ReplaceRequest) -> None:
    refusal = _REFUSALS.get(request.order.status)
    if refusal is not None:
        raise bad(*refusal)


def _sort(request: ReplaceRequest) -> None:
    if request.order.notional is not None:
        raise bad("notional orders cannot be replaced", _R.UNSUPPORTED)
    if request.order.order_class is m.OrderClass.OTO:
        raise bad("oto orders cannot be replaced", _R.UNSUPPORTED)


def _chain(request: ReplaceRequest) -> None:
    if any(other.status == S.PENDING_REPLACE for other in request.siblings):
        raise bad("order chain not fully replaced", _R.NOT_NOW)


def _change(request: ReplaceRequest) -> None:
    order = request.order
    for name, types in _TYPES_WITH.items():
        if getattr(request.change, name) is not None and order.type not in types:
            label = name.replace("_", " ")
            raise bad(f"{order.type} orders must not have a {label}", _R.PRICE, 40010001)
    if not request.changed:
        raise bad("order parameters are not changed")


def _advanced(request: ReplaceRequest) -> None:
    if request.order.order_class is m.OrderClass.SIMPLE:
        return
    for name in ("qty", "time_in_force"):
        if name in request.changed:
            raise bad(f"{name} cannot be changed for advanced orders", _R.UNSUPPORTED)


def _qty(request: ReplaceRequest) -> None:
    qty, order = request.change.qty, request.order
    if "qty" not in request.changed or qty is None:
        return
    is_share = order.asset_class is not m.AssetClass.CRYPTO
    if is_share and any(each and each % 1 for each in (qty, order.qty)):
        raise bad("qty cannot be changed for fractional orders", _R.UNSUPPORTED)
    if qty <= order.filled_qty:
        raise bad("qty must be > filled_qty", _R.QUANTITY)


_GUARDS: Final[tuple[Callable[[ReplaceRequest], None], ...]] = (
    _status,
    _sort,
    _chain,
    _change,
    _advanced,
    _qty,
)


def ticket(order: OrderVersion, change: Amendment) -> Ticket:
    """Return the new order as a ticket for the leaves quantity."""
    new = successor(order, change, order.id, order.created_at)
    return Ticket(
        symbol=new.symbol,
        side=new.side,
        type=new.type,
        time_in_force=new.time_in_force,
        order_class=new.order_class,
        qty=None if new.qty is None else new.qty - order.filled_qty,
        limit_price=new.limit_price,
        stop_price=None if new.trail is not None else new.stop_price,
        trail_price=new.trail_price,
        trail_percent=new.trail_percent,
        extended_hours=new.extended_hours,
    )


def successor(
    order: OrderVersion, change: Amendment, new_id: str, stamp: m.Timestamp
) -> OrderVersion:
    """Return the order that is to replace *order*, in its first version."""
    return evolve(
        order,
        id=new_id,
        client_order_id=change.client_order_id or new_id,
        status=S.ACCEPTED,
        created_at=stamp,
        updated_at=stamp,
        submitted_at=stamp,
        replaces=order.id,
        chain_id=order.chain_id or order.id,
        leg_ids=(),
        filled_qty=m.ZERO,
        filled_avg_price=None,
        carried_qty=m.ZERO,
        carried_price=None,
        **amended_fields(order, change),
    )


def amended_fields(order: OrderVersion, change: Amendment) -> dict[str, Any]:
    """Return the fields of *order* that *change* sets, with their new values."""
    given = {name: getattr(change, name) for name in _FIELDS}
    given["trail_price" if order.trail_percent is None else "trail_percent"] = given.pop("trail")
    return {
        # A new trail begins at the current market price.
        "hwm": None if change.trail is not None else order.hwm,
        "is_triggered": order.is_triggered and change.stop_price is None,
        **{name: value for name, value in given.items() if value is not None},
    }


@frozen(kw_only=True)
class ReplaceBehavior:
    """How the venue treats the fills of a replaced order; Alpaca does not document it."""

    counts_own_fills_only: bool  #: the new order's `filled_qty` excludes earlier fills
    repeats_whole_qty: bool  #: the new order is for the whole quantity despite earlier fills


def initial_fields(old: OrderVersion, qty: Decimal, behavior: ReplaceBehavior) -> dict[str, Any]:
    """Return the first fields of the new order of *qty*; *old* is the order at the replace."""
    open_qty = qty if behavior.repeats_whole_qty else qty - old.filled_qty
    carried = m.ZERO if behavior.counts_own_fills_only else old.filled_qty
    price = old.filled_avg_price if carried else None
    return {
        "qty": open_qty + carried,
        "filled_qty": carried,
        "filled_avg_price": price,
        "carried_qty": carried,
        "carried_price": price,
        "is_active": old.is_active,
    }


def working_status(order: OrderVersion) -> m.OrderStatus:
    """Return the status of a working order: held for an inactive leg and a leg with a stop."""
    if order.filled_qty:
        return S.PARTIALLY_FILLED
    is_watched = order.parent_id is not None and order.stop_price is not None
    return S.HELD if is_watched or is_inactive_leg(order) else S.NEW
