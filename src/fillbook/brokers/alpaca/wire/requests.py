"""
Encode intents and changes as Alpaca's JSON.

Numbers are strings in plain notation, so that no digit passes through a float and no
number is sent as ``1E-5``.  Source: https://docs.alpaca.markets/reference/postorder.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from fillbook import model as m

Body = dict[str, object]


def submit(intent: m.Intent) -> Body:
    """Encode the body of ``POST /v2/orders``."""
    request = intent.request
    # An OCO has no opening order: its type is the take profit's, its prices are its exits'.
    order_type = m.OrderType.LIMIT if request.order_class is m.OrderClass.OCO else request.type
    body: Body = {
        "symbol": request.symbol,
        "side": request.side.value,
        "type": order_type.value,
        "time_in_force": request.time_in_force.value,
        "client_order_id": intent.client_order_id,
        **_numbers(
            qty=request.qty,
            notional=request.notional,
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            trail_price=request.trail_price,
            trail_percent=request.trail_percent,
        ),
    }
    if request.extended_hours:
        body["extended_hours"] = True
    # Whether Alpaca takes it for brackets, OCO and OTO orders is not documented.
    if intent.closes and request.order_class is m.OrderClass.SIMPLE:
        body["position_intent"] = f"{request.side}_to_close"
    return body | _exits(request)


def _exits(request: m.OrderRequest) -> Body:
    if request.order_class is m.OrderClass.SIMPLE:
        return {}
    exits = {
        "take_profit": _numbers(limit_price=request.take_profit),
        "stop_loss": _numbers(stop_price=request.stop_loss, limit_price=request.stop_loss_limit),
    }
    return {"order_class": request.order_class.value} | {
        name: prices for name, prices in exits.items() if prices
    }


def replace(change: m.Change) -> Body:
    """Encode the body of ``PATCH /v2/orders/{id}``."""
    body: Body = {
        "client_order_id": change.client_order_id,
        **_numbers(
            qty=change.qty,
            limit_price=change.limit_price,
            stop_price=change.stop_price,
            trail=change.trail,
        ),
    }
    if change.time_in_force is not None:
        body["time_in_force"] = change.time_in_force.value
    return body


def _numbers(**values: Decimal | None) -> Body:
    return {name: m.plain(value) for name, value in values.items() if value is not None}


def just_before(moment: m.Timestamp, by: timedelta = timedelta(microseconds=1)) -> str:
    """Return *moment* minus *by*: Alpaca's ``after`` excludes its own time, and we include it."""
    earlier = m.moment(moment) - by
    return earlier.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
