"""
The tracker: follows the orders that are not complete.

Reports from the stream and from the bot are received in an inbox; reports of polls and of reads by
id are recorded at once.  One list call reads all open orders.  An order that has left the list, or
whose fills are incomplete, is read by its ids.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import lineage
from fillbook.core.reconcile import missing
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.stream_health import Stream
from fillbook.desk.orders.reread_intervals import Retries
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import InvalidValue, present
from fillbook.model import ZERO
from fillbook.store import Reader, Urgency, give_way, urgency

#: The maximum number of orders that are read by id in one pass; the rest wait for the next.
BY_ID_MAX: Final = 10
#: The maximum number of disputed orders that are read again in one pass without a change.
DISPUTED_AGAIN_MAX: Final = 2
#: The fill history of an order is read when its fills are incomplete for this long.
INCOMPLETE_AFTER: Final = timedelta(seconds=60)
#: The cell with the time up to which all fills were read, and the overlap of the next read.
FILLS_CURSOR: Final = "fills-read-until"
OVERLAP: Final = timedelta(minutes=10)
#: The fill history of an order is read from this long before its creation.
BEFORE_CREATED: Final = timedelta(minutes=5)


def parse_cursor(text: str | None) -> m.Timestamp | None:
    """Parse the cursor of fills; None: never read.  An invalid cursor reads everything again."""
    try:
        return None if text is None else m.timestamp(text)
    except InvalidValue:
        return m.timestamp(datetime(1970, 1, 1, tzinfo=UTC))


@frozen
class OrderRead:
    """The reads of one order by its ids: reports, ids not found, and the read that failed."""

    reports: tuple[m.OrderReport, ...]
    not_found: tuple[m.NotFoundAfterSeen, ...]
    failure: m.NotObserved | None


class Tracker:
    """Receives order reports, and reads the orders whose reports are incomplete."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, account_link: AccountLink, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._clock = clock
        self._inbox: deque[m.OrderReport] = deque()
        self.stream: Stream = Stream(clock)
        #: The filled quantity of a broker id when its history was last read.
        self._history_read_at: dict[str, Decimal] = {}
        self._retries = Retries(clock)
        #: When the disputed orders of a symbol were last read, and what was known of them then.
        self._disputed_read: dict[str, tuple[timedelta, list[m.Order]]] = {}
        #: The ids of an order that were not found when it was last read.
        self._not_found: dict[str, tuple[m.NotFoundAfterSeen, ...]] = {}
        self.polled_at: timedelta | None = None  #: when the last poll of the scheduler began
        self.wakeup: threading.Event = threading.Event()
        self.closing: threading.Event = gateway.closing

    # -- the inbox ---------------------------------------------------------------------

    def receive(self, reports: Iterable[m.OrderReport]) -> None:
        """Put reports into the inbox; safe from any thread, and does not block."""
        self._inbox.extend(reports)
        self.wakeup.set()

    @urgency(Urgency.BACKGROUND)
    def drain(self) -> int:
        """Record the reports in the inbox; return how many of them changed something."""
        self.wakeup.clear()
        received: list[m.OrderReport] = []
        while self._inbox:
            received.append(self._inbox.popleft())
        try:
            number = self.snapshot_number() if received else 0
            stream = m.ReportSource.STREAM
            return self._recorder.record(*(m.Reported(x, stream, number) for x in received))
        except BaseException:
            self._inbox.extendleft(reversed(received))  # the stream does not repeat them
            raise

    def snapshot_number(self) -> int:
        """Return the number of a read that begins now, for brokers without a clock."""
        with self._recorder.store.read() as reader:
            return reader.last()

    # -- one order ---------------------------------------------------------------------

    def read(self, record: m.OrderRecord) -> m.NotObserved | None:
        """Read one order by all its broker ids; return the read that failed, or None."""
        order = self.read_reports(record)
        return order.failure or self._read_successor_history(record.client_order_id)

    def read_reports(self, record: m.OrderRecord) -> OrderRead:
        """Read and record the reports on all broker ids of an order."""
        number = self.snapshot_number()
        order = self.read_all_ids(record)
        self._recorder.record(
            *(m.Reported(x, m.ReportSource.BY_ID, number) for x in order.reports), *order.not_found
        )
        return order

    def _read_successor_history(self, name: str) -> m.NotObserved | None:
        """Read the fill history if a successor has new fills; return the read that failed."""
        with self._recorder.store.read() as reader:
            record = reader.get(m.OrderRecord, name)
            due = record is not None and self._successor_has_filled(reader, record)
        return self.read_history(record) if record is not None and due else None

    def _successor_has_filled(self, reader: Reader, record: m.OrderRecord) -> bool:
        """Whether a replacing id has filled more since its fill history was last read."""
        if not self._gateway.broker.capabilities.history or record.order.is_complete:
            return False
        return any(
            e.replaces is not None
            and (e.word is not None and e.word.cum > ZERO)
            and self._history_read_at.get(e.broker_order_id) != e.word.cum
            for e in lineage.evidence_of(reader, record)
        )

    def read_all_ids(self, record: m.OrderRecord) -> OrderRead:
        """Read every broker id of an order, and of its successors; record nothing."""
        reports: list[m.OrderReport] = []
        not_found: list[m.NotFoundAfterSeen] = []
        failure: m.NotObserved | None = None
        ids = list(record.ids)
        for broker_order_id in ids:  # the list grows with each successor
            answer = self.read_report(broker_order_id)
            match answer:
                case m.Observed(value):
                    reports.append(value)
                    if value.replaced_by is not None and value.replaced_by not in ids:
                        ids.append(value.replaced_by)
                case m.Absent():
                    not_found.append(m.NotFoundAfterSeen(record.client_order_id, broker_order_id))
                case m.NotObserved():
                    failure = answer
        account = self._account_link.read() if not_found else None
        if isinstance(account, m.NotObserved):
            # An absence counts only if the bound account was read too.
            not_found, failure = [], failure or account
        self._not_found[record.client_order_id] = tuple(not_found)
        return OrderRead(tuple(reports), tuple(not_found), failure)

    def last_not_found(self, record: m.OrderRecord) -> tuple[m.NotFoundAfterSeen, ...]:
        """Return the ids that were not found when this process last read the order."""
        return self._not_found.get(record.client_order_id, ())

    def read_report(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        """Read one broker id."""
        return self._gateway.look_up("order", lambda: self._gateway.broker.order(broker_order_id))

    def read_by_broker_id(self, broker_order_id: str) -> m.NotObserved | None:
        """Read the order of a broker id, if it is in the record; return a read that failed."""
        with self._recorder.store.read() as reader:
            evidence = reader.get(m.Evidence, broker_order_id)
            record = (
                None if evidence is None else reader.get(m.OrderRecord, evidence.client_order_id)
            )
        return None if record is None else self.read(record)

    def read_history(self, record: m.OrderRecord) -> m.NotObserved | None:
        """Read and record the complete fill history of one order; return a read that failed."""
        entries: list[m.Entry] = []
        totals = {
            e.broker_order_id: e.word.cum for e in self.evidence(record) if e.word is not None
        }
        for broker_order_id in record.ids:
            answer = self.fill_history(record, broker_order_id)
            if isinstance(answer, m.NotObserved):
                return answer
            entries += [m.Executed(x) for x in answer.value]
            entries.append(m.HistoryRead(broker_order_id))
        self._recorder.record(*entries)
        self._history_read_at |= totals
        self.record_busts(record.ids, [x.execution for x in entries if isinstance(x, m.Executed)])
        return None

    def record_busts(self, broker_ids: Iterable[str], rows: Iterable[m.Execution]) -> None:
        """Record the busts that the stream reported and the complete histories *rows* confirm."""
        with self._recorder.store.read() as reader:
            busts = missing.confirmed_busts(reader, broker_ids, rows)
        self._recorder.record(*map(m.Busted, busts))

    def fill_history(
        self, record: m.OrderRecord, broker_order_id: str
    ) -> m.Read[tuple[m.Execution, ...]]:
        """Read all fills of one broker id."""
        since = m.timestamp(m.moment(record.created_at) - BEFORE_CREATED)
        broker = self._gateway.broker
        return self._gateway.pages(
            "executions", lambda page: broker.executions_of(broker_order_id, since, page)
        )

    def evidence(self, record: m.OrderRecord) -> list[m.Evidence]:
        """Return the evidence of each broker id of an order."""
        with self._recorder.store.read() as reader:
            return lineage.evidence_of(reader, record)

    # -- all orders --------------------------------------------------------------------

    def tracked(self) -> list[m.OrderRecord]:
        """Return the orders that are not final or whose fills are incomplete."""
        with self._recorder.store.read() as reader:
            return list(reader.find(m.OrderRecord, "open", "yes"))

    def orders(self, names: Iterable[str]) -> list[m.Order]:
        """Return the orders with the client ids *names*."""
        with self._recorder.store.read() as reader:
            return [present(reader.get(m.OrderRecord, x), f"order {x}").order for x in names]

    def open_orders(self) -> m.Read[tuple[m.OrderReport, ...]]:
        """Read every open order, with its legs nested: floor(N/500) + 1 pages."""
        broker = self._gateway.broker
        return self._gateway.pages("orders", lambda page: broker.orders(m.OrderQuery(), page))

    def record_readable_orders(self) -> None:
        """Record the open orders on the pages that can be read; it proves no absence."""
        number, broker = self.snapshot_number(), self._gateway.broker
        rows, _ = self._gateway.readable_pages(
            "orders", lambda page: broker.orders(m.OrderQuery(), page)
        )
        self._recorder.record(*(m.Reported(x, m.ReportSource.LIST, number) for x in rows))

    def orders_since(self, since: datetime) -> m.Read[tuple[m.OrderReport, ...]]:
        """Read every order since *since*, open or not."""
        query = m.OrderQuery(m.OrderScope.ALL, since)
        broker = self._gateway.broker
        return self._gateway.pages("orders", lambda page: broker.orders(query, page))

    @property
    def in_sync(self) -> bool:
        """Whether the events that the stream missed were read; new risk waits for it."""
        return self.stream.in_sync

    @urgency(Urgency.BACKGROUND)
    def poll(self) -> bool:
        """
        Read the open orders and those that left the list; return whether all was observed.

        After a gap of the stream, also read the fills.
        """
        gaps, behind = self.stream.gaps, not self.in_sync
        if not isinstance(self._account_link.read(), m.Observed):
            return False  # the orders may be those of another account
        number = self.snapshot_number()
        listed = self.open_orders()
        if isinstance(listed, m.NotObserved):
            return False
        self.drain()  # the stream reported these before the list did
        before = self.tracked()
        self._recorder.record_news(
            *(m.Reported(x, m.ReportSource.LIST, number) for x in listed.value)
        )
        is_complete = self._read_unlisted(self.unlisted_due(listed.value))
        for record in self.incomplete_due():
            self.read_history(record)
        self.confirm_stream(before)
        is_complete = is_complete and (not behind or self._read_fills())
        if is_complete:
            self.stream.resynced(gaps)
        return is_complete

    def _read_unlisted(self, unlisted: Sequence[m.OrderRecord]) -> bool:
        """Read the orders that left the list: a few by id, many by one more list."""
        if len(unlisted) > BY_ID_MAX:
            number = self.snapshot_number()
            orders = self.orders_since(created_since(unlisted))
            if isinstance(orders, m.NotObserved):
                return False
            source = m.ReportSource.LIST
            self._recorder.record_news(*(m.Reported(x, source, number) for x in orders.value))
            unlisted = self.unlisted_due(orders.value)
        self.note_unlisted(unlisted[:BY_ID_MAX])
        return not [x for x in unlisted[:BY_ID_MAX] if self.read(x) is not None]

    def confirm_stream(self, before: Sequence[m.OrderRecord]) -> None:
        """Record a poll: the stream is late if a fill or an end since *before* was not streamed."""
        with self._recorder.store.read() as reader:
            now = [reader.get(m.OrderRecord, x.client_order_id) for x in before]
        self.stream.polled(
            found_unreported=list(map(_fill_state, before)) != list(map(_fill_state, now))
        )

    def _read_fills(self) -> bool:
        """Read the account's fills since the cursor, and record those of known orders."""
        broker = self._gateway.broker
        if not broker.capabilities.history:
            return True
        with self._recorder.store.read() as reader:
            cursor = parse_cursor(reader.cell(FILLS_CURSOR))
        begin = self._clock.now() if cursor is None else m.moment(cursor)
        since = m.timestamp(begin - OVERLAP)
        fills = self._gateway.pages("executions", lambda page: broker.executions(since, page))
        if isinstance(fills, m.NotObserved):
            return False
        with self._recorder.store.read() as reader:
            known = [x for x in fills.value if reader.get(m.Evidence, x.broker_order_id)]
        self._recorder.record_news(*map(m.Executed, known))
        return True

    def unlisted(self, listed: Sequence[m.OrderReport]) -> list[m.OrderRecord]:
        """
        Return the live orders that have a live id outside *listed*, a complete list.

        An order that filled while its cancel or replace was pending is live until its end is
        reported.
        """
        listed_ids = {x.broker_order_id for x in flattened(listed)}
        with self._recorder.store.read() as reader:
            return [
                record
                for record in reader.find(m.OrderRecord, "open", "yes")
                if record.ids
                and not (record.order.is_final and record.order.status not in m.PENDING)
                and _is_unlisted(reader, record, listed_ids)
            ]

    def incomplete(self) -> list[m.OrderRecord]:
        """
        Return the orders whose executions are incomplete for `INCOMPLETE_AFTER`.

        The filled quantity of a replacing id may include the fills of the replaced id: its fill
        history is due as soon as it has new fills.
        """
        since = m.timestamp(self._clock.now() - INCOMPLETE_AFTER)
        with self._recorder.store.read() as reader:
            return [
                record
                for record in reader.find(m.OrderRecord, "open", "yes")
                if record.ids
                and not record.order.is_complete
                and ((record.seen_at or "") <= since or self._successor_has_filled(reader, record))
            ]

    def unclear_due(self) -> list[m.OrderRecord]:
        """Return the orders whose fill history is due: newly disputed, or a successor filled."""
        with self._recorder.store.read() as reader:
            tracked = list(reader.find(m.OrderRecord, "open", "yes"))
            filled = [x for x in tracked if self._successor_has_filled(reader, x)]
        known = [order for _, orders in self._disputed_read.values() for order in orders]
        disputed = [x for x in tracked if _is_disputed(x) and x.order not in known]
        return filled + [x for x in disputed if x not in filled]

    def disputed_due(self) -> list[m.OrderRecord]:
        """
        Return the disputed orders to be read now by id, with their histories.

        Those of a symbol are settled together, so they are read together.  If there are too many,
        the symbols that were not read for the longest time are first.
        """
        by_symbol: dict[str, list[m.OrderRecord]] = {}
        for record in filter(_is_disputed, self.tracked()):
            by_symbol.setdefault(record.terms.symbol, []).append(record)
        never = (timedelta.min, list[m.Order]())
        read = {x: self._disputed_read.get(x, never) for x in by_symbol}
        self._disputed_read = read
        due: list[m.OrderRecord] = []
        for symbol in sorted(by_symbol, key=lambda x: (read[x][0], x)):
            orders = [x.order for x in by_symbol[symbol]]
            most = DISPUTED_AGAIN_MAX if orders == read[symbol][1] else BY_ID_MAX
            if not due or len(due) + len(orders) <= most:
                due += by_symbol[symbol]
                read[symbol] = (self._clock.elapsed(), orders)
        return due

    # -- what is due -------------------------------------------------------------------

    def read_all_again(self) -> None:
        """Make every order due that earlier reads did not find or complete."""
        self._retries = Retries(self._clock)

    def unlisted_due(self, listed: Sequence[m.OrderReport]) -> list[m.OrderRecord]:
        """Return the orders of `unlisted` that are due to be read by id."""
        return self._retries.due("unlisted", self.unlisted(listed))

    def note_unlisted(self, records: Iterable[m.OrderRecord]) -> None:
        """Note that these orders outside the list are read now."""
        self._retries.read("unlisted", records)

    def incomplete_due(self) -> list[m.OrderRecord]:
        """Return a few orders of `incomplete` whose fill histories are due, to be read now."""
        return self._due("incomplete", self.incomplete())

    def _due(self, purpose: str, records: Iterable[m.OrderRecord]) -> list[m.OrderRecord]:
        due = self._retries.due(purpose, records)[:BY_ID_MAX]
        self._retries.read(purpose, due)
        return due


def _is_unlisted(reader: Reader, record: m.OrderRecord, listed_ids: set[str]) -> bool:
    """Whether no id of an order is listed, or a live id is not, such as a replaced one."""
    give_way()
    if listed_ids.issuperset(record.ids):
        return False
    living = (e for e in lineage.evidence_of(reader, record) if lineage.is_live(e))
    all_listed = all(e.broker_order_id in listed_ids for e in living)
    return not (all_listed and any(broker_order_id in listed_ids for broker_order_id in record.ids))


def _is_disputed(record: m.OrderRecord) -> bool:
    return record.order.status is m.OrderStatus.DISPUTED and bool(record.ids)


def _fill_state(record: m.OrderRecord | None) -> object:
    """Return what a fill or an end of an order changes."""
    return None if record is None else (record.order.filled_qty, record.order.is_final)


def created_since(records: Iterable[m.OrderRecord]) -> datetime:
    """Return `BEFORE_CREATED` before the creation of the oldest of *records*."""
    return min(m.moment(x.created_at) for x in records) - BEFORE_CREATED


def flattened(reports: Iterable[m.OrderReport]) -> list[m.OrderReport]:
    """Return *reports* and the legs nested in them."""
    rows: list[m.OrderReport] = []
    for report in reports:
        rows.append(report)
        rows += flattened(report.legs)
    return rows
