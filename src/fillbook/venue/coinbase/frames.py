"""Coinbase's JSON of orders on the channel `user`: their totals, and no executions."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.venue.coinbase import responses
from fillbook.venue.coinbase.gateway import Gateway
from fillbook.venue.coinbase.requests import Json
from fillbook.venue.exchange import Account, Event, OrderVersion
from fillbook.venue.exchange.market import spot

S: Final = m.OrderStatus
_NO_TIME: Final = "0001-01-01T00:00:00Z"
_FILLS: Final = ("fill", "partial_fill", "trade_bust", "trade_correct")
#: The fields that orders had in 2023.
_OLD: Final = (
    *("avg_price", "cancel_reason", "client_order_id", "creation_time", "cumulative_quantity"),
    *("leaves_quantity", "order_id", "order_side", "order_type", "product_id", "reject_reason"),
    *("status", "total_fees", "reject_Reason"),
)


def of_event(gateway: Gateway, account: Account, event: Event) -> list[Json]:
    """Return the updates of an event: two of a fill, three of a cancel."""
    found = event.order
    row = order(gateway, account, found)
    if event.name in _FILLS:
        before = evolve(found, filled_qty=found.filled_qty - (event.qty or m.ZERO))
        held = responses.hold(gateway.exchange, evolve(before, status=S.NEW))
        return [row | {"outstanding_hold_amount": m.plain(held)}, row]
    if event.name == S.CANCELED:
        held = responses.hold(gateway.exchange, evolve(found, status=S.NEW))
        shown = {"outstanding_hold_amount": m.plain(held)}
        queued = {"status": "CANCEL_QUEUED", "cancel_reason": "", "leaves_quantity": _left(found)}
        asked = [row | shown | queued] if found.cancel_requested_at else []
        return [*asked, row | shown, row]
    return [row]


def order(gateway: Gateway, account: Account, found: OrderVersion) -> Json:
    """Return an order as a snapshot or an update shows it."""
    behavior, fills = gateway.behavior, responses.fills_in(account, found)
    value = sum((f.traded_value for f in fills), m.ZERO)
    fees = sum((f.fee for f in fills), m.ZERO)
    # A product that is an alias is reported under the name of its book.
    book = spot.ALIASES.get(found.symbol, found.symbol)
    is_zeroed = found.is_final and behavior.zeroes_leaves
    row: Json = {
        "avg_price": m.plain(found.filled_avg_price or m.ZERO),
        "cancel_reason": responses.cancel_message(found),
        "client_order_id": found.client_order_id,
        "completion_percentage": f"{responses.completion(found):.2f}",
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": m.plain(found.filled_qty),
        "filled_value": m.plain(value),
        "leaves_quantity": "0" if is_zeroed else _left(found),
        "limit_price": m.plain(found.limit_price or m.ZERO),
        "number_of_fills": str(len(fills)),
        "order_id": found.id,
        "order_side": found.side.value.upper(),
        "order_type": responses.order_type(found).replace("_", " ").title(),
        "outstanding_hold_amount": m.plain(responses.hold(gateway.exchange, found)),
        "post_only": str(found.post_only).lower(),
        "product_id": responses.product_id(book),
        "product_type": "SPOT",
        behavior.reject_word: found.reason or "" if found.status == S.REJECTED else "",
        "retail_portfolio_id": account.id,
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": responses.status(found, behavior),
        "stop_price": "" if found.stop_price is None else m.plain(found.stop_price),
        "time_in_force": responses.time_in_force(found),
        "total_fees": m.plain(fees),
        "total_value_after_fees": m.plain(_total(gateway, found, value, fees)),
        "trigger_status": responses.trigger_status(found),
        "creation_time": found.created_at[:26] + "Z",
        "end_time": _NO_TIME,
        "start_time": _NO_TIME,
    }
    if behavior.sparse:
        return {name: each for name, each in row.items() if name in _OLD}
    return row


def _left(found: OrderVersion) -> str:
    return m.plain((found.qty or found.filled_qty) - found.filled_qty)


def _total(gateway: Gateway, found: OrderVersion, value: Decimal, fees: Decimal) -> Decimal:
    """Return what the fills cost with fees; of an order without fills, what it will cost."""
    if value or found.qty is None or found.side is m.OrderSide.SELL:
        return value + found.side.sign * fees
    return responses.hold(gateway.exchange, evolve(found, status=S.NEW))
