"""
The event queue and the clock of the exchange.

Every call of the exchange runs inside `locked`, which first runs the due callbacks in order,
each at its own scheduled time.  Under a `ManualClock` every callback is also scheduled on
that clock; under a real clock a thread runs the due callbacks while a stream is connected.
The exchange has a wall clock of its own: it starts at the given clock's time and then follows
only its `elapsed`, so a jump of a client's clock does not change it.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Context, localcontext
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock, ManualClock

_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INTERVAL_S: Final = 0.02
_CONTEXT: Final = Context()  #: our own, because a caller's context may have a low precision


class Timeline:
    """The event queue, the lock and the timestamps of one exchange."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin = clock.elapsed()
        self._start = clock.now()
        self._skew = timedelta()
        self._moment = self._origin
        self._due: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._lock = threading.RLock()
        self._depth = 0
        self._outbox: deque[Callable[[], None]] = deque()
        self._sending = threading.Lock()
        self._last_ns = 0
        self._listeners = 0
        self._stop = threading.Event()

    @property
    def elapsed(self) -> timedelta:
        """The current time of the exchange on the monotonic clock."""
        return self._moment

    def now(self) -> datetime:
        return self._start + (self._moment - self._origin) + self._skew

    def jump(self, seconds: float) -> None:
        """Shift the exchange's wall clock by *seconds* (signed); the order of events stays."""
        self._skew += timedelta(seconds=seconds)

    def stamp(self) -> m.Timestamp:
        """Return a timestamp of now, at least one nanosecond after the previous one."""
        wall_ns = (self.now() - _EPOCH) // _MICROSECOND * 1000
        self._last_ns = max(self._last_ns + 1, wall_ns)
        seconds, ns = divmod(self._last_ns, 1_000_000_000)
        whole = _EPOCH + timedelta(seconds=seconds)
        return m.Timestamp(f"{whole:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z")

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Schedule *callback* in *seconds* (≥ 0) from now."""
        due = self._moment + timedelta(seconds=max(0.0, seconds))
        heapq.heappush(self._due, (due, next(self._count), callback))
        if isinstance(self._clock, ManualClock):
            ahead = (due - self._clock.elapsed()).total_seconds()
            self._clock.call_later(max(0.0, ahead), self.run_due)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> None:
        """Schedule *callback* at *when* on the exchange's wall clock, or now if that is past."""
        self.call_later((when - self.now()).total_seconds(), callback)

    def run_due(self) -> None:
        """Run the callbacks that are due."""
        with self.locked():
            pass

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock, after the due callbacks have run; notifications follow its release."""
        with self._lock, localcontext(_CONTEXT):
            self._depth += 1
            try:
                if self._depth == 1:
                    self._catch_up()
                yield
            finally:
                self._depth -= 1
                outermost = self._depth == 0
        if outermost:
            self._send()

    def _catch_up(self) -> None:
        end = max(self._moment, self._clock.elapsed())
        while self._due and self._due[0][0] <= end:
            due, _, callback = heapq.heappop(self._due)
            self._moment = max(self._moment, due)
            callback()
        self._moment = end

    def notify(self, callback: Callable[[], None]) -> None:
        """Queue *callback*, to be called without the lock, in the order of the calls."""
        self._outbox.append(callback)

    def _send(self) -> None:
        # A thread that does not get the lock leaves its notifications to the thread that has it;
        # that thread checks the outbox again after it releases the lock.
        while self._outbox and self._sending.acquire(blocking=False):
            try:
                while self._outbox:
                    self._outbox.popleft()()
            finally:
                self._sending.release()

    @contextmanager
    def background(self) -> Iterator[None]:
        """Under a real clock, run the due callbacks in a thread while the context lasts."""
        if isinstance(self._clock, ManualClock):
            yield
            return
        with self._lock:
            self._listeners += 1
            if self._listeners == 1:
                self._stop = threading.Event()
                threading.Thread(
                    target=self._run_background, args=(self._stop,), name="exchange", daemon=True
                ).start()
        try:
            yield
        finally:
            with self._lock:
                self._listeners -= 1
                if self._listeners == 0:
                    self._stop.set()

    def _run_background(self, stop: threading.Event) -> None:
        while not stop.wait(_INTERVAL_S):
            self.run_due()
