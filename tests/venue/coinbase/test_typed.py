"""The typed helpers of the unmodified SDK read what the emulator sends."""

from __future__ import annotations

import pytest
from coinbase.rest import RESTClient

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Behavior, Emulator


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
