"""
The clock: the only source of time.

`now` may jump (an operator sets the clock, a machine sleeps); `elapsed` never
jumps.  Measure durations with `elapsed`, and take timestamps from `now`.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

from fillbook.errors import BadAddress


class Clock(Protocol):
    """The source of time of a desk."""

    def now(self) -> datetime:
        """Return the current time: aware, UTC."""
        ...

    def elapsed(self) -> timedelta:
        """Return the time since an arbitrary start; it never decreases and never jumps."""
        ...

    @property
    def timeline(self) -> str:
        """The id of that start: `elapsed` is comparable between processes with equal timelines."""
        ...

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until *event* is set or *timeout_s* has passed; return whether it is set."""
        ...


#: How many seconds the clock is ahead of the machine's, for bots at an emulator.
AHEAD_VARIABLE: Final = "FILLBOOK_CLOCK_AHEAD_S"


@cache
def _boot_id() -> str:
    """Return the id of the boot at which the monotonic clock starts; else an id of this process."""
    try:
        # https://docs.kernel.org/admin-guide/sysctl/kernel.html#random
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return uuid4().hex


class SystemClock:
    """
    The clock of the machine, or one that is *ahead* of it (negative: behind).

    An emulator that began at another time is ahead; the bots at it are too, by so many seconds in
    ``$FILLBOOK_CLOCK_AHEAD_S`` (*ahead* None).  Raises: BadAddress if that is no number.
    """

    #: A subclass that does not call `__init__` is not ahead.
    ahead: timedelta = timedelta()

    def __init__(self, ahead: timedelta | None = None) -> None:
        self.ahead = configured_ahead() if ahead is None else ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def elapsed(self) -> timedelta:
        return timedelta(microseconds=time.monotonic_ns() // 1000)

    @property
    def timeline(self) -> str:
        return _boot_id()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(max(0.0, timeout_s))


def configured_ahead() -> timedelta:
    """Return how far the environment sets the clock ahead of the machine's. Raises: BadAddress."""
    text = os.environ.get(AHEAD_VARIABLE, "0")
    try:
        return timedelta(seconds=int(text))
    except (ValueError, OverflowError):
        raise BadAddress(f"${AHEAD_VARIABLE} must be whole seconds, not {text!r}") from None


class ManualClock:
    """
    A simulated clock: time moves on `advance`, and while a thread waits on the clock.

    `call_later` schedules a call.  Moving the clock makes the scheduled calls in order of
    time, each with the clock at the scheduled time.  *start* is aware and UTC.  *grace_s*
    (≥ 0) is the real time that other threads get before a wait moves the simulated time.
    """

    def __init__(self, start: datetime, *, grace_s: float = 0.0) -> None:
        self._start = start
        self._elapsed = timedelta()
        self._skew = timedelta()
        self._calls: list[tuple[timedelta, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
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
        """Schedule *call* for *seconds* (≥ 0) from now."""
        with self._lock:
            due = self._elapsed + timedelta(seconds=seconds)
            heapq.heappush(self._calls, (due, next(self._sequence), call))

    def advance(self, seconds: float) -> None:
        """Move the clock by *seconds* (≥ 0), and make the calls that fall due."""
        with self._lock:
            end = self._elapsed + timedelta(seconds=seconds)
        while self._advance_to_next(end):
            pass

    def jump(self, seconds: float) -> None:
        """Move `now` by *seconds* (either sign); `elapsed` does not change."""
        with self._lock:
            self._skew += timedelta(seconds=seconds)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if event.wait(self.grace_s):
            return True
        with self._lock:
            end = self._elapsed + timedelta(seconds=max(0.0, timeout_s))
        while not event.is_set() and self._advance_to_next(end):
            pass
        return event.is_set()

    def _advance_to_next(self, end: timedelta) -> bool:
        """Move to the next call due by *end* and make it; return False when there is none."""
        with self._lock:
            if not self._calls or self._calls[0][0] > end:
                self._elapsed = max(self._elapsed, end)
                return False
            due, _, call = heapq.heappop(self._calls)
            self._elapsed = max(self._elapsed, due)
        call()
        return True
