"""
The stream of events (server-sent events): one reader of the outbox, and a queue per listener.

A listener that does not read fast enough is closed when its queue is full; it connects again with
the id of its last event, and misses nothing.  A listener whose token ended is closed within a
second.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Final

from attrs import Factory, define
from starlette.types import Receive, Scope, Send

from fillbook import codec
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.desk.record.book import Book
from fillbook.errors import StoreError
from fillbook.model.account.token import Token
from fillbook.model.journal.kinds import strategy_of
from fillbook.store import Store
from fillbook.web.problems import Problem

log: logging.Logger = logging.getLogger("fillbook")

#: How often the outbox is read, in seconds; the tokens are checked as often.
EVERY_S: Final = 0.25
#: The events that may wait for a listener.
QUEUE_MAX: Final = 1_000
#: The listeners of a book at most.
LISTENERS_MAX: Final = 1_000
#: The time between two heartbeats, in seconds.
HEARTBEAT_S: Final = 15.0
#: The most events that a listener is sent which it missed.
BEHIND_MAX: Final = 10_000
#: How long the end of a stream may take to be sent, in seconds.
END_S: Final = 1.0
_PAGE: Final = 1_000
RESET: Final = b"event: reset\ndata: {}\n\n"
HEARTBEAT: Final = b": heartbeat\n\n"


@define(eq=False)
class Listener:
    """One connection; `token` None: it reads without a token."""

    token: Token | None
    pending: deque[bytes] = Factory(deque)
    wake: asyncio.Event = Factory(asyncio.Event)
    closed: asyncio.Event = Factory(asyncio.Event)

    def sees(self, event: m.Event) -> bool:
        """Whether its token shows *event*."""
        if self.token is None or self.token.sees_account:
            return True
        strategy = strategy_of(event)
        return strategy is not None and self.token.sees(strategy)

    def put(self, text: bytes) -> None:
        """Queue *text*, or close the listener if its queue is full."""
        if len(self.pending) >= QUEUE_MAX:
            self.close()
            return
        self.pending.append(text)
        self.wake.set()

    def close(self) -> None:
        """End the connection."""
        self.closed.set()
        self.wake.set()

    async def next(self) -> bytes:
        """Return the next texts, or a heartbeat if there are none for `HEARTBEAT_S`."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self.wake.wait()
        except TimeoutError:
            return HEARTBEAT
        self.wake.clear()
        texts = b"".join(self.pending)
        self.pending.clear()
        return texts


class Outbox:
    """Reads the events of one book while anybody listens, and passes them on."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._book = Book(store, clock=clock)
        self._listeners: set[Listener] = set()
        self._cursor = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """The number of listeners."""
        return len(self._listeners)

    def close(self) -> None:
        """End every connection; call it in the event loop, when the server ends."""
        for listener in self._listeners:
            listener.close()

    def check_room(self) -> None:
        """Raises: Problem, if there are too many listeners."""
        if len(self._listeners) >= LISTENERS_MAX:
            raise Problem(status=429, code="too_many_requests", detail="too many listeners")

    async def listen(self, token: Token | None) -> tuple[Listener, str]:
        """Add a listener; return it, with the cursor of the newest event before its first."""
        if self._task is None or self._task.done():
            self._cursor = await asyncio.to_thread(self._newest)
        listener = Listener(token)
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._pass_on())
        return listener, self._cursor

    def leave(self, listener: Listener) -> None:
        """Remove a listener."""
        self._listeners.discard(listener)

    def _newest(self) -> str:
        newest = self._book.events(limit=1, newest=True)
        return newest[0].cursor if newest else ""

    def missed(self, listener: Listener, last: str, until: str) -> list[bytes]:
        """Return what a listener missed from *last* to *until*; a reset if it is not known."""
        with self._store.read() as reader:
            known = not last or reader.get(m.Event, last) is not None
        texts: list[bytes] = []
        read = 0
        while known and last < until:
            events = self._book.events(last, limit=_PAGE)
            if not events:
                break
            last, read = events[-1].cursor, read + len(events)
            texts += [as_text(x) for x in events if x.cursor <= until and listener.sees(x)]
            known = read <= BEHIND_MAX
        return texts if known else [RESET]

    async def _pass_on(self) -> None:
        """Pass new events on until there is no listener."""
        while self._listeners:
            await asyncio.sleep(EVERY_S)
            try:
                events, ended = await asyncio.to_thread(self._read)
            except StoreError as error:
                log.warning("the stream of events waits: the record cannot be read: %s", error)
                continue
            for event in events:
                text = as_text(event)
                for listener in self._listeners:
                    if listener.sees(event):
                        listener.put(text)
                self._cursor = event.cursor
            for listener in self._listeners:
                if listener.token is not None and listener.token.token_id in ended:
                    listener.close()

    def _read(self) -> tuple[list[m.Event], set[str]]:
        """Return the new events, and the ids of the tokens that ended."""
        ids = {x.token.token_id for x in list(self._listeners) if x.token is not None}
        now = m.timestamp(self._clock.now())
        with self._store.read() as reader:
            tokens = {i: reader.get(Token, i) for i in ids}
        ended = {i for i, x in tokens.items() if x is None or not x.is_valid(now)}
        return self._book.events(self._cursor, limit=_PAGE), ended


class EventStream:
    """The answer to one listener, as an ASGI application."""

    def __init__(
        self, outbox: Outbox, token: Token | None, last: str | None, headers: Mapping[str, str]
    ) -> None:
        self._outbox = outbox
        self._token = token
        self._last = last
        self._headers = {**headers, "Content-Type": "text/event-stream; charset=utf-8"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener, begin = await self._outbox.listen(self._token)
        sending = asyncio.ensure_future(self._send(listener, begin, send))
        tasks = {
            sending,
            asyncio.ensure_future(_disconnected(receive)),
            asyncio.ensure_future(listener.closed.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if listener.closed.is_set():  # the end is sent, unless the listener does not read
                await asyncio.wait({sending}, timeout=END_S)
        finally:
            self._outbox.leave(listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, listener: Listener, begin: str, send: Send) -> None:
        headers = [(x.lower().encode(), y.encode()) for x, y in self._headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        texts = [HEARTBEAT]
        if self._last is not None:
            texts += await asyncio.to_thread(self._outbox.missed, listener, self._last, begin)
        body = b"".join(texts)
        while not listener.closed.is_set():
            await send({"type": "http.response.body", "body": body, "more_body": True})
            body = await listener.next()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def as_text(event: m.Event) -> bytes:
    """Return an event as it is sent: its cursor is the id."""
    return f"id: {event.cursor}\nevent: {event.kind}\ndata: {codec.to_json(event)}\n\n".encode()
