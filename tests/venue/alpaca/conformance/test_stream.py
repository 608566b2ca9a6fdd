"""Unmodified alpaca-py, typed and raw, accepts the emulator's stream."""

from __future__ import annotations

from alpaca.trading.client import TradingClient
from alpaca.trading.models import TradeUpdate
from alpaca.trading.requests import ReplaceOrderRequest

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from tests.venue.alpaca.conformance.bot import PATIENCE_S, Bot, bought, resting
from tests.venue.alpaca.conformance.keys import EVENT, FIGURES, ORDER


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
        emulator.streams.broadcast({"stream": "trade_updates", "data": None})
        assert bot.wait_for(1) == [{"stream": "trade_updates", "data": None}]


def test_a_client_reconnects_after_its_connection_was_closed(
    emulator: Emulator, raw: TradingClient, clock: ManualClock
) -> None:
    with Bot(emulator, raw_data=True) as bot:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        emulator.streams.disconnect()
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
