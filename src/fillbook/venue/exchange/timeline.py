"""
Time inside the exchange: what is due, in order, each at its own moment.

Whoever calls the exchange takes a `turn`: first all that fell due meanwhile happens,
with the time standing at each one's moment, then the call.  Under a `ManualClock`
everything is also hung on the clock itself; under a real one a thread beats while
somebody listens.  The exchange's wall clock is its own: it starts where the given clock
stands and then follows only its `elapsed`, so a client's clock may jump without it.
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
_CONTEXT: Final = Context()  #: of our own: whoever calls may reckon with as few digits as it likes


class Timeline:
    """The agenda, the lock and the stamps of one exchange."""

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
        """The moment that is being lived through, by the clock that never jumps."""
        return self._moment

    def now(self) -> datetime:
        return self._start + (self._moment - self._origin) + self._skew

    def jump(self, seconds: float) -> None:
        """Set the exchange's own wall clock off; its order of events stays."""
        self._skew += timedelta(seconds=seconds)

    def stamp(self) -> m.Timestamp:
        """The moment, later than every stamp before it by a nanosecond at least."""
        wall_ns = (self.now() - _EPOCH) // _MICROSECOND * 1000
        self._last_ns = max(self._last_ns + 1, wall_ns)
        seconds, ns = divmod(self._last_ns, 1_000_000_000)
        whole = _EPOCH + timedelta(seconds=seconds)
        return m.Timestamp(f"{whole:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z")

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Have *call* made in *seconds* (≥ 0) from the moment."""
        due = self._moment + timedelta(seconds=max(0.0, seconds))
        heapq.heappush(self._due, (due, next(self._count), callback))
        if isinstance(self._clock, ManualClock):
            ahead = (due - self._clock.elapsed()).total_seconds()
            self._clock.call_later(max(0.0, ahead), self.run_due)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> None:
        """Have *call* made at *when* by the exchange's wall, or at once if that is over."""
        self.call_later((when - self.now()).total_seconds(), callback)

    def run_due(self) -> None:
        """Let happen what is due by now."""
        with self.locked():
            pass

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the exchange, after all that was due; what it said is heard afterwards."""
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
        """Have *call* made once the lock is free, in the order of saying."""
        self._outbox.append(callback)

    def _send(self) -> None:
        # Whoever fails to get the lock leaves its words to the one who has it and looks again.
        while self._outbox and self._sending.acquire(blocking=False):
            try:
                while self._outbox:
                    self._outbox.popleft()()
            finally:
                self._sending.release()

    @contextmanager
    def background(self) -> Iterator[None]:
        """While somebody listens under a real clock, a thread lets happen what is due."""
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
