"""
The background: one thread that ticks, and the stream that wakes it.

Without it the bot calls `tick` itself; nothing else differs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.core.polling import RESYNC_PERIOD
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.agenda import Agenda
from fillbook.errors import FillbookError

log = logging.getLogger("fillbook")

#: The agenda is looked at at least this often.
PAUSE_MAX_S = 1.0


class Background:
    """Ticks until it is stopped; what a tick raises is logged, and the next one comes."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        agenda: Agenda,
        tracker: Tracker,
        tick: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._agenda = agenda
        self._tracker = tracker
        self._tick = tick
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._open = ExitStack()

    def start(self) -> None:
        """Listen to the stream and tick, in the background; starting twice is fine."""
        if self._thread is not None:
            return
        self._tracker.stream.begun()
        stream = self._broker.listen(self)
        if stream is None:
            self._tracker.stream.ended()
        else:
            self._open.callback(self._tracker.stream.ended)
            self._open.enter_context(stream)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="fillbook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and ticking, and wait for both; stopping twice is fine."""
        self._stop.set()
        self._tracker.closing.set()
        self._tracker.news.set()
        self._open.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        self._thread = None

    # -- the stream's sink -------------------------------------------------------------

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self._tracker.stream.heard()
        self._tracker.receive(reports)

    def connected(self) -> None:
        self._tracker.stream.connected()
        self._read_what_is_missed()

    def lost(self, why: str) -> None:
        log.warning("the stream of %s is lost (%s); polling goes on", self._broker.name, why)
        self._tracker.stream.lost()
        self._read_what_is_missed()

    def _read_what_is_missed(self) -> None:
        """Poll at once, unless that was done a moment ago."""
        now, last = self._clock.elapsed(), self._tracker.polled_at
        self._agenda.put("poll", now if last is None else max(now, last + RESYNC_PERIOD))
        self._tracker.news.set()

    # ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._tick()
            except FillbookError as error:
                log.error("%s", error)
            except Exception:
                log.exception("a background pass failed; the next one follows")
            due = self._agenda.next()
            left = PAUSE_MAX_S
            if due is not None:
                left = min(left, (due - self._clock.elapsed()).total_seconds())
            if not self._stop.is_set():
                self._clock.wait(self._tracker.news, max(0.05, left))
