"""The wallets of an account at a spot exchange: what they contain, and what open orders hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from attrs import frozen

from fillbook import model as m
from fillbook.venue.exchange.account.ledger import Balance
from fillbook.venue.exchange.market.matching import PriceOf
from fillbook.venue.exchange.market.spot import DOLLAR, SpotTerms, currencies, held
from fillbook.venue.exchange.values import OrderVersion


@frozen(kw_only=True)
class Wallet:
    """
    The wallet of one currency.

    `total` may be negative after a bust; `hold` ≥ 0 is what open orders hold of it.
    """

    currency: str
    total: Decimal
    hold: Decimal = m.ZERO

    @property
    def available(self) -> Decimal:
        return max(m.ZERO, self.total - self.hold)


def wallets(
    balance: Balance,
    orders: Iterable[OrderVersion],
    price: PriceOf,
    terms: SpotTerms,
    kept: Mapping[str, Decimal],
) -> dict[str, Wallet]:
    """Return the wallets by currency; *kept* are units that ended orders still hold."""
    holds = dict(kept)
    for order in orders:
        currency, amount = held(order, price(order.symbol), terms)
        holds[currency] = holds.get(currency, m.ZERO) + amount
    totals = {currencies(symbol)[0]: held.qty for symbol, held in balance.positions.items()}
    totals[DOLLAR] = balance.cash
    return {
        name: Wallet(currency=name, total=totals.get(name, m.ZERO), hold=holds.get(name, m.ZERO))
        for name in sorted(totals.keys() | holds.keys())
    }
