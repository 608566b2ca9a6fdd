"""
Buying power and shares kept back: what an account has, and what its open orders leave of it.

Orders that open exposure keep back money, orders that close it keep back units, a bracket or
OCO group once (https://docs.alpaca.markets/docs/orders-at-alpaca, "buying power").  These are
the definitions; `resting` remembers what they come to, so that not all orders are looked at.
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

#: Below this equity an account has no margin and sells nothing short.
MARGIN_EQUITY_MIN: Final = Decimal(2000)
_UNLIMITED: Final = Decimal("Infinity")
_MAINTENANCE: Final = Decimal("0.25")


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


def unlimited(money: Funds) -> Funds:
    """*money* of an account that can pay for anything."""
    return evolve(money, buying_power=_UNLIMITED, non_marginable=_UNLIMITED)


@frozen
class Reserved:
    """What open orders keep back, in USD: of shares, of coins."""

    shares: Decimal
    crypto: Decimal


def funds(balance: Balance, reserved: Reserved, prices: PriceOf, multiplier: int) -> Funds:
    """What *balance*, and what open orders leave of it, amount to at *prices*."""
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
        # What came in for shares that are owed buys nothing.
        non_marginable=max(m.ZERO, balance.cash + 2 * short - reserved.shares - reserved.crypto),
        initial_margin=shares / 2 + crypto,
        maintenance_margin=shares * _MAINTENANCE + crypto,
        multiplier=multiplier,
    )


def total_reserved(orders: Iterable[OrderVersion], balance: Balance, prices: PriceOf) -> Reserved:
    """What open *orders*, oldest first, keep back."""
    reserved = {False: m.ZERO, True: m.ZERO}
    by_symbol: dict[str, list[OrderVersion]] = {}
    for order in orders:
        by_symbol.setdefault(order.symbol, []).append(order)
    for symbol, here in by_symbol.items():
        reserved[is_crypto(symbol)] += reserved_notional(here, balance.qty(symbol), prices(symbol))
    return Reserved(reserved[False], reserved[True])


def reserved_notional(orders: Iterable[OrderVersion], qty: Decimal, prices: Prices) -> Decimal:
    """
    What open *orders* of one symbol, oldest first, keep back in USD while *qty* is held.

    Those that close the position keep back nothing, as far as it goes.
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
    """What is left of an order of units, in quote currency."""
    return order.leaves_qty * reserve_price(order, prices)


def open_notional(order: OrderVersion) -> Decimal:
    """What is left of a purchase by notional, in quote currency."""
    if order.notional is None or order.side is m.OrderSide.SELL:
        return m.ZERO
    return order.notional - order.filled_qty * (order.filled_avg_price or m.ZERO)


def one_per_chain(
    orders: Iterable[OrderVersion], size: Callable[[OrderVersion], Decimal]
) -> Collection[OrderVersion]:
    """Those that are open; of an order and what is to replace it only the larger."""
    found: dict[str, OrderVersion] = {}
    for order in orders:
        chain = order.chain_id or order.id
        if not order.is_final and (chain not in found or size(order) > size(found[chain])):
            found[chain] = order
    return found.values()


def reserved_units(orders: Iterable[OrderVersion], side: m.OrderSide) -> dict[str, Decimal]:
    """The units that open *orders* of one symbol keep back, by the id of the order or its group."""
    here = (o for o in orders if o.side is side and not is_inactive_leg(o))
    held: dict[str, Decimal] = {}
    for order in one_per_chain(here, lambda each: each.leaves_qty):
        group = order.parent_id or order.id
        held[group] = max(held.get(group, m.ZERO), order.leaves_qty)
    return held


def is_inactive_leg(order: OrderVersion) -> bool:
    """Whether it is the exit of an entry that has not filled yet: it holds and does nothing."""
    return order.parent_id is not None and not order.is_active
