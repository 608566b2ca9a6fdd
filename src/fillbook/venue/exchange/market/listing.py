"""The instruments that are listed at the start, and their quotes."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.venue.exchange.market.matching import Prices


def _share(symbol: str, *, fractionable: bool = True, shortable: bool = True) -> m.Instrument:
    return m.Instrument(
        symbol,
        m.AssetClass.EQUITY,
        fractionable=fractionable,
        shortable=shortable,
        marginable=True,
        qty_increment=Decimal("0.000000001") if fractionable else Decimal(1),
        min_notional=Decimal(1) if fractionable else None,
    )


def _pair(symbol: str, tick: str) -> m.Instrument:
    return m.Instrument(
        symbol,
        m.AssetClass.CRYPTO,
        aliases=(symbol.replace("/", ""),),
        fractionable=True,
        qty_increment=Decimal("0.000000001"),
        price_increment=Decimal(tick),
        min_notional=Decimal(10),
    )


def default_instrument(symbol: str) -> m.Instrument:
    """Return a share, or a crypto pair if *symbol* has a slash, with the default definition."""
    return _pair(symbol, "0.01") if "/" in symbol else _share(symbol)


def _at(bid: str, ask: str) -> Prices:
    return Prices(Decimal(bid), Decimal(ask))


#: The symbols that also trade overnight, from 20:00 to 4:00 New York time.
OVERNIGHT: Final = frozenset({"AAPL", "MSFT", "SPY", "NVDA", "TSLA", "F"})

LISTED: Final = (
    (_share("AAPL"), _at("187.00", "187.02")),
    (_share("MSFT"), _at("412.30", "412.36")),
    (_share("SPY"), _at("598.10", "598.12")),
    (_share("NVDA"), _at("141.50", "141.52")),
    (_share("TSLA"), _at("345.00", "345.10")),
    (_share("F"), _at("11.20", "11.21")),
    (_share("BRKX", fractionable=False), _at("64.10", "64.20")),
    (_share("HARD", shortable=False), _at("8.40", "8.42")),
    (_pair("BTC/USD", "0.01"), _at("64250.00", "64260.00")),
    (_pair("ETH/USD", "0.01"), _at("3120.00", "3121.00")),
)
