"""The endpoints of products, their quotes, and the time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.venue.coinbase import responses
from fillbook.venue.coinbase.answers import ApiResponse, ok
from fillbook.venue.coinbase.requests import ApiRequest, Json, bad, not_found
from fillbook.venue.exchange import InjectedFault
from fillbook.venue.exchange.market import spot
from fillbook.venue.exchange.market.history import TradeBar
from fillbook.venue.exchange.market.timeframe import Timeframe, TimeUnit


def list_products(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    request.enums("product_type", ("UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE").__contains__)
    ids = request.words("product_ids")
    rows = [
        _product(request, each)
        for each in request.exchange.instruments()
        if (not ids or responses.product_id(each.symbol) in ids)
        and request.word("product_type") != "FUTURE"
    ]
    offset = request.word("offset") or "0"
    first = int(offset) if offset.isascii() and offset.isdigit() else 0
    return ok({"products": rows[first:][: request.limit(1000, 1000)], "num_products": len(rows)})


def _product(request: ApiRequest, listed: m.Instrument) -> Json:
    name = responses.product_id(listed.symbol)
    flags = set(request.behavior.flags.get(name, frozenset()))
    if request.exchange.is_halted(listed.symbol):
        flags.add("trading_disabled")
    return responses.product(request.exchange, listed, flags)


def get_product(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    symbol = _needed(request, request.path["product_id"])
    listed = request.exchange.instrument(symbol)
    assert listed is not None
    return ok(_product(request, listed))


def _needed(request: ApiRequest, product_id: str) -> str:
    symbol = request.symbol(product_id)
    if symbol is None:
        raise not_found("valid product_id is required")
    return symbol


def best_bid_ask(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    names = request.words("product_ids")
    if not names:
        symbols = [each.symbol for each in request.exchange.instruments()]
    else:
        symbols = [_needed(request, each) for each in names]
    return ok({"pricebooks": [responses.book(request.exchange, each) for each in symbols]})


def product_book(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    symbol = _needed(request, request.word("product_id") or "")
    found = responses.book(request.exchange, symbol)
    bid, ask = (Decimal(found[side][0]["price"]) for side in ("bids", "asks"))
    return ok(
        {
            "pricebook": found,
            "last": m.plain(ask),
            "mid_market": m.plain((bid + ask) / 2),
            "spread_bps": m.plain(m.cut((ask - bid) / bid * 10_000, Decimal("0.01"))),
            "spread_absolute": m.plain(ask - bid),
        }
    )


def market_trades(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    """Answer with one trade in the middle of the market, and the best bid and ask."""
    symbol = _needed(request, request.path["product_id"])
    found = responses.book(request.exchange, symbol)
    bid, ask = (found[side][0]["price"] for side in ("bids", "asks"))
    trade = {
        "trade_id": "1",
        "product_id": found["product_id"],
        "price": m.plain((Decimal(bid) + Decimal(ask)) / 2),
        "size": "0.01",
        "time": found["time"],
        "side": "BUY",
        "exchange": "cb",
    }
    return ok({"trades": [trade], "best_bid": bid, "best_ask": ask})


#: The lengths of candles in seconds.
_GRANULARITIES: Final = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1800,
    "ONE_HOUR": 3600,
    "TWO_HOUR": 7200,
    "FOUR_HOUR": 14_400,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}
_CANDLES_MAX: Final = 350
_SECONDS_DIGITS: Final = 11
_MINUTES: Final = Timeframe(1, TimeUnit.MINUTE)


def candles(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    """Answer with the trades of the exchange from `start` to `end`, the newest candle first."""
    symbol = _needed(request, request.path["product_id"])
    request.enums("granularity", _GRANULARITIES.__contains__)
    size_s = _GRANULARITIES.get(request.word("granularity") or "")
    first, last = (_seconds(request, name) for name in ("start", "end"))
    if size_s is None or last < first:
        raise bad("INVALID_ARGUMENT", "granularity is required, and start is not after end")
    if (last - first) // size_s > _CANDLES_MAX:
        raise bad("INVALID_ARGUMENT", f"number of candles requested should be <= {_CANDLES_MAX}")
    span = (datetime.fromtimestamp(each, UTC) for each in (first, last))
    found: dict[int, TradeBar] = {}
    for bar in request.exchange.history.bars(symbol, _MINUTES, *span):
        start = int(bar.at.timestamp()) // size_s * size_s
        if start in found:
            found[start].add(bar)
        else:
            found[start] = bar
    rows = [_candle(start, bar) for start, bar in sorted(found.items(), reverse=True)]
    return ok({"candles": rows[: request.limit(_CANDLES_MAX, _CANDLES_MAX)]})


def _seconds(request: ApiRequest, name: str) -> int:
    text = request.word(name) or ""
    if not text.isascii() or not text.isdigit() or len(text) > _SECONDS_DIGITS:
        raise bad("INVALID_ARGUMENT", f"{name} must be a time in seconds")
    return int(text)


def _candle(start: int, bar: TradeBar) -> Json:
    figures = {"low": bar.low, "high": bar.high, "open": bar.open, "close": bar.close}
    texts = {name: m.plain(each) for name, each in figures.items()}
    return {"start": str(start), **texts, "volume": m.plain(bar.volume)}


def server_time(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    now = request.exchange.now()
    seconds = int(now.timestamp())
    return ok(
        {
            "iso": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "epochSeconds": str(seconds),
            "epochMillis": str(seconds * 1000 + now.microsecond // 1000),
        }
    )


# The older API, which some clients read for names and rates -------------------------------------


def _currencies(request: ApiRequest) -> list[str]:
    pairs = (spot.currencies(each.symbol) for each in request.exchange.instruments())
    return sorted({currency for pair in pairs for currency in pair})


def list_currencies(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    names = [each for each in _currencies(request) if each == spot.DOLLAR]
    return ok({"data": [{"id": x, "name": x, "min_size": "0.01"} for x in names]})


def list_coins(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    names = [each for each in _currencies(request) if each != spot.DOLLAR]
    rows = [
        {"asset_id": x, "code": x, "name": x, "exponent": 8, "type": "crypto", "sort_index": n}
        for n, x in enumerate(names)
    ]
    return ok({"data": rows})


def old_time(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    now = request.exchange.now()
    iso = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ok({"data": {"iso": iso, "epoch": int(now.timestamp())}})


def exchange_rates(request: ApiRequest, injected: InjectedFault | None) -> ApiResponse:
    rates = {spot.DOLLAR: "1"}
    for name in _currencies(request):
        quote = request.exchange.quote_of(spot.wallet(name))
        if quote is not None:
            rates[name] = m.plain(m.cut(2 / (quote.bid + quote.ask), spot.PLACES))
    return ok({"data": {"currency": spot.DOLLAR, "rates": rates}})
