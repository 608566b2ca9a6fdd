"""
Encode intents and changes as Coinbase's JSON; numbers are strings in plain notation.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.brokers.coinbase.wire import enums, market

Body = dict[str, object]
_T, _K = m.OrderType, m.TimeInForce

_LIMITS: Final = {
    _K.GTC: "limit_limit_gtc",
    _K.IOC: "sor_limit_ioc",
    _K.FOK: "limit_limit_fok",
}


def submit(intent: m.Intent) -> Body | None:
    """Encode the body of a create; None: Coinbase has no such order."""
    request = intent.request
    configuration = _configuration(request)
    if configuration is None:
        return None
    return {
        "client_order_id": intent.client_order_id,
        "product_id": market.product_id(request.symbol),
        "side": request.side.value.upper(),
        "order_configuration": configuration,
    }


def _configuration(request: m.OrderRequest) -> Body | None:
    size = _numbers(base_size=request.qty, quote_size=request.notional)
    limit = _numbers(limit_price=request.limit_price)
    if request.order_class is m.OrderClass.OCO and request.time_in_force is _K.GTC:
        prices = _numbers(limit_price=request.take_profit, stop_trigger_price=request.stop_loss)
        if len(prices) < 2 or request.stop_loss_limit is not None:
            return None
        return {"trigger_bracket_gtc": size | prices}
    if request.order_class is not m.OrderClass.SIMPLE or request.extended_hours:
        return None
    match request.type:
        case _T.MARKET if request.time_in_force in (_K.GTC, _K.IOC):
            return {"market_market_ioc": size}
        case _T.LIMIT if request.time_in_force in _LIMITS:
            post_only: Body = {"post_only": True} if request.post_only else {}
            return {_LIMITS[request.time_in_force]: size | limit | post_only}
        case _T.STOP_LIMIT if request.time_in_force is _K.GTC:
            stop = _numbers(stop_price=request.stop_price)
            direction: Body = {"stop_direction": enums.STOP_WAYS[request.side]}
            return {"stop_limit_stop_limit_gtc": size | limit | stop | direction}
        case _:
            return None


def edit(broker_order_id: str, qty: Decimal, price: Decimal) -> Body:
    """Encode the body of an edit; *qty* is the new total."""
    return {"order_id": broker_order_id, "size": m.plain(qty), "price": m.plain(price)}


def _numbers(**values: Decimal | None) -> Body:
    return {name: m.plain(value) for name, value in values.items() if value is not None}
