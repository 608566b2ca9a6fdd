"""The typed helpers of the unmodified SDK read what the emulator sends."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from coinbase.rest import RESTClient

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Behavior, Emulator
from fillbook.venue.exchange import Exchange


def test_orders_and_fills_are_read(client: RESTClient, clock: ManualClock) -> None:
    """Placed by helpers, and read back as objects."""
    bought = client.market_order_buy("m", "BTC-USD", quote_size="25")
    rested = client.limit_order_gtc_buy("l", "BTC-USD", base_size="0.1", limit_price="50000")
    assert bought.success
    assert rested.success
    clock.advance(1)
    order_id = rested.success_response["order_id"]
    assert client.get_order(order_id).order.status == "OPEN"
    assert len(client.list_orders().orders) == 2
    assert client.list_orders(order_status=["OPEN"]).orders[0].client_order_id == "l"
    assert client.get_fills().fills[0].size_in_quote is True
    edited = client.edit_order(order_id, size="0.2", price="49000")
    assert (edited.success, edited.errors) == (True, [])
    clock.advance(1)
    assert client.preview_edit_order(order_id, size="0.1", price="48000").errors == []
    assert client.cancel_orders([order_id]).results[0].success
    preview = client.preview_limit_order_gtc_buy("BTC-USD", base_size="9", limit_price="50000")
    assert preview.errs == ["PREVIEW_INSUFFICIENT_FUND"]


def test_stops_and_brackets_are_placed(client: RESTClient, clock: ManualClock) -> None:
    """By the helpers of stop-limit and trigger bracket orders."""
    client.market_order_buy("m", "BTC-USD", base_size="0.2")
    clock.advance(1)
    stop = client.stop_limit_order_gtc_sell(
        "s",
        "BTC-USD",
        base_size="0.1",
        limit_price="59000",
        stop_price="60000",
        stop_direction="STOP_DIRECTION_STOP_DOWN",
    )
    bracket = client.trigger_bracket_order_gtc_sell(
        "b", "BTC-USD", base_size="0.1", limit_price="70000", stop_trigger_price="60000"
    )
    gtd = client.limit_order_gtd_buy(
        "g", "BTC-USD", base_size="0.1", limit_price="50000", end_time="2026-11-20T16:00:00Z"
    )
    assert stop.success
    assert bracket.success
    assert gtd.success
    clock.advance(3601)
    order = client.get_order(gtd.success_response["order_id"]).order
    assert (order.status, order.time_in_force) == ("EXPIRED", "GOOD_UNTIL_DATE_TIME")


def test_the_account_and_the_market_are_read(client: RESTClient) -> None:
    """Wallets, portfolios, fees, products, quotes, the time."""
    wallets = client.get_accounts().accounts
    assert {each.currency for each in wallets} >= {"BTC", "USD"}
    assert client.get_account(wallets[0].uuid).account.currency == wallets[0].currency
    portfolio = client.get_portfolios().portfolios[0]
    breakdown = client.get_portfolio_breakdown(portfolio.uuid).breakdown
    assert breakdown.portfolio_balances["total_balance"]["value"] == "100000"
    assert client.get_transaction_summary().fee_tier["maker_fee_rate"] == "0.004"
    assert client.get_api_key_permissions().can_trade is True
    products = client.get_products(product_type="SPOT")
    assert products.num_products == len(products.products) == 6
    assert client.get_product("BTC-USDC").alias == "BTC-USD"
    assert client.get_public_product("BTC-USD").product_id == "BTC-USD"
    book = client.get_best_bid_ask(product_ids=["BTC-USD"]).pricebooks[0]
    assert book.bids[0].price == "64250"
    assert client.get_product_book("BTC-USD").pricebook.product_id == "BTC-USD"
    assert client.get_unix_time().epoch_seconds == "1795186800"


def test_a_null_that_the_service_has_sent_breaks_the_helpers(
    client: RESTClient, emulator: Emulator
) -> None:
    """The order is placed all the same: the reason why the adapter uses plain dicts."""
    emulator.behavior = Behavior(null_configuration=True)
    placed = client.limit_order_gtc_buy("l", "BTC-USD", base_size="0.1", limit_price="50000")
    with pytest.raises(TypeError):
        client.get_order(placed.success_response["order_id"])


#: What each argument of a helper is; prices are of orders that rest.
ARGUMENTS = {
    "product_id": "BTC-USD",
    "end_time": "2026-11-20T16:00:00Z",
    "base_size": "0.001",
    "stop_direction": None,  # by the side
}
BUY = {"limit_price": "50000", "stop_price": "49000", "stop_trigger_price": "70000"}
SELL = {"limit_price": "80000", "stop_price": "60000", "stop_trigger_price": "60000"}
HELPERS = sorted(
    name
    for name in vars(RESTClient)
    if re.fullmatch(r"(preview_)?(market|limit|stop_limit|trigger_bracket)_order.*", name)
)
#: A buy with a bracket opens nothing that it could protect.
NOT_FOR_BUYS = "PREVIEW_INVALID_BRACKET_ORDER_SIDE"


def arguments(call: Callable[..., Any], name: str) -> dict[str, str]:
    """What *call*, a helper of a buy or a sale, or of any side, is given."""
    side = "BUY" if name.endswith("buy") else "SELL"
    given = {**ARGUMENTS, **(BUY if side == "BUY" else SELL), "side": side}
    given["client_order_id"] = name
    if "stop_limit" in name:
        up = side == "BUY"
        given |= {"limit_price": "71000", "stop_price": "70000"} if up else {"limit_price": "59000"}
        given["stop_direction"] = f"STOP_DIRECTION_STOP_{'UP' if up else 'DOWN'}"
    wanted = inspect.signature(call).parameters
    return {each: value for each, value in given.items() if each in wanted and value is not None}


def test_every_helper_of_an_order_and_of_a_preview_is_read(
    client: RESTClient, clock: ManualClock
) -> None:
    """All sides, types and times in force; each create is accepted, and its order is read."""
    client.market_order_buy("held", "BTC-USD", base_size="0.5")
    clock.advance(1)
    assert len(HELPERS) > 40
    for name in HELPERS:
        call = getattr(client, name)
        reply = call(**arguments(call, name))
        is_refused = "bracket" in name and name.endswith("buy")
        if name.startswith("preview_"):
            assert reply.errs == ([NOT_FOR_BUYS] if is_refused else []), name
        elif is_refused:
            assert reply.error_response["preview_failure_reason"] == NOT_FOR_BUYS
        else:
            assert reply.success, (name, reply.to_dict())
            order = client.get_order(reply.success_response["order_id"]).order
            assert (order.client_order_id, order.product_id) == (name, "BTC-USD")
    clock.advance(1)
    listed = {each.client_order_id: each for each in client.list_orders().orders}
    assert {each.status for each in listed.values()} == {"OPEN", "FILLED", "CANCELLED"}
    terms = market("limit_limit_gtc")
    created = client.create_order("any", "BTC-USD", "BUY", order_configuration=terms)
    assert created.order_configuration.limit_limit_gtc.limit_price == "50000"
    assert client.preview_order("BTC-USD", "BUY", terms).errs == []
    closed = client.close_position("c", "BTC-USD")
    assert closed.error_response["error"] == "CANNOT_CLOSE_ZERO_POSITION"


def market(kind: str) -> dict[str, Any]:
    return {kind: {"base_size": "0.001", "limit_price": "50000"}}


def test_trades_and_candles_are_read(
    client: RESTClient, exchange: Exchange, clock: ManualClock
) -> None:
    """With a key and without one."""
    begin = int(clock.now().timestamp())
    for bid in (64_000, 65_000, 63_000, 64_500):
        exchange.quote("BTC/USD", bid, bid + 10)
        clock.advance(1800)
    span = {"start": str(begin), "end": str(begin + 7200), "granularity": "ONE_HOUR"}
    for read in (client.get_candles, client.get_public_candles):
        later, earlier = read("BTC-USD", **span).candles
        assert (earlier.start, later.start) == (str(begin), str(begin + 3600))
        assert (earlier.open, earlier.high, earlier.close) == ("64255", "65005", "65005")
        assert later.low == "63005"
    assert client.get_market_trades("BTC-USD", limit=1).trades[0].price == "64505"
    anybody = RESTClient(base_url=client.base_url, timeout=5)
    anybody.session = client.session
    assert anybody.get_public_market_trades("BTC-USD", limit=1).best_bid == "64500"
    assert anybody.get_public_product_book("BTC-USD").mid_market == "64505"
    assert len(anybody.get_public_products().products) == 6
    assert anybody.get_unix_time().epoch_millis == str((begin + 7200) * 1000)
