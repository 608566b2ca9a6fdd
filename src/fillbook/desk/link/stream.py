"""
The stream: what is known of it, for all threads of a desk (other half: `core.polling`).

It says how often to poll, and whether the record may be behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from fillbook.clock import Clock
from fillbook.core import polling
from fillbook.core.polling import StreamHealth, StreamState


class Stream:
    """The pulse of the stream; safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._health = StreamHealth()
        self._lock = threading.Lock()

    @property
    def state(self) -> StreamState:
        """What is known of it."""
        return self._health.state

    @property
    def in_sync(self) -> bool:
        """Whether nothing was missed that was not read since."""
        return not self._health.is_behind

    @property
    def missed(self) -> int:
        """How often something may have been missed; a reading begins with this number."""
        return self._health.gaps

    def poll_after(self) -> timedelta:
        """How long after one poll the next is due."""
        return polling.poll_after(self._health, self._clock.elapsed())

    def begun(self) -> None:
        self._change(lambda health, now: polling.subscribing(health))

    def ended(self) -> None:
        """Nobody listens any more, and polls are all there is."""
        self._change(lambda health, now: StreamHealth(is_behind=health.is_behind, gaps=health.gaps))

    def connected(self) -> None:
        self._change(polling.connected)

    def lost(self) -> None:
        self._change(lambda health, now: polling.disconnected(health))

    def heard(self) -> None:
        self._change(polling.received)

    def polled(self, *, news: bool) -> None:
        self._change(lambda health, now: polling.polled(health, news, now))

    def resynced(self, missed: int) -> None:
        """Everything was read since the stream had missed something *missed* times."""
        self._change(lambda health, now: polling.resynced(health, missed))

    def _change(self, change: Callable[[StreamHealth, timedelta], StreamHealth]) -> None:
        with self._lock:
            self._health = change(self._health, self._clock.elapsed())
