"""
The health of the stream, for all threads of a desk (other half: `core.polling`).

It determines how often to poll, and whether the record may be behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from fillbook.clock import Clock
from fillbook.core import polling
from fillbook.core.polling import StreamHealth, StreamState

#: A stream that is connected again within this time is no alert.
RECONNECT_TIME: Final = timedelta(seconds=10)


class Stream:
    """The health of the stream; safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._health = StreamHealth()
        self._lock = threading.Lock()
        #: Why it is not connected, and since when; None: it is, or was not tried.
        self._loss: tuple[str, timedelta] | None = None

    @property
    def state(self) -> StreamState:
        """The state of the stream."""
        return self._health.state

    @property
    def in_sync(self) -> bool:
        """Whether everything that the stream may have missed was read since."""
        return not self._health.is_behind

    @property
    def gaps(self) -> int:
        """The number of gaps; a resync begins with this number."""
        return self._health.gaps

    def loss(self) -> str | None:
        """Return why the stream is not connected; None: it is, or for `RECONNECT_TIME` at most."""
        if self._loss is None or self._clock.elapsed() - self._loss[1] < RECONNECT_TIME:
            return None
        return self._loss[0]

    def poll_after(self) -> timedelta:
        """Return the time from one poll to the next."""
        return polling.poll_after(self._health, self._clock.elapsed())

    def subscribing(self) -> None:
        """Begin to subscribe."""
        self._change(lambda health, now: polling.subscribing(health))

    def unsubscribed(self) -> None:
        """Record the end of the subscription; only polls remain."""
        self._loss = None
        self._change(lambda health, now: StreamHealth(is_behind=health.is_behind, gaps=health.gaps))

    def connected(self) -> None:
        """Record that the subscription is confirmed."""
        self._loss = None
        self._change(polling.connected)

    def disconnected(self, why: str) -> None:
        """Record a disconnect, or an attempt to connect that failed."""
        since = self._clock.elapsed() if self._loss is None else self._loss[1]
        self._loss = why, since
        self._change(lambda health, now: polling.disconnected(health))

    def received(self) -> None:
        """Record an event received."""
        self._change(polling.received)

    def polled(self, *, found_unreported: bool) -> None:
        """Record a poll; *found_unreported*: it found what the stream had not reported."""
        self._change(lambda health, now: polling.polled(health, found_unreported, now))

    def resynced(self, gaps: int) -> None:
        """Record a complete resync that began when `gaps` had the value *gaps*."""
        self._change(lambda health, now: polling.resynced(health, gaps))

    def _change(self, change: Callable[[StreamHealth, timedelta], StreamHealth]) -> None:
        with self._lock:
            self._health = change(self._health, self._clock.elapsed())
