"""
The end of an order by a person: the broker does not have it, and fillbook cannot conclude so.

An order that the broker accepted or reported is never concluded absent by its replies.  If the
broker then does not find it, a person who has confirmed that with the broker ends it.  The order
is read before; the entry in the journal is the audit.

Other half: `core.journal.requests`, which applies the entry.
"""

from __future__ import annotations

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import lineage
from fillbook.core.orders.lineage import evidence_of
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.tracker import Tracker, created_since
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder
from fillbook.store import Reader


class ManualResolution:
    """Ends orders that the broker does not have."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        tracker: Tracker,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._clock = clock
        self._book = Book(recorder.store)

    def resolve(self, order: m.Order | str, outcome: m.OrderStatus) -> m.Order:
        """
        Read an order, and end it as *outcome* if the broker does not have it.

        A final order is returned unchanged.  Raises: UnknownOrder, Denied, AccountChanged,
        ReadFailed.
        """
        record = self._book.record(order)
        name = record.client_order_id
        if record.order.is_final:
            return record.order
        self._account_link.bind()
        self._require_time_elapsed(record)
        self._read(record)
        with self._recorder.transaction() as transaction:
            now = transaction.reader.get(m.OrderRecord, name)
            denied = now is None or not _is_missing(transaction.reader, record, now)
            if not denied:
                transaction.record(m.ResolvedAbsent(name))
        after = self._book.order(name)
        if denied and not after.is_final:
            why = f"the broker reports it as {after.status}; cancel it instead"
            raise _denial(after, "order_exists", why)
        return after

    def _require_time_elapsed(self, record: m.OrderRecord) -> None:
        """Require that no request can be accepted any more.  Raises: Denied."""
        late_landing = self._gateway.broker.capabilities.late_landing
        newest = max((m.moment(r.at) for r in record.requests), default=None)
        if newest is not None and self._clock.now() - newest < late_landing:
            wait_s = (late_landing - (self._clock.now() - newest)).total_seconds()
            why = f"the broker may still accept its last request; retry in {wait_s:.0f} s"
            raise _denial(record.order, "order_in_flight", why, retry=True)

    def _read(self, record: m.OrderRecord) -> None:
        """Read the order by its broker ids, else by its client order id.  Raises: ReadFailed."""
        failed = self._tracker.read(record) if record.ids else self._find(record)
        if failed is not None:
            name = record.client_order_id
            raise errors.ReadFailed(f"order {name} could not be read: {failed.message}")

    def _find(self, record: m.OrderRecord) -> m.NotObserved | None:
        number, name = self._tracker.snapshot_number(), record.client_order_id
        if not self._gateway.broker.capabilities.find:
            return self._list(record, number)
        answer = self._gateway.look_up("find", lambda: self._gateway.broker.find(name))
        if isinstance(answer, m.Observed):
            self._recorder.record(m.Reported(answer.value, m.ReportSource.BY_ID, number))
        if isinstance(answer, m.Absent):  # it counts only if the bound account is read too
            account = self._account_link.read()
            return account if isinstance(account, m.NotObserved) else None
        return answer if isinstance(answer, m.NotObserved) else None

    def _list(self, record: m.OrderRecord, number: int) -> m.NotObserved | None:
        """Read all orders since *record* was intended; return the read that failed."""
        account = self._account_link.read()
        if isinstance(account, m.NotObserved):
            return account
        answer = self._tracker.orders_since(created_since([record]))
        if isinstance(answer, m.NotObserved):
            return answer
        source = m.ReportSource.LIST
        self._recorder.record(*(m.Reported(x, source, number) for x in answer.value))
        return None


def _is_missing(reader: Reader, before: m.OrderRecord, now: m.OrderRecord) -> bool:
    """Whether the read since *before* found no live id of an order that was not sent again."""
    living = [e for e in evidence_of(reader, now) if lineage.is_live(e)]
    unchanged = before.requests == now.requests and before.ids == now.ids
    return unchanged and not now.order.is_final and all(e.not_found for e in living)


def _denial(order: m.Order, code: str, why: str, *, retry: bool = False) -> errors.Denied:
    text = f"order {order.client_order_id} was not ended: {why}"
    reason = m.Reason(code, text, retry=retry)
    return errors.Denied(reason.message, order=order, reason=reason)
