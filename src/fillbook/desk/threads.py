"""
The background thread: it ticks, and the stream wakes it.

Without it the bot calls `tick` itself; there is no other difference.
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
from fillbook.desk.link.reply_types import wrong_type, wrong_type_among
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.agenda import Agenda
from fillbook.errors import FillbookError
from fillbook.model.text.foreign import foreign

log: logging.Logger = logging.getLogger("fillbook")

#: The maximum time between two ticks.
TICK_PERIOD_MAX_S = 1.0


class Background:
    """Ticks until it is stopped; an exception in a tick is logged and does not stop it."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        agenda: Agenda,
        tracker: Tracker,
        tick: Callable[[], None],
        awaited: Callable[[], str],
    ) -> None:
        """*awaited* returns which desk has the lease instead of this one; ``""``: none."""
        self._broker = broker
        self._clock = clock
        self._agenda = agenda
        self._tracker = tracker
        self._tick = tick
        self._awaited = awaited
        self._is_waiting = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._subscription = ExitStack()
        self._is_listening = False

    def start(self, listen: bool | None) -> None:
        """
        Tick in the background, and listen to the stream, unless this was begun before.

        *listen* None: only where a key has more than one stream.
        """
        limit = self._broker.capabilities.streams_per_key
        if limit != 1 if listen is None else listen:
            self._listen(limit)
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="fillbook", daemon=True)
            self._thread.start()

    def _listen(self, limit: int | None) -> None:
        if self._is_listening:
            return
        self._is_listening = True
        self._tracker.stream.subscribing()
        stream = self._broker.listen(self)
        if stream is None:
            self._tracker.stream.unsubscribed()
            return
        if limit == 1:
            log.warning(
                "the desk opens the stream of %s: no other stream of this key is accepted, such "
                "as the bot's own",
                self._broker.name,
            )
        self._subscription.callback(self._tracker.stream.unsubscribed)
        self._subscription.enter_context(stream)

    def stop(self) -> None:
        """Stop listening and ticking, and wait for both to end; a second call does nothing."""
        self._stop.set()
        self._tracker.closing.set()
        self._tracker.wakeup.set()
        self._subscription.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=30)
        self._thread, self._is_listening = None, False

    # -- the stream's sink -------------------------------------------------------------

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self._tracker.stream.received()
        wrong = wrong_type_among(reports)
        if wrong is not None:
            wrong = self._broker.redact(wrong)
            log.error("%s: the adapter streamed a wrong value: %s", self._broker.name, wrong)
            reports = [x for x in reports if wrong_type(x) is None]
            self._schedule_poll()
        self._tracker.receive(reports)

    def connected(self) -> None:
        self._tracker.stream.connected()
        self._schedule_poll()

    def lost(self, why: str) -> None:
        why = foreign(self._broker.redact(why))
        log.warning("the stream of %s is lost (%s); polling continues", self._broker.name, why)
        self._tracker.stream.disconnected(why)
        self._schedule_poll()

    def _schedule_poll(self) -> None:
        """Schedule a poll at once, or `RESYNC_PERIOD` after the last one."""
        now, last = self._clock.elapsed(), self._tracker.polled_at
        self._agenda.put("poll", now if last is None else max(now, last + RESYNC_PERIOD))
        self._tracker.wakeup.set()

    # ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._tick()
            except FillbookError as error:
                log.error("%s", error)
            except Exception:
                log.exception("a background tick failed; the next one runs as scheduled")
            self._report_wait()
            due = self._agenda.next()
            wait_s = TICK_PERIOD_MAX_S
            if due is not None:
                wait_s = min(wait_s, (due - self._clock.elapsed()).total_seconds())
            if not self._stop.is_set():
                self._clock.wait(self._tracker.wakeup, max(0.05, wait_s))

    def _report_wait(self) -> None:
        """Log once that the background work waits for the lease, and once that it begins."""
        other, was_waiting = self._awaited(), self._is_waiting
        self._is_waiting = bool(other)
        if other and not was_waiting:
            log.warning(
                "this desk waits for the lease: %s. Meanwhile it places and cancels what the bot "
                "asks for; polls, reconciliation and exits are left to that desk",
                other,
            )
        elif was_waiting and not other:
            log.warning("this desk has the lease now: it polls and reconciles")
