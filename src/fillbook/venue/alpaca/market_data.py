"""
The market data: bars, latest trades, quotes and bars, snapshots, for shares and for crypto.

Numbers are JSON numbers, times are UTC, and an error has a message and no code.  A symbol that
is not listed is left out.  Every feed has the same data, and prices are never adjusted.
Source: https://docs.alpaca.markets/reference/stockbars and the pages beside it; messages as
recorded by users.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

from fillbook import model as m
from fillbook.errors import InvalidValue
from fillbook.venue.alpaca.requests import ApiRequest
from fillbook.venue.alpaca.responses import Json
from fillbook.venue.exchange import Refused
from fillbook.venue.exchange.market.history import Trade, TradeBar
from fillbook.venue.exchange.market.timeframe import (
    DAY,
    Timeframe,
    TimeUnit,
    day_start,
    day_zone,
)

_LIMIT_DEFAULT, _LIMIT_MAX = 1000, 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DELAY: Final = timedelta(minutes=15)
_CENT_BPS: Final = Decimal("0.000001")
_FEEDS: Final = frozenset({"", "iex", "sip", "delayed_sip", "otc", "boats", "overnight"})
_ADJUSTMENTS: Final = frozenset({"", "raw", "split", "dividend", "spin-off", "all"})

_TIMEFRAME: Final = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_UNITS: Final = {
    "Min": TimeUnit.MINUTE,
    "T": TimeUnit.MINUTE,
    "Hour": TimeUnit.HOUR,
    "H": TimeUnit.HOUR,
    "Day": TimeUnit.DAY,
    "D": TimeUnit.DAY,
    "Week": TimeUnit.WEEK,
    "W": TimeUnit.WEEK,
    "Month": TimeUnit.MONTH,
    "M": TimeUnit.MONTH,
}
_AMOUNTS: Final[Mapping[TimeUnit, frozenset[int]]] = {
    TimeUnit.MINUTE: frozenset(range(1, 60)),
    TimeUnit.HOUR: frozenset(range(1, 24)),
    TimeUnit.DAY: frozenset({1}),
    TimeUnit.WEEK: frozenset({1}),
    TimeUnit.MONTH: frozenset({1, 2, 3, 4, 6, 12}),
}


def bad(message: str, status: int = 400) -> Refused:
    """Return a refusal of the market data API, which has no code."""
    return Refused(status, 0, message, m.RejectKind.INPUT)


@frozen
class Market:
    """The shares or the pairs, with what differs in their data."""

    is_crypto: bool
    pattern: re.Pattern[str]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of a date without a time."""
        return day_zone(is_crypto=self.is_crypto)

    def symbols(self, request: ApiRequest) -> list[str]:
        """Return the symbols of the request that are listed, sorted.  Raises: Refused."""
        asked = request.path.get("symbol") or request.query.get("symbols")
        if not asked:
            raise bad(_missing("symbols"))
        words = {word.strip() for word in asked.split(",")} - {""}
        for word in sorted(words):
            if not self.pattern.fullmatch(word):
                raise bad(self._invalid(word))
        return sorted(word for word in words if self._is_listed(request, word))

    def _invalid(self, word: str) -> str:
        if self.is_crypto:
            return f"Invalid symbol(s): {word} does not match ^{self.pattern.pattern}$"
        return f"invalid symbol: {word}"

    def _is_listed(self, request: ApiRequest, word: str) -> bool:
        found = request.exchange.instrument(word)
        is_crypto = found is not None and found.asset_class is m.AssetClass.CRYPTO
        return found is not None and found.symbol == word and is_crypto is self.is_crypto


STOCKS: Final = Market(False, re.compile(r"[A-Z]+(\.[A-Z]+)?"))
CRYPTO: Final = Market(True, re.compile(r"[A-Z]+/[A-Z]+"))


# Bars -----------------------------------------------------------------------------------------


@frozen
class _Place:
    """Where a page ended: the symbol and the time of its last bar."""

    symbol: str
    at: datetime

    def token(self, timeframe: Timeframe) -> str:
        ns = (self.at - _EPOCH) // _MICROSECOND * 1000
        return b64encode(f"{self.symbol}|{timeframe.unit[0]}|{ns}".encode()).decode()


def bars(market: Market, request: ApiRequest) -> Json:
    """Return a page of bars: by symbol, then by time."""
    symbols, timeframe = market.symbols(request), _timeframe(request)
    first, last = _span(market, request)
    is_ascending, limit = _is_ascending(request), _limit(request)
    after = _place(request)
    _check_feed(market, request, last)
    page: dict[str, list[Json]] = {}
    place, token = None, None
    for symbol, bar in _from(symbols, request, (timeframe, first, last), is_ascending, after):
        if limit == 0:
            assert place is not None
            token = place.token(timeframe)
            break
        limit -= 1
        place = _Place(symbol, bar.at)
        page.setdefault(symbol, []).append(_bar(symbol, bar))
    if "symbol" in request.path:
        symbol = request.path["symbol"]
        return {"bars": page.get(symbol, []), "symbol": symbol, "next_page_token": token}
    return {"bars": page, "next_page_token": token}


def _from(
    symbols: list[str],
    request: ApiRequest,
    span: tuple[Timeframe, datetime, datetime],
    is_ascending: bool,
    after: _Place | None,
) -> Iterator[tuple[str, TradeBar]]:
    """Yield the bars after the place *after*, by symbol and then by time."""
    for symbol in symbols:
        if after is not None and symbol < after.symbol:
            continue
        found = request.exchange.history.bars(symbol, *span)
        for bar in found if is_ascending else reversed(found):
            is_later = after is None or (
                symbol > after.symbol or (bar.at > after.at if is_ascending else bar.at < after.at)
            )
            if is_later:
                yield symbol, bar


def _place(request: ApiRequest) -> _Place | None:
    token = request.query.get("page_token")
    if not token:
        return None
    try:
        symbol, _, ns = b64decode(token, validate=True).decode().split("|")
        return _Place(symbol, _EPOCH + int(ns) // 1000 * _MICROSECOND)
    except (NotBase64, ValueError, OverflowError):
        raise bad("invalid page token") from None


def _timeframe(request: ApiRequest) -> Timeframe:
    text = request.query.get("timeframe")
    if not text:
        raise bad(_missing("timeframe"))
    found = _TIMEFRAME.fullmatch(text)
    unit = _UNITS[found[2]] if found else TimeUnit.DAY
    if not found or int(found[1]) not in _AMOUNTS[unit]:
        raise bad(f"invalid timeframe: {text[:40]}")
    return Timeframe(int(found[1]), unit)


def _span(market: Market, request: ApiRequest) -> tuple[datetime, datetime]:
    """Return the first and the last time of the request; a date is a whole day."""
    now = request.exchange.now()
    today = day_start(now.astimezone(market.zone).date(), market.zone)
    first = _moment(market, request, "start", is_end=False) or today
    last = _moment(market, request, "end", is_end=True) or now
    if last < first:
        raise bad("end should not be before start")
    return first, last


def _moment(market: Market, request: ApiRequest, name: str, *, is_end: bool) -> datetime | None:
    text = request.query.get(name)
    if not text:
        return None
    try:
        if len(text) == len("2026-01-02"):
            day = date.fromisoformat(text) + timedelta(days=is_end)
            return day_start(day, market.zone) - _MICROSECOND * is_end
        # A plus sign that was not encoded arrives as a space.
        return m.moment(m.timestamp(text.replace(" ", "+")))
    except (InvalidValue, ValueError, OverflowError):
        raise bad(
            f"Invalid format for parameter {name}: error parsing '{text[:40]}' as RFC3339 or "
            "2006-01-02 time"
        ) from None


def _limit(request: ApiRequest) -> int:
    text = request.query.get("limit") or str(_LIMIT_DEFAULT)
    if not text.isascii() or not text.isdigit():
        raise bad(
            "Invalid format for parameter limit: error binding string parameter: "
            f'strconv.ParseInt: parsing "{text[:40]}": invalid syntax'
        )
    if not 1 <= int(text[:9]) <= _LIMIT_MAX:
        raise bad(f"limit must be between 1 and {_LIMIT_MAX}")
    return int(text)


def _is_ascending(request: ApiRequest) -> bool:
    sort = request.query.get("sort") or "asc"
    if sort not in ("asc", "desc"):
        raise bad(f"invalid sort: {sort[:40]}")
    return sort == "asc"


def _check_feed(market: Market, request: ApiRequest, last: datetime) -> None:
    """Check the feed and the adjustment of a request for shares.  Raises: Refused."""
    if market.is_crypto:
        return
    feed = request.query.get("feed", "")
    if feed not in _FEEDS:
        raise bad(f"invalid feed: {feed[:40]}")
    for word in request.query.get("adjustment", "").split(","):
        if word not in _ADJUSTMENTS:
            raise bad(f"invalid adjustment: {word[:40]}")
    if feed == "sip" and not request.behavior.recent_sip and last > request.exchange.now() - _DELAY:
        raise bad("subscription does not permit querying recent SIP data", status=403)


def _missing(name: str) -> str:
    return f"Invalid format for parameter {name}: query parameter '{name}' is required"


# The latest -----------------------------------------------------------------------------------


def _bar(symbol: str, bar: TradeBar) -> Json:
    volume = float(bar.volume) if "/" in symbol else int(bar.volume)
    return {
        "t": bar.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": volume,
        "n": bar.trades,
        "vw": float(bar.average.quantize(_CENT_BPS)),
    }


def _at(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _trade(symbol: str, trade: Trade) -> Json:
    price, size = float(trade.price), trade.size
    body: Json = {"t": _at(trade.at), "p": price, "i": trade.number}
    if "/" in symbol:
        return body | {"s": float(size), "tks": "B"}
    return body | {"s": int(size), "x": "V", "c": ["@"], "z": "C"}


def _quote(symbol: str, quote: m.Quote) -> Json:
    body: Json = {"t": _at(quote.at), "ap": float(quote.ask), "bp": float(quote.bid)}
    if "/" in symbol:
        return body | {"as": 1, "bs": 1}
    return body | {"as": 100, "bs": 100, "ax": "V", "bx": "V", "c": ["R"], "z": "C"}


def _latest_bar(request: ApiRequest, symbol: str) -> Json | None:
    found = request.exchange.history.latest_minute(symbol)
    return None if found is None else _bar(symbol, found)


def _latest_trade(request: ApiRequest, symbol: str) -> Json | None:
    return _trade(symbol, request.exchange.history.latest_trade(symbol))


def _latest_quote(request: ApiRequest, symbol: str) -> Json | None:
    found = request.exchange.quote_of(symbol)
    return None if found is None else _quote(symbol, found)


def _orderbook(request: ApiRequest, symbol: str) -> Json | None:
    found = request.exchange.quote_of(symbol)
    if found is None:
        return None
    bid, ask = ({"p": float(price), "s": 1} for price in (found.bid, found.ask))
    return {"t": _at(found.at), "b": [bid], "a": [ask]}


def _snapshot(request: ApiRequest, symbol: str) -> Json | None:
    now = request.exchange.now()
    days = request.exchange.history.bars(symbol, DAY, now - timedelta(days=10), now)
    found = {
        "latestTrade": _latest_trade(request, symbol),
        "latestQuote": _latest_quote(request, symbol),
        "minuteBar": _latest_bar(request, symbol),
        "dailyBar": _bar(symbol, days[-1]) if days else None,
        "prevDailyBar": _bar(symbol, days[-2]) if len(days) > 1 else None,
    }
    return {name: value for name, value in found.items() if value is not None}


OneOf = Callable[[ApiRequest, str], Json | None]
Served = Callable[[ApiRequest], Json]


def _bars_of(market: Market) -> Served:
    return lambda request: bars(market, request)


def _all(market: Market, name: str | None, one: OneOf) -> Served:
    """Return the endpoint of many symbols; *name* is the member of the body that has them."""

    def serve(request: ApiRequest) -> Json:
        symbols = market.symbols(request)
        _check_feed(market, request, request.exchange.now())
        found = {symbol: value for symbol in symbols if (value := one(request, symbol))}
        return {name: found} if name else dict(found)

    return serve


def _single(name: str, one: OneOf) -> Served:
    """Return the endpoint of one share; *name* is the member that has it, "": the body itself."""

    def serve(request: ApiRequest) -> Json:
        symbol = request.path["symbol"]
        symbols = STOCKS.symbols(request)
        _check_feed(STOCKS, request, request.exchange.now())
        found = one(request, symbol) if symbols else None
        if found is None:
            raise bad(f"no {name or 'snapshot'} found for {symbol}", status=404)
        return {"symbol": symbol, **({name: found} if name else found)}

    return serve


_SHARES, _PAIRS = "/v2/stocks", "/v1beta3/crypto/us"

#: (path, endpoint); all of them are read with GET.
PATHS: Final[tuple[tuple[str, Served], ...]] = (
    (f"{_SHARES}/bars", _bars_of(STOCKS)),
    (f"{_SHARES}/bars/latest", _all(STOCKS, "bars", _latest_bar)),
    (f"{_SHARES}/trades/latest", _all(STOCKS, "trades", _latest_trade)),
    (f"{_SHARES}/quotes/latest", _all(STOCKS, "quotes", _latest_quote)),
    (f"{_SHARES}/snapshots", _all(STOCKS, None, _snapshot)),
    (f"{_SHARES}/{{symbol}}/bars", _bars_of(STOCKS)),
    (f"{_SHARES}/{{symbol}}/bars/latest", _single("bar", _latest_bar)),
    (f"{_SHARES}/{{symbol}}/trades/latest", _single("trade", _latest_trade)),
    (f"{_SHARES}/{{symbol}}/quotes/latest", _single("quote", _latest_quote)),
    (f"{_SHARES}/{{symbol}}/snapshot", _single("", _snapshot)),
    (f"{_PAIRS}/bars", _bars_of(CRYPTO)),
    (f"{_PAIRS}/latest/bars", _all(CRYPTO, "bars", _latest_bar)),
    (f"{_PAIRS}/latest/trades", _all(CRYPTO, "trades", _latest_trade)),
    (f"{_PAIRS}/latest/quotes", _all(CRYPTO, "quotes", _latest_quote)),
    (f"{_PAIRS}/latest/orderbooks", _all(CRYPTO, "orderbooks", _orderbook)),
    (f"{_PAIRS}/snapshots", _all(CRYPTO, "snapshots", _snapshot)),
)
