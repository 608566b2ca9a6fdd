"""Unmodified alpaca-py, typed and raw, takes the emulator for Alpaca."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetClass,
    OrderClass,
    OrderSide,
    OrderStatus,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.models import Order, Position, TradeAccount, TradeUpdate
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)
from alpaca.trading.stream import TradingStream

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator, Ways
from fillbook.venue.exchange import Exchange
from tests.venue.exchange.floor import ticket

PATIENCE_S = 10

# Key sets of real payloads.

ORDER = {
    "asset_class", "asset_id", "canceled_at", "client_order_id", "created_at", "expired_at",
    "extended_hours", "failed_at", "filled_at", "filled_avg_price", "filled_qty", "hwm", "id",
    "legs", "limit_price", "notional", "order_class", "order_type", "qty", "replaced_at",
    "replaced_by", "replaces", "side", "source", "status", "stop_price", "submitted_at", "subtag",
    "symbol", "time_in_force", "trail_percent", "trail_price", "type", "updated_at",
    "expires_at",  # documented, and in the legs of the samples
}  # fmt: skip
POSITION = {
    "asset_class", "asset_id", "asset_marginable", "avg_entry_price", "change_today", "cost_basis",
    "current_price", "exchange", "lastday_price", "market_value", "qty", "qty_available", "side",
    "symbol", "unrealized_intraday_pl", "unrealized_intraday_plpc", "unrealized_pl",
    "unrealized_plpc",
}  # fmt: skip
ACCOUNT = {
    "account_blocked", "account_number", "accrued_fees", "admin_configurations", "balance_asof",
    "buying_power", "cash", "created_at", "crypto_status", "crypto_tier", "currency",
    "effective_buying_power", "equity", "id", "initial_margin", "intraday_adjustments",
    "last_equity", "last_maintenance_margin", "long_market_value", "maintenance_margin",
    "multiplier", "non_marginable_buying_power", "options_buying_power", "options_trading_level",
    "pending_reg_taf_fees", "pending_transfer_in", "portfolio_value", "position_market_value",
    "regt_buying_power", "short_market_value", "shorting_enabled", "sma", "status",
    "trade_suspended_by_user", "trading_blocked", "transfers_blocked", "user_configurations",
}  # fmt: skip
FILL = {
    "activity_type", "cum_qty", "id", "leaves_qty", "order_id", "order_status", "price", "qty",
    "side", "symbol", "transaction_time", "type",
}  # fmt: skip
FEE = {
    "id", "activity_type", "date", "net_amount", "description", "symbol", "qty", "price", "status",
}  # fmt: skip
SHARE = {
    "attributes", "borrow_status", "class", "easy_to_borrow", "exchange", "fractionable", "id",
    "marginable", "name", "shortable", "status", "symbol", "tradable",
}  # fmt: skip
COIN = (SHARE - {"attributes", "borrow_status"}) | {
    "min_order_size",
    "min_trade_increment",
    "price_increment",
}
DAY = {"date", "open", "close", "session_open", "session_close", "settlement_date"}
CLOCK = {"is_open", "next_close", "next_open", "timestamp"}
EVENT = {"event", "execution_id", "order", "timestamp"}
FIGURES = {"position_qty", "price", "qty"}


def bought(client: TradingClient, clock: ManualClock, symbol: str = "AAPL", qty: Any = 2) -> Any:
    """A market order, filled."""
    tif = TimeInForce.GTC if "/" in symbol else TimeInForce.DAY
    request = MarketOrderRequest(symbol=symbol, qty=qty, side=OrderSide.BUY, time_in_force=tif)
    order = client.submit_order(request)
    clock.advance(2)
    return order


def resting(client: TradingClient, clock: ManualClock, **changes: Any) -> Any:
    """A limit order below the market, new."""
    fields = {
        "symbol": "AAPL",
        "qty": 2,
        "side": OrderSide.BUY,
        "time_in_force": TimeInForce.GTC,
        "limit_price": 150.5,
    }
    order = client.submit_order(LimitOrderRequest(**(fields | changes)))
    clock.advance(2)
    return order


# Typed


def test_an_order_goes_its_way_in_alpaca_pys_own_types(
    typed: TradingClient, clock: ManualClock
) -> None:
    order = bought(typed, clock)
    assert isinstance(order, Order)
    assert order.status is OrderStatus.ACCEPTED
    after = typed.get_order_by_id(order.id)
    assert (
        after.status,
        after.filled_qty,
        after.filled_avg_price,
    ) == (OrderStatus.FILLED, "2", "187.02")
    assert typed.get_order_by_client_id(order.client_order_id).id == order.id
    (position,) = typed.get_all_positions()
    assert isinstance(position, Position)
    assert (position.symbol, position.qty) == ("AAPL", "2")
    account = typed.get_account()
    assert isinstance(account, TradeAccount)
    assert Decimal(account.cash) == Decimal("99625.96")


def test_a_bracket_has_its_legs(typed: TradingClient, clock: ManualClock) -> None:
    order = resting(
        typed,
        clock,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=250),
        stop_loss=StopLossRequest(stop_price=140),
    )
    assert [leg.status for leg in order.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    nested = typed.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert {leg.id for leg in nested.legs} == {leg.id for leg in order.legs}
    flat = typed.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=False))
    assert (len(flat), flat[0].legs) == (3, None)


def test_a_cancel_is_asked_and_then_done(typed: TradingClient, clock: ManualClock) -> None:
    order = resting(typed, clock)
    assert typed.cancel_order_by_id(order.id) is None
    clock.advance(2)
    assert typed.get_order_by_id(order.id).status is OrderStatus.CANCELED
    assert typed.get_orders() == []
    assert typed.cancel_order_by_id(order.id) is None


def test_a_replace_is_answered_by_the_new_order(typed: TradingClient, clock: ManualClock) -> None:
    order = resting(typed, clock)
    change = ReplaceOrderRequest(qty=3, limit_price=151.25, client_order_id="mine.r1")
    new = typed.replace_order_by_id(order.id, change)
    assert isinstance(new, Order)
    assert (new.replaces, new.qty, new.limit_price) == (order.id, "3", "151.25")
    assert typed.get_order_by_id(order.id).status is OrderStatus.PENDING_REPLACE
    clock.advance(2)
    old = typed.get_order_by_id(order.id)
    assert (old.status, old.replaced_by) == (OrderStatus.REPLACED, new.id)
    assert typed.get_order_by_client_id("mine.r1").status is OrderStatus.NEW
    assert [each.id for each in typed.get_orders()] == [new.id]


def test_an_order_that_is_being_replaced_is_not_canceled_with_the_others(
    typed: TradingClient, clock: ManualClock
) -> None:
    order = resting(typed, clock)
    new = typed.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=151))
    answers = {each.id: each.status for each in typed.cancel_orders()}
    assert {order.id: 422, new.id: 200} == answers


def test_all_are_canceled_at_once(typed: TradingClient, clock: ManualClock) -> None:
    orders = [resting(typed, clock), resting(typed, clock, limit_price=151)]
    answers = typed.cancel_orders()
    assert {(each.id, each.status) for each in answers} == {(each.id, 200) for each in orders}
    assert typed.cancel_orders() or clock.advance(2) or typed.cancel_orders() == []


def test_positions_are_closed_one_by_one_and_together(
    typed: TradingClient, clock: ManualClock
) -> None:
    for symbol, qty in (("AAPL", 4), ("MSFT", 2), ("BTC/USD", 0.01)):
        bought(typed, clock, symbol, qty)
    half = typed.close_position("AAPL", ClosePositionRequest(percentage="50"))
    assert (half.qty, half.side) == ("2", OrderSide.SELL)
    coin = typed.close_position("BTC/USD")
    assert (coin.symbol, coin.time_in_force) == ("BTC/USD", TimeInForce.GTC)
    clock.advance(2)
    assert {"AAPL", "MSFT"} == {each.symbol for each in typed.get_all_positions()}
    answers = typed.close_all_positions(cancel_orders=True)
    assert {("AAPL", 200), ("MSFT", 200)} == {(each.symbol, each.status) for each in answers}
    clock.advance(2)
    assert typed.get_all_positions() == []


def test_orders_that_hold_what_is_to_be_closed_are_canceled_first(
    typed: TradingClient, raw: TradingClient, clock: ManualClock
) -> None:
    bought(typed, clock)
    exit_ = resting(typed, clock, side=OrderSide.SELL, limit_price=300)
    with pytest.raises(APIError) as caught:
        typed.close_position("AAPL")
    assert "related_orders" not in str(caught.value)
    (row,) = raw.close_all_positions(cancel_orders=True)
    assert (row["status"], row["body"]["qty"]) == (200, "2")
    clock.advance(2)
    assert typed.get_order_by_id(exit_.id).status == OrderStatus.CANCELED  # type: ignore[union-attr]
    assert typed.get_all_positions() == []


def test_clock_calendar_and_assets_are_alpacas(typed: TradingClient) -> None:
    now = typed.get_clock()
    assert (now.is_open, now.next_close.isoformat()) == (True, "2026-11-20T16:00:00-05:00")
    assert now.next_open.isoformat() == "2026-11-23T09:30:00-05:00"
    days = typed.get_calendar(GetCalendarRequest(start="2026-11-26", end="2026-11-27"))
    assert [each.close.isoformat() for each in days] == ["2026-11-27T13:00:00"]
    assert "BTC/USD" == typed.get_asset("BTCUSD").symbol == typed.get_asset("BTC/USD").symbol
    coins = typed.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    assert {"BTC/USD", "ETH/USD"} == {each.symbol for each in coins}


def test_orders_are_listed_by_status_symbol_side_and_direction(
    typed: TradingClient, clock: ManualClock
) -> None:
    first, second = resting(typed, clock), resting(typed, clock, symbol="MSFT", limit_price=400)
    bought(typed, clock)

    def listed(**wish: Any) -> list[Any]:
        return [each.symbol for each in typed.get_orders(GetOrdersRequest(**wish))]

    assert listed() == ["MSFT", "AAPL"]
    assert listed(status=QueryOrderStatus.CLOSED) == ["AAPL"]
    assert listed(status=QueryOrderStatus.ALL, direction="asc") == ["AAPL", "MSFT", "AAPL"]
    assert listed(symbols=["MSFT"]) == ["MSFT"]
    assert listed(side=OrderSide.SELL) == []
    assert listed(status=QueryOrderStatus.ALL, limit=1) == ["AAPL"]
    # alpaca-py cuts nanoseconds, and the bound leaves out its own moment only.
    assert listed(after=first.submitted_at + timedelta(microseconds=1)) == ["MSFT"]
    assert listed(until=second.submitted_at) == ["AAPL"]


# Raw: key for key


def test_every_payload_has_the_keys_of_the_real_one(
    raw: TradingClient, clock: ManualClock, exchange: Exchange
) -> None:
    order = bought(raw, clock)
    coin = bought(raw, clock, "BTC/USD", 0.01)
    clock.advance(24 * 3600)
    assert ORDER == set(order) == set(coin)
    assert all(set(each) == ORDER for each in raw.get_orders())
    assert all(set(each) == POSITION for each in raw.get_all_positions())
    assert set(raw.get_account()) == ACCOUNT
    assert all(set(each) == FILL for each in raw.get("/account/activities/FILL"))
    assert [set(each) for each in raw.get("/account/activities/CFEE")] == [FEE]
    assert {frozenset(SHARE)} == {frozenset(each) for each in raw.get("/assets")}
    coins = raw.get("/assets", {"asset_class": "crypto"})
    assert {frozenset(COIN)} == {frozenset(each) for each in coins}
    assert {frozenset(DAY)} == {frozenset(each) for each in raw.get("/calendar")}
    assert set(raw.get_clock()) == CLOCK


def test_numbers_are_text_and_an_order_without_fills_has_no_price(
    raw: TradingClient, clock: ManualClock
) -> None:
    order = resting(raw, clock)
    assert (
        order["qty"],
        order["limit_price"],
        order["filled_qty"],
        order["filled_avg_price"],
        order["order_class"],
    ) == ("2", "150.5", "0", None, "")
    assert (order["type"], order["order_type"], order["legs"]) == ("limit", "limit", None)


def test_coins_are_spelt_one_way_in_orders_and_another_in_positions(
    raw: TradingClient, clock: ManualClock
) -> None:
    order = bought(raw, clock, "BTC/USD", 0.01)
    (position,) = raw.get_all_positions()
    assert (order["symbol"], position["symbol"]) == ("BTC/USD", "BTCUSD")
    # The fee is taken from what was received.
    assert (position["qty"], position["asset_class"]) == ("0.009975", "crypto")
    for spelling in ("BTCUSD", "BTC%2FUSD", "BTC/USD", position["asset_id"]):
        assert raw.get(f"/positions/{spelling}")["symbol"] == "BTCUSD"


def test_the_history_is_paged_by_ids_that_begin_with_new_yorks_time(
    raw: TradingClient, clock: ManualClock
) -> None:
    for _ in range(3):
        bought(raw, clock, qty=1)
    query = {"direction": "asc", "page_size": 2}
    first = raw.get("/account/activities/FILL", query)
    rest = raw.get("/account/activities/FILL", query | {"page_token": first[-1]["id"]})
    assert (len(first), len(rest)) == (2, 1)
    assert first[0]["id"].startswith("20261120100000")
    assert "::" in first[0]["id"]
    assert first[0]["transaction_time"].startswith("2026-11-20T15:00:00")
    newest = raw.get("/account/activities", {"page_size": 1})
    assert newest[0]["id"] == rest[0]["id"]
    assert [rest[0]["id"]] == [
        each["id"]
        for each in raw.get("/account/activities/FILL", {"order_id": rest[0]["order_id"]})
    ]
    assert len(raw.get("/account/activities", {"after": first[0]["transaction_time"]})) == 2
    assert raw.get("/account/activities", {"category": "non_trade_activity"}) == []


def test_the_history_of_a_day_comes_whole_and_else_in_pages(
    raw: TradingClient, emulator: Emulator, exchange: Exchange, clock: ManualClock
) -> None:
    order = emulator.account.submit(ticket(qty=102, limit_price=100, time_in_force="gtc"))
    clock.advance(2)
    for _ in range(101):
        exchange.fill(order.id, 1)
    clock.advance(3 * 24 * 3600)
    exchange.fill(order.id, 1)
    exchange.deposit(emulator.account, 5)

    def count(**query: str) -> int:
        return len(raw.get("/account/activities", query))

    assert (count(), count(date="2026-11-20"), count(date="2026-11-23")) == (100, 101, 2)
    assert count(date="2026-11-23", category="trade_activity") == 1
    assert 1 == count(category="non_trade_activity") == count(activity_types="CSD")
    last = raw.get("/account/activities", {"direction": "asc"})[-1]["id"]
    assert count(direction="asc", page_token=last) == 3


def test_orders_are_paged_by_id(raw: TradingClient, clock: ManualClock) -> None:
    ids = [resting(raw, clock)["id"] for _ in range(3)]
    query = {"status": "all", "direction": "asc", "limit": 2}
    first = raw.get("/orders", query)
    rest = raw.get("/orders", query | {"after_order_id": first[-1]["id"]})
    assert ids == [each["id"] for each in first + rest]
    before = raw.get("/orders", {"status": "all", "before_order_id": ids[1]})
    assert ids[:1] == [each["id"] for each in before]


@pytest.mark.parametrize(("count", "requests"), [(999, 2), (1000, 3)])
def test_open_orders_are_listed_in_as_many_requests_as_there_are_pages(
    raw: TradingClient, emulator: Emulator, clock: ManualClock, count: int, requests: int
) -> None:
    """Pages of 500, and a last one that is not full: floor(n / 500) + 1."""
    wish = ticket(qty=1, limit_price=50, time_in_force="gtc")
    placed = [emulator.account.submit(wish).id for _ in range(count)]
    clock.advance(60)
    query = {"status": "open", "direction": "asc", "limit": 500}
    pages = [raw.get("/orders", query)]
    while len(pages[-1]) == 500:
        pages.append(raw.get("/orders", query | {"after_order_id": pages[-1][-1]["id"]}))
    assert placed == [row["id"] for page in pages for row in page]
    assert requests == len(pages)


# The stream


class Bot:
    """A bot that streams with alpaca-py, unmodified, on a thread."""

    def __init__(self, emulator: Emulator, *, raw_data: bool) -> None:
        self.heard: list[Any] = []
        self._news = threading.Condition()
        self._stream = TradingStream(
            emulator.key, emulator.secret, url_override=emulator.stream_url, raw_data=raw_data
        )
        self._stream.subscribe_trade_updates(self._hear)
        self._thread = threading.Thread(target=self._run)

    async def _hear(self, event: Any) -> None:
        with self._news:
            self.heard.append(event)
            self._news.notify_all()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._stream._run_forever())
        await asyncio.wait({self._task})
        await self._stream.close()

    def wait_for(self, count: int) -> list[Any]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.heard) >= count, PATIENCE_S), self.heard
            return list(self.heard)

    def __enter__(self) -> Bot:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()


def test_a_fill_is_streamed_in_alpaca_pys_own_types(
    emulator: Emulator, typed: TradingClient, clock: ManualClock
) -> None:
    with Bot(emulator, raw_data=False) as bot:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        order = bought(typed, clock)
        events = bot.wait_for(3)
    assert all(isinstance(each, TradeUpdate) for each in events)
    assert [each.event for each in events] == ["pending_new", "new", "fill"]
    fill = events[-1]
    assert (order.id, 2.0, 187.02, 2.0) == (
        fill.order.id,
        fill.qty,
        fill.price,
        fill.position_qty,
    )
    assert None is events[0].execution_id
    assert None is not fill.execution_id


def test_frames_have_the_keys_of_the_real_ones(
    emulator: Emulator, raw: TradingClient, clock: ManualClock
) -> None:
    with Bot(emulator, raw_data=True) as bot:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        bought(raw, clock)
        frames = bot.wait_for(3)
    assert {"stream", "data"} == set(frames[0])
    assert [set(each["data"]) for each in frames] == [EVENT, EVENT, EVENT | FIGURES]
    assert {frozenset(ORDER)} == {frozenset(each["data"]["order"]) for each in frames}


def test_odd_frames_reach_the_client_as_they_are(emulator: Emulator) -> None:
    with Bot(emulator, raw_data=True) as bot:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        emulator.streams.say({"stream": "trade_updates", "data": None})
        assert bot.wait_for(1) == [{"stream": "trade_updates", "data": None}]


def test_a_client_comes_back_after_its_connection_was_ended(
    emulator: Emulator, raw: TradingClient, clock: ManualClock
) -> None:
    with Bot(emulator, raw_data=True) as bot:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        emulator.streams.hang_up()
        assert emulator.streams.wait_for_none(PATIENCE_S)
        assert emulator.streams.wait_for(1, PATIENCE_S)
        bought(raw, clock)
        assert len(bot.wait_for(3)) == 3


def test_a_replace_is_streamed_as_the_old_order_and_then_the_new(
    emulator: Emulator, typed: TradingClient, clock: ManualClock
) -> None:
    order = resting(typed, clock)
    with Bot(emulator, raw_data=False) as bot:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        new = typed.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=151))
        clock.advance(2)
        events = bot.wait_for(2)
    told = [(each.event, each.order.id, each.order.limit_price) for each in events]
    assert [("replaced", order.id, "150.5"), ("new", new.id, "151")] == told
    assert new.id == events[0].order.replaced_by


# Errors, through alpaca-py


@pytest.mark.parametrize(
    ("request_", "status", "code", "words"),
    [
        ({"symbol": "NOPE"}, 422, 42210000, "NOPE.* not found"),
        ({"qty": 100000}, 403, 40310000, "insufficient buying power"),
        ({"qty": 0.5, "time_in_force": TimeInForce.GTC}, 422, 42210000, "fractional orders must"),
        ({"limit_price": 150.123}, 422, 42210000, "sub-penny increment"),
        ({"side": OrderSide.SELL, "symbol": "HARD", "limit_price": 9}, 422, 42210000, "short"),
    ],
)
def test_refusals_come_as_alpacas(
    typed: TradingClient,
    clock: ManualClock,
    request_: dict[str, Any],
    status: int,
    code: int,
    words: str,
) -> None:
    with pytest.raises(APIError, match=words) as caught:
        resting(typed, clock, **request_)
    assert (status, code) == (caught.value.status_code, caught.value.code)


def test_a_duplicate_and_a_late_cancel_are_refused(
    typed: TradingClient, clock: ManualClock
) -> None:
    order = resting(typed, clock, client_order_id="mine")
    with pytest.raises(APIError, match="client_order_id must be unique"):
        resting(typed, clock, client_order_id="mine")
    filled = bought(typed, clock)
    with pytest.raises(APIError, match=r"order is already in .*filled.* state"):
        typed.cancel_order_by_id(filled.id)
    assert order.id is not None


def test_shares_that_an_order_holds_are_named(typed: TradingClient, clock: ManualClock) -> None:
    bought(typed, clock)
    exit_ = resting(typed, clock, side=OrderSide.SELL, limit_price=250)
    with pytest.raises(APIError, match="insufficient qty available") as caught:
        resting(typed, clock, side=OrderSide.SELL, limit_price=251)
    body = caught.value.response.json()
    assert {"available", "code", "existing_qty", "held_for_orders", "message"} <= set(body)
    assert [str(exit_.id)] == body["related_orders"]


def test_several_accounts_live_behind_one_door(emulator: Emulator, exchange: Exchange) -> None:
    exchange.open_account("second", cash=5)
    other = TradingClient("second", emulator.secret_of("second"), url_override=emulator.url)
    assert other.get_account().cash == "5"
    other._session.close()


def test_quotes_are_served_as_the_data_host_does(emulator: Emulator, http: Any) -> None:
    shares = http("GET", "/v2/stocks/quotes/latest?symbols=AAPL,NOPE").json()["quotes"]
    assert {"AAPL"} == set(shares)
    assert {"ap", "as", "ax", "bp", "bs", "bx", "c", "t", "z"} == set(shares["AAPL"])
    coins = http("GET", "/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD").json()["quotes"]
    assert {k: coins["BTC/USD"][k] for k in ("ap", "bp")} == {"ap": 64260.0, "bp": 64250.0}
    assert m.stamp(coins["BTC/USD"]["t"]).startswith("2026-11-20T15:00:00")


# What the account's owner sets


def test_configurations_are_read_changed_and_kept_to(
    typed: TradingClient, clock: ManualClock
) -> None:
    found = typed.get_account_configurations()
    assert (found.suspend_trade, found.max_margin_multiplier) == (False, "4")
    found.suspend_trade, found.max_margin_multiplier = True, "1"
    changed = typed.set_account_configurations(found)
    assert (changed.suspend_trade, changed.max_margin_multiplier) == (True, "1")
    account = typed.get_account()
    assert (account.trade_suspended_by_user, account.multiplier) == (True, "1")
    with pytest.raises(APIError, match="rejected by user request"):
        resting(typed, clock)


@pytest.mark.parametrize(
    "change",
    [{"suspend_trade": "yes"}, {"max_margin_multiplier": 4}, {"max_options_trading_level": True}],
)
def test_a_configuration_that_cannot_be_is_refused(http: Any, change: dict[str, Any]) -> None:
    answer = http("PATCH", "/v2/account/configurations", change)
    assert (answer.status_code, answer.json()["message"]) == (422, f"invalid {next(iter(change))}")


def test_assets_may_have_lost_the_word_easy_to_borrow(exchange: Exchange) -> None:
    with Emulator(exchange, ways=Ways(easy_to_borrow=False)) as emulator:
        client = TradingClient(
            emulator.key, emulator.secret, url_override=emulator.url, raw_data=True
        )
        (shares,) = {frozenset(each) for each in client.get("/assets")}
        client._session.close()
    assert SHARE - {"easy_to_borrow"} == shares
