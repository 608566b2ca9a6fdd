"""
The configurations of orders, from a request to a ticket and from an order to a reply.

A configuration is an object with one key, which is the kind of the order.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/create-order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.errors import InvalidValue
from fillbook.venue.coinbase.requests import Json, amount
from fillbook.venue.exchange import OrderVersion, Refused, Ticket
from fillbook.venue.exchange.market.matching import stop_sign
from fillbook.venue.exchange.orders.spot_rules import refused

_T, _K, _C = m.OrderType, m.TimeInForce, m.OrderClass


@frozen
class Kind:
    """One kind of order: its values at the exchange, and its words at Coinbase."""

    type: m.OrderType
    time_in_force: m.TimeInForce
    order_class: m.OrderClass = _C.SIMPLE

    @property
    def is_bracket(self) -> bool:
        return self.order_class is _C.OCO


KINDS: Final[Mapping[str, Kind]] = {
    "market_market_ioc": Kind(_T.MARKET, _K.IOC),
    "sor_limit_ioc": Kind(_T.LIMIT, _K.IOC),
    "limit_limit_gtc": Kind(_T.LIMIT, _K.GTC),
    "limit_limit_gtd": Kind(_T.LIMIT, _K.GTD),
    "limit_limit_fok": Kind(_T.LIMIT, _K.FOK),
    "stop_limit_stop_limit_gtc": Kind(_T.STOP_LIMIT, _K.GTC),
    "stop_limit_stop_limit_gtd": Kind(_T.STOP_LIMIT, _K.GTD),
    "trigger_bracket_gtc": Kind(_T.LIMIT, _K.GTC, _C.OCO),
    "trigger_bracket_gtd": Kind(_T.LIMIT, _K.GTD, _C.OCO),
}
#: Kinds that Coinbase has, and that this exchange does not accept.
_OTHERS: Final = ("market_market_fok", "twap_limit_gtd", "scaled_limit_gtc")
_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_FIELDS: Final = {
    "base_size": str,
    "quote_size": str,
    "limit_price": str,
    "stop_price": str,
    "stop_trigger_price": str,
    "stop_direction": str,
    "end_time": str,
    "post_only": bool,
    "reduce_only": bool,
    "rfq_disabled": bool,
}
#: The fields of the kinds that are not accepted.
_OTHER_FIELDS: Final = _FIELDS | {
    "start_time": str,
    "number_buckets": str,
    "bucket_size": str,
    "bucket_duration": str,
    "num_orders": str,
    "min_price": str,
    "max_price": str,
    "price_distribution": str,
    "size_distribution": str,
    "size_diff": str,
    "size_ratio": str,
    "orders": list,
}
#: The fields of a configuration in a body.
SCHEMA: Final = dict.fromkeys(KINDS, _FIELDS) | dict.fromkeys(_OTHERS, _OTHER_FIELDS)
#: By the way of the market that reaches the stop.
_DIRECTIONS: Final = {1: "STOP_DIRECTION_STOP_UP", -1: "STOP_DIRECTION_STOP_DOWN"}
SIDES: Final = {"BUY": m.OrderSide.BUY, "SELL": m.OrderSide.SELL}

ORDER_TYPES: Final = {_T.MARKET: "MARKET", _T.LIMIT: "LIMIT", _T.STOP_LIMIT: "STOP_LIMIT"}
TIMES_IN_FORCE: Final = {
    _K.GTC: "GOOD_UNTIL_CANCELLED",
    _K.GTD: "GOOD_UNTIL_DATE_TIME",
    _K.IOC: "IMMEDIATE_OR_CANCEL",
    _K.FOK: "FILL_OR_KILL",
}


def _unsupported(message: str) -> Refused:
    return refused(
        message,
        m.RejectKind.UNSUPPORTED,
        "PREVIEW_INVALID_ORDER_CONFIG",
        "UNSUPPORTED_ORDER_CONFIGURATION",
    )


def ticket(body: Json, symbol: str, now: m.Timestamp) -> Ticket:
    """Return the ticket of a create or of a preview, with *symbol*.  Raises: Refused."""
    side = SIDES.get(body.get("side") or "")
    if side is None:
        raise refused("side", m.RejectKind.INPUT, "PREVIEW_INVALID_SIDE", "INVALID_SIDE")
    configuration = body.get("order_configuration") or {}
    if len(configuration) != 1:
        raise _unsupported("one order configuration is needed")
    name, terms = next(iter(configuration.items()))
    kind = KINDS.get(name)
    if kind is None or terms is None:
        raise _unsupported(f"{name} is not supported for this product")
    limit, is_gtd = amount(terms, "limit_price"), kind.time_in_force is _K.GTD
    _check_prices(kind, terms)
    return Ticket(
        symbol=symbol,
        side=side,
        type=kind.type,
        time_in_force=kind.time_in_force,
        order_class=kind.order_class,
        qty=amount(terms, "base_size"),
        notional=amount(terms, "quote_size"),
        limit_price=None if kind.is_bracket else limit,
        stop_price=amount(terms, "stop_price"),
        take_profit=limit if kind.is_bracket else None,
        stop_loss=amount(terms, "stop_trigger_price"),
        stops_in_profit=_stops_in_profit(kind, terms, side),
        post_only=terms.get("post_only") or False,
        good_until=_end(terms, now) if is_gtd else None,
        client_order_id=body.get("client_order_id"),
    )


def _check_prices(kind: Kind, terms: Mapping[str, Any]) -> None:
    needed = {
        "limit_price": kind.type is not _T.MARKET,
        "stop_price": kind.type is _T.STOP_LIMIT,
        "stop_trigger_price": kind.is_bracket,
    }
    for name, is_needed in needed.items():
        if bool(terms.get(name)) != is_needed:
            raise _unsupported(f"{name} is {'missing' if is_needed else 'not allowed'}")


def _stops_in_profit(kind: Kind, terms: Mapping[str, Any], side: m.OrderSide) -> bool:
    """Return whether the stop is reached when the market is better for *side*.  Raises: Refused."""
    direction = terms.get("stop_direction") or _DIRECTIONS[side.sign]
    if direction not in _DIRECTIONS.values():
        raise refused("stop direction", m.RejectKind.PRICE, "PREVIEW_INVALID_STOP_PRICE")
    return kind.type is _T.STOP_LIMIT and direction != _DIRECTIONS[side.sign]


def _end(terms: Mapping[str, Any], now: m.Timestamp) -> m.Timestamp:
    text, reason = terms.get("end_time"), "GTD_ORDERS_MUST_HAVE_END_TIME"
    if not text:
        raise refused("no end time", m.RejectKind.INPUT, f"PREVIEW_{reason}", reason)
    try:
        end = m.timestamp(text)
    except InvalidValue:
        preview = "PREVIEW_INVALID_END_TIME"
        raise refused("end time", m.RejectKind.INPUT, preview) from None
    if end <= now:
        reason = "END_TIME_IS_IN_THE_PAST"
        raise refused("the end is in the past", m.RejectKind.INPUT, f"PREVIEW_{reason}", reason)
    return end


def configuration(order: OrderVersion) -> Json:
    """Return the configuration of an order, with its present terms."""
    is_bracket = order.order_class is _C.OCO
    time_in_force = order.time_in_force if order.time_in_force in TIMES_IN_FORCE else _K.GTC
    if order.type is _T.MARKET:
        time_in_force = _K.IOC
    kind = Kind(order.type, time_in_force, order.order_class)
    terms: Json = {}
    if order.notional is not None:
        terms["quote_size"] = m.plain(order.notional)
    if order.qty is not None:
        terms["base_size"] = m.plain(order.qty)
    if order.limit_price is not None:
        terms["limit_price"] = m.plain(order.limit_price)
    if order.stop_price is not None:
        terms["stop_trigger_price" if is_bracket else "stop_price"] = m.plain(order.stop_price)
    if kind.time_in_force is _K.GTD:
        terms["end_time"] = order.expires_at
    if order.type is _T.STOP_LIMIT:
        terms["stop_direction"] = _DIRECTIONS[stop_sign(order)]
    if order.type is _T.LIMIT and not is_bracket and kind.time_in_force in (_K.GTC, _K.GTD):
        terms["post_only"] = order.post_only
    return {_NAMES[kind]: terms}
