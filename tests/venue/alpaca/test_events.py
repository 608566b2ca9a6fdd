"""Trade events over HTTP: replayed from a given point, and then sent as they happen."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

PATH = "/v2/events/trades"
KEYS = {
    *("at", "event", "event_id", "execution_id", "order", "timestamp"),
    *("position_qty", "price", "qty"),
}


class EventStream:
    """A reply that stays open."""

    def __init__(self, answer: requests.Response) -> None:
        lines = answer.iter_lines(1)
        assert next(lines) == b": listening"
        self._lines = (line for line in lines if line.startswith(b"data: "))

    def next(self, count: int) -> list[Any]:
        return [json.loads(next(self._lines).removeprefix(b"data: ")) for _ in range(count)]

    def rest(self) -> list[Any]:
        return [json.loads(line.removeprefix(b"data: ")) for line in self._lines]


@contextmanager
def event_stream(http: Any, **query: str) -> Iterator[EventStream]:
    """The events after the server confirms the stream."""
    with http("GET", PATH, params=query, stream=True) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield EventStream(answer)


def bought(http: Any, clock: ManualClock, symbol: str = "AAPL") -> str:
    body = {"symbol": symbol, "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
    order_id: str = http("POST", "/v2/orders", body).json()["id"]
    clock.advance(2)
    return order_id


def test_events_are_sent_as_they_happen(http: Any, clock: ManualClock) -> None:
    bought(http, clock)
    with event_stream(http) as stream:
        order_id = bought(http, clock)
        events = stream.next(3)
    assert [each["event"] for each in events] == ["pending_new", "new", "fill"]
    assert {order_id} == {each["order"]["id"] for each in events}
    assert set(events[-1]) == KEYS


def test_a_client_resumes_after_its_last_event(http: Any, clock: ManualClock) -> None:
    bought(http, clock)
    with event_stream(http, since="2026-01-01T00:00:00Z") as stream:
        first = stream.next(3)
    missed = bought(http, clock, "MSFT")
    after = first[-1]["at"][:-2] + "9Z"  # the last of its nanoseconds
    with event_stream(http, since=after) as stream:
        assert {missed} == {each["order"]["id"] for each in stream.next(3)}
        live = bought(http, clock)
        assert {live} == {each["order"]["id"] for each in stream.next(3)}


def test_events_are_replayed_by_id_until_an_id(http: Any, clock: ManualClock) -> None:
    for _ in range(2):
        bought(http, clock)
    with event_stream(http, until="2027-01-01") as stream:
        every = stream.rest()
    ids = [each["event_id"] for each in every]
    assert (len(set(ids)), sorted(ids)) == (6, ids)
    assert {26} == {len(each) for each in ids}
    with event_stream(http, since_id=ids[1], until_id=ids[3]) as stream:
        assert ids[1:4] == [each["event_id"] for each in stream.rest()]


def test_what_the_stream_drops_is_in_the_past(
    http: Any, clock: ManualClock, exchange: Exchange
) -> None:
    with event_stream(http) as stream:
        exchange.faults.fail("event", "event-dropped")
        bought(http, clock)
        assert [each["event"] for each in stream.next(2)] == ["new", "fill"]
    with event_stream(http, until="2027-01-01") as stream:
        assert [each["event"] for each in stream.rest()] == ["pending_new", "new", "fill"]


def test_the_exchange_may_hang_up(http: Any, clock: ManualClock, exchange: Exchange) -> None:
    with event_stream(http) as stream:
        exchange.faults.fail("event", "stream-lost")
        bought(http, clock)
        assert stream.rest() == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=2026-01-01&since_id=0", "since and since_id are mutually exclusive"),
        ("until=2026-01-01&until_id=0", "until and until_id are mutually exclusive"),
        ("since=yesterday", "invalid since"),
    ],
)
def test_a_span_that_cannot_be_is_refused(http: Any, query: str, words: str) -> None:
    answer = http("GET", f"{PATH}?{query}")
    assert answer.status_code == 422
    assert words in answer.json()["message"]


def test_invalid_keys_and_refused_connections_get_no_events(
    emulator: Emulator, http: Any, exchange: Exchange
) -> None:
    assert requests.get(emulator.url + PATH, timeout=10).status_code == 401
    exchange.faults.fail("listen", "stream-refused")
    assert http("GET", PATH).status_code == 429


def test_the_past_is_built_outside_the_thread_that_serves(
    emulator: Emulator, http: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty readers of a long history held up every other request."""
    bought(http, clock)
    built: set[str] = set()
    frame = emulator.events._frame

    def noting(event: Any) -> str:
        built.add(threading.current_thread().name)
        return frame(event)

    monkeypatch.setattr(emulator.events, "_frame", noting)
    with event_stream(http, since="2026-01-01T00:00:00Z", until="2027-01-01T00:00:00Z") as stream:
        assert [each["event"] for each in stream.rest()] == ["pending_new", "new", "fill"]
    assert built
    assert "alpaca-emulator" not in built
