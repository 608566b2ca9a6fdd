"""Faults on the wire, one request or frame at a time, and the behavior switches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Behavior, Emulator
from fillbook.venue.exchange import Exchange
from tests.venue.alpaca.conftest import Http
from tests.venue.alpaca.test_door import LIMIT
from tests.venue.alpaca.test_streams import Client, listening

BRACKET = LIMIT | {
    "order_class": "bracket",
    "take_profit": {"limit_price": "250"},
    "stop_loss": {"stop_price": "140"},
}


# One request among others


def test_only_the_order_of_that_symbol_or_id_gets_the_fault(exchange: Exchange, http: Any) -> None:
    exchange.faults.fail(next="submit", with_="server-error", where="MSFT")
    exchange.faults.fail(next="submit", with_="server-error", where="mine")
    wishes = [{}, {"symbol": "MSFT"}, {"client_order_id": "mine"}, {"symbol": "MSFT"}]
    assert [http("POST", "/v2/orders", LIMIT | wish).status_code for wish in wishes] == [
        200,
        504,
        504,
        200,
    ]


def test_only_the_cancel_of_that_order_gets_the_fault(
    exchange: Exchange, http: Any, clock: ManualClock
) -> None:
    ids = [http("POST", "/v2/orders", LIMIT).json()["id"] for _ in range(2)]
    exchange.faults.fail(next="cancel", with_="rate-limited", where=ids[1])
    assert [http("DELETE", f"/v2/orders/{each}").status_code for each in ids] == [204, 429]


def test_a_query_by_client_order_id_can_get_a_fault_by_symbol(
    exchange: Exchange, http: Any
) -> None:
    order = http("POST", "/v2/orders", LIMIT | {"client_order_id": "mine"}).json()
    exchange.faults.fail(next="order", with_="html", where="AAPL")
    exchange.faults.fail(next="find", with_="html", where="mine")
    assert http("GET", f"/v2/orders/{order['id']}").status_code == 502
    assert http("GET", "/v2/orders:by_client_order_id?client_order_id=mine").status_code == 502


# Replies of several kinds, some of them not of Alpaca


def bare(emulator: Emulator, path: str) -> requests.Response:
    """A reply that is not compared with Alpaca's description."""
    keys = {"APCA-API-KEY-ID": emulator.key, "APCA-API-SECRET-KEY": emulator.secret}
    return requests.get(f"{emulator.url}/v2/{path}", headers=keys, timeout=10)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"code": 50010000, "message": "internal server error occurred"}),
        (503, {"code": 50310000, "message": "service unavailable"}),
        (504, {"code": 50410000, "message": "request timed out"}),
        (599, {"code": 59910000, "message": "unknown"}),
    ],
)
def test_a_server_error_has_the_given_status(
    emulator: Emulator, exchange: Exchange, status: int, body: object
) -> None:
    exchange.faults.fail(next="account", with_="server-error", status=status)
    answer = bare(emulator, "account")
    assert (status, body) == (answer.status_code, answer.json())


def test_a_gateway_may_refuse_the_keys_in_html(emulator: Emulator, exchange: Exchange) -> None:
    exchange.faults.fail(next="account", with_="html", status=401)
    answer = bare(emulator, "account")
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "text/html")
    assert "<title>401 Unauthorized</title>" in answer.text


def test_a_rate_limit_may_have_a_retry_time(exchange: Exchange, http: Any) -> None:
    exchange.faults.fail(next="account", with_="rate-limited", seconds=7)
    exchange.faults.fail(next="positions", with_="rate-limited")
    told, silent = http("GET", "/v2/account"), http("GET", "/v2/positions")
    assert (told.headers.get("Retry-After"), silent.headers.get("Retry-After")) == ("7", None)


def test_an_asset_class_may_be_unknown(
    emulator: Emulator, exchange: Exchange, http: Any, clock: ManualClock
) -> None:
    order = http("POST", "/v2/orders", LIMIT | {"limit_price": "190"}).json()
    clock.advance(2)
    exchange.faults.switch_on("unknown-class")
    for path in ("orders?status=all", f"orders/{order['id']}", "positions"):
        found = bare(emulator, path).json()
        rows = found if isinstance(found, list) else [found]
        assert [row["asset_class"] for row in rows] == ["under_deliberation"]


# Frames


def frames(emulator: Emulator, http: Any, clock: ManualClock, one: Client) -> Any:
    http("POST", "/v2/orders", LIMIT)
    clock.advance(2)
    return [one.next()["data"] for _ in range(2)]


@pytest.mark.parametrize("where", ["AAPL", None])
def test_a_frame_may_be_empty_or_have_an_unknown_event(
    emulator: Emulator, exchange: Exchange, http: Any, clock: ManualClock, where: str | None
) -> None:
    exchange.faults.fail(next="frame", with_="unknown-event", where=where)
    exchange.faults.fail(next="frame", with_="event-null", where="MSFT")
    with listening(emulator) as one:
        first, second = frames(emulator, http, clock, one)
    assert (first["event"], second["event"]) == ("under_deliberation", "new")
    exchange.faults.fail(next="frame", with_="event-null")
    assert emulator.streams.wait_for_none(10)
    with listening(emulator) as one:
        first, second = frames(emulator, http, clock, one)
    assert (first, second["event"]) == (None, "new")


@pytest.mark.parametrize(
    ("fault", "occasion", "code"), [("stream-cut", "frame", 1006), ("stream-lost", "event", 1001)]
)
def test_a_stream_ends_with_a_closing_frame_or_without(
    emulator: Emulator, exchange: Exchange, http: Any, clock: ManualClock,
    fault: str, occasion: str, code: int,
) -> None:  # fmt: skip
    exchange.faults.fail(next=occasion, with_=fault)
    with listening(emulator) as one:
        http("POST", "/v2/orders", LIMIT)
        clock.advance(2)
        with pytest.raises(ConnectionClosed) as caught:
            one.socket.recv(timeout=10)
    heard = caught.value.rcvd
    assert code == (1006 if heard is None else heard.code)


# Behavior switches


@contextmanager
def with_behavior(exchange: Exchange, **behavior: Any) -> Iterator[Http]:
    with Emulator(exchange, behavior=Behavior(**behavior)) as emulator:
        http = Http(emulator)
        yield http
        http.close()


def test_replies_may_lack_the_rate_limit_headers(exchange: Exchange) -> None:
    with with_behavior(exchange, rate_headers=False) as http:
        found = http("GET", "/v2/clock").headers
    assert [name for name in found if name.lower().startswith("x-ratelimit")] == []


def test_a_duplicate_has_one_code_or_the_other(exchange: Exchange) -> None:
    body = LIMIT | {"client_order_id": "mine"}
    for code in (40010001, 42210000):
        with with_behavior(exchange, duplicate_code=code) as http:
            http("POST", "/v2/orders", body)
            assert code == http("POST", "/v2/orders", body).json()["code"]


@pytest.mark.parametrize("enforces", [True, False])
def test_a_position_intent_is_enforced_or_ignored(exchange: Exchange, enforces: bool) -> None:
    body = LIMIT | {"side": "sell", "limit_price": "250", "position_intent": "sell_to_close"}
    with with_behavior(exchange, enforces_intent=enforces) as http:
        found = http("POST", "/v2/orders", body)
        assert found.status_code == (422 if enforces else 200)
        assert ("position intent mismatch" in found.text) is enforces
        body = LIMIT | {"position_intent": "sell_to_close" if enforces else "buy_to_open"}
        found = http("POST", "/v2/orders", body)
        assert ("invalid position_intent" in found.text) is enforces


@pytest.mark.parametrize(
    ("query", "behavior", "listed"),
    [
        ("nested=false", {}, ["new", "held"]),
        ("nested=false", {"lists_held": False}, ["new"]),
        ("nested=true", {}, ["filled"]),
        ("nested=true", {"lists_filled_parents": False}, []),
    ],
)
def test_behavior_switches_change_the_list_of_open_orders(
    exchange: Exchange, clock: ManualClock, query: str, behavior: dict[str, bool], listed: list[str]
) -> None:
    with with_behavior(exchange, **behavior) as http:
        http("POST", "/v2/orders", BRACKET | {"limit_price": "190"})
        clock.advance(2)
        rows = http("GET", f"/v2/orders?direction=asc&{query}").json()
    assert listed == [row["status"] for row in rows]
