"""alpaca-py: a submit over the emulator, a page of orders and a message decoded, the import."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator

from rows.messages import page, update
from rows.timing import Round, cold, timed


def submit(count: int) -> Iterator[Round]:
    """`submit_order` of resting limits."""
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import LimitOrderRequest

    client = TradingClient(
        os.environ["APCA_API_KEY_ID"],
        os.environ["APCA_API_SECRET_KEY"],
        url_override=os.environ["APCA_API_BASE_URL"],
    )
    prices = itertools.count(1_000)

    def work() -> None:
        for _ in range(count):
            client.submit_order(
                LimitOrderRequest(
                    symbol="AAPL",
                    qty=1,
                    side=OrderSide.BUY,
                    time_in_force=TimeInForce.GTC,
                    limit_price=next(prices) / 100,
                )
            )

    yield {}
    while True:
        yield timed(work, count)


def decode_page(count: int) -> Iterator[Round]:
    """A page of orders, from bytes to typed orders."""
    from alpaca.trading.models import Order
    from pydantic import TypeAdapter

    adapter, pages = TypeAdapter(list[Order]), itertools.count()
    yield {}
    while True:
        body = page(count, next(pages))
        yield timed(lambda body=body: adapter.validate_python(json.loads(body)), count)


def decode_update(count: int) -> Iterator[Round]:
    """Messages of the stream, from bytes to typed updates."""
    from alpaca.trading.models import TradeUpdate

    bodies = [update(number) for number in range(count)]

    def work() -> None:
        for body in bodies:
            TradeUpdate(**json.loads(body)["data"])

    yield {}
    while True:
        yield timed(work, count)


def imported() -> Iterator[Round]:
    """The import of the trading client, in a new process."""
    yield {}
    while True:
        yield cold("from alpaca.trading.client import TradingClient")
