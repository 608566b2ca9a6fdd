"""
Decode Coinbase's products and quotes; symbols are products with a slash: `BTC/USD` is `BTC-USD`.

Pure, by the rules of `orders`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.brokers.wire.fields import Row, array, row

#: Currencies whose wallets are cash.  The wallet of every other currency is a position.
CASH: Final = frozenset({"USD", "USDC", "EUR", "GBP", "SGD", "CAD", "AUD", "JPY", "BRL", "CHF"})
DOLLAR: Final = "USD"

#: A spot product is a base and a quote; futures and perpetuals have three parts.
_SPOT: Final = re.compile(r"[A-Z0-9]+[-/][A-Z0-9]+")

_FORBIDDING: Final = ("is_disabled", "trading_disabled", "cancel_only", "view_only")


def is_spot(name: str) -> bool:
    """Whether *name*, a symbol or a product id, is that of a spot product."""
    return _SPOT.fullmatch(name) is not None


def product_id(symbol: str) -> str:
    return symbol.replace("/", "-")


def symbol(product: str) -> str:
    """Return our symbol of a product; futures and perpetuals keep their names."""
    return product.replace("-", "/") if is_spot(product) else product


def holding(currency: str) -> str:
    """Return the symbol of the position in *currency*, whatever product it was bought in."""
    return f"{currency}/{DOLLAR}"


def pair(name: str) -> m.Pair | None:
    """Return the currencies of a spot product, from its symbol; None: it is none."""
    base, slash, quote = name.partition("/")
    if not slash or not is_spot(name):
        return None
    is_cash = quote in CASH
    paid_from = None if is_cash else holding(quote)
    return m.Pair(name, base, quote, holding(base), paid_from, paid_from)


@frozen
class Products:
    """The products of a list, by symbol, and the number of its rows."""

    instruments: tuple[m.Instrument, ...]
    rows: int


def products(raw: object) -> Products:
    """Decode a list of products; futures and perpetuals are left out."""
    rows = array(row(raw, "products").fields.get("products"), "products")
    found = (instrument(each) for each in rows)
    return Products(tuple(each for each in found if each is not None), len(rows))


def instrument(raw: object) -> m.Instrument | None:
    """Decode one product; None: it is no spot product."""
    found = row(raw, "product")
    name = found.need_text("product_id").upper()
    found = Row(f"product {name}", found.fields)
    if found.text("product_type") not in (None, "SPOT") or not is_spot(name):
        return None
    base = name.partition("-")[0]
    is_forbidden = any(found.flag(flag) for flag in _FORBIDDING)
    is_online = found.text("status") in (None, "online")
    return m.Instrument(
        symbol=symbol(name),
        asset_class=m.AssetClass.CRYPTO,
        aliases=(name,),
        # A product whose base is cash would change two balances of cash and no position.
        tradable=is_online and not is_forbidden and base not in CASH,
        fractionable=True,
        qty_increment=found.above_zero("base_increment") or Decimal("0.00000001"),
        price_increment=found.above_zero("price_increment") or found.above_zero("quote_increment"),
        min_qty=found.above_zero("base_min_size"),
        min_notional=found.above_zero("quote_min_size"),
    )


def quotes(raw: object) -> tuple[m.Quote, ...]:
    """Decode the best bids and asks; leave out a product with an empty side or without a time."""
    rows = array(row(raw, "quotes").fields.get("pricebooks"), "pricebooks")
    made = (_quote(row(each, "price book")) for each in rows)
    return tuple(each for each in made if each is not None)


def _quote(found: Row) -> m.Quote | None:
    sides = []
    for name in ("bids", "asks"):
        levels = array(found.fields.get(name) or (), name)
        sides.append(row(levels[0], name).above_zero("price") if levels else None)
    bid, ask = sides
    at = found.time("time")
    if bid is None or ask is None or at is None:
        return None
    return m.Quote(symbol(found.need_text("product_id")), bid, ask, m.moment(at))
