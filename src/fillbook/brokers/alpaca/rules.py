"""
The order rules of Alpaca: types by time in force, auctions, ticks, wash trades.

Sources: https://docs.alpaca.markets/docs/orders-at-alpaca and
https://docs.alpaca.markets/docs/user-protection.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m

_T, _K, _C = m.OrderType, m.TimeInForce, m.OrderClass
_S = m.OrderSort

_RESTING: Final = frozenset({_K.DAY, _K.GTC})
_GROUPS: Final = frozenset({_C.SIMPLE, _C.BRACKET, _C.OCO, _C.OTO})
_PLAIN: Final = frozenset({_T.MARKET, _T.LIMIT})

TAKES: Final = (
    m.Takes(_S.WHOLE, _PLAIN | {_T.STOP, _T.STOP_LIMIT}, _RESTING, _GROUPS),
    m.Takes(_S.WHOLE, frozenset({_T.TRAILING_STOP}), _RESTING),
    m.Takes(_S.WHOLE, _PLAIN, frozenset({_K.IOC, _K.FOK, _K.OPG, _K.CLS})),
    m.Takes(_S.FRACTION, _PLAIN | {_T.STOP, _T.STOP_LIMIT}, frozenset({_K.DAY})),
    m.Takes(_S.EXTENDED, frozenset({_T.LIMIT}), _RESTING),
    m.Takes(_S.COIN, _PLAIN | {_T.STOP_LIMIT}, frozenset({_K.GTC, _K.IOC})),
)

#: Closed from 9:28 (opg) or 15:50 (cls) until 19:00 in New York, relative to the open at 9:30.
_REOPENS: Final = timedelta(hours=9, minutes=30)
AUCTIONS: Final = (
    m.Auction(_K.OPG, timedelta(minutes=-2), _REOPENS),
    m.Auction(_K.CLS, timedelta(hours=6, minutes=20), _REOPENS),
)

TICKS: Final = (m.Tick(Decimal(1), Decimal("0.01")), m.Tick(Decimal(0), Decimal("0.0001")))
CENT: Final = Decimal("0.01")

WASH_RULE: Final = m.WashRule(
    always=frozenset({_T.MARKET, _T.STOP}), crossing=frozenset({_T.LIMIT, _T.STOP_LIMIT})
)

#: What an open order reserves: a buy stop becomes a stop limit, 2.5 % above the stop from
#: $50 on and 4 % above it below $50.
RESERVE_RULE: Final = m.ReserveRule(
    stop_collars=((Decimal(50), Decimal("1.025")), (m.ZERO, Decimal("1.04")))
)
