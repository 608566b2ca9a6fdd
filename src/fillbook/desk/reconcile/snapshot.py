"""
The lookout: one complete reading of the account, or none.

A look is the account, the fills since a cursor, the orders, the positions, and the fills
again; with what left the list read by itself.  Whatever fails makes it no look at all
(promise P6).  Other halves: `core.reconcile.drift`, which compares, and
`desk.reconcile.reconciler`, which merges.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.journal import apply
from fillbook.core.reconcile import absence, drift
from fillbook.core.reconcile.drift import Comparison, Snapshot
from fillbook.desk.link.account import AccountLink, binding_entry
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.tracker import (
    BEFORE_CREATED,
    BY_ID_MAX,
    CURSOR,
    OVERLAP,
    Tracker,
    read_until,
)
from fillbook.model.journal.overlay import Overlay, RecordReader
from fillbook.store import Reader, Store

#: Each pass reads an overlap behind the cursor; at start, and once a day, a whole day.
OVERLAP_AT_START: Final = timedelta(days=1)


@frozen
class ComparedSnapshot:
    """One look, merged over the record: what was new, and what is left."""

    look: Snapshot
    merged: tuple[m.Finding, ...]
    sighting: Comparison
    strays: tuple[str, ...]  #: broker ids of fills whose order no list has shown
    doubt: str | None  #: why the look cannot be believed as a whole


class SnapshotReader:
    """Takes looks, and remembers up to when everything was read."""

    def __init__(
        self,
        gateway: Gateway,
        account_link: AccountLink,
        tracker: Tracker,
        store: Store,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._account_link = account_link
        self._tracker = tracker
        self._store = store
        self._clock = clock
        self._whole_day_at: timedelta | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process has not yet read everything once."""
        return self._whole_day_at is None

    def done(self, look: Snapshot) -> None:
        """*look* is in the record: the next one need not read so far back."""
        cursor = self._store.cell(CURSOR)
        # The newest fill bears the broker's own time, however far ours is off; before there is
        # one, the first look stands, with room for a clock that is wrong by hours.
        begun = read_until(cursor) or m.timestamp(m.moment(look.at) - OVERLAP_AT_START)
        newest = max((x.at for x in look.fills_after), default=begun)
        self._store.swap(CURSOR, cursor, min(newest, look.at))
        if self._a_day_is_due():
            self._whole_day_at = self._clock.elapsed()

    def _a_day_is_due(self) -> bool:
        last = self._whole_day_at
        return last is None or self._clock.elapsed() - last >= timedelta(days=1)

    def sight(
        self, since: date | None = None, *, bind: bool = True
    ) -> ComparedSnapshot | m.NotObserved:
        """
        Look and compare, with the owners of stray fills asked for; a doubtful look is none.

        With *since*, orders and fills are read from that day on (UTC).  Without *bind*, an
        empty record is not bound to the account.
        """
        look = self._look(since, bind=bind)
        if isinstance(look, m.NotObserved):
            return look
        compared = self.compare(look)
        found = self._strays(compared)
        if found:
            compared = self.compare(evolve(look, by_id=(*look.by_id, *found)))
        if compared.doubt is not None:
            return m.NotObserved(m.Failure.UNREADABLE, compared.doubt)
        return compared

    def compare(self, look: Snapshot) -> ComparedSnapshot:
        """*look* merged over the record, which stays as it is."""
        with self._store.read() as reader:
            return self._merged(reader, look)

    def _merged(self, reader: Reader, look: Snapshot) -> ComparedSnapshot:
        """*look* merged over the record, which stays as it is."""
        after = Overlay(reader)
        if reader.get(m.Binding, "account") is None:
            bound = binding_entry(look.account, self._gateway.broker)
            after.apply(apply.apply(bound, reader.last() + 1, look.at, after))
        fresh: list[m.Entry] = []
        for entry in drift.entries_of(look):
            changes = apply.apply(entry, reader.last() + 1 + len(fresh), look.at, after)
            if changes:
                after.apply(changes)
                fresh.append(entry)
        lag = self._gateway.broker.capabilities.account_lag
        found = tuple(drift.differences(after, look))
        sighting = Comparison(
            snapshot=look,
            differences=found,
            active_symbols=drift.active_symbols(after, look, lag),
            unsettled=drift.unsettled(found, after, look, lag),
        )
        filled = {x.broker_order_id for x in look.fills_after}
        return ComparedSnapshot(
            look=look,
            merged=tuple(drift.explained_findings(fresh, reader, after)),
            sighting=sighting,
            strays=tuple(sorted(i for i in filled if not _is_known(after, i))),
            doubt=absence.discard_reason(after, look),
        )

    def _look(self, since: date | None, *, bind: bool) -> Snapshot | m.NotObserved:
        """One complete reading of the account; whatever fails makes it none."""
        asked_at, started = self._clock.now(), self._clock.elapsed()
        account = (
            self._account_link.account()
            if bind
            else self._gateway.read("account", self._gateway.broker.account)
        )
        if isinstance(account, m.NotObserved):
            return account
        fills_since = self._since(since)
        number = self._tracker.look_number()
        fills = self._fills(fills_since)
        orders = self._orders(since)
        broker = self._gateway.broker
        positions = self._gateway.pages("positions", broker.positions)
        fills_after = self._fills(fills_since)
        activities = self._activities(fills_since)
        for answer in (fills, orders, positions, fills_after, activities):
            if isinstance(answer, m.NotObserved):
                return answer
        assert isinstance(fills, m.Observed)
        assert isinstance(orders, m.Observed)
        assert isinstance(positions, m.Observed)
        assert isinstance(fills_after, m.Observed)
        assert isinstance(activities, m.Observed)
        by_id, gone = self._missing(orders.value)
        histories, told = self._histories()
        return Snapshot(
            # Fills bear the broker's clock, so the look does too where the broker tells it.
            at=m.timestamp(account.at or asked_at),
            started=started,
            ended=self._clock.elapsed(),
            account=account.value,
            orders=orders.value,
            positions=positions.value,
            fills=fills.value,
            fills_after=fills_after.value,
            activities=activities.value,
            by_id=tuple(by_id),
            not_found=tuple(gone),
            history_ids=tuple(histories),
            history_executions=tuple(told),
            number=number,
        )

    def _since(self, since: date | None) -> m.Timestamp:
        if since is not None:
            return m.timestamp(datetime.combine(since, time(), UTC))
        cursor = read_until(self._store.cell(CURSOR))
        now = self._clock.now()
        back = OVERLAP_AT_START if self._a_day_is_due() else OVERLAP
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
        """Open orders; and, where many of ours have left that list, all since the oldest."""
        listed = self._tracker.open_orders()
        if isinstance(listed, m.NotObserved):
            return listed
        left = self._tracker.left(listed.value)
        oldest = min((m.moment(x.created_at) for x in left), default=None)
        if since is not None:
            begin = datetime.combine(since, time(), UTC)
            oldest = begin if oldest is None else min(begin, oldest)
        elif len(left) <= BY_ID_MAX:
            return listed
        assert oldest is not None  # a date was given, or orders have left
        rest = self._tracker.orders_since(oldest - BEFORE_CREATED)
        if isinstance(rest, m.NotObserved):
            return rest
        seen = {x.broker_order_id for x in listed.value}
        return m.Observed(
            (*listed.value, *(x for x in rest.value if x.broker_order_id not in seen))
        )

    def _missing(
        self, orders: tuple[m.OrderReport, ...]
    ) -> tuple[list[m.OrderReport], list[m.NotFoundAfterSeen]]:
        """By-id looks at what left the lists, and at fills of orders that no list showed."""
        found: list[m.OrderReport] = []
        gone: list[m.NotFoundAfterSeen] = []
        for record in self._tracker.left(orders)[:BY_ID_MAX]:
            told = self._tracker.chain(record)
            found += told.reports
            gone += told.gone
        return found, gone

    def _histories(self) -> tuple[list[str], list[m.Execution]]:
        """The whole fill histories of orders whose executions are long not all told."""
        read: list[str] = []
        told: list[m.Execution] = []
        for record in self._tracker.incomplete()[:BY_ID_MAX]:
            for broker_order_id in record.ids:
                answer = self._tracker.history(record, broker_order_id)
                if isinstance(answer, m.Observed):
                    read.append(broker_order_id)
                    told += answer.value
        return read, told

    def _strays(self, compared: ComparedSnapshot) -> list[m.OrderReport]:
        """The orders of stray fills, so that each fill has its owner."""
        answers = [self._tracker.by_id(i) for i in compared.strays[:BY_ID_MAX]]
        return [x.value for x in answers if isinstance(x, m.Observed)]


def _is_known(after: RecordReader, broker_order_id: str) -> bool:
    known = after.get(m.Evidence, broker_order_id)
    return known is not None and known.terms is not None
