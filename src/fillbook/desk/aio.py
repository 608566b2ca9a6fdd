"""
The desk for asyncio: every method is the desk's own, awaited in a thread.

Cancelling an `await` does not cancel the order, and leaves nothing half written: what was
begun goes on to its end in its thread, and leaving the `async with` waits for it.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from fillbook import model as m
from fillbook.desk import Desk
from fillbook.desk.record.book import Book

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("fillbook")

#: So many calls are under way at once; the rest wait their turn.
THREADS: Final = 32

Awaited = Callable[Concatenate["AsyncDesk", P], Coroutine[Any, Any, T]]


def awaited(method: Callable[Concatenate[Desk, P], T]) -> Awaited[P, T]:
    """*method* of a desk, as a coroutine function of the same parameters."""

    @functools.wraps(method)
    async def call(self: AsyncDesk, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(functools.partial(method, self._desk, *args, **kwargs))

    return call


class AsyncDesk:
    """
    `Desk` for asyncio: the same names and parameters, each to be awaited.

    Made by `fillbook.open_async`; use it with ``async with``.  `book` reads the record, which
    is on this machine, and blocks no longer than a file does.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fillbook-call")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for what is under way, stop the background and close the store."""
        await asyncio.shield(asyncio.to_thread(self._end))

    @property
    def book(self) -> Book:
        """All reading, over the store alone; not awaited."""
        return self._desk.book

    @property
    def requests(self) -> int:
        """How many requests this desk has sent so far."""
        return self._desk.requests

    check = awaited(Desk.check)
    sync = awaited(Desk.sync)
    buying_power = awaited(Desk.buying_power)
    submit = awaited(Desk.submit)
    buy = awaited(Desk.buy)
    sell = awaited(Desk.sell)
    replace = awaited(Desk.replace)
    preview = awaited(Desk.preview)
    halt = awaited(Desk.halt)
    resume = awaited(Desk.resume)
    cancel = awaited(Desk.cancel)
    cancel_all = awaited(Desk.cancel_all)
    wait = awaited(Desk.wait)
    receive = awaited(Desk.receive)
    events = awaited(Desk.events)
    tick = awaited(Desk.tick)
    start = awaited(Desk.start)

    @asynccontextmanager
    async def sending(
        self, request: m.OrderRequest, key: str | None = None
    ) -> AsyncIterator[m.Order]:
        """As `Desk.sending`, with `async with`."""
        body = self._desk.sending(request, key)
        order = await self._run(body.__enter__)
        try:
            yield order
        except BaseException as error:
            await self._run(functools.partial(body.__exit__, type(error), error, None))
            raise
        await self._run(functools.partial(body.__exit__, None, None, None))

    async def on(self, kind: m.EventKind | str, call: Callable[[m.Event], None]) -> None:
        """Have *call* made in this event loop with every event of *kind*, once it is durable."""
        loop = asyncio.get_running_loop()

        def tell(event: m.Event) -> None:
            loop.call_soon_threadsafe(call, event)

        self._desk.on(kind, functools.wraps(call)(tell) if callable(call) else call)

    def _end(self) -> None:
        self._threads.shutdown()
        self._desk.close()

    async def _run(self, call: Callable[[], T]) -> T:
        done = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            done.add_done_callback(_told)  # nobody waits for it any more
            raise


def _told(done: asyncio.Future[Any]) -> None:
    """Say what came of a call that its caller gave up."""
    error = None if done.cancelled() else done.exception()
    if error is not None:
        log.warning("a call went on after its await was canceled, and raised: %s", error)
