"""A bot with alpaca-py, unmodified: it places orders, and receives the stream."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator

PATIENCE_S = 60


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
