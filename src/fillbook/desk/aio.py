"""
The desk for asyncio: each method runs the method of `Desk` in a thread.

asyncio is imported on the first use, so that `import fillbook` is short.

Cancelling an `await` does not cancel the order, and leaves nothing half written: the call
continues in its thread until it ends, and leaving the `async with` waits for it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Self, TypeVar

from fillbook import model as m
from fillbook.desk import Desk, forked
from fillbook.desk.record.book import Book

if TYPE_CHECKING:
    import asyncio

P = ParamSpec("P")
T = TypeVar("T")
log: logging.Logger = logging.getLogger("fillbook")

#: The maximum number of concurrent calls; further calls wait.
THREADS: Final = 32

Awaited = Callable[Concatenate["AsyncDesk", P], Coroutine[Any, Any, T]]


def awaited(method: Callable[Concatenate[Desk, P], T]) -> Awaited[P, T]:
    """Return *method* of `Desk` as a coroutine function with the same parameters."""

    @functools.wraps(method)
    async def call(self: AsyncDesk, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(functools.partial(method, self._desk, *args, **kwargs))

    return call


class AsyncDesk:
    """
    `Desk` for asyncio: the same methods and parameters, as coroutines.

    `fillbook.open_async` makes it; use it with ``async with``.  `book` reads the local store
    and is not awaited; it blocks only for a read of a file.
    """

    def __init__(self, desk: Desk) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._desk = desk
        self._book = desk._offline_book
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fillbook-call")
        forked.register(self)

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
        """Wait for the calls in progress, stop the background thread and close the store."""
        import asyncio

        await asyncio.shield(asyncio.to_thread(self._close))

    @property
    def book(self) -> Book:
        """The book, which reads the store only; its methods are not awaited."""
        return self._book

    @property
    def requests(self) -> int:
        """The number of requests that this desk has sent."""
        return self._desk.requests

    check = awaited(Desk.check)
    sync = awaited(Desk.sync)
    buying_power = awaited(Desk.buying_power)
    opens_at = awaited(Desk.opens_at)
    submit = awaited(Desk.submit)
    buy = awaited(Desk.buy)
    sell = awaited(Desk.sell)
    replace = awaited(Desk.replace)
    preview = awaited(Desk.preview)
    halt = awaited(Desk.halt)
    resume = awaited(Desk.resume)
    cancel = awaited(Desk.cancel)
    cancel_all = awaited(Desk.cancel_all)
    resolve = awaited(Desk.resolve)
    assign = awaited(Desk.assign)
    wait = awaited(Desk.wait)
    status = awaited(Desk.status)
    protect = awaited(Desk.protect)
    unprotect = awaited(Desk.unprotect)
    protections = awaited(Desk.protections)
    close_position = awaited(Desk.close_position)
    flatten = awaited(Desk.flatten)
    rebalance = awaited(Desk.rebalance)
    catch_up = awaited(Desk.catch_up)
    compare_pnl = awaited(Desk.compare_pnl)
    repair = awaited(Desk.repair)
    rebuild = awaited(Desk.rebuild)
    plans = awaited(Desk.plans)
    plan = awaited(Desk.plan)
    approve = awaited(Desk.approve)
    reject = awaited(Desk.reject)
    receive = awaited(Desk.receive)
    events = awaited(Desk.events)
    tick = awaited(Desk.tick)
    start = awaited(Desk.start)

    @asynccontextmanager
    async def sending(
        self, request: m.OrderRequest, key: str | None = None
    ) -> AsyncIterator[m.Order]:
        """Like `Desk.sending`, with `async with`."""
        body = self._desk.sending(request, key)
        order = await self._run(body.__enter__)
        try:
            yield order
        except BaseException as error:
            await self._run(functools.partial(body.__exit__, type(error), error, None))
            raise
        await self._run(functools.partial(body.__exit__, None, None, None))

    async def on(self, kind: m.EventKind | str, call: Callable[[m.Event], None]) -> None:
        """Call *call* in this event loop with every event of *kind*, once it is durable."""
        import asyncio

        loop = asyncio.get_running_loop()

        def notify(event: m.Event) -> None:
            loop.call_soon_threadsafe(call, event)

        self._desk.on(kind, functools.wraps(call)(notify) if callable(call) else call)

    def _close(self) -> None:
        self._threads.shutdown()
        self._desk.close()

    async def _run(self, call: Callable[[], T]) -> T:
        import asyncio

        future = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(_log_outcome)  # the caller no longer awaits it
            raise


def _log_outcome(future: asyncio.Future[Any]) -> None:
    """Log the exception of a call whose await was canceled."""
    error = None if future.cancelled() else future.exception()
    if error is not None:
        log.warning("a call whose await was canceled raised: %s", error)
