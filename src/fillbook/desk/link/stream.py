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
from fillbook.core.polling import Pulse, StreamState


class Stream:
    """The pulse of the stream; safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pulse = Pulse()
        self._lock = threading.Lock()

    @property
    def state(self) -> StreamState:
        """What is known of it."""
        return self._pulse.state

    @property
    def in_sync(self) -> bool:
        """Whether nothing was missed that was not read since."""
        return not self._pulse.behind

    @property
    def missed(self) -> int:
        """How often something may have been missed; a reading begins with this number."""
        return self._pulse.missed

    def poll_after(self) -> timedelta:
        """How long after one poll the next is due."""
        return polling.poll_after(self._pulse, self._clock.elapsed())

    def begun(self) -> None:
        self._change(lambda pulse, now: polling.begun(pulse))

    def ended(self) -> None:
        """Nobody listens any more, and polls are all there is."""
        self._change(lambda pulse, now: Pulse(behind=pulse.behind, missed=pulse.missed))

    def connected(self) -> None:
        self._change(polling.connected)

    def lost(self) -> None:
        self._change(lambda pulse, now: polling.lost(pulse))

    def heard(self) -> None:
        self._change(polling.heard)

    def polled(self, *, news: bool) -> None:
        self._change(lambda pulse, now: polling.polled(pulse, news, now))

    def resynced(self, missed: int) -> None:
        """Everything was read since the stream had missed something *missed* times."""
        self._change(lambda pulse, now: polling.resynced(pulse, missed))

    def _change(self, change: Callable[[Pulse, timedelta], Pulse]) -> None:
        with self._lock:
            self._pulse = change(self._pulse, self._clock.elapsed())
