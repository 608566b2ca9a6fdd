"""
Trade events over plain HTTP: server-sent events, which can be told again.

`GET /v2/events/trades` tells what happened from `since` (a time) or `since_id` (an event's
id, which sorts by time) on, and then what happens; with `until` or `until_id` it ends after
the past.  All bounds are included, as nobody has said that they are not.  Alpaca's own Go
client listens here and goes on after a loss behind the last event that it heard.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fillbook import model as m
from fillbook.venue.alpaca import responses
from fillbook.venue.alpaca.gateway import Gateway, refused, too_many, unauthorized
from fillbook.venue.alpaca.requests import ApiRequest, bad
from fillbook.venue.exchange import Account, Event, InjectionPoint, Refused

PutEvent = Callable[[Event | None], None]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's, in which ULIDs are written
_LISTENING: Final = ": listening\n\n"


@frozen
class ReplayRange:
    """Which events are told again; None is no bound."""

    since: m.Timestamp | None
    until: m.Timestamp | None
    since_id: str | None
    until_id: str | None

    @property
    def is_past(self) -> bool:
        """Whether it ends with what has happened."""
        return self.until is not None or self.until_id is not None

    @property
    def is_replayed(self) -> bool:
        return self.is_past or self.since is not None or self.since_id is not None

    def contains(self, event: Event) -> bool:
        event_id = ulid(event)
        return (
            (self.since is None or event.at >= self.since)
            and (self.until is None or event.at <= self.until)
            and (self.since_id is None or event_id >= self.since_id)
            and (self.until_id is None or event_id <= self.until_id)
        )


class Events:
    """The open answers; there may be any number for one key."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.sent = 0  #: events that were put on an answer until now
        self._count_lock = threading.Lock()
        self._open: set[PutEvent] = set()

    async def serve(self, request: Request) -> Response:
        """One answer; it ends with its span, or when client or exchange hang up."""
        account = self.gateway.authenticate(request)
        if account is None:
            return unauthorized()
        if self.gateway.exchange.faults.next(InjectionPoint.LISTEN) is not None:
            return too_many()
        try:
            replay = _replay_range(
                ApiRequest(self.gateway.exchange, account, {}, dict(request.query_params), b"")
            )
        except Refused as refusal:
            return refused(refusal)
        frames = self._frames(account, replay)
        first = await anext(frames)  # the subscription is open before the response is sent
        return StreamingResponse(_chained(first, frames), media_type="text/event-stream")

    def disconnect(self) -> None:
        """End every answer; from any thread."""
        for put in tuple(self._open):
            put(None)

    async def _frames(self, account: Account, replay: ReplayRange) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Event | None] = asyncio.Queue()

        def put(event: Event | None) -> None:
            self._count(event is not None)
            loop.call_soon_threadsafe(queue.put_nowait, event)

        self._open.add(put)
        try:
            with account.listen(put, lambda: put(None)):
                yield _LISTENING
                # Whoever listens first and looks back then misses nothing in between.
                past = account.truth.events() if replay.is_replayed else []
                replayed = [event for event in past if replay.contains(event)]
                self._count(len(replayed))
                for event in replayed:
                    yield self._frame(event)
                last_sent = past[-1].number if past else 0
                while not replay.is_past and (received := await queue.get()) is not None:
                    if received.number > last_sent:
                        yield self._frame(received)
                    else:
                        self._count(-1)
        finally:
            self._open.discard(put)

    def _count(self, more: int) -> None:
        with self._count_lock:
            self.sent += more

    def _frame(self, event: Event) -> str:
        inner = responses.event(self.gateway.exchange, event)["data"]
        assert isinstance(inner, dict)
        body = inner | {"at": event.at, "event_id": ulid(event)}
        return f"data: {json.dumps(body)}\n\n"


async def _chained(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for each in rest:
        yield each


def ulid(event: Event) -> str:
    """An id of 26 letters that sorts by time, and within a millisecond by number."""
    milliseconds = (m.moment(event.at) - _EPOCH) // timedelta(milliseconds=1)
    value = milliseconds << 80 | event.number
    return "".join(_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))


def _replay_range(asked: ApiRequest) -> ReplayRange:
    query = asked.query
    for bound in ("since", "until"):
        if query.get(bound) and query.get(f"{bound}_id"):
            raise bad(f"{bound} and {bound}_id are mutually exclusive")
    return ReplayRange(
        asked.moment("since"),
        asked.moment("until"),
        query.get("since_id") or None,
        query.get("until_id") or None,
    )
