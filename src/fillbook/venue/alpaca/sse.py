"""
Trade events over plain HTTP: server-sent events with replay.

`GET /v2/events/trades` sends the past events from `since` (a time) or `since_id` (an event
id, which sorts by time), and then new events; with `until` or `until_id` it ends after the
past events.  All bounds are inclusive; Alpaca does not document them.  Alpaca's Go client uses
this stream, and after a loss it continues after the last event that it received.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fillbook import model as m
from fillbook.venue.alpaca import responses
from fillbook.venue.alpaca.gateway import Gateway, refused, too_many, unauthorized
from fillbook.venue.alpaca.requests import ApiRequest, bad
from fillbook.venue.exchange import Account, Event, InjectionPoint, Refused

PutEvent = Callable[[Event | None], None]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, the encoding of ULIDs
_LISTENING: Final = ": listening\n\n"
#: The number of past events that are sent at once.
_BATCH: Final = 200


@frozen
class ReplayRange:
    """The range of events to replay; bounds are inclusive, None is no bound."""

    since: m.Timestamp | None
    until: m.Timestamp | None
    since_id: str | None
    until_id: str | None

    @property
    def is_past(self) -> bool:
        """Whether the stream ends after the past events."""
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
    """The open event streams; a key may have any number of them."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.sent: int = 0  #: the number of events sent on all streams until now
        self._count_lock = threading.Lock()
        self._open: set[PutEvent] = set()

    async def serve(self, request: Request) -> Response:
        """Serve one stream until its range ends, or the client or the exchange disconnects."""
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
        """End every stream; from any thread."""
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
                # Subscribe first and read the past then, so that no event is missed in between.
                past = account.truth.events() if replay.is_replayed else []
                # In other threads: the event loop serves the requests of everybody else meanwhile.
                for start in range(0, len(past), _BATCH):
                    batch = past[start : start + _BATCH]
                    if frames := await run_in_threadpool(self._replayed, batch, replay):
                        yield frames
                last_sent = past[-1].number if past else 0
                while not replay.is_past and (received := await queue.get()) is not None:
                    if received.number > last_sent:
                        yield self._frame(received)
                    else:
                        self._count(-1)
        finally:
            self._open.discard(put)

    def _replayed(self, past: Sequence[Event], replay: ReplayRange) -> str:
        frames = [self._frame(event) for event in past if replay.contains(event)]
        self._count(len(frames))
        return "".join(frames)

    def _count(self, more: int) -> None:
        with self._count_lock:
            self.sent += more

    def _frame(self, event: Event) -> str:
        data = responses.event(self.gateway.exchange, event)["data"]
        assert isinstance(data, dict)
        body = data | {"at": event.at, "event_id": ulid(event)}
        return f"data: {json.dumps(body)}\n\n"


async def _chained(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for each in rest:
        yield each


def ulid(event: Event) -> str:
    """Return an id of 26 characters that sorts by time, and within a millisecond by number."""
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
