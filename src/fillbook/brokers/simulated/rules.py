"""What the exchange takes, read off its own tables (`venue.exchange.kinds`)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.venue.exchange.kinds import SHUT, TAKEN, Sort

_GROUPS: Final = frozenset(
    {m.OrderClass.SIMPLE, m.OrderClass.BRACKET, m.OrderClass.OCO, m.OrderClass.OTO}
)
_SIMPLE: Final = frozenset({m.OrderClass.SIMPLE})
_RESTING: Final = frozenset({m.TimeInForce.DAY, m.TimeInForce.GTC})
_SORTS: Final = {
    Sort.WHOLE: m.OrderSort.WHOLE,
    Sort.FRACTION: m.OrderSort.FRACTION,
    Sort.EXTENDED: m.OrderSort.EXTENDED,
    Sort.COIN: m.OrderSort.COIN,
}


def _rows(sort: Sort) -> list[m.Takes]:
    rows = [m.Takes(_SORTS[sort], frozenset({k}), times) for k, times in TAKEN[sort].items()]
    if sort is Sort.WHOLE:
        grouped = frozenset(TAKEN[sort]) - {m.OrderType.TRAILING_STOP}
        rows.append(m.Takes(_SORTS[sort], grouped, _RESTING, _GROUPS - _SIMPLE))
    return rows


TAKES: Final = tuple(row for sort in Sort for row in _rows(sort))


def _since_opening(at: time) -> timedelta:
    day, opens = date(2026, 1, 2), time(9, 30)
    return datetime.combine(day, at) - datetime.combine(day, opens)


AUCTIONS: Final = tuple(
    m.Auction(word, _since_opening(shut), _since_opening(again))
    for word, (shut, again) in SHUT.items()
)

TICKS: Final = (m.Tick(Decimal(1), Decimal("0.01")), m.Tick(Decimal(0), Decimal("0.0001")))
CENT: Final = Decimal("0.01")

WASH_RULE: Final = m.WashRule(
    always=frozenset({m.OrderType.MARKET, m.OrderType.STOP}),
    crossing=frozenset({m.OrderType.LIMIT, m.OrderType.STOP_LIMIT}),
)

#: What an open order keeps back: a buy stop becomes a stop limit, 2.5 % above the stop from
#: $50 on and 4 % below that.
RESERVE_RULE: Final = m.ReserveRule(
    stop_collars=((Decimal(50), Decimal("1.025")), (m.ZERO, Decimal("1.04")))
)
