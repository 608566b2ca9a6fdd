"""The market data, read by alpaca-py's own clients for data, unmodified."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.data import requests as ask
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Behavior, Emulator
from fillbook.venue.exchange import Exchange
from tests.venue.alpaca.conftest import OPEN

#: Two minutes of bars from the opening of the emulator, a rising one and a falling one.
PLAYED = (
    "time,open,high,low,close",
    "2026-11-20T15:00:00Z,100,104,99,103",
    "2026-11-20T15:01:00Z,103,105,98,99",
)
DAYS = (
    "time,open,high,low,close,volume",
    "2026-11-17,90,95,89,94,1000",
    "2026-11-18,94,96,92,93,2000",
    "2026-11-19,93,99,93,98,",
    "2026-11-20,98,200,1,150,9000",  # today, which is not over
)
HOURS = (
    "time,open,high,low,close,volume",
    "2026-11-19T14:00:00Z,50,52,49,51,10",  # before the opening, for a bar of a day
    "2026-11-19T15:00:00Z,51,53,50,52,10",
    "2026-11-19T16:00:00Z,52,58,51,57,30",
)


@pytest.fixture
def stocks(emulator: Emulator) -> Iterator[StockHistoricalDataClient]:
    made = StockHistoricalDataClient(emulator.key, emulator.secret, url_override=emulator.url)
    yield made
    made._session.close()


@pytest.fixture
def crypto(emulator: Emulator) -> Iterator[CryptoHistoricalDataClient]:
    """A client without a key: crypto data needs none."""
    made = CryptoHistoricalDataClient(url_override=emulator.url)
    yield made
    made._session.close()


def bars(client: Any, symbols: Any, timeframe: Any = TimeFrame.Minute, **more: Any) -> Any:
    more.setdefault("start", OPEN - timedelta(days=30))
    wish = {"symbol_or_symbols": symbols, "timeframe": timeframe} | more
    if isinstance(client, CryptoHistoricalDataClient):
        return client.get_crypto_bars(ask.CryptoBarsRequest(**wish)).data
    return client.get_stock_bars(ask.StockBarsRequest(**wish)).data


def shape(bar: Any) -> tuple[Any, ...]:
    return (bar.timestamp, bar.open, bar.high, bar.low, bar.close)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_quotes_become_minute_bars(
    stocks: StockHistoricalDataClient, exchange: Exchange, clock: ManualClock
) -> None:
    exchange.play("QQQ", PLAYED, spread_bps=0)
    clock.advance(119)
    [first] = bars(stocks, "QQQ")["QQQ"]  # the minute that is not over has no bar
    clock.advance(1)
    one, two = bars(stocks, "QQQ")["QQQ"]
    assert shape(first) == shape(one) == (OPEN, 100, 104, 99, 103)
    assert shape(two) == (OPEN + timedelta(minutes=1), 103, 105, 98, 99)
    # Listed, then four quotes, of 100 shares each.
    assert (one.volume, one.trade_count, two.volume, two.trade_count) == (500, 5, 400, 4)
    assert one.vwap == pytest.approx((100 + 100 + 99 + 104 + 103) / 5)


def test_bars_are_joined_to_longer_ones(
    stocks: StockHistoricalDataClient, exchange: Exchange, clock: ManualClock
) -> None:
    exchange.history.load("AAPL", HOURS)
    exchange.play("AAPL", PLAYED, spread_bps=0)
    clock.advance(120)
    [hour] = bars(stocks, "AAPL", TimeFrame.Hour, start=OPEN)["AAPL"]
    assert shape(hour)[0] == OPEN
    assert (hour.high, hour.low, hour.close) == (187.01, 98, 99)
    many = bars(stocks, "AAPL", TimeFrame(2, TimeFrameUnit.Hour))["AAPL"]
    # Two hours begin at even hours in New York: 9:00 is in the bar of 8:00.
    assert [each.timestamp.hour for each in many] == [13, 15, 15]
    day, today = bars(stocks, "AAPL", TimeFrame.Day)["AAPL"]
    assert shape(day) == (at("2026-11-19T05:00"), 51, 58, 50, 57)  # no trades before 9:30
    assert shape(today)[0] == at("2026-11-20T05:00")
    [week] = bars(stocks, "AAPL", TimeFrame.Week)["AAPL"]
    assert (week.timestamp, week.open) == (at("2026-11-16T05:00"), 51)
    [month] = bars(stocks, "AAPL", TimeFrame(3, TimeFrameUnit.Month), start="2026-01-01")["AAPL"]
    assert (month.timestamp, month.low) == (at("2026-10-01T04:00"), 50)


def test_a_file_of_days_is_the_past_and_today_is_left_out(
    stocks: StockHistoricalDataClient, exchange: Exchange, clock: ManualClock
) -> None:
    exchange.play("QQQ", PLAYED, spread_bps=0)
    exchange.history.load("QQQ", DAYS)
    clock.advance(120)
    found = bars(stocks, "QQQ", TimeFrame.Day)["QQQ"]
    assert [shape(each) for each in found] == [
        (at("2026-11-17T05:00"), 90, 95, 89, 94),
        (at("2026-11-18T05:00"), 94, 96, 92, 93),
        (at("2026-11-19T05:00"), 93, 99, 93, 98),
        (at("2026-11-20T05:00"), 100, 105, 98, 99),
    ]
    assert [each.volume for each in found] == [1000, 2000, 400, 900]
    snapshot = stocks.get_stock_snapshot(ask.StockSnapshotRequest(symbol_or_symbols="QQQ"))["QQQ"]
    assert (snapshot.daily_bar.close, snapshot.previous_daily_bar.close) == (99, 98)
    assert (snapshot.latest_trade.price, snapshot.latest_quote.bid_price) == (99, 99)
    assert snapshot.minute_bar.close == 99


def test_a_walk_back_ends_at_the_quote_and_is_the_same_for_a_seed(
    stocks: StockHistoricalDataClient, exchange: Exchange
) -> None:
    exchange.history.walk_back("AAPL")
    days = bars(stocks, "AAPL", TimeFrame.Day, start=OPEN - timedelta(days=500))["AAPL"]
    assert len(days) > 250
    assert days[-1].close == 187.01
    assert [b.open for b in days[1:]] == [a.close for a in days[:-1]]
    minutes = bars(stocks, "AAPL")["AAPL"]
    assert {each.timestamp.weekday() for each in minutes} <= {0, 1, 2, 3, 4}
    again = Exchange(seed=11, clock=ManualClock(OPEN))
    again.history.walk_back("AAPL")
    with Emulator(again) as other:
        client = StockHistoricalDataClient(other.key, other.secret, url_override=other.url)
        assert bars(client, "AAPL")["AAPL"] == minutes
        client._session.close()


def test_pages_go_by_symbol_then_by_time(
    stocks: StockHistoricalDataClient, exchange: Exchange, http: Any
) -> None:
    for symbol in ("AAPL", "MSFT"):
        exchange.history.load(symbol, HOURS)
    query = "symbols=MSFT,AAPL&timeframe=1Hour&start=2026-11-19T00:00:00Z&end=2026-11-19T16:00:00Z"
    pages, token = [], ""
    while token is not None:
        page = http("GET", f"/v2/stocks/bars?{query}&limit=2&page_token={token}").json()
        pages.append({name: [bar["c"] for bar in rows] for name, rows in page["bars"].items()})
        token = page["next_page_token"]
    assert pages == [{"AAPL": [51, 52]}, {"AAPL": [57], "MSFT": [51]}, {"MSFT": [52, 57]}]
    first = http("GET", f"/v2/stocks/bars?{query}&limit=2").json()["next_page_token"]
    assert base64.b64decode(first) == b"AAPL|H|1795100400000000000"
    down = bars(stocks, ["AAPL", "MSFT"], TimeFrame.Hour, limit=4, sort=Sort.DESC, end=OPEN)
    assert {name: [bar.close for bar in rows] for name, rows in down.items()} == {
        "AAPL": [57, 52, 51],
        "MSFT": [57],
    }


def test_the_client_reads_every_page(stocks: StockHistoricalDataClient, exchange: Exchange) -> None:
    start = OPEN - timedelta(days=12)
    lines = (f"{(start + timedelta(minutes=n)).isoformat()},5,6,4,5" for n in range(15_000))
    exchange.history.load("QQQ", ["time,open,high,low,close", *lines])
    assert len(bars(stocks, "QQQ")["QQQ"]) == 15_000


def test_the_latest_of_each_share(
    stocks: StockHistoricalDataClient, exchange: Exchange, clock: ManualClock
) -> None:
    clock.advance(60)
    exchange.quote("AAPL", "190.00", "190.10")
    wish: dict[str, Any] = {"symbol_or_symbols": ["AAPL", "NOPE"], "feed": DataFeed.IEX}
    trade = stocks.get_stock_latest_trade(ask.StockLatestTradeRequest(**wish))
    quote = stocks.get_stock_latest_quote(ask.StockLatestQuoteRequest(**wish))
    bar = stocks.get_stock_latest_bar(ask.StockLatestBarRequest(**wish))
    assert list(trade) == list(quote) == list(bar) == ["AAPL"]
    now = OPEN + timedelta(seconds=60)
    assert (trade["AAPL"].price, trade["AAPL"].size, trade["AAPL"].timestamp) == (190.05, 100, now)
    assert (quote["AAPL"].bid_price, quote["AAPL"].ask_price) == (190, 190.1)
    assert (bar["AAPL"].close, bar["AAPL"].timestamp) == (187.01, OPEN)


def test_a_bot_trades_by_the_bars_of_the_emulator(
    stocks: StockHistoricalDataClient,
    typed: TradingClient,
    exchange: Exchange,
    clock: ManualClock,
) -> None:
    """A bot as it would run at Alpaca: it buys above the average of 20 days, and sells below."""

    def trade() -> str:
        days = bars(stocks, "AAPL", TimeFrame.Day, start=exchange.now() - timedelta(days=60))
        closes = [day.close for day in days["AAPL"]]
        wish = ask.StockLatestTradeRequest(symbol_or_symbols="AAPL", feed=DataFeed.IEX)
        price = stocks.get_stock_latest_trade(wish)["AAPL"].price
        held = {each.symbol for each in typed.get_all_positions()}
        is_above = price > sum(closes[-20:]) / 20
        if is_above is ("AAPL" in held):
            return "keep"
        side = OrderSide.BUY if is_above else OrderSide.SELL
        order = MarketOrderRequest(symbol="AAPL", qty=10, side=side, time_in_force=TimeInForce.DAY)
        return str(typed.submit_order(order).side.value)  # type: ignore[union-attr]

    exchange.history.walk_back("AAPL")
    done = []
    for bid in (300, 301, 20, 19):
        exchange.quote("AAPL", bid, bid + 1)
        done.append(trade())
        clock.advance(60)
    assert done == ["buy", "keep", "sell", "keep"]
    assert typed.get_all_positions() == []


def test_shares_have_no_trades_while_the_market_is_closed(
    stocks: StockHistoricalDataClient,
    crypto: CryptoHistoricalDataClient,
    exchange: Exchange,
    clock: ManualClock,
) -> None:
    clock.advance(24 * 3600)  # a Saturday
    exchange.quote("AAPL", 200, 201)
    exchange.quote("BTC/USD", 60000, 60010)
    clock.advance(60)
    assert [each.close for each in bars(stocks, "AAPL")["AAPL"]] == [187.01]
    assert [each.close for each in bars(crypto, "BTC/USD")["BTC/USD"]] == [64255, 60005]
    wish = ask.StockLatestTradeRequest(symbol_or_symbols="AAPL")
    assert stocks.get_stock_latest_trade(wish)["AAPL"].timestamp == OPEN


def test_the_data_of_pairs_needs_no_key(
    crypto: CryptoHistoricalDataClient, exchange: Exchange, clock: ManualClock
) -> None:
    exchange.history.walk_back("BTC/USD")
    wish: dict[str, Any] = {"symbol_or_symbols": ["BTC/USD", "ETH/USD"]}
    days = bars(crypto, wish["symbol_or_symbols"], TimeFrame.Day)
    assert len(days["BTC/USD"]) == 30
    assert len(days["ETH/USD"]) == 1
    assert {each.timestamp.hour for each in days["BTC/USD"]} <= {5, 6}  # midnight in Chicago
    trade = crypto.get_crypto_latest_trade(ask.CryptoLatestTradeRequest(**wish))
    quote = crypto.get_crypto_latest_quote(ask.CryptoLatestQuoteRequest(**wish))
    bar = crypto.get_crypto_latest_bar(ask.CryptoLatestBarRequest(**wish))
    book = crypto.get_crypto_latest_orderbook(ask.CryptoLatestOrderbookRequest(**wish))
    snapshot = crypto.get_crypto_snapshot(ask.CryptoSnapshotRequest(**wish))
    for found in (trade, quote, bar, book, snapshot):
        assert sorted(found) == ["BTC/USD", "ETH/USD"]
    assert trade["BTC/USD"].price == bar["BTC/USD"].close == 64255
    assert (quote["BTC/USD"].bid_price, book["BTC/USD"].asks[0].price) == (64250, 64260)
    assert snapshot["BTC/USD"].previous_daily_bar.close == days["BTC/USD"][-2].close


#: The members of each value, as Alpaca describes them.
BAR, BOOK = {*"tohlcv", "n", "vw"}, {*"tba"}
STOCK_QUOTE = {"t", "ax", "ap", "as", "bx", "bp", "bs", "c", "z"}
STOCK_TRADE, CRYPTO_TRADE = {*"txpsciz"}, {"t", "p", "s", "i", "tks"}
ONE = {
    "/v2/stocks/AAPL/bars/latest": ("bar", BAR),
    "/v2/stocks/AAPL/trades/latest": ("trade", STOCK_TRADE),
    "/v2/stocks/AAPL/quotes/latest": ("quote", STOCK_QUOTE),
}
ALL = {
    "/v2/stocks/bars/latest?symbols=AAPL": ("bars", BAR),
    "/v2/stocks/trades/latest?symbols=AAPL": ("trades", STOCK_TRADE),
    "/v2/stocks/quotes/latest?symbols=AAPL": ("quotes", STOCK_QUOTE),
    "/v1beta3/crypto/us/latest/bars?symbols=BTC/USD": ("bars", BAR),
    "/v1beta3/crypto/us/latest/trades?symbols=BTC/USD": ("trades", CRYPTO_TRADE),
    "/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD": ("quotes", {"t", "ap", "as", "bp", "bs"}),
    "/v1beta3/crypto/us/latest/orderbooks?symbols=BTC/USD": ("orderbooks", BOOK),
}


def test_each_value_has_the_members_that_alpaca_describes(http: Any) -> None:
    for path, (name, members) in ONE.items():
        body = http("GET", path).json()
        assert (set(body), body["symbol"], set(body[name])) == ({"symbol", name}, "AAPL", members)
    for path, (name, members) in ALL.items():
        body = http("GET", path).json()
        [value] = body[name].values()
        assert (set(body), set(value)) == ({name}, members)
    one = http("GET", "/v2/stocks/AAPL/snapshot").json()
    assert http("GET", "/v2/stocks/snapshots?symbols=AAPL,NOPE").json() == {
        "AAPL": {name: value for name, value in one.items() if name != "symbol"}
    }
    single = http("GET", "/v2/stocks/AAPL/bars?timeframe=1Day").json()
    assert set(single) == {"bars", "symbol", "next_page_token"}
    assert set(single["bars"][0]) == BAR
    assert isinstance(single["bars"][0]["v"], int)


def test_dates_are_whole_days_and_both_ends_are_included(http: Any, exchange: Exchange) -> None:
    exchange.history.load("AAPL", HOURS)

    def hours(span: str) -> list[str]:
        body = http("GET", f"/v2/stocks/AAPL/bars?timeframe=1Hour&{span}").json()
        return [bar["t"][11:13] for bar in body["bars"]]

    assert hours("start=2026-11-19&end=2026-11-19") == ["14", "15", "16"]
    assert hours("start=2026-11-19T15:00:00Z&end=2026-11-19T16:00:00Z") == ["15", "16"]
    assert hours("start=2026-11-19T10:00:01-05:00&end=2026-11-19T15:59:59Z") == []
    assert hours("start=2026-11-20") == hours("") == []  # the current hour has no complete minute


REFUSED = {
    "timeframe=1Min": "Invalid format for parameter symbols: query parameter 'symbols' is required",
    "symbols=AAPL": (
        "Invalid format for parameter timeframe: query parameter 'timeframe' is required"
    ),
    "symbols=AAPL&timeframe=30Sec": "invalid timeframe: 30Sec",
    "symbols=AAPL&timeframe=60Min": "invalid timeframe: 60Min",
    "symbols=AAPL&timeframe=5Month": "invalid timeframe: 5Month",
    "symbols=AAPL,BAD-X&timeframe=1Min": "invalid symbol: BAD-X",
    "symbols=AAPL&timeframe=1Min&start=2026-11-20&end=2026-11-19": "end should not be before start",
    "symbols=AAPL&timeframe=1Min&start=not-a-date": (
        "Invalid format for parameter start: error parsing 'not-a-date' as RFC3339 or 2006-01-02 "
        "time"
    ),
    "symbols=AAPL&timeframe=1Min&limit=10001": "limit must be between 1 and 10000",
    "symbols=AAPL&timeframe=1Min&limit=x": (
        "Invalid format for parameter limit: error binding string parameter: "
        'strconv.ParseInt: parsing "x": invalid syntax'
    ),
    "symbols=AAPL&timeframe=1Min&sort=up": "invalid sort: up",
    "symbols=AAPL&timeframe=1Min&feed=moon": "invalid feed: moon",
    "symbols=AAPL&timeframe=1Min&adjustment=moon": "invalid adjustment: moon",
    "symbols=AAPL&timeframe=1Min&page_token=x": "invalid page token",
}


@pytest.mark.parametrize("query", REFUSED)
def test_what_cannot_be_read_is_400_with_a_message_and_no_code(http: Any, query: str) -> None:
    answer = http("GET", f"/v2/stocks/bars?{query}")
    assert (answer.status_code, answer.json()) == (400, {"message": REFUSED[query]})


def test_unknown_symbols_are_left_out_and_malformed_ones_refused(http: Any) -> None:
    empty = {"bars": {}, "next_page_token": None}
    assert http("GET", "/v2/stocks/bars?symbols=NOPE&timeframe=1Min").json() == empty
    assert http("GET", "/v2/stocks/NOPE/bars?timeframe=1Min").json()["bars"] == []
    answer = http("GET", "/v2/stocks/NOPE/trades/latest")
    assert (answer.status_code, answer.json()["message"]) == (404, "no trade found for NOPE")
    answer = http("GET", "/v1beta3/crypto/us/latest/trades?symbols=BTCUSD")
    assert answer.status_code == 400
    assert answer.json() == {"message": "Invalid symbol(s): BTCUSD does not match ^[A-Z]+/[A-Z]+$"}
    assert http("GET", "/v1beta3/crypto/us/bars?symbols=DOGE/USD&timeframe=1Min").json() == empty


def test_the_free_plan_has_no_recent_sip_data(exchange: Exchange) -> None:
    with Emulator(exchange, behavior=Behavior(recent_sip=False)) as emulator:
        client = StockHistoricalDataClient(emulator.key, emulator.secret, url_override=emulator.url)
        with pytest.raises(APIError, match="subscription does not permit querying recent SIP data"):
            bars(client, "AAPL", feed=DataFeed.SIP)
        bars(client, "AAPL", feed=DataFeed.SIP, end=OPEN - timedelta(minutes=16))
        bars(client, "AAPL", feed=DataFeed.IEX, adjustment=Adjustment.ALL)
        client._session.close()


def test_a_wrong_key_gets_a_page_and_data_has_a_rate_limit_of_its_own(
    emulator: Emulator, http: Any
) -> None:
    wrong = {"APCA-API-KEY-ID": emulator.key, "APCA-API-SECRET-KEY": "wrong"}
    for path in ("/v2/stocks/bars", "/v1beta3/crypto/us/bars"):
        answer = requests.get(emulator.url + path, headers=wrong, timeout=10)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html")
    emulator.gateway.rate_limit = 2
    path = "/v2/stocks/trades/latest?symbols=AAPL"
    answers = [http("GET", path) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[-1].json() == {"message": "too many requests."}
    assert "x-ratelimit-limit" not in answers[-1].headers
    assert http("GET", "/v2/account").status_code == 200


def test_a_renamed_share_has_the_bars_of_its_old_name(
    stocks: StockHistoricalDataClient, exchange: Exchange, clock: ManualClock
) -> None:
    exchange.history.load("AAPL", HOURS)
    exchange.rename("AAPL", "APPL")
    exchange.history.load("AAPL", HOURS)  # its former name
    clock.advance(60)
    assert len(bars(stocks, "APPL")["APPL"]) == 4
    assert bars(stocks, "AAPL") == {}
