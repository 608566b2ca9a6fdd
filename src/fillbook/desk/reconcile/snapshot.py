"""
The snapshot reader: takes one complete snapshot of the account, or none.

It reads the account, the fills since a cursor, the orders, the positions, the fills again and the
activities; the orders that left the list are read by id.  If a read fails, there is no snapshot
(promise P6).
Other halves: `core.reconcile.drift`, which compares, and `desk.reconcile.reconciler`, which merges.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import symbol_names
from fillbook.core.journal import apply
from fillbook.core.reconcile import drift, missing, settlement
from fillbook.core.reconcile.drift import Comparison, Snapshot
from fillbook.desk.link.binding import AccountLink, binding_entry
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.tracker import (
    BEFORE_CREATED,
    BY_ID_MAX,
    FILLS_CURSOR,
    OVERLAP,
    Tracker,
    flattened,
    parse_cursor,
)
from fillbook.desk.reconcile.activity_window import ActivityWindow
from fillbook.desk.record.already_recorded import Compared
from fillbook.desk.record.recorder import NewEntry, news
from fillbook.model.journal.overlay import Overlay, RecordReader
from fillbook.store import Reader, Store, Writer

#: The overlap behind the cursor of the first pass, and of one pass per day.
OVERLAP_AT_START: Final = timedelta(days=1)


@frozen
class MergedSnapshot:
    """One snapshot, merged over the record: what it explains, and what still differs."""

    snapshot: Snapshot
    new: tuple[NewEntry, ...]  #: what it reports that the record did not have
    merged: tuple[m.Finding, ...]
    comparison: Comparison
    orphan_ids: tuple[str, ...]  #: broker ids of fills whose order was not read
    discard_reason: str | None  #: why the snapshot is not valid; None: it is valid


class SnapshotReader:
    """Takes snapshots, and keeps the cursor of the fills."""

    def __init__(
        self,
        gateway: Gateway,
        account_link: AccountLink,
        tracker: Tracker,
        store: Store,
        compared: Compared,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._account_link = account_link
        self._tracker = tracker
        self._store = store
        self._compared = compared
        self._clock = clock
        self._window = ActivityWindow(store)
        self._full_day_read_at: timedelta | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process has not completed a pass yet."""
        return self._full_day_read_at is None

    def save_cursor(self, writer: Writer, snapshot: Snapshot) -> None:
        """Advance the cursors: *snapshot* is in the record."""
        if snapshot.activities_since is not None:
            self._window.save(writer, snapshot.activities_since, snapshot.at)
        cursor = writer.cell(FILLS_CURSOR)
        # The newest fill has the broker's time, so that an error of our clock does not matter.
        # Before the first fill the cursor is the first snapshot, less a day for an error of hours.
        begin = parse_cursor(cursor) or m.timestamp(m.moment(snapshot.at) - OVERLAP_AT_START)
        newest = max((x.at for x in snapshot.fills_after), default=begin)
        advanced = min(newest, snapshot.at)
        if advanced != cursor:
            writer.set_cell(FILLS_CURSOR, advanced)
        if self._full_day_is_due():
            self._full_day_read_at = self._clock.elapsed()

    def _full_day_is_due(self) -> bool:
        last = self._full_day_read_at
        return last is None or self._clock.elapsed() - last >= timedelta(days=1)

    def take(
        self,
        since: date | None = None,
        *,
        bind: bool = True,
        everything: bool = False,
        confirmed: bool = False,
    ) -> MergedSnapshot | m.NotObserved:
        """
        Take a snapshot and compare it; an invalid snapshot is NotObserved.

        The orders of fills without a known order are read too.  With *since*, orders and fills
        are read from that day on (UTC).  Without *bind*, the record is not bound to the account.
        *everything* reads the activities from the beginning, to explain a new difference.
        *confirmed*: a person has confirmed that missing positions are gone.
        """
        snapshot = self._read(since, bind=bind, everything=everything)
        if isinstance(snapshot, m.NotObserved):
            return snapshot
        compared = self.compare(snapshot)
        found = self._orphan_orders(compared)
        if found:
            compared = self.compare(evolve(snapshot, by_id=(*snapshot.by_id, *found)))
        if compared.discard_reason is not None and not confirmed:
            return m.NotObserved(m.Failure.UNREADABLE, compared.discard_reason)
        return compared

    def compare(self, snapshot: Snapshot) -> MergedSnapshot:
        """Merge *snapshot* over the record and compare; the record is not changed."""
        with self._store.read() as reader:
            return self._compare(reader, snapshot)

    def _compare(self, reader: Reader, snapshot: Snapshot) -> MergedSnapshot:
        after, broker = Overlay(reader), self._gateway.broker
        at = m.timestamp(self._clock.now())
        if reader.get(m.Binding, "account") is None:
            bound = binding_entry(snapshot.account, self._gateway.broker)
            after.apply(apply.apply(bound, reader.last() + 1, at, after))
        comparing = self._compared.since(reader)
        new: list[NewEntry] = []

        def merge(entries: Iterable[m.Entry]) -> None:
            number = reader.last() + 1 + len(new)
            new.extend(news(after, number, at, self._gateway.pair, entries, comparing))

        lag = broker.capabilities.account_lag
        held = (self._gateway.pair(x.symbol) for x in snapshot.positions)
        merge(m.PairListed(pair) for pair in held if pair is not None)
        merge(drift.entries_of(snapshot))
        reported = tuple(new)
        present = symbol_names.positions(after, snapshot.positions, snapshot.at)
        snapshot = evolve(snapshot, positions=present)
        rows = snapshot.history_executions
        merge(map(m.Busted, missing.confirmed_busts(after, snapshot.history_ids, rows)))
        merge(settlement.settlements(after, snapshot, lag))
        found = tuple(drift.differences(after, snapshot))
        comparison = Comparison(
            snapshot=snapshot,
            differences=found,
            active_symbols=drift.active_symbols(after, snapshot, lag),
            unsettled=drift.unsettled(found, after, snapshot, lag),
        )
        filled = {x.broker_order_id for x in snapshot.fills_after}
        return MergedSnapshot(
            snapshot=snapshot,
            new=reported,
            merged=tuple(drift.explained_findings([x.entry for x in new], reader, after)),
            comparison=comparison,
            orphan_ids=tuple(sorted(i for i in filled if not _is_known(after, i))),
            discard_reason=missing.discard_reason(
                after, snapshot, broker.capabilities.values_crypto
            ),
        )

    def _read(
        self, since: date | None, *, bind: bool, everything: bool
    ) -> Snapshot | m.NotObserved:
        """Read one complete snapshot; return the read that failed instead."""
        requested_at, started = self._clock.now(), self._clock.elapsed()
        account = (
            self._account_link.read()
            if bind
            else self._gateway.read("account", self._gateway.broker.account)
        )
        if isinstance(account, m.NotObserved):
            return account
        at = account.at or requested_at
        fills_since = self._fills_since(since)
        activities_since = self._window.since(at, since, everything=everything)
        number = self._tracker.snapshot_number()
        fills = self._fills(fills_since)
        orders = self._orders(since)
        broker = self._gateway.broker
        positions = self._gateway.pages("positions", broker.positions)
        fills_after = self._fills(fills_since)
        activities = self._activities(activities_since)
        for answer in (fills, orders, positions, fills_after, activities):
            if isinstance(answer, m.NotObserved):
                return answer
        assert isinstance(fills, m.Observed)
        assert isinstance(orders, m.Observed)
        assert isinstance(positions, m.Observed)
        assert isinstance(fills_after, m.Observed)
        assert isinstance(activities, m.Observed)
        disputed = self._tracker.disputed_due()
        by_id, not_found = self._read_by_id(orders.value, disputed)
        histories, executions = self._fill_histories(disputed)
        return Snapshot(
            # Fills have the broker's time, so the snapshot has it too if the broker reports it.
            at=m.timestamp(at),
            started=started,
            ended=self._clock.elapsed(),
            account=account.value,
            orders=orders.value,
            positions=positions.value,
            fills_since=fills_since if broker.capabilities.history else None,
            activities_since=activities_since if broker.capabilities.activities else None,
            fills=fills.value,
            fills_after=fills_after.value,
            activities=activities.value,
            by_id=tuple(by_id),
            not_found=tuple(not_found),
            history_ids=tuple(histories),
            history_executions=tuple(executions),
            number=number,
        )

    def _fills_since(self, since: date | None) -> m.Timestamp:
        if since is not None:
            return m.timestamp(datetime.combine(since, time(), UTC))
        cursor = parse_cursor(self._store.cell(FILLS_CURSOR))
        now = self._clock.now()
        back = OVERLAP_AT_START if self._full_day_is_due() else OVERLAP
        start = now if cursor is None else min(now, m.moment(cursor))
        return m.timestamp(start - back)

    def _fills(self, since: m.Timestamp) -> m.Read[tuple[m.Execution, ...]]:
        if not self._gateway.broker.capabilities.history:
            return m.Observed(())
        broker = self._gateway.broker
        return self._gateway.pages("executions", lambda page: broker.executions(since, page))

    def _activities(self, since: m.Timestamp) -> m.Read[tuple[m.Activity, ...]]:
        if not self._gateway.broker.capabilities.activities:
            return m.Observed(())
        broker = self._gateway.broker
        return self._gateway.pages("activities", lambda page: broker.activities(since, page))

    def _orders(self, since: date | None) -> m.Read[tuple[m.OrderReport, ...]]:
        """Read the open orders; if many of ours left the list, all orders since the oldest."""
        listed = self._tracker.open_orders()
        if isinstance(listed, m.NotObserved):
            return listed
        unlisted = self._tracker.unlisted_due(listed.value)
        oldest = min((m.moment(x.created_at) for x in unlisted), default=None)
        if since is not None:
            begin = datetime.combine(since, time(), UTC)
            oldest = begin if oldest is None else min(begin, oldest)
        elif len(unlisted) <= BY_ID_MAX:
            return listed
        assert oldest is not None  # a date was given, or orders have left the list
        rest = self._tracker.orders_since(oldest - BEFORE_CREATED)
        if isinstance(rest, m.NotObserved):
            return rest
        seen = {x.broker_order_id for x in listed.value}
        return m.Observed(
            (*listed.value, *(x for x in rest.value if x.broker_order_id not in seen))
        )

    def _read_by_id(
        self, orders: tuple[m.OrderReport, ...], disputed: list[m.OrderRecord]
    ) -> tuple[list[m.OrderReport], list[m.NotFoundAfterSeen]]:
        """
        Read by id the *disputed* orders and those that left the list, as far as they are due.

        An order that was not found stays so until it is found.
        """
        found: list[m.OrderReport] = []
        unlisted = self._tracker.unlisted_due(orders)[:BY_ID_MAX]
        listed = {x.broker_order_id for x in flattened(orders)}
        due = [x for x in disputed if x not in unlisted and not listed.issuperset(x.ids)]
        due += unlisted
        not_found = [
            x
            for record in self._tracker.unlisted(orders)
            if record not in due
            for x in self._tracker.last_not_found(record)
        ]
        self._tracker.note_unlisted(unlisted)
        for record in due:
            order = self._tracker.read_all_ids(record)
            found += order.reports
            not_found += order.not_found
        return found, not_found

    def _fill_histories(self, disputed: list[m.OrderRecord]) -> tuple[list[str], list[m.Execution]]:
        """Read the complete fill histories of orders, disputed or with incomplete executions."""
        read: list[str] = []
        executions: list[m.Execution] = []
        if not self._gateway.broker.capabilities.history:
            disputed = []
        incomplete = self._tracker.incomplete_due()
        for record in (*disputed, *(x for x in incomplete if x not in disputed)):
            for broker_order_id in record.ids:
                answer = self._tracker.fill_history(record, broker_order_id)
                if isinstance(answer, m.Observed):
                    read.append(broker_order_id)
                    executions += answer.value
        return read, executions

    def _orphan_orders(self, compared: MergedSnapshot) -> list[m.OrderReport]:
        """Read the orders of fills without a known order."""
        answers = [self._tracker.read_report(i) for i in compared.orphan_ids[:BY_ID_MAX]]
        return [x.value for x in answers if isinstance(x, m.Observed)]


def _is_known(after: RecordReader, broker_order_id: str) -> bool:
    known = after.get(m.Evidence, broker_order_id)
    return known is not None and known.terms is not None
