"""Unmodified alpaca-py trades at the emulator as at Alpaca, in its own types."""

from __future__ import annotations

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
from alpaca.trading.models import Order, Position, TradeAccount
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)

from fillbook.clock import ManualClock
from tests.venue.alpaca.conformance.bot import bought, resting


def test_an_order_parses_as_alpaca_pys_own_types(typed: TradingClient, clock: ManualClock) -> None:
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


def test_a_cancel_is_accepted_and_then_done(typed: TradingClient, clock: ManualClock) -> None:
    order = resting(typed, clock)
    assert typed.cancel_order_by_id(order.id) is None
    clock.advance(2)
    assert typed.get_order_by_id(order.id).status is OrderStatus.CANCELED
    assert typed.get_orders() == []
    assert typed.cancel_order_by_id(order.id) is None


def test_a_replace_replies_with_the_new_order(typed: TradingClient, clock: ManualClock) -> None:
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
