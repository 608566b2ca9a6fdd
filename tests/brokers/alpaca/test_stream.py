"""The stream: connected means confirmed, and undelivered events are a gap."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.brokers.alpaca import stream as own_stream
from fillbook.errors import InvalidValue

from .recorded import a_fill_event, an_order, recorded

KEY, SECRET = "key-of-the-test", "s3cr3t-of-the-test"
PATIENCE_S = 60
FRAMES = recorded("frames")


class RecordingSink:
    """A sink that records its calls, in order."""

    def __init__(self) -> None:
        self.news: queue.Queue[tuple[str, Any]] = queue.Queue()

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self.news.put(("receive", [report.broker_order_id for report in reports]))

    def connected(self) -> None:
        self.news.put(("connected", None))

    def lost(self, why: str) -> None:
        self.news.put(("lost", why))

    def next(self) -> tuple[str, Any]:
        return self.news.get(timeout=PATIENCE_S)


class Stream:
    """Alpaca's stream on this machine; a frame put into `say` is sent, None disconnects."""

    def __init__(self) -> None:
        self.say: queue.Queue[Any] = queue.Queue()
        self.confirm: object = FRAMES["listening_ack"]
        self.status: HTTPStatus | None = None
        self.secret = SECRET
        self.attempts = 0
        self._server = serve(self._talk, "127.0.0.1", 0, process_request=self._admit)
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        for _ in range(4):
            self.say.put(None)
        self._server.shutdown()
        self._thread.join()

    def _admit(self, connection: ServerConnection, request: object) -> Any:
        self.attempts += 1
        return None if self.status is None else connection.respond(self.status, "no")

    def _talk(self, socket: ServerConnection) -> None:
        try:
            asked = json.loads(socket.recv())
            if asked["data"] != {"key_id": KEY, "secret_key": self.secret}:
                self._send(socket, FRAMES["authorization_unauthorized_authenticate"])
                return
            self._send(socket, FRAMES["authorization_authorized_authenticate"])
            assert json.loads(socket.recv())["data"] == {"streams": ["trade_updates"]}
            self._send(socket, self.confirm)
            while (frame := self.say.get()) is not None:
                self._send(socket, frame)
        except ConnectionClosed:
            pass

    @staticmethod
    def _send(socket: ServerConnection, frame: object) -> None:
        socket.send(frame if isinstance(frame, str) else json.dumps(frame).encode())


@pytest.fixture
def stream() -> Iterator[Stream]:
    made = Stream()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _silence_log() -> Iterator[None]:
    """Silence the log: alpaca-py logs each error with its traceback."""
    logging.getLogger("alpaca").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("alpaca").setLevel(logging.NOTSET)


def broker_at(stream: Stream) -> AlpacaBroker:
    return AlpacaBroker(KEY, SECRET, url=stream.url)


def test_connected_is_reported_after_the_subscription_is_confirmed(stream: Stream) -> None:
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("connected", None)
        stream.say.put(a_fill_event(order=an_order()))
        assert sink.next() == ("receive", [an_order()["id"]])
    assert sink.news.empty()


@pytest.mark.parametrize(
    "confirm",
    [{"stream": "listening", "data": {"streams": []}}, FRAMES["authorization_unauthorized_listen"]],
)
def test_an_open_socket_without_a_confirmation_is_not_connected(
    stream: Stream, confirm: object
) -> None:
    stream.confirm = confirm
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == (
            "lost",
            "Alpaca did not confirm the subscription to trade_updates",
        )


def test_a_lost_connection_is_reported_and_made_again(stream: Stream) -> None:
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("connected", None)
        stream.say.put(None)
        kind, why = sink.next()
        assert (kind, why[:20]) == ("lost", "the connection ended")
        assert sink.next() == ("connected", None)


def test_frames_without_content_are_ignored(stream: Stream) -> None:
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("connected", None)
        stream.say.put(FRAMES["trade_updates_data_null"])
        stream.say.put({"stream": "weather", "data": {}})
        stream.say.put(a_fill_event(order=an_order()))
        assert sink.next() == ("receive", [an_order()["id"]])


@pytest.mark.parametrize("frame", ["[]", "{", "null"])
def test_a_frame_that_is_no_object_ends_the_connection(stream: Stream, frame: str) -> None:
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("connected", None)
        stream.say.put(frame)
        kind, _ = sink.next()
        assert (kind, sink.next()) == ("lost", ("connected", None))


def test_an_event_that_cannot_be_read_is_a_gap(stream: Stream) -> None:
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("connected", None)
        stream.say.put({"stream": "trade_updates", "data": {"event": "fill"}})
        assert sink.next() == ("lost", f"an event could not be processed: {InvalidValue.__name__}")
        assert sink.next() == ("connected", None)


def test_an_event_that_its_sink_did_not_take_is_a_gap(stream: Stream) -> None:
    class Full(RecordingSink):
        def receive(self, reports: Sequence[m.OrderReport]) -> None:
            raise OSError("disk full")

    sink = Full()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("connected", None)
        stream.say.put(a_fill_event(order=an_order()))
        assert sink.next() == ("lost", "an event could not be processed: OSError")
        assert sink.next() == ("connected", None)


def test_refused_keys_are_reported_once_and_not_shown(stream: Stream) -> None:
    stream.secret = "another"
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("lost", "Alpaca rejected the keys")
        while stream.attempts < 2:
            threading.Event().wait(0.05)
    assert sink.news.empty()


def test_another_connection_of_the_key_is_reported_once(stream: Stream) -> None:
    stream.status = HTTPStatus.TOO_MANY_REQUESTS
    sink = RecordingSink()
    with broker_at(stream).listen(sink):
        assert sink.next() == ("lost", "HTTP 429: another connection of this key is open")
        while stream.attempts < 2:
            threading.Event().wait(0.05)
        stream.status = None
        assert sink.next() == ("connected", None)


@pytest.fixture
def _endless_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the waits of alpaca-py endless, so that a stop that depends on one never ends."""
    sdk = importlib.import_module("alpaca.trading.stream")
    endless = SimpleNamespace(**vars(asyncio))
    endless.wait_for = lambda awaited, timeout: asyncio.wait_for(awaited, None)
    monkeypatch.setattr(sdk, "asyncio", endless)
    monkeypatch.setattr(own_stream, "_STOP_S", 10 * PATIENCE_S)


@pytest.mark.usefixtures("_endless_waits")
@pytest.mark.parametrize("when", ["at once", "connected", "nobody there"])
def test_listening_ends_without_delay_and_leaves_nothing(stream: Stream, when: str) -> None:
    """The stop waits neither for the next frame nor for the next attempt of alpaca-py."""
    broker = broker_at(stream)
    if when == "nobody there":
        stream.status = HTTPStatus.SERVICE_UNAVAILABLE
    sink = RecordingSink()
    with broker.listen(sink):
        if when != "at once":
            sink.next()
    assert not [each for each in threading.enumerate() if each.name == "alpaca-stream"]
