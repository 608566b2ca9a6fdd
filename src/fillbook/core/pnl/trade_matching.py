"""
Matches the trades of a bot's own record with the fills of the account.

A row with the id of an order is of its fills.  Another one equals a fill, or all fills of an order,
in side and quantity: that of its time and price, else the nearest in time.  What equals nothing is
no match: it is a trade that one side has and the other has not.

Other half: `core.pnl.comparison`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.model import ZERO

_CENTS: Final = -2  #: the exponent of a price with two decimals


@frozen
class Part:
    """
    A part of a fill, of a row of the bot, or of both; `qty` is signed.

    `is_first`: it is the first part of its fill, which bears the fees; `is_first_of_row`: of its
    row.  `may_round`: the price of the row may be that of the fill, rounded.
    """

    qty: Decimal
    fill: m.Movement | None = None
    row: m.LocalTrade | None = None
    is_first: bool = True
    is_first_of_row: bool = True
    may_round: bool = True

    @property
    def rounds(self) -> bool:
        """Whether the price of the row is that of the fill, rounded to cents or less."""
        ours = None if self.fill is None else self.fill.price
        theirs = None if self.row is None else self.row.price
        if not self.may_round or ours is None or theirs is None or ours == theirs:
            return False
        exponent = theirs.as_tuple().exponent
        in_cents = isinstance(exponent, int) and exponent <= _CENTS
        return in_cents and theirs == ours.quantize(theirs, rounding=ROUND_HALF_EVEN)


def as_rows(fills: Iterable[m.Movement], requested: Mapping[str, Decimal]) -> list[Part]:
    """Return the fills as the bot may have them: at the requested prices, and without fees."""
    return [
        Part(
            fill.qty,
            fill,
            m.LocalTrade(
                symbol=fill.symbol,
                side=m.OrderSide.BUY if fill.qty > 0 else m.OrderSide.SELL,
                qty=abs(fill.qty),
                at=fill.at,
                price=requested.get(fill.key, fill.price),
            ),
            may_round=False,
        )
        for fill in fills
        if fill.qty
    ]


def matched(
    fills: Sequence[m.Movement], rows: Sequence[m.LocalTrade], orders: Mapping[str, str]
) -> list[Part]:
    """Match the rows of the bot with fills; *orders* are the names of orders by their ids."""
    matching = _Matching(fills, rows)
    matching.by_order(orders)
    for key in (
        lambda x: (x.qty, x.price, x.at),
        lambda x: (x.qty, None, x.at),
        lambda x: (x.qty, x.price, None),
    ):
        matching.by_key(key)
    matching.by_time()
    matching.by_sum()
    return matching.parts()


@frozen
class _Side:
    """What a row or a fill is matched by: its symbol, signed quantity, price and time."""

    symbol: str
    qty: Decimal
    price: Decimal | None
    at: m.Timestamp


class _Matching:
    """Pairs rows and fills, from the surest to the least sure: a mutable builder."""

    def __init__(self, fills: Sequence[m.Movement], rows: Sequence[m.LocalTrade]) -> None:
        self._fills = [x for x in sorted(fills, key=lambda x: x.order) if x.qty]
        self._rows = sorted(rows, key=lambda x: (x.at, x.line))
        self._parts: list[Part] = []

    def by_order(self, orders: Mapping[str, str]) -> None:
        """Pair the rows that name an order with its fills, in the order of time."""
        fills: dict[str, list[m.Movement]] = defaultdict(list)
        for fill in self._fills:
            name = orders.get(fill.owner or "")
            if name is not None:
                fills[name].append(fill)
        rows: dict[str, list[m.LocalTrade]] = defaultdict(list)
        for row in self._rows:
            name = orders.get(row.client_order_id or "", "")
            if name in fills:
                rows[name].append(row)
        for name, own in rows.items():
            same = [x for x in own if x.symbol == fills[name][0].symbol]
            self._pair_by_quantity(fills[name], same)

    def _pair_by_quantity(self, fills: Sequence[m.Movement], rows: Sequence[m.LocalTrade]) -> None:
        left = [(x, x.signed_qty) for x in reversed(rows)]
        used = set[int]()
        for fill in fills:
            rest, is_first = fill.qty, True
            while rest and left and left[-1][1] * rest > 0:
                row, open_qty = left.pop()
                qty = min(rest, open_qty, key=abs)
                self._parts.append(Part(qty, fill, row, is_first, id(row) not in used))
                used.add(id(row))
                rest, is_first = rest - qty, False
                if open_qty != qty:
                    left.append((row, open_qty - qty))
            if rest:
                self._parts.append(Part(rest, fill, None, is_first))
        self._parts += [
            Part(qty, None, row, is_first_of_row=id(row) not in used) for row, qty in left
        ]
        self._drop(fills, rows)

    def by_key(self, key: Callable[[_Side], object]) -> None:
        """Pair rows and fills that are equal in *key*."""
        waiting: dict[object, list[m.Movement]] = defaultdict(list)
        for fill in reversed(self._fills):
            waiting[fill.symbol, key(_Side(fill.symbol, fill.qty, fill.price, fill.at))].append(
                fill
            )
        pairs = []
        for row in self._rows:
            own = waiting[row.symbol, key(_Side(row.symbol, row.signed_qty, row.price, row.at))]
            if own:
                pairs.append((own.pop(), row))
        self._pair(pairs)

    def by_time(self) -> None:
        """Pair each row with the fill of its quantity that is nearest in time."""
        waiting: dict[tuple[str, Decimal], list[m.Movement]] = defaultdict(list)
        for fill in self._fills:
            waiting[fill.symbol, fill.qty].append(fill)
        pairs = []
        for row in self._rows:
            own = waiting[row.symbol, row.signed_qty]
            if own:
                pairs.append((own.pop(_nearest([x.at for x in own], row.at)), row))
        self._pair(pairs)

    def by_sum(self) -> None:
        """Pair each row with the fills of an order that sum to its quantity."""
        orders: dict[str, list[m.Movement]] = defaultdict(list)
        for fill in self._fills:
            orders[fill.owner or ""].append(fill)
        waiting: dict[tuple[str, Decimal], list[list[m.Movement]]] = defaultdict(list)
        for own in orders.values():
            waiting[own[0].symbol, sum((x.qty for x in own), ZERO)].append(own)
        for row in list(self._rows):
            sets = waiting[row.symbol, row.signed_qty]
            if sets:
                place = _nearest([x[0].at for x in sets], row.at)
                self._pair_by_quantity(sets.pop(place), [row])

    def _pair(self, pairs: Sequence[tuple[m.Movement, m.LocalTrade]]) -> None:
        self._parts += [Part(fill.qty, fill, row) for fill, row in pairs]
        self._drop([x for x, _ in pairs], [x for _, x in pairs])

    def _drop(self, fills: Iterable[m.Movement], rows: Iterable[m.LocalTrade]) -> None:
        gone_fills, gone_rows = {id(x) for x in fills}, {id(x) for x in rows}
        self._fills = [x for x in self._fills if id(x) not in gone_fills]
        self._rows = [x for x in self._rows if id(x) not in gone_rows]

    def parts(self) -> list[Part]:
        """Return the pairs, and what has none."""
        alone = [Part(x.qty, x) for x in self._fills]
        return [*self._parts, *alone, *(Part(x.signed_qty, None, x) for x in self._rows)]


def _nearest(times: Sequence[m.Timestamp], at: m.Timestamp) -> int:
    """Return the place of the time nearest to *at*, in *times*, which are in order."""
    after = bisect_left(times, at)
    near = [x for x in (after - 1, after) if 0 <= x < len(times)]
    return min(near, key=lambda x: abs(m.moment(times[x]) - m.moment(at)))
