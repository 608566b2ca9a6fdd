"""
Coinbase's enumerations and ours.  An unknown value is UNRECOGNISED, never an error.

Source: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fillbook import model as m

_S, _T, _K = m.OrderStatus, m.OrderType, m.TimeInForce

#: A partly filled order stays OPEN, and so does a stop that was not triggered.
STATUSES: Final[Mapping[str, m.OrderStatus]] = {
    "pending": _S.PENDING_NEW,
    "queued": _S.ACCEPTED,
    "open": _S.NEW,
    "edit_queued": _S.PENDING_REPLACE,
    "cancel_queued": _S.PENDING_CANCEL,
    "filled": _S.FILLED,
    "cancelled": _S.CANCELED,
    "expired": _S.EXPIRED,
    "failed": _S.REJECTED,
}
#: The statuses of live orders that the filter OPEN leaves out.
OTHER_LIVE: Final = ("PENDING", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED")

NO_REASON: Final = "REJECT_REASON_UNSPECIFIED"

SIDES: Final[Mapping[str, m.OrderSide]] = {"buy": m.OrderSide.BUY, "sell": m.OrderSide.SELL}

#: The way of the market that a stop order of each side waits for.
STOP_WAYS: Final[Mapping[m.OrderSide, str]] = {
    m.OrderSide.BUY: "STOP_DIRECTION_STOP_UP",
    m.OrderSide.SELL: "STOP_DIRECTION_STOP_DOWN",
}

#: REST writes them with underscores, the stream in title case with spaces.
TYPES: Final[Mapping[str, m.OrderType]] = {
    "market": _T.MARKET,
    "limit": _T.LIMIT,
    "stop_limit": _T.STOP_LIMIT,
    "bracket": _T.LIMIT,  # a take profit whose stop is in the same order
}
TIMES_IN_FORCE: Final[Mapping[str, m.TimeInForce]] = {
    "good_until_cancelled": _K.GTC,
    "good_until_date_time": _K.GTD,
    "immediate_or_cancel": _K.IOC,
    "fill_or_kill": _K.FOK,
}
#: Configurations of spot orders: the type and the time in force that each implies.
CONFIGURATIONS: Final[Mapping[str, tuple[m.OrderType, m.TimeInForce]]] = {
    "market_market_ioc": (_T.MARKET, _K.IOC),
    "market_market_fok": (_T.MARKET, _K.FOK),
    "sor_limit_ioc": (_T.LIMIT, _K.IOC),
    "limit_limit_gtc": (_T.LIMIT, _K.GTC),
    "limit_limit_gtd": (_T.LIMIT, _K.GTD),
    "limit_limit_fok": (_T.LIMIT, _K.FOK),
    "stop_limit_stop_limit_gtc": (_T.STOP_LIMIT, _K.GTC),
    "stop_limit_stop_limit_gtd": (_T.STOP_LIMIT, _K.GTD),
    "trigger_bracket_gtc": (_T.LIMIT, _K.GTC),
    "trigger_bracket_gtd": (_T.LIMIT, _K.GTD),
}
