"""The order rules of the exchange, from its own tables (`venue.exchange.kinds`)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.venue.exchange.kinds import AUCTION_CUTOFFS, SUPPORTED, OrderSort

_GROUPS: Final = frozenset(
    {m.OrderClass.SIMPLE, m.OrderClass.BRACKET, m.OrderClass.OCO, m.OrderClass.OTO}
)
_SIMPLE: Final = frozenset({m.OrderClass.SIMPLE})
_RESTING: Final = frozenset({m.TimeInForce.DAY, m.TimeInForce.GTC})
_SORTS: Final = {
    OrderSort.WHOLE: m.OrderSort.WHOLE,
    OrderSort.FRACTION: m.OrderSort.FRACTION,
    OrderSort.EXTENDED: m.OrderSort.EXTENDED,
    OrderSort.CRYPTO: m.OrderSort.COIN,
}


def _takes_of(sort: OrderSort) -> list[m.Takes]:
    rows = [m.Takes(_SORTS[sort], frozenset({k}), times) for k, times in SUPPORTED[sort].items()]
    if sort is OrderSort.WHOLE:
        grouped = frozenset(SUPPORTED[sort]) - {m.OrderType.TRAILING_STOP}
        rows.append(m.Takes(_SORTS[sort], grouped, _RESTING, _GROUPS - _SIMPLE))
    return rows


TAKES: Final = tuple(row for sort in OrderSort for row in _takes_of(sort))


def _since_open(at: time) -> timedelta:
    day, open_time = date(2026, 1, 2), time(9, 30)
    return datetime.combine(day, at) - datetime.combine(day, open_time)


AUCTIONS: Final = tuple(
    m.Auction(time_in_force, _since_open(shut), _since_open(reopens))
    for time_in_force, (shut, reopens) in AUCTION_CUTOFFS.items()
)

TICKS: Final = (m.Tick(Decimal(1), Decimal("0.01")), m.Tick(Decimal(0), Decimal("0.0001")))
CENT: Final = Decimal("0.01")

WASH_RULE: Final = m.WashRule(
    always=frozenset({m.OrderType.MARKET, m.OrderType.STOP}),
    crossing=frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT}),
)

#: What an open order reserves: a buy stop becomes a stop limit, 2.5 % above the stop from
#: $50 on and 4 % above it below $50.
RESERVE_RULE: Final = m.ReserveRule(
    stop_collars=((Decimal(50), Decimal("1.025")), (m.ZERO, Decimal("1.04")))
)
