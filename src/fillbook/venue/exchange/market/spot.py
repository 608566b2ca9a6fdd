"""
The terms of a spot exchange: wallets by currency, products of two of them, and fees in the quote.

The wallet of a currency is a position in its pair with the dollar (`BTC/USD`, `USDC/USD`); that of
the dollar is the cash.  A product that has an alias shares one book with it, and is paid from the
wallet of its own quote currency.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/overview.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.venue.exchange.market.matching import Prices
from fillbook.venue.exchange.values import OrderVersion, Ticket

DOLLAR: Final = "USD"
#: The places of values, quantities and average prices of an order that is sized in the quote.
PLACES: Final = Decimal("1e-16")


@frozen(kw_only=True)
class SpotTerms:
    """
    The fees of a spot exchange, as shares of the value of a trade, ≥ 0.

    `taker_fee` applies to an order that trades when it arrives, `maker_fee` to one that rested.
    """

    taker_fee: Decimal = Decimal("0.006")
    maker_fee: Decimal = Decimal("0.004")

    def fee_rate(self, order: OrderVersion | Ticket) -> Decimal:
        """Return the rate by which an open order holds its fee."""
        return self.maker_fee if order.post_only else self.taker_fee


def currencies(symbol: str) -> tuple[str, str]:
    """Return the base and the quote currency of a pair."""
    base, _, quote = symbol.partition("/")
    return base, quote


def wallet(currency: str) -> str:
    """Return the symbol of the position that is the wallet of *currency*, not the dollar."""
    return f"{currency}/{DOLLAR}"


def holding(symbol: str) -> str:
    """Return the symbol of the position to which a buy of *symbol* adds."""
    return wallet(currencies(symbol)[0])


def paid_from(symbol: str) -> str | None:
    """Return the symbol of the position from which a buy is paid; None: the cash."""
    quote = currencies(symbol)[1]
    return None if quote == DOLLAR else wallet(quote)


def held(order: OrderVersion, prices: Prices, terms: SpotTerms) -> tuple[str, Decimal]:
    """Return what an open order holds: a currency, and an amount of it with the fee included."""
    base, quote = currencies(order.symbol)
    if order.is_final:
        return quote, m.ZERO
    if order.side is m.OrderSide.SELL:
        return base, order.leaves_qty
    if order.notional is not None:
        return quote, max(m.ZERO, order.notional - order.spent)
    price = order.limit_price or prices.ask
    return quote, order.leaves_qty * price * (1 + terms.fee_rate(order))


def by_quote(notional: Decimal, price: Decimal, rate: Decimal) -> tuple[Decimal, Decimal]:
    """Return the quantity and the value that *notional*, its fee included, buys at *price*."""
    value = m.cut(notional / (1 + rate), PLACES)
    return m.cut(value / price, PLACES), value


def _pair(symbol: str, tick: str, min_notional: str) -> m.Instrument:
    return m.Instrument(
        symbol,
        m.AssetClass.CRYPTO,
        aliases=(symbol.replace("/", "-"),),
        fractionable=True,
        qty_increment=Decimal("0.00000001"),
        price_increment=Decimal(tick),
        min_qty=Decimal("0.00000001"),
        min_notional=Decimal(min_notional),
    )


def _at(bid: str, ask: str) -> Prices:
    return Prices(Decimal(bid), Decimal(ask))


#: The products that are listed at the start, and their quotes.
PRODUCTS: Final = (
    (_pair("BTC/USD", "0.01", "1"), _at("64250.00", "64260.00")),
    (_pair("ETH/USD", "0.01", "1"), _at("3120.00", "3121.00")),
    (_pair("SOL/USD", "0.01", "1"), _at("141.50", "141.52")),
    (_pair("BTC/USDC", "0.01", "1"), _at("64250.00", "64260.00")),
    (_pair("ETH/USDC", "0.01", "1"), _at("3120.00", "3121.00")),
    (_pair("ETH/BTC", "0.00001", "0.00001"), _at("0.04855", "0.04857")),
)
#: The book that a product shares: its alias.
ALIASES: Final[Mapping[str, str]] = {"BTC/USDC": "BTC/USD", "ETH/USDC": "ETH/USD"}
#: The prices of wallets that are no product.
WALLET_PRICES: Final = {"USDC/USD": _at("1", "1")}
