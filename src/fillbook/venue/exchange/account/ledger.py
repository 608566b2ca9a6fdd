"""
An account's cash and positions, with what they were at every earlier moment.

A fill moves both; fees come off what is received: off the units of a crypto buy, off the
cash of a sale.  Average cost, as the broker shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve, field, frozen

from fillbook import model as m
from fillbook.venue.exchange.values import Activity, ActivityKind, Fill

_WITHOUT_UNITS: Final = frozenset({ActivityKind.CRYPTO_FEE, ActivityKind.DIVIDEND})
_RETENTION: Final = timedelta(seconds=600)  #: no view is older than this


@frozen
class Position:
    """What is held of one symbol: signed units and their average cost."""

    qty: Decimal = m.ZERO
    avg_price: Decimal = m.ZERO

    def moved(self, qty: Decimal, price: Decimal) -> Position:
        """After *qty* more (signed) at *price*."""
        total = self.qty + qty
        if total == 0:
            return Position()
        if self.qty * qty >= 0:
            return Position(total, (self.qty * self.avg_price + qty * price) / total)
        return Position(total, self.avg_price if total * self.qty > 0 else price)


@frozen
class Balance:
    """Cash and stakes at one moment; symbols of which nothing is held are not in it."""

    cash: Decimal
    positions: Mapping[str, Position] = field(factory=dict)

    def qty(self, symbol: str) -> Decimal:
        position = self.positions.get(symbol)
        return m.ZERO if position is None else position.qty

    def moved(self, symbol: str, qty: Decimal, price: Decimal, cash: Decimal) -> Balance:
        """After *qty* more of *symbol* at *price*, and *cash* more; both signed."""
        positions = dict(self.positions)
        positions[symbol] = positions.get(symbol, Position()).moved(qty, price)
        if positions[symbol].qty == 0:
            del positions[symbol]
        return Balance(self.cash + cash, positions)

    def scaled(self, symbol: str, ratio: Decimal) -> Balance:
        """After a split that makes *ratio* units of one."""
        old = self.positions[symbol]
        positions = {**self.positions, symbol: Position(old.qty * ratio, old.avg_price / ratio)}
        return evolve(self, positions=positions)

    def renamed(self, old: str, new: str) -> Balance:
        """After *old*, which is held, has got another name."""
        positions = dict(self.positions)
        positions[new] = positions.pop(old)
        return evolve(self, positions=positions)


def units_of(fill: Fill) -> Decimal:
    """The signed change of the position, net of a fee taken in units."""
    return fill.side.sign * fill.qty - (fill.fee if fill.fee_currency != "USD" else m.ZERO)


def cash_of(fill: Fill) -> Decimal:
    """The signed change of the cash, net of a fee taken in cash."""
    fee = fill.fee if fill.fee_currency == "USD" else m.ZERO
    return -fill.side.sign * fill.qty * fill.price - fee


class Ledger:
    """The balance now, and as it was."""

    def __init__(self, cash: Decimal, at: timedelta) -> None:
        self._balances = [(at, Balance(cash))]

    @property
    def now(self) -> Balance:
        return self._balances[-1][1]

    def at(self, moment: timedelta) -> Balance:
        """The balance at *moment*, or the oldest that is kept."""
        for since, balance in reversed(self._balances):
            if since <= moment:
                return balance
        return self._balances[0][1]

    def put(self, balance: Balance, at: timedelta) -> None:
        self._balances.append((at, balance))
        if self._balances[0][0] < at - 2 * _RETENTION:
            first = next(
                n for n, (since, _) in enumerate(self._balances) if since >= at - _RETENTION
            )
            del self._balances[: max(0, first - 1)]

    def post(self, fill: Fill, symbol: str, at: timedelta) -> None:
        """Book *fill*, of what is called *symbol* by now."""
        self.put(self.now.moved(symbol, units_of(fill), fill.price, cash_of(fill)), at)

    def reverse(self, fill: Fill, symbol: str, at: timedelta, ratio: Decimal) -> None:
        """Take *fill* back, of which a unit is *ratio* units by now."""
        units, price = -units_of(fill) * ratio, fill.price / ratio
        self.put(self.now.moved(symbol, units, price, -cash_of(fill)), at)


def net_positions(
    fills: Iterable[Fill], activities: Iterable[Activity], current_symbol: Callable[[str], str]
) -> dict[str, Decimal]:
    """
    Positions summed afresh, in order of time, under the names of today.

    Fee rows were taken with their fills, and a dividend moves no units.
    """
    standing = (f for f in fills if not (f.is_busted or f.is_corrected))
    moves: list[tuple[m.Timestamp, str, Decimal, Decimal | None]] = [
        (f.at, current_symbol(f.symbol), units_of(f), None) for f in standing
    ]
    for row in activities:
        if row.symbol is not None and row.qty is not None and row.kind not in _WITHOUT_UNITS:
            moves.append((row.at, current_symbol(row.symbol), row.qty, row.ratio))
    totals: dict[str, Decimal] = {}
    for _, symbol, qty, ratio in sorted(moves, key=lambda move: move[0]):
        before = totals.get(symbol, m.ZERO)
        totals[symbol] = before * ratio if ratio is not None else before + qty
    return {symbol: qty for symbol, qty in totals.items() if qty}
