"""
The tracker: open orders, streamed, polled, settled.

What the stream, a poll, a push from the bot or a look by id tells comes in by one door,
`receive`; from there it is evidence.  One list call follows all open orders; an order that
leaves the list, or whose fills are not all told, is read by itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import lineage
from fillbook.core.reconcile import absence
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.stream import Stream
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import InvalidValue
from fillbook.model import ZERO
from fillbook.store import Reader

#: At most so many orders are read one by one in a pass; the rest wait for the next.
BY_ID_MAX: Final = 10
#: A fill that no history tells of for so long has its order's own history read.
INCOMPLETE_AFTER: Final = timedelta(seconds=60)
#: Up to when every fill has been read: the cell that says so, and how far back we read again.
CURSOR: Final = "fills-read-until"
OVERLAP: Final = timedelta(minutes=10)
#: An order is looked for in the history from this long before it was made.
BEFORE_CREATED: Final = timedelta(minutes=5)


def read_until(word: str | None) -> m.Timestamp | None:
    """What the cell says; None: never.  What makes no sense has everything read again."""
    try:
        return None if word is None else m.timestamp(word)
    except InvalidValue:
        return m.timestamp(datetime(1970, 1, 1, tzinfo=UTC))


@frozen
class Chain:
    """What was read of one order: reports by id, ids denied, and the read that failed."""

    reports: tuple[m.OrderReport, ...]
    gone: tuple[m.NotFoundAfterSeen, ...]
    failed: m.NotObserved | None


class Tracker:
    """Hears of orders, and asks after those of which too little is heard."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, account_link: AccountLink, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._clock = clock
        self._inbox: deque[m.OrderReport] = deque()
        self.stream = Stream(clock)
        self._history_at: dict[str, Decimal] = {}  #: the total at which a history was last read
        self.polled_at: timedelta | None = None  #: when the last one of the rounds began
        self.news = threading.Event()
        self.closing = gateway.closing

    # -- the door ----------------------------------------------------------------------

    def receive(self, reports: Iterable[m.OrderReport]) -> None:
        """Put streamed reports into the inbox; safe from any thread, and quick."""
        self._inbox.extend(reports)
        self.news.set()

    def drain(self) -> int:
        """Write down what is in the inbox; how many entries that made."""
        self.news.clear()
        heard: list[m.OrderReport] = []
        while self._inbox:
            heard.append(self._inbox.popleft())
        try:
            number = self.look_number() if heard else 0
            stream = m.ReportSource.STREAM
            return self._recorder.record(*(m.Reported(x, stream, number) for x in heard))
        except BaseException:
            self._inbox.extendleft(reversed(heard))  # nobody tells it again
            raise

    def look_number(self) -> int:
        """The number that a look begun now bears, for brokers without a clock."""
        with self._recorder.store.read() as reader:
            return reader.last()

    # -- one order ---------------------------------------------------------------------

    def read(self, record: m.OrderRecord) -> m.NotObserved | None:
        """Look at one order by all its broker ids; why that was not observed whole, or None."""
        number = self.look_number()
        told = self.chain(record)
        self._recorder.record(
            *(m.Reported(x, m.ReportSource.BY_ID, number) for x in told.reports), *told.gone
        )
        return told.failed or self._complete_successors(record.client_order_id)

    def _complete_successors(self, name: str) -> m.NotObserved | None:
        """Read the history of an order whose replacing id has filled further; why not, or None."""
        with self._recorder.store.read() as reader:
            record = reader.get(m.OrderRecord, name)
            due = record is not None and self._has_grown(reader, record)
        return self.complete(record) if record is not None and due else None

    def _has_grown(self, reader: Reader, record: m.OrderRecord) -> bool:
        """Whether an id that replaces another has filled further than its history was read."""
        if not self._gateway.broker.capabilities.history or record.order.is_complete:
            return False
        return any(
            e.replaces is not None
            and (e.word is not None and e.word.cum > ZERO)
            and self._history_at.get(e.broker_order_id) != e.word.cum
            for e in evidence_of(reader, record)
        )

    def chain(self, record: m.OrderRecord) -> Chain:
        """What the broker says of every id of an order, and of those that replaced them."""
        reports: list[m.OrderReport] = []
        gone: list[m.NotFoundAfterSeen] = []
        failed: m.NotObserved | None = None
        ids = list(record.ids)
        for broker_order_id in ids:  # grows as successors are met
            answer = self.by_id(broker_order_id)
            match answer:
                case m.Observed(value):
                    reports.append(value)
                    if value.replaced_by is not None and value.replaced_by not in ids:
                        ids.append(value.replaced_by)
                case m.Absent():
                    gone.append(m.NotFoundAfterSeen(record.client_order_id, broker_order_id))
                case m.NotObserved():
                    failed = answer
        if gone and not isinstance(self._account_link.account(), m.Observed):
            gone = []  # an absence counts only if its pass saw the account that is bound
        return Chain(tuple(reports), tuple(gone), failed)

    def by_id(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        """One broker id."""
        return self._gateway.look_up("order", lambda: self._gateway.broker.order(broker_order_id))

    def read_id(self, broker_order_id: str) -> None:
        """Look at the order that owns a broker id, if the record knows it."""
        with self._recorder.store.read() as reader:
            known = reader.get(m.Evidence, broker_order_id)
            record = None if known is None else reader.get(m.OrderRecord, known.client_order_id)
        if record is not None:
            self.read(record)

    def complete(self, record: m.OrderRecord) -> m.NotObserved | None:
        """Read the whole fill history of one order."""
        entries: list[m.Entry] = []
        totals = {e.broker_order_id: e.word.cum for e in self.known(record) if e.word is not None}
        for broker_order_id in record.ids:
            answer = self.history(record, broker_order_id)
            if isinstance(answer, m.NotObserved):
                return answer
            entries += [m.Executed(x) for x in answer.value]
            entries.append(m.HistoryRead(broker_order_id))
        self._recorder.record(*entries)
        self._history_at |= totals
        self.agree(record.ids, [x.execution for x in entries if isinstance(x, m.Executed)])
        return None

    def agree(self, broker_ids: Iterable[str], rows: Iterable[m.Execution]) -> None:
        """Note what the stream took back and the whole history of an id does not hold."""
        rows = list(rows)
        voids: list[m.Entry] = []
        with self._recorder.store.read() as reader:
            for broker_order_id in broker_ids:
                told = [x for x in rows if x.broker_order_id == broker_order_id]
                voids += map(m.Busted, absence.confirm_busts(reader, broker_order_id, told))
        self._recorder.record(*voids)

    def history(
        self, record: m.OrderRecord, broker_order_id: str
    ) -> m.Read[tuple[m.Execution, ...]]:
        """All fills of one broker id."""
        since = m.timestamp(m.moment(record.created_at) - BEFORE_CREATED)
        broker = self._gateway.broker
        return self._gateway.pages(
            "executions", lambda page: broker.executions_of(broker_order_id, since, page)
        )

    def known(self, record: m.OrderRecord) -> list[m.Evidence]:
        """What is known of each broker id of an order."""
        with self._recorder.store.read() as reader:
            return evidence_of(reader, record)

    # -- all of them -------------------------------------------------------------------

    def followed(self) -> list[m.OrderRecord]:
        """The orders that are not final, or whose fills are not all told."""
        with self._recorder.store.read() as reader:
            return list(reader.find(m.OrderRecord, "open", "yes"))

    def open_orders(self) -> m.Read[tuple[m.OrderReport, ...]]:
        """Every open order, legs nested: floor(N/500) + 1 pages."""
        broker = self._gateway.broker
        return self._gateway.pages("orders", lambda page: broker.orders(m.OrderQuery(), page))

    def orders_since(self, since: datetime) -> m.Read[tuple[m.OrderReport, ...]]:
        """Every order from *since* on, whether it is open or not."""
        query = m.OrderQuery(m.OrderScope.ALL, since)
        broker = self._gateway.broker
        return self._gateway.pages("orders", lambda page: broker.orders(query, page))

    @property
    def in_sync(self) -> bool:
        """Whether the record has what the stream has missed; new risk waits for it."""
        return self.stream.in_sync

    def poll(self) -> bool:
        """
        One list call, and a look at what left the list; whether all of it was observed.

        What the stream has missed is read with it.
        """
        missed, behind = self.stream.missed, not self.in_sync
        if not isinstance(self._account_link.account(), m.Observed):
            return False  # whose orders would these be?
        number = self.look_number()
        listed = self.open_orders()
        if isinstance(listed, m.NotObserved):
            return False
        self.drain()  # what the stream has told by now is no news of the list
        was = self.followed()
        self._recorder.record(*(m.Reported(x, m.ReportSource.LIST, number) for x in listed.value))
        whole = self._follow(self.left(listed.value))
        for record in self.incomplete()[:BY_ID_MAX]:
            self.complete(record)
        self.looked(was)
        whole = whole and (not behind or self._read_fills())
        if whole:
            self.stream.resynced(missed)
        return whole

    def _follow(self, left: Sequence[m.OrderRecord]) -> bool:
        """Look at what left the list: a few one by one, many by one more list."""
        if len(left) > BY_ID_MAX:
            number = self.look_number()
            told = self.orders_since(began(left))
            if isinstance(told, m.NotObserved):
                return False
            source = m.ReportSource.LIST
            self._recorder.record(*(m.Reported(x, source, number) for x in told.value))
            left = self.left(told.value)
        return not [x for x in left[:BY_ID_MAX] if self.read(x) is not None]

    def looked(self, was: Sequence[m.OrderRecord]) -> None:
        """All open orders were looked at; the stream is late if one has filled since *was*."""
        with self._recorder.store.read() as reader:
            now = [reader.get(m.OrderRecord, x.client_order_id) for x in was]
        self.stream.polled(news=list(map(_progress, was)) != list(map(_progress, now)))

    def _read_fills(self) -> bool:
        """Read the account's fills since it was last read whole; those of known orders count."""
        broker = self._gateway.broker
        if not broker.capabilities.history:
            return True
        with self._recorder.store.read() as reader:
            cursor = read_until(reader.cell(CURSOR))
        begin = self._clock.now() if cursor is None else m.moment(cursor)
        since = m.timestamp(begin - OVERLAP)
        told = self._gateway.pages("executions", lambda page: broker.executions(since, page))
        if isinstance(told, m.NotObserved):
            return False
        with self._recorder.store.read() as reader:
            known = [x for x in told.value if reader.get(m.Evidence, x.broker_order_id)]
        self._recorder.record(*map(m.Executed, known))
        return True

    def left(self, listed: Sequence[m.OrderReport]) -> list[m.OrderRecord]:
        """The live orders of which a complete list of open ones does not hold all that lives."""
        here = {x.broker_order_id for x in flat(listed)}
        with self._recorder.store.read() as reader:
            return [
                record
                for record in reader.find(m.OrderRecord, "open", "yes")
                if record.ids and not record.order.is_final and _left(reader, record, here)
            ]

    def incomplete(self) -> list[m.OrderRecord]:
        """
        The orders whose executions are not all told, and have not been for a while.

        The total of an id that replaces another may carry what that one filled: its history is
        due as soon as it has filled further.
        """
        since = m.timestamp(self._clock.now() - INCOMPLETE_AFTER)
        with self._recorder.store.read() as reader:
            return [
                record
                for record in reader.find(m.OrderRecord, "open", "yes")
                if record.ids
                and not record.order.is_complete
                and ((record.seen_at or "") <= since or self._has_grown(reader, record))
            ]

    def unclear(self) -> list[m.OrderRecord]:
        """The orders whose evidence contradicts itself, or is of several ids: histories help."""
        with self._recorder.store.read() as reader:
            return [
                x
                for x in reader.find(m.OrderRecord, "open", "yes")
                if x.order.status is m.OrderStatus.DISPUTED or self._has_grown(reader, x)
            ]


def _left(reader: Reader, record: m.OrderRecord, here: Collection[str]) -> bool:
    """Whether an order is not *here*, or an id of it that lived, such as one that was replaced."""
    living = (e for e in evidence_of(reader, record) if lineage.is_alive(e))
    lives_on = all(e.broker_order_id in here for e in living)
    return not (lives_on and any(broker_order_id in here for broker_order_id in record.ids))


def _progress(record: m.OrderRecord | None) -> object:
    """How far an order has come."""
    return None if record is None else (record.order.filled_qty, record.order.is_final)


def began(records: Iterable[m.OrderRecord]) -> datetime:
    """A little before the oldest of them was made."""
    return min(m.moment(x.created_at) for x in records) - BEFORE_CREATED


def evidence_of(reader: Reader, record: m.OrderRecord) -> list[m.Evidence]:
    """What is known of each broker id of an order, as *reader* has it."""
    found = (reader.get(m.Evidence, broker_order_id) for broker_order_id in record.ids)
    return [x for x in found if x is not None]


def flat(reports: Iterable[m.OrderReport]) -> list[m.OrderReport]:
    """Reports with the legs nested in them."""
    rows: list[m.OrderReport] = []
    for report in reports:
        rows.append(report)
        rows += flat(report.legs)
    return rows
