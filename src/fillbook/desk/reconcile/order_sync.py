"""
The reconciliation of one order: by its broker ids and its complete fill history.

Other half: `core.reconcile.order_comparison`, which compares.
"""

from __future__ import annotations

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.reconcile import drift
from fillbook.core.reconcile.order_comparison import compare_order
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder


class OrderSync:
    """Reads one order, merges the reports, and compares the result with them."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        tracker: Tracker,
        resolver: Resolver,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._resolver = resolver
        self._clock = clock
        self._book = Book(recorder.store)

    def sync(self, order: m.Order | str) -> m.SyncReport:
        """Reconcile one order; it is in sync if every source of the broker agrees with it."""
        requests_before, at = self._gateway.requests, m.timestamp(self._clock.now())
        before = self._tracker.snapshot_number()
        account = self._account_link.try_bind()
        if isinstance(account, m.NotObserved):
            return unread_account(account, at, self._gateway.requests - requests_before)
        was = self._book.record(order)
        name = was.client_order_id
        self._resolver.schedule_unconfirmed()
        self._resolver.query(name)
        read = self._tracker.read_reports(self._book.record(name))
        failed = read.failure
        has_history = self._gateway.broker.capabilities.history
        if failed is None and has_history:
            failed = self._tracker.read_history(self._book.record(name))
        now = self._book.record(name)
        with self._recorder.store.read() as reader:
            left = compare_order(reader, now, read.reports, has_history=has_history)
            left += [drift.not_found_finding(x, reader) for x in read.not_found]
        unproven = (name,) if is_unproven(now) else ()
        verdict = m.Verdict.DRIFT if left or unproven else m.Verdict.IN_SYNC
        return m.SyncReport(
            verdict=verdict if failed is None else m.Verdict.NOT_OBSERVED,
            at=at,
            account=account,
            merged=tuple(drift.order_difference(was, now)),
            left=tuple(left),
            unproven=unproven,
            unobserved=None if failed is None else failed.message,
            entries=self._tracker.snapshot_number() - before,
            requests=self._gateway.requests - requests_before,
        )


def is_unproven(record: m.OrderRecord) -> bool:
    """Return whether the create of the order has no confirmed outcome."""
    return record.order.status is m.OrderStatus.UNPROVEN


def unread_account(answer: m.NotObserved, at: m.Timestamp, requests: int) -> m.SyncReport:
    """Build the report of a pass that could not read the account."""
    return m.SyncReport(
        verdict=m.Verdict.NOT_OBSERVED,
        at=at,
        unobserved=f"the account could not be read: {answer.message}",
        requests=requests,
    )
