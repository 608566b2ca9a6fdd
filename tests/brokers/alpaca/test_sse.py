"""Events over HTTP: missed events are replayed after a reconnect."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from attrs import frozen

from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker, sse
from fillbook.errors import BadAddress
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

from .recorded import recorded
from .test_stream import RecordingSink

KEY, SECRET = "key-of-the-test", "s3cr3t-of-the-test"
SINCE = m.timestamp("2026-11-20T15:00:00Z")
START = {"since": SINCE}  #: the host's clock
DATE = "Fri, 20 Nov 2026 15:00:00 GMT"
CHUNKED = ("Transfer-Encoding", "chunked")
CUT = object()  #: hang up in the middle of a body


@frozen
class StreamReply:
    """The reply to one connection."""

    status: int = 200
    kind: str = "text/event-stream"
    chunked: bool = True


class Host:
    """Alpaca's events on this machine; a text put into `say` is sent, None ends the reply."""

    def __init__(self) -> None:
        self.say: queue.Queue[Any] = queue.Queue()
        self.answers: list[StreamReply] = []
        self.date = DATE
        self.asked: queue.Queue[dict[str, str]] = queue.Queue()
        self.keys: set[tuple[str, str]] = set()
        self.open: list[Any] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        for _ in range(10):
            self.say.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # with it every reply takes 40 ms

            def do_GET(self) -> None:
                if self.path == "/v2/clock":
                    self._clock()
                    return
                told = host.answers.pop(0) if host.answers else StreamReply()
                asked = urlsplit(self.path)
                assert asked.path == "/v2/events/trades"
                host.keys.add(
                    (self.headers["APCA-API-KEY-ID"], self.headers["APCA-API-SECRET-KEY"])
                )
                self.send_response_only(told.status)
                self.send_header("Content-Type", told.kind)
                if told.status != 200 or told.kind != "text/event-stream":
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    host.asked.put(dict(parse_qsl(asked.query)))
                    return
                coding = (
                    ("Transfer-Encoding", "chunked") if told.chunked else ("Connection", "close")
                )
                self.send_header(*coding)
                self.end_headers()
                host.asked.put(dict(parse_qsl(asked.query)))
                self.close_connection = True
                with suppress(OSError):  # the client has gone
                    self._body(told)

            def _clock(self) -> None:
                self.send_response_only(200)
                if host.date:
                    self.send_header("Date", host.date)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _body(self, told: StreamReply) -> None:
                while (text := host.say.get()) is not None:
                    if text is CUT:
                        return
                    data = text.encode() if isinstance(text, str) else text
                    head = f"{len(data):x}\r\n".encode() if told.chunked else b""
                    self.wfile.write(head + data + (b"\r\n" if told.chunked else b""))
                if told.chunked:
                    self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        return Handler


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_RETRY_MIN_S", 0.02)
    monkeypatch.setattr(sse, "_RETRY_MAX_S", 0.05)


def broker_at(host: Host) -> AlpacaBroker:
    return AlpacaBroker(KEY, SECRET, url=host.url, stream="sse")


def event(order_id: str = "o1", at: str = "2026-11-20T15:00:01.000000007Z") -> str:
    return f"data: {json.dumps(inner(order_id, at))}\n\n"


def inner(order_id: str, at: str) -> dict[str, Any]:
    told: dict[str, Any] = recorded("frames")["sse_new_notional"]
    return told | {"at": at, "order": told["order"] | {"id": order_id}}


def test_connected_is_reported_with_the_first_event_and_each_event_is_decoded(host: Host) -> None:
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        assert sink.next() == ("connected", None)
        host.say.put(": heartbeat\n\n" + event("o1") + event("o2"))
        assert [sink.next(), sink.next()] == [("receive", ["o1"]), ("receive", ["o2"])]
    assert host.asked.get_nowait() == START
    assert {(KEY, SECRET)} == host.keys


@pytest.mark.parametrize("end", [None, CUT], ids=["ended", "cut"])
def test_after_a_loss_it_resumes_at_the_last_received_event(host: Host, end: object) -> None:
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        host.say.put(event())
        host.say.put(end)
        told = [sink.next()[0] for _ in range(4)]
        assert told == ["connected", "receive", "lost", "connected"]
        assert [host.asked.get(timeout=60) for _ in range(2)] == [
            START,
            {"since": "2026-11-20T15:00:01.000000007Z"},
        ]


def test_before_the_first_event_it_resumes_at_the_time_of_alpacas_clock(host: Host) -> None:
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        host.say.put(CUT)
        assert [sink.next()[0] for _ in range(3)] == ["connected", "lost", "connected"]
        assert [host.asked.get(timeout=60) for _ in range(2)] == [START, START]


@pytest.mark.parametrize("date", ["", "soon"])
def test_without_alpacas_clock_nothing_is_replayed(host: Host, date: str) -> None:
    host.date = date
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        host.say.put(CUT)
        assert [sink.next()[0] for _ in range(3)] == ["connected", "lost", "connected"]
        assert [host.asked.get(timeout=60) for _ in range(2)] == [{}, {}]


@pytest.mark.parametrize(
    "comment",
    ["you are reading too slowly, dropped 3 messages", "internal server error", "\xff slow"],
)
def test_a_comment_about_a_gap_causes_a_replay(host: Host, comment: str) -> None:
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        host.say.put(event() + f": {comment}\n\n" + event("missed"))
        assert [sink.next()[0] for _ in range(2)] == ["connected", "receive"]
        assert ("lost", f"Alpaca reported {comment!r}") == sink.next()
        assert sink.next() == ("connected", None)
        host.asked.get(timeout=60)
        assert "since" in host.asked.get(timeout=60)


def test_an_idle_timeout_ends_a_connection_and_is_no_loss(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "_IDLE_TIMEOUT_S", 0.2)
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        assert sink.next() == ("connected", None)
        asked = [host.asked.get(timeout=60) for _ in range(3)]
    assert sink.news.empty()
    assert asked == [START] * 3


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (StreamReply(status=404), "HTTP 404: this host has no stream of server-sent events"),
        (StreamReply(status=401), "Alpaca rejected the keys"),
        (StreamReply(status=429), "HTTP 429: there is no stream"),
        (StreamReply(status=307), "HTTP 307: there is no stream"),
        (StreamReply(kind="text/html"), "the reply is not a stream of server-sent events"),
    ],
)
def test_a_reply_that_is_no_stream_is_reported_once_and_retried(
    host: Host, told: StreamReply, why: str
) -> None:
    host.answers = [told] * 3
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        assert ("lost", why) == sink.next()
        assert sink.next() == ("connected", None)


def test_a_refused_connection_is_reported_once() -> None:
    sink = RecordingSink()
    broker = AlpacaBroker(KEY, SECRET, url="http://127.0.0.1:1", stream="sse")
    with broker.listen(sink):
        assert sink.next() == ("lost", "the connection ended: ConnectionError")


@pytest.mark.parametrize("data", ["{", "[]", "null", '{"event": "fill"}', '{"at": 5}', "\udc80"])
def test_an_invalid_event_is_a_gap_and_the_next_one_is_received(host: Host, data: str) -> None:
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        host.say.put(f"data: {data}\n\n".encode("utf-8", "surrogateescape") + event().encode())
        assert [sink.next()[0] for _ in range(3)] == ["connected", "lost", "connected"]
        assert sink.next() == ("receive", ["o1"])


def test_bodies_that_come_in_bytes_or_pieces_are_not_waited_for(host: Host) -> None:
    host.answers = [StreamReply(chunked=False), StreamReply()]
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        assert sink.next() == ("connected", None)
        host.say.put(event("o1"))
        assert sink.next() == ("receive", ["o1"])
        host.say.put(CUT)
        assert [sink.next()[0] for _ in range(2)] == ["lost", "connected"]
        for piece in event("o2").replace("\n\n", "\r\n\r\n").partition(":"):
            host.say.put(piece)
        assert sink.next() == ("receive", ["o2"])


@pytest.mark.parametrize("when", ["at once", "connected", "refused"])
def test_listening_ends_without_delay_and_leaves_nothing(host: Host, when: str) -> None:
    if when == "refused":
        host.answers = [StreamReply(status=503)] * 99
    sink = RecordingSink()
    with broker_at(host).listen(sink):
        if when != "at once":
            sink.next()
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert not [each for each in threading.enumerate() if each.name == "alpaca-events"]


def test_an_address_selects_the_stream() -> None:
    env = {"ALPACA_API_KEY": KEY, "ALPACA_SECRET_KEY": SECRET}
    broker = AlpacaBroker.from_address("http://127.0.0.1:9?stream=sse", env)
    assert isinstance(broker.listen(RecordingSink()), sse.SseListener)
    assert not isinstance(
        AlpacaBroker.from_address("paper", env).listen(RecordingSink()), sse.SseListener
    )
    for wrong in ("paper?stream=", "paper?stream=sees", "paper?steam=sse", "?stream=sse"):
        with pytest.raises(BadAddress):
            AlpacaBroker.from_address(wrong, env)


def test_an_order_during_an_outage_is_reported_after_it() -> None:
    exchange = Exchange(seed=7)
    with Emulator(exchange) as emulator:
        exchange.quote("BTC/USD", "100", "101")
        broker = AlpacaBroker(emulator.key, emulator.secret, url=emulator.url, stream="sse")
        sink = RecordingSink()
        wish = m.OrderRequest(
            symbol="BTC/USD",
            side=m.OrderSide.BUY,
            type=m.OrderType.MARKET,
            qty=m.number("0.5"),
            time_in_force=m.TimeInForce.GTC,
        )
        with broker.listen(sink):
            assert sink.next() == ("connected", None)
            broker.submit(m.Intent(client_order_id="up", request=wish, at=SINCE))
            assert sink.next()[0] == "receive"  # so the emulator has us on its list
            exchange.faults.switch_on("stream-refused")
            emulator.events.disconnect()
            while sink.next()[0] != "lost":
                pass
            placed = broker.submit(m.Intent(client_order_id="down", request=wish, at=SINCE))
            assert isinstance(placed, m.Accepted)
            assert placed.report is not None
            exchange.faults.clear()
            told = ("receive", [placed.report.broker_order_id])
            assert ("connected", None) in list(iter(sink.next, told))
        broker.close()
