"""
The kinds of orders that the exchange accepts, as a table.  The checks in `rules` read it.

Source: https://docs.alpaca.markets/docs/orders-at-alpaca, "time in force".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from enum import StrEnum
from typing import Final

from fillbook import model as m

T, K = m.OrderType, m.TimeInForce

_DAY_GTC: Final = frozenset({K.DAY, K.GTC})
_GTC_IOC: Final = frozenset({K.GTC, K.IOC})
_DAY: Final = frozenset({K.DAY})

#: Orders with these times in force trade once; the exchange then cancels their leaves quantity.
NON_RESTING: Final = frozenset({K.IOC, K.FOK, K.OPG, K.CLS})

#: The hours when the exchange accepts no order for an auction, New York time: from, until.
AUCTION_CUTOFFS: Final[Mapping[m.TimeInForce, tuple[time, time]]] = {
    K.OPG: (time(9, 28), time(19)),
    K.CLS: (time(15, 50), time(19)),
}


class OrderSort(StrEnum):
    """The category of an order that decides which types and times in force it may have."""

    WHOLE = "whole shares"
    FRACTION = "fractional or notional"
    EXTENDED = "extended hours"
    CRYPTO = "crypto"


TimesByType = Mapping[m.OrderType, frozenset[m.TimeInForce]]

#: The accepted times in force of each order type; a type without an entry is not accepted.
SUPPORTED: Final[Mapping[OrderSort, TimesByType]] = {
    OrderSort.WHOLE: {
        T.MARKET: _DAY_GTC | NON_RESTING,
        T.LIMIT: _DAY_GTC | NON_RESTING,
        T.STOP: _DAY_GTC,
        T.STOP_LIMIT: _DAY_GTC,
        T.TRAILING_STOP: _DAY_GTC,
    },
    OrderSort.FRACTION: dict.fromkeys((T.MARKET, T.LIMIT, T.STOP, T.STOP_LIMIT), _DAY),
    OrderSort.EXTENDED: {T.LIMIT: _DAY_GTC},
    OrderSort.CRYPTO: dict.fromkeys((T.MARKET, T.LIMIT, T.STOP_LIMIT), _GTC_IOC),
}


def table() -> Sequence[Sequence[str]]:
    """Return the times in force of each category and order type; the first row is the header."""

    def cell(sort: OrderSort, kind: m.OrderType) -> str:
        times = SUPPORTED[sort].get(kind, frozenset())
        return " ".join(each for each in m.TimeInForce if each in times) or "–"

    kinds = SUPPORTED[OrderSort.WHOLE]
    return [
        ["", *(str(kind) for kind in kinds)],
        *([str(sort), *(cell(sort, kind) for kind in kinds)] for sort in OrderSort),
    ]
