"""
An account's cash and positions, now and at earlier times.

A fill changes both.  A fee reduces what the fill brings in: the units of a crypto buy, the
cash of a sale.  Positions have an average cost, as at the broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import field, frozen

from fillbook import model as m
from fillbook.venue.exchange.values import Activity, ActivityKind, Fill

_RETENTION: Final = timedelta(seconds=600)  #: the maximum age of a view


@frozen
class Position:
    """A position in one symbol: signed units and their average cost in USD per unit."""

    qty: Decimal = m.ZERO
    avg_price: Decimal = m.ZERO

    def moved(self, qty: Decimal, price: Decimal) -> Position:
        """Return the position after a change of *qty* (signed) at *price*."""
        total = self.qty + qty
        if total == 0:
            return Position()
        if self.qty * qty >= 0:
            return Position(total, (self.qty * self.avg_price + qty * price) / total)
        return Position(total, self.avg_price if total * self.qty > 0 else price)


@frozen
class Balance:
    """Cash (USD) and positions by symbol at one time, without positions of zero."""

    cash: Decimal
    positions: Mapping[str, Position] = field(factory=dict)

    def qty(self, symbol: str) -> Decimal:
        position = self.positions.get(symbol)
        return m.ZERO if position is None else position.qty

    def moved(self, symbol: str, qty: Decimal, price: Decimal, cash: Decimal) -> Balance:
        """Return the balance after *qty* of *symbol* at *price* and *cash*, both signed."""
        positions = dict(self.positions)
        positions[symbol] = positions.get(symbol, Position()).moved(qty, price)
        if positions[symbol].qty == 0:
            del positions[symbol]
        return Balance(self.cash + cash, positions)

    def exchanged(self, old: str, new: str | None, qty: Decimal, cash: Decimal) -> Balance:
        """Return the balance after all of *old* became *qty* of *new* at its cost, and cash."""
        positions = dict(self.positions)
        gone = positions.pop(old)
        if new is not None and qty:
            cost = gone.qty * gone.avg_price
            held = positions.get(new, Position())
            positions[new] = held.moved(qty, cost / qty)
            if not positions[new].qty:
                del positions[new]
        return Balance(self.cash + cash, positions)


def units_of(fill: Fill) -> Decimal:
    """Return the signed change of the position, net of a fee in units."""
    return fill.side.sign * fill.qty - (fill.fee if _is_fee_in_units(fill) else m.ZERO)


def cash_of(fill: Fill) -> Decimal:
    """Return the signed change of the quote currency, net of a fee in it."""
    fee = m.ZERO if _is_fee_in_units(fill) else fill.fee
    return -fill.side.sign * fill.traded_value - fee


def _is_fee_in_units(fill: Fill) -> bool:
    return fill.fee_currency == fill.symbol.partition("/")[0]


class Ledger:
    """The current balance and the earlier ones of at least the last ten minutes."""

    def __init__(self, cash: Decimal, at: timedelta) -> None:
        self._balances = [(at, Balance(cash))]

    @property
    def now(self) -> Balance:
        return self._balances[-1][1]

    def at(self, moment: timedelta) -> Balance:
        """Return the balance at *moment*, or the oldest one that is stored."""
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

    def post(self, fill: Fill, symbol: str, at: timedelta, paid_from: str | None = None) -> None:
        """Post *fill* to the position *symbol*, paid from another position (None: the cash)."""
        self._move(symbol, units_of(fill), fill.price, cash_of(fill), at, paid_from)

    def reverse(
        self,
        fill: Fill,
        symbol: str,
        at: timedelta,
        ratio: Decimal,
        paid_from: str | None = None,
    ) -> None:
        """Reverse *fill*; splits have made *ratio* units of each of its units."""
        units, price = -units_of(fill) * ratio, fill.price / ratio
        self._move(symbol, units, price, -cash_of(fill), at, paid_from)

    def _move(
        self,
        symbol: str,
        units: Decimal,
        price: Decimal,
        paid: Decimal,
        at: timedelta,
        paid_from: str | None,
    ) -> None:
        cash = paid if paid_from is None else m.ZERO
        balance = self.now.moved(symbol, units, price, cash)
        if paid_from is not None:
            balance = balance.moved(paid_from, paid, price, m.ZERO)
        self.put(balance, at)


def net_positions(
    fills: Iterable[Fill],
    activities: Iterable[Activity],
    current_symbol: Callable[[str], str],
    positions_of: Callable[[Fill], tuple[str, str | None]],
) -> dict[str, Decimal]:
    """
    Sum the positions from fills and activities in order of time, by current symbol.

    A fee activity is part of its fill already, and a cash dividend changes no units.
    """
    moves: list[tuple[m.Timestamp, str, Decimal, Decimal | None]] = []
    for fill in fills:
        if fill.is_busted or fill.is_corrected:
            continue
        symbol, paid_from = positions_of(fill)
        moves.append((fill.at, symbol, units_of(fill), None))
        if paid_from is not None:
            moves.append((fill.at, paid_from, cash_of(fill), None))
    for row in activities:
        if row.symbol is not None and row.qty is not None and _moves_units(row):
            change = row.qty if row.factor is None else -row.fraction
            moves.append((row.at, current_symbol(row.symbol), change, row.factor))
    totals: dict[str, Decimal] = {}
    for _, symbol, qty, factor in sorted(moves, key=lambda move: move[0]):
        before = totals.get(symbol, m.ZERO)
        totals[symbol] = before * (1 if factor is None else factor) + qty
    return {symbol: qty for symbol, qty in totals.items() if qty}


def _moves_units(row: Activity) -> bool:
    return row.kind is not ActivityKind.CRYPTO_FEE and row.per_share is None
