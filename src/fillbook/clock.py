"""
The one source of time.

`now` may jump (an operator sets the clock, a machine sleeps); `elapsed` never
does, so lengths are measured with it and moments are stamped with `now`.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol
from uuid import uuid4


class Clock(Protocol):
    """Where the desk takes the time from."""

    def now(self) -> datetime:
        """The moment, aware and UTC."""
        ...

    def elapsed(self) -> timedelta:
        """Since an arbitrary start; never runs backward and never jumps."""
        ...

    @property
    def timeline(self) -> str:
        """Which start that is: processes whose timelines are equal may compare `elapsed`."""
        ...

    def wait(self, news: threading.Event, timeout_s: float) -> bool:
        """Sleep until *news* is set or *timeout_s* has passed; whether it was set."""
        ...


@cache
def _boot() -> str:
    """The boot that the monotonic clock counts from; a word of this process where none tells."""
    try:
        # https://docs.kernel.org/admin-guide/sysctl/kernel.html#random
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return uuid4().hex


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> timedelta:
        return timedelta(microseconds=time.monotonic_ns() // 1000)

    @property
    def timeline(self) -> str:
        return _boot()

    def wait(self, news: threading.Event, timeout_s: float) -> bool:
        return news.wait(max(0.0, timeout_s))


class ManualClock:
    """
    Made-up time: it moves when it is told to, and when somebody waits.

    What is to happen meanwhile is hung on it with `call_later`; moving on runs it
    in order of time, each with the clock standing at its moment.  *grace_s* is
    real time given to other threads before a wait moves the made-up time.
    """

    def __init__(self, start: datetime, *, grace_s: float = 0.0) -> None:
        self._start = start
        self._elapsed = timedelta()
        self._skew = timedelta()
        self._due: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._lock = threading.RLock()
        self._timeline = uuid4().hex
        self.grace_s = grace_s

    def now(self) -> datetime:
        with self._lock:
            return self._start + self._elapsed + self._skew

    def elapsed(self) -> timedelta:
        with self._lock:
            return self._elapsed

    @property
    def timeline(self) -> str:
        return self._timeline

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have *call* made once *seconds* (≥ 0) have passed."""
        with self._lock:
            due = self._elapsed + timedelta(seconds=seconds)
            heapq.heappush(self._due, (due, next(self._count), call))

    def advance(self, seconds: float) -> None:
        """Move on by *seconds* (≥ 0), making the calls that fall due on the way."""
        with self._lock:
            end = self._elapsed + timedelta(seconds=seconds)
        while self._step(end):
            pass

    def jump(self, seconds: float) -> None:
        """Set the wall clock off by *seconds* (either sign); `elapsed` does not notice."""
        with self._lock:
            self._skew += timedelta(seconds=seconds)

    def wait(self, news: threading.Event, timeout_s: float) -> bool:
        if news.wait(self.grace_s):
            return True
        with self._lock:
            end = self._elapsed + timedelta(seconds=max(0.0, timeout_s))
        while not news.is_set() and self._step(end):
            pass
        return news.is_set()

    def _step(self, end: timedelta) -> bool:
        """Go to the next call due by *end* and make it; False once the clock stands at *end*."""
        with self._lock:
            if not self._due or self._due[0][0] > end:
                self._elapsed = max(self._elapsed, end)
                return False
            due, _, call = heapq.heappop(self._due)
            self._elapsed = max(self._elapsed, due)
        call()
        return True
