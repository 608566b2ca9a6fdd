"""
Buying power and shares kept back: what an account has, and what its open orders leave of it.

Orders that open exposure keep back money, orders that close it keep back units, a bracket or
OCO group once (https://docs.alpaca.markets/docs/orders-at-alpaca, "buying power").  What one
symbol keeps back depends on nothing of another, so `Reserves` sums anew only what has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.venue.exchange.ledger import Balance
from fillbook.venue.exchange.matching import Prices, reserve_price
from fillbook.venue.exchange.orders import Orders
from fillbook.venue.exchange.values import Picture

#: Below this equity an account has no margin and sells nothing short.
MARGIN_EQUITY_MIN: Final = Decimal(2000)
_ALL: Final = Decimal("Infinity")
_MAINTENANCE: Final = Decimal("0.25")

PriceOf = Callable[[str], Prices]


@frozen(kw_only=True)
class Funds:
    """All in USD."""

    equity: Decimal
    long_value: Decimal
    short_value: Decimal
    buying_power: Decimal
    regt_buying_power: Decimal
    non_marginable: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    multiplier: int


def boundless(money: Funds) -> Funds:
    """*money* of an account that can pay for anything."""
    return evolve(money, buying_power=_ALL, non_marginable=_ALL)


def is_coin(symbol: str) -> bool:
    return "/" in symbol


@frozen
class Kept:
    """What open orders keep back, in USD: of shares, of coins."""

    shares: Decimal
    coins: Decimal


def funds(balance: Balance, kept: Kept, prices: PriceOf, multiplier: int) -> Funds:
    """What *balance*, and what open orders leave of it, amount to at *prices*."""
    values = {s: stake.qty * prices(s).mid for s, stake in balance.stakes.items()}
    equity = balance.cash + sum(values.values(), m.ZERO)
    multiplier = multiplier if equity >= MARGIN_EQUITY_MIN else 1
    coins = sum((v for s, v in values.items() if is_coin(s)), m.ZERO)
    shares = sum((abs(v) for s, v in values.items() if not is_coin(s)), m.ZERO)
    short = sum((v for v in values.values() if v < 0), m.ZERO)

    def power(times: int) -> Decimal:
        free = equity - coins - shares / times
        return max(m.ZERO, times * (free - kept.coins) - kept.shares)

    return Funds(
        equity=equity,
        long_value=sum((v for v in values.values() if v > 0), m.ZERO),
        short_value=short,
        buying_power=power(multiplier),
        regt_buying_power=power(min(multiplier, 2)),
        # What came in for shares that are owed buys nothing.
        non_marginable=max(m.ZERO, balance.cash + 2 * short - kept.shares - kept.coins),
        initial_margin=shares / 2 + coins,
        maintenance_margin=shares * _MAINTENANCE + coins,
        multiplier=multiplier,
    )


def reserved(orders: Iterable[Picture], balance: Balance, prices: PriceOf) -> Kept:
    """What open *orders*, oldest first, keep back: the definition."""
    kept = {False: m.ZERO, True: m.ZERO}
    closable: dict[tuple[str, m.OrderSide], Decimal] = {}
    for order in _one_a_chain(orders, lambda each: _worth(each, prices)):
        if order.parent_id is not None:
            continue
        if order.notional is not None:
            spent = order.filled_qty * (order.filled_avg_price or m.ZERO)
            opens = order.notional - spent if order.side is m.OrderSide.BUY else m.ZERO
            kept[is_coin(order.symbol)] += opens
            continue
        key = (order.symbol, order.side)
        left = closable.setdefault(key, max(m.ZERO, -order.side.sign * balance.qty(order.symbol)))
        closing = min(left, order.leaves_qty)
        closable[key] = left - closing
        price = reserve_price(order, prices(order.symbol))
        kept[is_coin(order.symbol)] += (order.leaves_qty - closing) * price
    return Kept(kept[False], kept[True])


class Reserves:
    """`reserved` of one account as it is now, remembered by symbol."""

    def __init__(self, orders: Orders, prices: PriceOf) -> None:
        self._orders = orders
        self._prices = prices
        self._known: dict[str, tuple[object, Kept]] = {}

    def now(self, balance: Balance, without: Picture | None = None) -> Kept:
        """What is kept back, as if there were no order *without*."""
        parts = {symbol: self._of(symbol, balance) for symbol in self._orders.open_symbols()}
        if without is not None:
            rest = (each for each in self._orders.open(without.symbol) if each.id != without.id)
            parts[without.symbol] = reserved(rest, balance, self._prices)
        shares = sum((part.shares for part in parts.values()), m.ZERO)
        return Kept(shares, sum((part.coins for part in parts.values()), m.ZERO))

    def _of(self, symbol: str, balance: Balance) -> Kept:
        # All that it depends on.
        state = (self._orders.version(symbol), balance.qty(symbol), self._prices(symbol))
        known = self._known.get(symbol)
        if known is None or known[0] != state:
            known = state, reserved(self._orders.open(symbol), balance, self._prices)
            self._known[symbol] = known
        return known[1]


def _worth(order: Picture, prices: PriceOf) -> Decimal:
    """What is left of an order of units, in quote currency."""
    return order.leaves_qty * reserve_price(order, prices(order.symbol))


def _one_a_chain(
    orders: Iterable[Picture], size: Callable[[Picture], Decimal]
) -> Collection[Picture]:
    """Those that are open; of an order and what is to replace it only the larger."""
    found: dict[str, Picture] = {}
    for order in orders:
        chain = order.chain_id or order.id
        if not order.is_over and (chain not in found or size(order) > size(found[chain])):
            found[chain] = order
    return found.values()


def holders(orders: Iterable[Picture], symbol: str, side: m.OrderSide) -> dict[str, Decimal]:
    """The units that open orders of *side* keep back, by the id of the order or its group."""
    here = (o for o in orders if o.symbol == symbol and o.side is side and not is_asleep(o))
    held: dict[str, Decimal] = {}
    for order in _one_a_chain(here, lambda each: each.leaves_qty):
        group = order.parent_id or order.id
        held[group] = max(held.get(group, m.ZERO), order.leaves_qty)
    return held


def is_asleep(order: Picture) -> bool:
    """Whether it is the exit of an entry that has not filled yet: it holds and does nothing."""
    return order.parent_id is not None and not order.is_awake
