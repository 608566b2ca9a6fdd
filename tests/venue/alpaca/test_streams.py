"""The protocol of the stream, message by message, with a bare client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

PATIENCE_S = 60
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}
ACK = {"stream": "listening", "data": {"streams": ["trade_updates"]}}


def verdict(status: str, action: str = "authenticate") -> dict[str, Any]:
    return {"stream": "authorization", "data": {"status": status, "action": action}}


def authenticate(key: str, secret: str) -> dict[str, Any]:
    return {"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def ask(self, message: Any) -> Any:
        self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
        return self.next()

    def next(self) -> Any:
        frame = self.socket.recv(timeout=PATIENCE_S)
        assert isinstance(frame, bytes), "the real server sends binary frames"
        return json.loads(frame)


@contextmanager
def client(emulator: Emulator) -> Iterator[Client]:
    with connect(emulator.stream_url, close_timeout=0.1) as socket:  # with frames left unread
        yield Client(socket)


@contextmanager
def listening(emulator: Emulator, key: str | None = None) -> Iterator[Client]:
    key = key or emulator.key
    with client(emulator) as one:
        assert one.ask(authenticate(key, emulator.secret_of(key))) == verdict("authorized")
        assert one.ask(LISTEN) == ACK
        yield one


def order(emulator: Emulator, http: Any, symbol: str = "AAPL") -> Any:
    body = {"symbol": symbol, "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
    return http("POST", "/v2/orders", body).json()


def test_both_forms_of_authentication_are_taken(emulator: Emulator) -> None:
    pair = {"key": emulator.key, "secret": emulator.secret}
    with client(emulator) as one:
        assert one.ask({"action": "auth", **pair}) == verdict("authorized")
        assert one.ask(json.dumps(LISTEN).encode()) == ACK


def test_a_slash_at_the_end_is_the_same_stream(emulator: Emulator) -> None:
    with connect(f"{emulator.stream_url}/") as socket:
        assert Client(socket).ask(LISTEN) == verdict("unauthorized", "listen")


@pytest.mark.parametrize("data", [{}, {"key_id": "paper", "secret_key": "no"}, {"key_id": 5}, None])
def test_invalid_keys_are_refused(emulator: Emulator, data: Any) -> None:
    with client(emulator) as one:
        asked = {"action": "authenticate", "data": data}
        assert one.ask(asked) == verdict("unauthorized")


def test_listening_comes_after_authentication(emulator: Emulator) -> None:
    with client(emulator) as one:
        assert one.ask(LISTEN) == verdict("unauthorized", "listen")


def test_listen_replaces_what_was_listened_to(
    emulator: Emulator, http: Any, clock: ManualClock
) -> None:
    with listening(emulator) as one:
        nothing = {"action": "listen", "data": {"streams": []}}
        assert one.ask(nothing) == {"stream": "listening", "data": {"streams": []}}
        order(emulator, http)
        clock.advance(2)
        assert one.ask(LISTEN) == ACK
        second = order(emulator, http, "MSFT")
        clock.advance(2)
        assert one.next()["data"]["order"]["id"] == second["id"]


@pytest.mark.parametrize("message", ["{", "[]", "5", b"\xff\xfe", '{"action": 5}', "{}"])
def test_nonsense_is_passed_over(emulator: Emulator, message: str | bytes) -> None:
    with client(emulator) as one:
        one.socket.send(message)
        assert one.ask(LISTEN) == verdict("unauthorized", "listen")


def test_one_key_has_one_connection(emulator: Emulator) -> None:
    with listening(emulator):
        with pytest.raises(InvalidStatus) as caught:
            connect(emulator.stream_url)
        assert caught.value.response.status_code == 429
    assert emulator.streams.wait_for_none(PATIENCE_S)
    with listening(emulator) as again:
        assert again is not None


def test_each_key_receives_the_events_of_its_own_account(
    emulator: Emulator, exchange: Exchange, http: Any, clock: ManualClock
) -> None:
    exchange.open_account("second")
    emulator.streams.is_limited = False
    with listening(emulator) as first, listening(emulator, "second") as second:
        made = order(emulator, http)
        clock.advance(2)
        assert first.next()["data"]["order"]["id"] == made["id"]
        with pytest.raises(TimeoutError):
            second.socket.recv(timeout=0.2)


def test_a_refused_stream_is_a_429_at_the_upgrade(emulator: Emulator, exchange: Exchange) -> None:
    exchange.faults.fail(next="listen", with_="stream-refused")
    with pytest.raises(InvalidStatus) as caught:
        connect(emulator.stream_url)
    assert caught.value.response.status_code == 429


def test_a_connection_may_be_ended_by_the_server(emulator: Emulator) -> None:
    with listening(emulator) as one:
        emulator.streams.disconnect()
        with pytest.raises(ConnectionClosed):
            one.socket.recv(timeout=PATIENCE_S)
