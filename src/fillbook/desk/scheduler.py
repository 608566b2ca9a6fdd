"""
The rounds: what is done by itself, when it is due.

Found at the start: unproven orders and unanswered cancels.  From then on: each unproven
order when its next question is due, a poll of the open orders, and a pass over the whole
account.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.polling import FAST_POLL
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.replace import Replacing
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.repair import Repair
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.watch import Watch

SYNC_EVERY: Final = timedelta(seconds=60)
WATCH_EVERY: Final = timedelta(seconds=10)
AGAIN_AFTER: Final = timedelta(seconds=5)  #: what raised, or is another desk's
#: What is for the desk that has the lease; the rest each desk does for what it was told.
SHARED: Final = frozenset({"start", "sync", "poll", "cancels", "repairs", "watch"})


class Scheduler:
    """Does what the agenda says."""

    def __init__(
        self,
        gateway: Gateway,
        tracker: Tracker,
        resolver: Resolver,
        cancellation: Cancellation,
        replacing: Replacing,
        repair: Repair,
        reconciler: Reconciler,
        watch: Watch,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._tracker = tracker
        self._cancellation = cancellation
        self._repair = repair
        self._reconciler = reconciler
        self._agenda = agenda
        self._clock = clock
        self._does: Mapping[str, Callable[[str], object]] = {
            "order": resolver.resolve,
            "change": replacing.resume,
            "look": tracker.read_id,
            "cancels": lambda _: self._cancels(),
            "repairs": lambda _: repair.look(),
            "poll": lambda _: self._poll(),
            "watch": lambda _: self._watch(watch),
            "start": lambda _: self._sync("start"),
            "sync": lambda _: self._sync("sync"),
        }
        agenda.put("start", timedelta())
        agenda.put("cancels", timedelta())
        agenda.put("watch", clock.elapsed() + WATCH_EVERY)

    def receive(self, reports: Sequence[m.OrderReport]) -> int:
        """Write reports down that the bot handed on; an order that is only named is read soon."""
        self._tracker.receive(reports)
        made = self._tracker.drain()
        for report in reports:
            if report.clock is None:
                self._agenda.put(f"look/{report.broker_order_id}", self._clock.elapsed())
        return made

    def tick(self) -> None:
        """
        Hear what has come, and do what is due.

        What raises is due again soon, and so is what came after it.
        """
        self._tracker.drain()
        ticks = self._gateway.lease.hold()
        due = self._agenda.take(self._clock.elapsed())
        for done, matter in enumerate(due):
            try:
                if ticks or matter not in SHARED:
                    self._see_to(matter)
                else:
                    self._agenda.put(matter, self._clock.elapsed() + AGAIN_AFTER)
            except BaseException:
                for left in due[done:]:
                    self._agenda.put(left, self._clock.elapsed() + AGAIN_AFTER)
                raise

    def _see_to(self, matter: str) -> None:
        kind, _, name = matter.partition("/")
        self._does[kind](name)

    def _poll(self) -> None:
        now = self._clock.elapsed()
        self._tracker.polled_at = now
        self._agenda.put("poll", now + AGAIN_AFTER)
        observed = self._tracker.poll()
        self._agenda.put("poll", now + (self._poll_after() if observed else FAST_POLL))

    def _cancels(self) -> None:
        """Pursue every open end; what cannot be done now is on the agenda again."""
        after = self._cancellation.pursue_all()
        if after is not None:
            self._agenda.put("cancels", after)

    def _watch(self, watch: Watch) -> None:
        self._agenda.put("watch", self._clock.elapsed() + WATCH_EVERY)
        watch.look()

    def _sync(self, kind: str) -> None:
        """A pass over the whole account; it is on the agenda again whatever comes of it."""
        now = self._clock.elapsed()
        # A start is one until its pass has seen the account.
        self._agenda.put(kind, now + SYNC_EVERY)
        self._agenda.put("poll", now + FAST_POLL)
        missed, was = self._tracker.stream.missed, self._tracker.followed()
        report = self._reconciler.sync()
        if report.verdict is m.Verdict.NOT_OBSERVED:
            return
        self._tracker.looked(was)
        self._tracker.stream.resynced(missed)
        self._agenda.put("poll", now + self._poll_after())
        self._agenda.drop(kind)
        self._agenda.put("sync", now + SYNC_EVERY)
        self._cancels()
        self._repair.look()

    def _poll_after(self) -> timedelta:
        return self._tracker.stream.poll_after()
