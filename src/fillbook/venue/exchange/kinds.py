"""
Which kinds of orders the exchange takes, as a table: the guards of `rules` read it.

Source: https://docs.alpaca.markets/docs/orders-at-alpaca, "time in force".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from enum import StrEnum
from typing import Final

from fillbook import model as m

T, K = m.OrderType, m.TimeInForce

_REST: Final = frozenset({K.DAY, K.GTC})
_COIN: Final = frozenset({K.GTC, K.IOC})
_DAY: Final = frozenset({K.DAY})

#: What trades once, when it is routed, and whose rest is canceled.
AT_ONCE: Final = frozenset({K.IOC, K.FOK, K.OPG, K.CLS})

#: When orders for an auction are not taken, in New York's time: from, until.
SHUT: Final[Mapping[m.TimeInForce, tuple[time, time]]] = {
    K.OPG: (time(9, 28), time(19)),
    K.CLS: (time(15, 50), time(19)),
}


class Sort(StrEnum):
    """What an order is of, as far as its type and time in force go by it."""

    WHOLE = "whole shares"
    FRACTION = "fractional or notional"
    EXTENDED = "extended hours"
    COIN = "crypto"


Times = Mapping[m.OrderType, frozenset[m.TimeInForce]]

#: The times in force of each type; a type that is not there is not taken.
TAKEN: Final[Mapping[Sort, Times]] = {
    Sort.WHOLE: {
        T.MARKET: _REST | AT_ONCE,
        T.LIMIT: _REST | AT_ONCE,
        T.STOP: _REST,
        T.STOP_LIMIT: _REST,
        T.TRAILING_STOP: _REST,
    },
    Sort.FRACTION: dict.fromkeys((T.MARKET, T.LIMIT, T.STOP, T.STOP_LIMIT), _DAY),
    Sort.EXTENDED: {T.LIMIT: _REST},
    Sort.COIN: dict.fromkeys((T.MARKET, T.LIMIT, T.STOP_LIMIT), _COIN),
}


def table() -> Sequence[Sequence[str]]:
    """Order type by time in force, as rows of words under a row of heads."""

    def cell(sort: Sort, kind: m.OrderType) -> str:
        times = TAKEN[sort].get(kind, frozenset())
        return " ".join(each for each in m.TimeInForce if each in times) or "–"

    kinds = TAKEN[Sort.WHOLE]
    return [
        ["", *(str(kind) for kind in kinds)],
        *([str(sort), *(cell(sort, kind) for kind in kinds)] for sort in Sort),
    ]
