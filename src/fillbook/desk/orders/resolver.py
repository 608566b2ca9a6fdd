"""
The resolver: sends a request, and determines its outcome (promises P2 and P3).

A create or a replace whose outcome is unknown is *unconfirmed*: it is queried, and a create may be
resent under the same id, as `core.orders.unconfirmed` decides.  A timeout is never raised.  Every
step can be repeated: after a crash between two steps the next start queries the order again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from itertools import chain, repeat
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import instructions, lineage, replace, unconfirmed
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.orders.replace import InPlaceResult
from fillbook.core.orders.unconfirmed import Abandon, Inquiry, Query, Resend
from fillbook.core.rate_limit import Lane
from fillbook.core.send_permission import Authority, Permission
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.orders.order_scan import OrderScan
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.orders.unconfirmed_requests import Inquiries
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.book import Book
from fillbook.desk.record.kill_switch import halt_reason
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.errors import present

#: Orders with these end at once: `wait_until_working` follows them until they are final.
_IMMEDIATE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})

#: The delay after which a change of an order is continued.
CHANGE_RETRY_DELAY: Final = timedelta(seconds=2)

#: Takes the due steps while a caller waits; returns when the next is due, None: never.
Advance = Callable[[], timedelta | None]


@frozen
class Created:
    """What became of a create: its outcome, and the order before it and after its reply."""

    outcome: m.Outcome
    before: m.Order
    after: m.Order | None  #: None: the reply is not durable yet


class Resolver:
    """Sends creates, follows orders, and resolves unconfirmed requests."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        agenda: Agenda,
        account_link: AccountLink,
        tracker: Tracker,
        clock: Clock,
        *,
        market: Market,
        wait_s: float,
    ) -> None:
        self._gateway = gateway
        self._market = market
        self._recorder = recorder
        self._agenda = agenda
        self._account_link = account_link
        self._tracker = tracker
        self._clock = clock
        self._book = Book(recorder.store)
        self._wait_s = wait_s
        self._inquiries = Inquiries(clock)
        self._scan = OrderScan(recorder, account_link, tracker, self._inquiries, clock)

    def create(self, name: str, number: int, authority: Authority = Authority.ORDER) -> Created:
        """Send the create that was recorded as request *number*."""
        with self._recorder.store.read() as reader:
            before = present(reader.get(m.OrderRecord, name), f"order {name}")
            number_before = reader.last()
        intent = present(before.intent, f"the intent of {name}")
        with self._gateway.lane(_lane_of(intent)):
            outcome = self._gateway.write(
                "submit", lambda: self._gateway.broker.submit(intent), authority
            )
        made = m.Commanded(name, m.Command.SEND, number)
        entries: list[m.Entry] = [reply_entry(name, made, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            report = _named(outcome.report, name)
            entries.append(m.Reported(report, m.ReportSource.REPLY, number_before))
        if not self._recorder.record_reply(*entries):
            return Created(outcome, before.order, None)
        after = self._book.record(name)
        self._schedule(after)
        return Created(outcome, before.order, after.order)

    # -- following an order ------------------------------------------------------------

    def wait_until_working(self, name: str, order: m.Order | None = None) -> m.Order:
        """
        Follow an order until it is final or working as intended; at most `wait_s`.

        *order* is the order as it was read last; only its terms are used.
        """
        order = order or self._book.order(name)
        ends_at_once = order.time_in_force in _IMMEDIATE or (
            # Outside the session a market order waits for the open: no caller waits with it.
            order.type is m.OrderType.MARKET
            and (order.terms.extended_hours or self._market.opens_at(order.symbol) is None)
        )
        return self._wait_until(
            name, lambda now: now.is_final or _is_working(now, ends_at_once=ends_at_once)
        )

    def wait_until_final(
        self, name: str, timeout_s: float | None = None, advance: Advance | None = None
    ) -> m.Order:
        """
        Follow an order until it is final, or *timeout_s* (None: `wait_s`) have passed.

        *advance* is called before each check; it sends what is due.
        """
        return self._wait_until(name, lambda order: order.is_final, timeout_s, advance)

    def wait_until_all_final(
        self, names: Collection[str], advance: Callable[[list[str]], object]
    ) -> None:
        """Poll until all orders are final or `wait_s` have passed; *advance* those that are not."""
        end = self._clock.elapsed() + timedelta(seconds=self._wait_s)
        for pause in chain(unconfirmed.QUERY_DELAYS, repeat(unconfirmed.QUERY_DELAYS[-1])):
            remaining = end - self._clock.elapsed()
            all_final = all(x.is_final for x in self._tracker.orders(names))
            if all_final or remaining <= timedelta():
                break
            self._clock.wait(self._tracker.wakeup, min(pause, remaining).total_seconds())
            self._tracker.drain()
            self._tracker.poll()
            orders = self._tracker.orders(names)
            advance([x.client_order_id for x in orders if not x.is_final])

    def wait_until_replaced(self, name: str, advance: Advance) -> m.Order:
        """Follow an order until the outcome of its replace is known; at most `wait_s`."""
        return self._wait_until(
            name, lambda order: order.pending != m.Command.REPLACE, advance=advance
        )

    def _wait_until(
        self,
        name: str,
        condition: Callable[[m.Order], bool],
        timeout_s: float | None = None,
        advance: Advance | None = None,
    ) -> m.Order:
        order: m.Order | None = None
        with self._recorder.log_store_errors(f"order {name}"):
            order = self._poll_until(name, condition, timeout_s, advance)
        return order or self._book.order(name)

    def _poll_until(
        self,
        name: str,
        condition: Callable[[m.Order], bool],
        timeout_s: float | None,
        advance: Advance | None,
    ) -> m.Order:
        wait_s = self._wait_s if timeout_s is None else timeout_s
        end = self._clock.elapsed() + timedelta(seconds=wait_s)
        queries = 0
        due = self._clock.elapsed()
        while True:
            self._tracker.drain()
            step = None if advance is None else advance()
            record = self._book.record(name)
            now = self._clock.elapsed()
            if condition(record.order) or now >= end:
                self._schedule(record)
                return record.order
            if self._is_unconfirmed(record):
                self.resolve(name)
                record = self._book.record(name)
                due = self._next_at(record) if self._is_unconfirmed(record) else now
            elif now >= due:
                if queries:  # not the first time: the reply has just been recorded
                    self._tracker.read(record)
                pauses = unconfirmed.QUERY_DELAYS
                queries += 1
                due = self._clock.elapsed() + pauses[min(queries, len(pauses) - 1)]
                continue
            pause = min(due, end, *([] if step is None else [step])) - self._clock.elapsed()
            self._clock.wait(self._tracker.wakeup, max(0.01, pause.total_seconds()))

    # -- unconfirmed requests ----------------------------------------------------------

    def schedule_unconfirmed(self) -> list[str]:
        """Schedule every unconfirmed create or replace; return the client ids of their orders."""
        names = []
        for record in self._tracker.tracked():
            is_sent = bool(record.requests) and self._is_unconfirmed(record)
            if is_sent:
                names.append(record.client_order_id)
            if is_sent or record.order.pending is not None:
                self.schedule_next(record.client_order_id)
        return names

    def resolve(self, name: str) -> None:
        """Take the next step for an unconfirmed create or replace, if it is due."""
        record = self._book.record(name)
        if self._is_unconfirmed(record):
            match self._step(record):
                case Query(at) if at <= self._clock.elapsed():
                    self._query(name)
                case Query():
                    pass
                case Resend():
                    self._resend(record)
                case Abandon(answers):
                    self._abandon(record, answers)
        self.schedule_next(name)

    def query(self, name: str) -> None:
        """Query an unconfirmed create or replace now, and abandon it if the replies suffice."""
        if not self._is_unconfirmed(self._book.record(name)):
            return
        self._query(name)
        record = self._book.record(name)
        if self._is_unconfirmed(record):
            step = self._step(record)
            if isinstance(step, Abandon):
                self._abandon(record, step.not_found_count)
        self.schedule_next(name)

    def _step(self, record: m.OrderRecord) -> unconfirmed.Step:
        can, inquiry = self._gateway.broker.capabilities, self._inquiry(record)
        step = unconfirmed.next_step(inquiry, self._clock.elapsed(), can)
        return step if self._may_take(step) else unconfirmed.next_query(inquiry)

    def _may_take(self, step: unconfirmed.Step) -> bool:
        """Whether this desk may take *step*; a desk that may not continues to query."""
        match step:
            case Query():
                return True
            case Abandon():
                return self._gateway.lease.acquire()
            case Resend():
                permission = self._gateway.permission(Authority.STANDING)
                sends = self._gateway.lease.acquire() and self._gateway.lease.may_send()
                return sends and permission is Permission.SEND

    def _is_unconfirmed(self, record: m.OrderRecord) -> bool:
        """Whether the outcome of the create or of a replace of the order is unknown."""
        return _is_unproven(record) or self._unconfirmed_replace(record) is not None

    def _unconfirmed_replace(self, record: m.OrderRecord) -> m.Request | None:
        """Return the replace whose outcome is unknown; None if none was sent."""
        if not record.instructions:
            return None
        change = instructions.open_replace(record, self._tracker.evidence(record))
        made = [] if change is None else instructions.attempts(record, change)
        sent = [r for r in made if r.answer is not m.AnswerKind.NOT_SENT]
        return sent[-1] if sent else None

    def _inquiry(self, record: m.OrderRecord) -> Inquiry:
        replaced = None if _is_unproven(record) else self._unconfirmed_replace(record)
        if replaced is not None:
            return self._inquiries.of_replace(replaced)
        return self._inquiries.of_order(record)

    def _query(self, name: str) -> None:
        """Query by client id once; for a replace, read the replaced order too."""
        record = self._book.record(name)
        replaced = self._unconfirmed_replace(record)
        read = None if replaced is None else self._tracker.read(record)
        inquiry = self._inquiry(record)
        change = instructions.open_replace(record, self._tracker.evidence(record))
        if replaced is not None and change is not None and instructions.is_in_place(change):
            self._conclude_in_place(name, inquiry, change, replaced, was_read=read is None)
            return
        if replaced is None and not self._gateway.broker.capabilities.find:
            self._scan.read_hinted(record)
            self._scan.run()
            return
        client_id, sends = inquiry.client_order_id, inquiry.sends
        number = self._tracker.snapshot_number()
        answer = self._gateway.look_up("find", lambda: self._gateway.broker.find(client_id))
        now = self._clock.elapsed()
        self._inquiries.change(client_id, lambda inquiry: unconfirmed.with_query(inquiry, now))
        if isinstance(answer, m.Observed):
            self._recorder.record(m.Reported(answer.value, m.ReportSource.BY_ID, number))
        elif isinstance(answer, m.Absent) and self._account_is_bound():
            # The reply is no evidence about a create that another thread or desk sent meanwhile.
            self._inquiries.change(
                client_id,
                lambda x: unconfirmed.with_not_found(x, now) if x.sends == sends else x,
            )
            if replaced is not None and read is None:
                self._close_refused_replace(name, replaced)

    def _close_refused_replace(self, name: str, replaced: m.Request) -> None:
        """Close a replace that was rejected and not found, if its order is still working."""
        old = {e.broker_order_id: e for e in self._tracker.evidence(self._book.record(name))}
        e = old.get(replaced.broker_order_id or "")
        works = e is not None and lineage.is_live(e) and not lineage.is_being_replaced(e)
        if replaced.answer is m.AnswerKind.REJECTED and works:
            number = replaced.instruction or 0
            self._recorder.record(m.InstructionClosed(name, number, f"refused: {replaced.message}"))

    def _conclude_in_place(
        self,
        name: str,
        inquiry: Inquiry,
        change: m.Instruction,
        request: m.Request,
        *,
        was_read: bool,
    ) -> None:
        """Close a change in place by the read that followed its answer, if that decides it."""
        client_id, now = inquiry.client_order_id, self._clock.elapsed()
        self._inquiries.change(client_id, lambda x: unconfirmed.with_query(x, now))
        record = self._book.record(name)
        found = {e.broker_order_id: e for e in self._tracker.evidence(record)}
        wanted = present(change.change, f"the change of {name}")
        result = replace.in_place_result(found.get(request.broker_order_id or ""), wanted)
        if not was_read or result is InPlaceResult.PENDING:
            return
        if result is InPlaceResult.DONE:
            self._recorder.record(m.InstructionClosed(name, change.number, "done", done=True))
        elif request.answer is m.AnswerKind.REJECTED:
            why = f"refused: {request.message}"
            self._recorder.record(m.InstructionClosed(name, change.number, why))
        elif record.order.is_final:
            why = f"the order is {record.order.status}"
            self._recorder.record(m.InstructionClosed(name, change.number, why))
        else:
            self._inquiries.change(client_id, lambda x: unconfirmed.with_not_found(x, now))

    def _account_is_bound(self) -> bool:
        """Whether the bound account can be read: only then an absence counts."""
        return isinstance(self._account_link.read(), m.Observed)

    def _resend(self, before: m.OrderRecord) -> None:
        name = before.client_order_id
        with self._recorder.transaction() as transaction:
            record = self._unchanged(transaction, before)
            if (
                record is None
                or halt_reason(transaction.reader)
                or not self._gateway.lease.is_held(transaction.reader)
            ):
                return
            number = len(record.requests) + 1
            transaction.record(m.Commanded(name, m.Command.SEND, number))
        self.create(name, number, Authority.STANDING)

    def _abandon(self, before: m.OrderRecord, answers: int) -> None:
        with self._recorder.transaction() as transaction:
            record = self._unchanged(transaction, before)
            if record is None or not self._gateway.lease.is_held(transaction.reader):
                return
            name = record.client_order_id
            change = instructions.open_replace(record, evidence_of(transaction.reader, record))
            if _is_unproven(record) or change is None:
                transaction.record(m.ConcludedAbsent(name, answers))
            else:
                why = f"the broker replied {answers} times that it does not exist"
                if instructions.is_in_place(change):
                    why = f"the broker reported the terms before it {answers} times"
                transaction.record(m.InstructionClosed(name, change.number, why))

    def _unchanged(self, transaction: Transaction, before: m.OrderRecord) -> m.OrderRecord | None:
        """Return the current record, or None if it has new requests or ids since *before*."""
        record = transaction.reader.get(m.OrderRecord, before.client_order_id)
        if record is None or record.requests != before.requests or record.ids != before.ids:
            return None
        return record

    def schedule_next(self, name: str) -> None:
        """Schedule the next step of an order, or drop its inquiry."""
        self._schedule(self._book.record(name))

    def _schedule(self, record: m.OrderRecord) -> None:
        name = record.client_order_id
        task = f"order/{name}"
        if self._is_unconfirmed(record):
            self._agenda.put(task, self._next_at(record))
        else:
            changes = (x.change.client_order_id for x in record.instructions if x.change)
            self._inquiries.drop(name, *changes)
            self._agenda.drop(task)
        if record.ids and not record.order.is_final and record.order.pending is not None:
            self._agenda.put("cancels", self._clock.elapsed())
        if record.order.pending == m.Command.REPLACE and not self._is_unconfirmed(record):
            self._agenda.put(f"change/{name}", self._clock.elapsed() + CHANGE_RETRY_DELAY)

    def _next_at(self, record: m.OrderRecord) -> timedelta:
        step = self._step(record)
        return step.at if isinstance(step, Query) else self._clock.elapsed()


def _named(report: m.OrderReport, name: str) -> m.OrderReport:
    """Return the report of a reply with our client order id, if it has it in other case or not."""
    known = report.client_order_id
    if known is None or known.casefold() == name.casefold():
        return evolve(report, client_order_id=name)
    return report


def reply_entry(name: str, request: m.Commanded, outcome: m.Outcome) -> m.Answered:
    """Build the entry of the outcome of a request."""
    number, broker_order_id = request.number, request.broker_order_id
    hint = None
    match outcome:
        case m.Accepted():
            answer, message, kind = m.AnswerKind.ACCEPTED, "", None
            if request.command is m.Command.SEND and outcome.report is None:
                hint = outcome.broker_order_id
        case m.Rejected(refused, message):
            answer, kind = m.AnswerKind.REJECTED, refused
        case m.NotSent(_, message):
            answer, kind = m.AnswerKind.NOT_SENT, None
        case m.Ambiguous(_, message):
            answer, kind = m.AnswerKind.AMBIGUOUS, None
    return m.Answered(name, number, answer, message, kind, broker_order_id, hint)


def _lane_of(intent: m.Intent) -> Lane:
    """Return the lane of an order: EXIT if it only reduces a position."""
    reduces = intent.reserve is not None and not intent.reserve.opens
    return Lane.EXIT if reduces else Lane.SUBMIT


def _is_unproven(record: m.OrderRecord) -> bool:
    return record.order.status is m.OrderStatus.UNPROVEN


def _is_working(order: m.Order, *, ends_at_once: bool) -> bool:
    """Whether an order is final, or confirmed and not meant to end at once."""
    is_confirmed = order.status is not m.OrderStatus.UNPROVEN
    return order.is_final or (is_confirmed and not ends_at_once)
