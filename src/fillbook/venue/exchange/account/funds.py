"""
Buying power and reserved units: the balances of an account, less what open orders reserve.

An order that opens a position reserves buying power, an order that closes one reserves units,
and a bracket or OCO group reserves once
(https://docs.alpaca.markets/docs/orders-at-alpaca, "buying power").  The definitions are
here; `resting` keeps the results up to date, so that a query does not read all orders.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.venue.exchange.account.ledger import Balance
from fillbook.venue.exchange.market.matching import PriceOf, Prices, is_crypto, reserve_price
from fillbook.venue.exchange.values import OrderVersion

#: Below this equity (USD) an account has no margin and may not sell short.
MARGIN_EQUITY_MIN: Final = Decimal(2000)
_UNLIMITED: Final = Decimal("Infinity")
_MAINTENANCE: Final = Decimal("0.25")


@frozen(kw_only=True)
class Funds:
    """
    The balances of an account in USD.

    `short_value` ≤ 0, `equity` may be negative, all other amounts are ≥ 0.  `non_marginable`
    is the buying power for crypto.  `multiplier` is 1, 2 or 4.
    """

    equity: Decimal
    long_value: Decimal
    short_value: Decimal
    buying_power: Decimal
    regt_buying_power: Decimal
    non_marginable: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    multiplier: int


def unlimited(money: Funds) -> Funds:
    """Return *money* with unlimited buying power."""
    return evolve(money, buying_power=_UNLIMITED, non_marginable=_UNLIMITED)


@frozen
class Reserved:
    """The amounts that open orders reserve, in USD, ≥ 0: orders for shares, for crypto."""

    shares: Decimal
    crypto: Decimal


def funds(balance: Balance, reserved: Reserved, prices: PriceOf, multiplier: int) -> Funds:
    """Return the balances of an account at *prices*, less what open orders reserve."""
    values = {s: position.qty * prices(s).mid for s, position in balance.positions.items()}
    equity = balance.cash + sum(values.values(), m.ZERO)
    multiplier = multiplier if equity >= MARGIN_EQUITY_MIN else 1
    crypto = sum((v for s, v in values.items() if is_crypto(s)), m.ZERO)
    shares = sum((abs(v) for s, v in values.items() if not is_crypto(s)), m.ZERO)
    short = sum((v for v in values.values() if v < 0), m.ZERO)

    def power(times: int) -> Decimal:
        free = equity - crypto - shares / times
        return max(m.ZERO, times * (free - reserved.crypto) - reserved.shares)

    return Funds(
        equity=equity,
        long_value=sum((v for v in values.values() if v > 0), m.ZERO),
        short_value=short,
        buying_power=power(multiplier),
        regt_buying_power=power(min(multiplier, 2)),
        # The proceeds of short sales are not available.
        non_marginable=max(m.ZERO, balance.cash + 2 * short - reserved.shares - reserved.crypto),
        initial_margin=shares / 2 + crypto,
        maintenance_margin=shares * _MAINTENANCE + crypto,
        multiplier=multiplier,
    )


def total_reserved(orders: Iterable[OrderVersion], balance: Balance, prices: PriceOf) -> Reserved:
    """Return what open *orders*, oldest first, reserve."""
    reserved = {False: m.ZERO, True: m.ZERO}
    by_symbol: dict[str, list[OrderVersion]] = {}
    for order in orders:
        by_symbol.setdefault(order.symbol, []).append(order)
    for symbol, same_symbol in by_symbol.items():
        reserved[is_crypto(symbol)] += reserved_notional(
            same_symbol, balance.qty(symbol), prices(symbol)
        )
    return Reserved(reserved[False], reserved[True])


def reserved_notional(orders: Iterable[OrderVersion], qty: Decimal, prices: Prices) -> Decimal:
    """
    Return the USD that open *orders* of one symbol, oldest first, reserve.

    *qty* is the signed position in units; orders reserve nothing for the units that close it.
    """
    reserved = m.ZERO
    closable = {side: max(m.ZERO, -side.sign * qty) for side in (m.OrderSide.BUY, m.OrderSide.SELL)}
    for order in one_per_chain(orders, lambda each: open_value(each, prices)):
        if order.parent_id is not None:
            continue
        closing = min(closable[order.side], order.leaves_qty)
        closable[order.side] -= closing
        reserved += open_notional(order) + (order.leaves_qty - closing) * reserve_price(
            order, prices
        )
    return reserved


def open_value(order: OrderVersion, prices: Prices) -> Decimal:
    """Return the value of the leaves quantity of an order by units, in quote currency."""
    return order.leaves_qty * reserve_price(order, prices)


def open_notional(order: OrderVersion) -> Decimal:
    """Return the open amount of a buy order by notional, in quote currency; 0 for others."""
    if order.notional is None or order.side is m.OrderSide.SELL:
        return m.ZERO
    return order.notional - order.filled_qty * (order.filled_avg_price or m.ZERO)


def one_per_chain(
    orders: Iterable[OrderVersion], size: Callable[[OrderVersion], Decimal]
) -> Collection[OrderVersion]:
    """Return the open orders; of an order and its pending replacement only the larger."""
    found: dict[str, OrderVersion] = {}
    for order in orders:
        chain = order.chain_id or order.id
        if not order.is_final and (chain not in found or size(order) > size(found[chain])):
            found[chain] = order
    return found.values()


def reserved_units(orders: Iterable[OrderVersion], side: m.OrderSide) -> dict[str, Decimal]:
    """
    Return the units that open *orders* of one symbol and *side* reserve.

    The keys are ids of orders, or of the parents of groups.
    """
    same_side = (o for o in orders if o.side is side and not is_inactive_leg(o))
    units: dict[str, Decimal] = {}
    for order in one_per_chain(same_side, lambda each: each.leaves_qty):
        group = order.parent_id or order.id
        units[group] = max(units.get(group, m.ZERO), order.leaves_qty)
    return units


def is_inactive_leg(order: OrderVersion) -> bool:
    """Whether *order* is an exit whose opening order has not filled yet."""
    return order.parent_id is not None and not order.is_active
