"""
The order rules of Coinbase: types by time in force, and what an open order holds.

A market order is immediate-or-cancel whatever its time in force says.  There are no day orders.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/guides/orders.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillbook import model as m

_T, _K, _C = m.OrderType, m.TimeInForce, m.OrderClass
_COIN: Final = m.OrderSort.COIN

TAKES: Final = (
    m.Takes(_COIN, frozenset({_T.MARKET}), frozenset({_K.GTC, _K.IOC})),
    m.Takes(_COIN, frozenset({_T.LIMIT}), frozenset({_K.GTC, _K.IOC, _K.FOK})),
    m.Takes(_COIN, frozenset({_T.STOP_LIMIT}), frozenset({_K.GTC})),
    m.Takes(_COIN, frozenset({_T.LIMIT}), frozenset({_K.GTC}), frozenset({_C.OCO})),
)

#: The stop of a trigger bracket becomes a limit order this share beyond it.
OCO_STOP_COLLAR: Final = Decimal("0.05")

#: A hold includes the fee, and so does the notional of a market buy.
RESERVE_RULE: Final = m.ReserveRule(reads_fee=True, notional_includes_fee=True)
