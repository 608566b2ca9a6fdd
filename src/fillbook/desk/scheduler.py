"""
The scheduler: runs the background tasks when they are due.

The first reconciliation finds the unconfirmed orders and the pending cancels in the record.  Then
each unconfirmed order is queried when its next query is due, the open orders are polled, and the
whole account is reconciled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.polling import FAST_POLL
from fillbook.desk.access.inbox import Inbox
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.reply_types import wrong_type_among
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.replace import Replacement
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.exits import PERIOD as EXIT_PERIOD
from fillbook.desk.plans.protections import Protections
from fillbook.desk.plans.repair import Repair
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.desk_report import DeskReports
from fillbook.desk.watch import Watch
from fillbook.errors import ContractBroken

SYNC_PERIOD: Final = timedelta(seconds=60)
WATCH_PERIOD: Final = timedelta(seconds=10)
RETRY_DELAY: Final = timedelta(seconds=5)  #: after an exception, or without the lease
#: The tasks of the desk that has the lease; every desk does the others for its own orders.
LEASE_TASKS: Final = frozenset(
    {
        *("start", "sync", "poll", "cancels", "repairs", "watch", "exits", "plans"),
        *("instructions", "report"),
    }
)
#: The tasks that judge what the others observe, and act on it.
AFTER_READS: Final = frozenset({"exits", "plans", "instructions", "watch", "local watch"})


class Scheduler:
    """Runs the tasks of the agenda."""

    def __init__(
        self,
        gateway: Gateway,
        tracker: Tracker,
        resolver: Resolver,
        cancellation: Cancellation,
        replacement: Replacement,
        repair: Repair,
        executor: Executor,
        protections: Protections,
        reconciler: Reconciler,
        watch: Watch,
        inbox: Inbox,
        reports: DeskReports,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._tracker = tracker
        self._cancellation = cancellation
        self._repair = repair
        self._executor = executor
        self._protections = protections
        self._reconciler = reconciler
        self._agenda = agenda
        self._clock = clock
        self._alerts = watch
        self._inbox = inbox
        self._reports = reports
        self._actions: Mapping[str, Callable[[str], object]] = {
            "order": resolver.resolve,
            "change": replacement.advance_in_background,
            "read": tracker.read_by_broker_id,
            "cancels": lambda _: self._advance_cancels(),
            "repairs": lambda _: repair.run(),
            "plans": lambda _: executor.run(),
            "exits": lambda _: self._compare_exits(),
            "instructions": lambda _: inbox.run(),
            "report": lambda _: self._write_report(),
            "poll": lambda _: self._poll(),
            "watch": lambda _: self._run_watch("watch", watch.run),
            "local watch": lambda _: self._run_watch("local watch", watch.run_local),
            "start": lambda _: self._sync("start"),
            "sync": lambda _: self._sync("sync"),
        }
        agenda.put("start", timedelta())
        for task in ("cancels", "plans", "exits"):
            agenda.put(task, timedelta())
        for task in ("watch", "local watch", "report"):
            agenda.put(task, clock.elapsed() + WATCH_PERIOD)

    def receive(self, event: object) -> int:
        """
        Record an event of the bot, or the error that ended its stream; return the entries made.

        An order that the event only names is read at once; without a share of the rate limit, or
        if the read fails, it is read by the next tick.  Raises: ContractBroken if a field has
        another type than the model's.
        """
        before = self._tracker.snapshot_number()
        if isinstance(event, Exception):
            self._alerts.bot_stream_ended(event)
        else:
            self._alerts.bot_stream_received()
            reports = self._gateway.broker.read_event(event)
            wrong = wrong_type_among(reports)
            if wrong is not None:
                wrong = self._gateway.broker.redact(wrong)
                raise ContractBroken(f"the adapter read an event wrongly: {wrong}")
            self._record(reports)
        return self._tracker.snapshot_number() - before

    def _record(self, reports: Sequence[m.OrderReport]) -> None:
        self._tracker.receive(reports)
        self._tracker.drain()
        for name in (x.broker_order_id for x in reports if x.clock is None):
            if self._tracker.read_by_broker_id(name) is not None:
                self._agenda.put(f"read/{name}", self._clock.elapsed())

    def tick(self) -> None:
        """
        Record the reports received, and run the tasks that are due.

        A task that raises is scheduled again, and so are the tasks after it.
        """
        self._tracker.drain()
        has_lease = self._gateway.lease.acquire()
        if has_lease:
            self._inbox.notice()
        due = sorted(self._agenda.take(self._clock.elapsed()), key=AFTER_READS.__contains__)
        for index, task in enumerate(due):
            try:
                if has_lease or task not in LEASE_TASKS:
                    self._run_task(task)
                else:
                    self._agenda.put(task, self._clock.elapsed() + RETRY_DELAY)
            except BaseException:
                for remaining in due[index:]:
                    self._agenda.put(remaining, self._clock.elapsed() + RETRY_DELAY)
                raise

    def _run_task(self, task: str) -> None:
        action, _, name = task.partition("/")
        self._actions[action](name)

    def _poll(self) -> None:
        now = self._clock.elapsed()
        self._tracker.polled_at = now
        self._agenda.put("poll", now + RETRY_DELAY)
        observed = self._tracker.poll()
        self._agenda.put("poll", now + (self._poll_after() if observed else FAST_POLL))

    def _advance_cancels(self) -> None:
        """Take every due step of the pending cancels, and schedule the next one."""
        after = self._cancellation.advance_all()
        if after is not None:
            self._agenda.put("cancels", after)

    def _compare_exits(self) -> None:
        """Compare the exits of protected positions, and carry out what is planned."""
        self._agenda.put("exits", self._clock.elapsed() + EXIT_PERIOD)
        self._protections.run()
        self._executor.run()

    def _write_report(self) -> None:
        self._agenda.put("report", self._clock.elapsed() + WATCH_PERIOD)
        self._reports.write()

    def _run_watch(self, task: str, run: Callable[[], None]) -> None:
        self._agenda.put(task, self._clock.elapsed() + WATCH_PERIOD)
        run()

    def _sync(self, task: str) -> None:
        """Reconcile the whole account; the next pass is scheduled even if this one fails."""
        now = self._clock.elapsed()
        # "start" stays on the agenda until a pass has observed the account.
        self._agenda.put(task, now + SYNC_PERIOD)
        self._agenda.put("poll", now + FAST_POLL)
        gaps, before = self._tracker.stream.gaps, self._tracker.tracked()
        report = self._reconciler.sync(in_background=True)
        if report.verdict is m.Verdict.NOT_OBSERVED:
            return
        self._tracker.confirm_stream(before)
        self._tracker.stream.resynced(gaps)
        self._agenda.put("poll", now + self._poll_after())
        self._agenda.drop(task)
        self._agenda.put("sync", now + SYNC_PERIOD)
        self._advance_cancels()
        self._repair.run()

    def _poll_after(self) -> timedelta:
        return self._tracker.stream.poll_after()
