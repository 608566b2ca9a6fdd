"""Every message of the emulator parses in alpaca-py's own types, rare ones included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import requests
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import (
    AccountConfiguration,
    Asset,
    Calendar,
    Clock,
    ClosePositionResponse,
    FailedClosePositionDetails,
    Order,
    Position,
    TradeAccount,
    TradeUpdate,
)
from alpaca.trading.requests import MarketOrderRequest

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator, responses
from fillbook.venue.exchange import Exchange
from tests.venue.alpaca.conformance.bot import PATIENCE_S, Bot
from tests.venue.alpaca.test_contract import Tour

#: alpaca-py's type for the replies under a path; the first match counts.
MODELS: Final[Mapping[str, type[Any] | None]] = {
    "/v2/orders": Order,
    "/v2/positions": Position,
    "/v2/account/activities": None,  # a client for trading has no method for them
    "/v2/account/configurations": AccountConfiguration,
    "/v2/account": TradeAccount,
    "/v2/clock": Clock,
    "/v2/calendar": Calendar,
    "/v2/assets": Asset,
}
#: Every event of the exchange.
EVENTS: Final = {
    *("accepted", "pending_new", "new", "partial_fill", "fill", "canceled", "expired", "rejected"),
    *("replaced", "restated", "trade_bust", "trade_correct"),
    *("order_cancel_rejected", "order_replace_rejected"),
}


def parsed(answer: requests.Response) -> Iterator[Any]:
    """The parts of a reply, in alpaca-py's types."""
    request = answer.request
    path = str(request.url).partition("//")[2].partition("/")[2]
    model = next(kind for name, kind in MODELS.items() if f"/{path}".startswith(name))
    if model is Position and request.method == "DELETE" and answer.status_code == 200:
        model = Order  # that which closes it
    body = answer.json() if answer.content and answer.status_code < 300 else []
    for row in body if isinstance(body, list) else [body]:
        if answer.status_code == 207:
            yield from in_bulk(row)
        elif model is not None:
            yield model(**row)


def in_bulk(row: dict[str, Any]) -> Iterator[Any]:
    """One row of a 207, and the order or the error in it."""
    if "symbol" in row:
        yield ClosePositionResponse(**row)
        yield (Order if row["status"] == 200 else FailedClosePositionDetails)(**row["body"])


@pytest.fixture
def eventful(
    http: Any, typed: TradingClient, emulator: Emulator, exchange: Exchange, clock: ManualClock
) -> Tour:
    """A tour with every event, then with short sales, waiting, rejected and late orders."""
    emulator.gateway.rate_limit = 10_000
    tour = Tour(http, exchange, clock)
    tour.run()
    tour.ask("PATCH", "/v2/account/configurations", {"suspend_trade": False})
    wish = {"symbol": "TSLA", "qty": "3", "side": "sell", "type": "market", "time_in_force": "cls"}
    for time_in_force in ("day", "cls"):
        tour.ask("POST", "/v2/orders", wish | {"time_in_force": time_in_force})
    rest = {"symbol": "F", "qty": "3", "side": "buy", "type": "limit", "time_in_force": "gtc"}
    made = [tour.ask("POST", "/v2/orders", rest | {"limit_price": f"{n}.5"}) for n in (1, 2, 3)]
    clock.advance(2)
    exchange.faults.fail(next="asked-cancel", with_="cancel-rejected")
    tour.ask("DELETE", f"/v2/orders/{made[0]['id']}")
    tour.ask("PATCH", f"/v2/orders/{made[1]['id']}", {"qty": "2"})
    exchange.fill(made[1]["id"], 2)  # what it is to be lowered to, before it is
    exchange.faults.fail(next="asked-replace", with_="replace-fills")
    tour.ask("PATCH", f"/v2/orders/{made[2]['id']}", {"limit_price": "2.6"})
    clock.advance(2)
    exchange.split("F", 2)
    tour._look()
    return tour


def test_every_reply_parses(eventful: Tour) -> None:
    found = [each for answer in eventful.answers for each in parsed(answer)]
    assert {type(each) for each in found} >= {
        *(Order, Position, TradeAccount, AccountConfiguration, Clock, Calendar, Asset),
        *(ClosePositionResponse, FailedClosePositionDetails),
    }
    positions = [each for each in found if isinstance(each, Position)]
    assert {"long", "short"} == {each.side.value for each in positions}
    orders = [each for each in found if isinstance(each, Order)]
    assert {"simple", "bracket", "oco", "oto"} == {each.order_class.value for each in orders}


def test_every_event_parses(eventful: Tour, exchange: Exchange) -> None:
    events = exchange.account("paper").truth.events()
    for event in events:
        inner = responses.event(exchange, event)["data"]
        assert isinstance(inner, dict)
        assert event.name == TradeUpdate(**inner).event
    assert {event.name for event in events} >= EVENTS


@pytest.mark.parametrize("raw_data", [False, True])
def test_the_stream_continues_after_every_event(
    emulator: Emulator, exchange: Exchange, clock: ManualClock, typed: TradingClient, raw_data: bool
) -> None:
    """A client that fails at an event would miss the last one."""
    with Bot(emulator, raw_data=raw_data) as bot:
        assert emulator.streams.wait_for(1, PATIENCE_S)
        wish = {"symbol": "AAPL", "qty": 4, "side": OrderSide.BUY}
        first = typed.submit_order(
            MarketOrderRequest(**wish, time_in_force=TimeInForce.DAY)  # type: ignore[arg-type]
        )
        clock.advance(2)
        (fill,) = exchange.account("paper").truth.fills(str(first.id))  # type: ignore[union-attr]
        new = exchange.correct(fill.exec_id, price=187)
        exchange.bust(new.exec_id)
        exchange.rename("MSFT", "MSFX")
        clock.advance(2)
        told = bot.wait_for(5)
    names = [each["data"]["event"] if raw_data else each.event for each in told]
    assert names == ["pending_new", "new", "fill", "trade_correct", "trade_bust"]
