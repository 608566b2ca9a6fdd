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
from fillbook.venue.alpaca.requests import Asked, bad
from fillbook.venue.exchange import Account, Event, Occasion, Refused

Put = Callable[[Event | None], None]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's, in which ULIDs are written
_HELLO: Final = ": listening\n\n"


@frozen
class Span:
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

    def has(self, event: Event) -> bool:
        event_id = ulid(event)
        return (
            (self.since is None or event.at >= self.since)
            and (self.until is None or event.at <= self.until)
            and (self.since_id is None or event_id >= self.since_id)
            and (self.until_id is None or event_id <= self.until_id)
        )


class Events:
    """The open answers; there may be any number for one key."""

    def __init__(self, door: Gateway) -> None:
        self.door = door
        self.told = 0  #: events that were put on an answer until now
        self._counting = threading.Lock()
        self._open: set[Put] = set()

    async def serve(self, request: Request) -> Response:
        """One answer; it ends with its span, or when client or exchange hang up."""
        account = self.door.who(request)
        if account is None:
            return unauthorized()
        if self.door.exchange.faults.next(Occasion.LISTEN) is not None:
            return too_many()
        try:
            span = _span(Asked(self.door.exchange, account, {}, dict(request.query_params), b""))
        except Refused as refusal:
            return refused(refusal)
        told = self._told(account, span)
        hello = await anext(told)  # who gets an answer at all is listening by then
        return StreamingResponse(_all(hello, told), media_type="text/event-stream")

    def hang_up(self) -> None:
        """End every answer; from any thread."""
        for put in tuple(self._open):
            put(None)

    async def _told(self, account: Account, span: Span) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        box: asyncio.Queue[Event | None] = asyncio.Queue()

        def put(event: Event | None) -> None:
            self._count(event is not None)
            loop.call_soon_threadsafe(box.put_nowait, event)

        self._open.add(put)
        try:
            with account.listen(put, lambda: put(None)):
                yield _HELLO
                # Whoever listens first and looks back then misses nothing in between.
                past = account.truth.events() if span.is_replayed else []
                again = [event for event in past if span.has(event)]
                self._count(len(again))
                for event in again:
                    yield self._frame(event)
                told = past[-1].number if past else 0
                while not span.is_past and (heard := await box.get()) is not None:
                    if heard.number > told:
                        yield self._frame(heard)
                    else:
                        self._count(-1)
        finally:
            self._open.discard(put)

    def _count(self, more: int) -> None:
        with self._counting:
            self.told += more

    def _frame(self, event: Event) -> str:
        inner = responses.event(self.door.exchange, event)["data"]
        assert isinstance(inner, dict)
        body = inner | {"at": event.at, "event_id": ulid(event)}
        return f"data: {json.dumps(body)}\n\n"


async def _all(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for each in rest:
        yield each


def ulid(event: Event) -> str:
    """An id of 26 letters that sorts by time, and within a millisecond by number."""
    milliseconds = (m.moment(event.at) - _EPOCH) // timedelta(milliseconds=1)
    value = milliseconds << 80 | event.number
    return "".join(_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))


def _span(asked: Asked) -> Span:
    query = asked.query
    for bound in ("since", "until"):
        if query.get(bound) and query.get(f"{bound}_id"):
            raise bad(f"{bound} and {bound}_id are mutually exclusive")
    return Span(
        asked.moment("since"),
        asked.moment("until"),
        query.get("since_id") or None,
        query.get("until_id") or None,
    )
