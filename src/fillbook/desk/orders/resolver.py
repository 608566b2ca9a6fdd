"""
The resolver: what became of a request (promises P2 and P3).

A request without a good answer is *unproven*; it is asked after, and perhaps sent again
under the same id, as `core.orders.resolution` says.  Nobody ever sees "timeout".  Every step
can be taken again: a crash between two of them leaves an intent that the next start
asks after.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from itertools import chain, repeat
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import instructions, lineage, resolution
from fillbook.core.orders.resolution import Abandon, Inquiry, Query, Resend
from fillbook.core.pacing import Lane
from fillbook.core.permission import Authority, Permission
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.inquirer import Inquiries
from fillbook.desk.orders.tracker import Tracker, evidence_of
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.book import Book
from fillbook.desk.record.kill_switch import halted
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.errors import StoreError

log = logging.getLogger("fillbook")

#: These are meant to end at once: `settled` looks at them until they have.
_AT_ONCE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})

#: A plan to change an order is taken up again after this.
CARRY_ON_AFTER: Final = timedelta(seconds=2)


#: What is to be sent while one waits; when the next step is due, None: never.
Pursue = Callable[[], timedelta | None]


class Resolver:
    """Makes the request that was written down, and finds out what became of it."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        agenda: Agenda,
        account_link: AccountLink,
        tracker: Tracker,
        clock: Clock,
        *,
        wait_s: float,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._agenda = agenda
        self._account_link = account_link
        self._tracker = tracker
        self._clock = clock
        self._book = Book(recorder.store)
        self._wait_s = wait_s
        self._inquiries = Inquiries(clock)

    def create(self, name: str, number: int, authority: Authority = Authority.ORDER) -> m.Outcome:
        """Make the create that was written down as request *number*; what it came to."""
        record = self._book.record(name)
        assert record.intent is not None  # only our own orders are sent
        intent, look = record.intent, self._tracker.look_number()
        with self._gateway.lane(_lane_of(intent)):
            outcome = self._gateway.write(
                "submit", lambda: self._gateway.broker.submit(intent), authority
            )
        made = m.Commanded(name, m.Command.SEND, number)
        entries: list[m.Entry] = [answered(name, made, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, look))
        if self._recorder.record_answer(*entries):
            self.after(name)
        return outcome

    # -- looking at it -----------------------------------------------------------------

    def settled(self, name: str) -> m.Order:
        """Look at an order until it is final, or rests where it was meant to; at most wait_s."""
        return self._look_until(name, _rests)

    def ended(
        self, name: str, timeout_s: float | None = None, pursue: Pursue | None = None
    ) -> m.Order:
        """
        Look at an order until it is final, or *timeout_s* (wait_s) have passed.

        *pursue* is called each time, for what is to be sent meanwhile.
        """
        return self._look_until(name, lambda order: order.is_final, timeout_s, pursue)

    def all_ended(self, names: Collection[str], pursue: Callable[[str], object]) -> None:
        """Poll until several orders are final, or wait_s have passed in all; *pursue* each."""
        end = self._clock.elapsed() + timedelta(seconds=self._wait_s)
        for pause in chain(resolution.ASK_AFTER, repeat(resolution.ASK_AFTER[-1])):
            left = end - self._clock.elapsed()
            over = all(self._book.order(name).is_final for name in names)
            if over or left <= timedelta():
                break
            self._clock.wait(self._tracker.news, min(pause, left).total_seconds())
            self._tracker.drain()
            self._tracker.poll()
            for name in names:
                if not self._book.order(name).is_final:
                    pursue(name)

    def changed(self, name: str, pursue: Pursue) -> m.Order:
        """Look at an order until it is known what became of its replace; at most wait_s."""
        return self._look_until(
            name, lambda order: order.pending != m.Command.REPLACE, pursue=pursue
        )

    def _look_until(
        self,
        name: str,
        until: Callable[[m.Order], bool],
        timeout_s: float | None = None,
        pursue: Pursue | None = None,
    ) -> m.Order:
        order = self._book.order(name)
        try:
            return self._looked_until(name, until, timeout_s, pursue)
        except StoreError as error:
            # A request has left: that the record cannot be written now says nothing of it.
            log.error("order %s could not be followed: %s", name, error)
            return order

    def _looked_until(
        self,
        name: str,
        until: Callable[[m.Order], bool],
        timeout_s: float | None,
        pursue: Pursue | None,
    ) -> m.Order:
        wait_s = self._wait_s if timeout_s is None else timeout_s
        end = self._clock.elapsed() + timedelta(seconds=wait_s)
        asked = 0
        due = self._clock.elapsed()
        while True:
            self._tracker.drain()
            step = None if pursue is None else pursue()
            order = self._book.order(name)
            now = self._clock.elapsed()
            if until(order) or now >= end:
                self.after(name)
                return order
            if self._is_open(self._book.record(name)):
                self.resolve(name)
                record = self._book.record(name)
                due = self._due(record) if self._is_open(record) else now
            elif now >= due:
                if asked:  # the reply, or the stream, has just told how it is
                    self._tracker.read(self._book.record(name))
                pauses = resolution.ASK_AFTER
                asked += 1
                due = self._clock.elapsed() + pauses[min(asked, len(pauses) - 1)]
                continue
            pause = min(due, end, *([] if step is None else [step])) - self._clock.elapsed()
            self._clock.wait(self._tracker.news, max(0.01, pause.total_seconds()))

    # -- unproven ----------------------------------------------------------------------

    def resume(self) -> list[str]:
        """Put every unproven order or replace in the record on the agenda; their client ids."""
        names = []
        for record in self._tracker.followed():
            asked = bool(record.requests) and self._is_open(record)
            if asked:
                names.append(record.client_order_id)
            if asked or record.order.pending is not None:
                self.after(record.client_order_id)
        return names

    def resolve(self, name: str) -> None:
        """Take the next step about an unproven order or replace, if it is due."""
        record = self._book.record(name)
        if self._is_open(record):
            match self._step(record):
                case Query(at) if at <= self._clock.elapsed():
                    self._ask(name)
                case Query():
                    pass
                case Resend():
                    self._send_again(record)
                case Abandon(answers):
                    self._give_up(record, answers)
        self.after(name)

    def ask(self, name: str) -> None:
        """Ask after an unproven order or replace now, and conclude if that was enough."""
        if not self._is_open(self._book.record(name)):
            return
        self._ask(name)
        record = self._book.record(name)
        if self._is_open(record):
            step = self._step(record)
            if isinstance(step, Abandon):
                self._give_up(record, step.answers)
        self.after(name)

    def _step(self, record: m.OrderRecord) -> resolution.Step:
        can, inquiry = self._gateway.broker.capabilities, self._inquiry(record)
        step = resolution.next_step(inquiry, self._clock.elapsed(), can)
        return step if self._may(step) else resolution.question(inquiry)

    def _may(self, step: resolution.Step) -> bool:
        """Whether it is for this desk to take *step*; who may not goes on asking."""
        match step:
            case Query():
                return True
            case Abandon():
                return self._gateway.lease.hold()
            case Resend():
                permission = self._gateway.permission(Authority.STANDING)
                sends = self._gateway.lease.hold() and self._gateway.lease.may_send()
                return sends and permission is Permission.SEND

    def _is_open(self, record: m.OrderRecord) -> bool:
        """Whether it is to be asked what became of the order, or of a replace of it."""
        return _is_unproven(record) or self._replaced(record) is not None

    def _replaced(self, record: m.OrderRecord) -> m.Request | None:
        """The attempt at a replace whose outcome is unknown; one that was not sent is none."""
        if not record.instructions:
            return None
        change = instructions.open_replace(record, self._tracker.known(record))
        made = [] if change is None else instructions.attempts(record, change)
        sent = [r for r in made if r.answer is not m.AnswerKind.NOT_SENT]
        return sent[-1] if sent else None

    def _inquiry(self, record: m.OrderRecord) -> Inquiry:
        replaced = None if _is_unproven(record) else self._replaced(record)
        if replaced is not None:
            return self._inquiries.about_replace(replaced)
        return self._inquiries.about(record)

    def _ask(self, name: str) -> None:
        """One question by client id; a replace may also show in what it was to replace."""
        record = self._book.record(name)
        replaced = self._replaced(record)
        read = None if replaced is None else self._tracker.read(record)
        inquiry = self._inquiry(record)
        asked, sends, number = inquiry.client_order_id, inquiry.sends, self._tracker.look_number()
        answer = self._gateway.look_up("find", lambda: self._gateway.broker.find(asked))
        now = self._clock.elapsed()
        self._inquiries.change(asked, lambda inquiry: resolution.asked(inquiry, now))
        if isinstance(answer, m.Observed):
            self._recorder.record(m.Reported(answer.value, m.ReportSource.BY_ID, number))
        elif isinstance(answer, m.Absent) and self._same_account():
            # It says nothing of a create that somebody sent meanwhile.
            self._inquiries.change(
                asked, lambda x: resolution.not_found(x, now) if x.sends == sends else x
            )
            if replaced is not None and read is None:
                self._refused(name, replaced)

    def _refused(self, name: str, replaced: m.Request) -> None:
        """A replace was refused, its id is not there, and the order works on: it is as it was."""
        old = {e.broker_order_id: e for e in self._tracker.known(self._book.record(name))}
        e = old.get(replaced.broker_order_id or "")
        works = e is not None and lineage.is_alive(e) and not lineage.is_giving_way(e)
        if replaced.answer is m.AnswerKind.REJECTED and works:
            number = replaced.instruction or 0
            self._recorder.record(m.InstructionClosed(name, number, f"refused: {replaced.message}"))

    def _same_account(self) -> bool:
        """An absence counts only if its pass saw the account that is bound."""
        return isinstance(self._account_link.account(), m.Observed)

    def _send_again(self, was: m.OrderRecord) -> None:
        name = was.client_order_id
        with self._recorder.turn() as turn:
            record = self._still_unproven(turn, was)
            if record is None or halted(turn.read) or not self._gateway.lease.is_mine(turn.read):
                return
            number = len(record.requests) + 1
            turn.take(m.Commanded(name, m.Command.SEND, number))
        self.create(name, number, Authority.STANDING)

    def _give_up(self, was: m.OrderRecord, answers: int) -> None:
        with self._recorder.turn() as turn:
            record = self._still_unproven(turn, was)
            if record is None or not self._gateway.lease.is_mine(turn.read):
                return
            name = record.client_order_id
            change = instructions.open_replace(record, evidence_of(turn.read, record))
            if _is_unproven(record) or change is None:
                turn.take(m.ConcludedAbsent(name, answers))
            else:
                why = f"{answers} answers that it does not exist"
                turn.take(m.InstructionClosed(name, change.number, why))

    def _still_unproven(self, turn: Transaction, was: m.OrderRecord) -> m.OrderRecord | None:
        """The order as it is, unless somebody heard of it or asked for it since *was*."""
        record = turn.read.get(m.OrderRecord, was.client_order_id)
        same = record is not None and record.requests == was.requests and record.ids == was.ids
        return record if same else None

    def after(self, name: str) -> None:
        """Put the next step on the agenda, or be done with the question."""
        matter, record = f"order/{name}", self._book.record(name)
        if self._is_open(record):
            self._agenda.put(matter, self._due(record))
        else:
            changes = (x.change.client_order_id for x in record.instructions if x.change)
            self._inquiries.drop(name, *changes)
            self._agenda.drop(matter)
        if record.ids and not record.order.is_final and record.order.pending is not None:
            self._agenda.put("cancels", self._clock.elapsed())
        if record.order.pending == m.Command.REPLACE and not self._is_open(record):
            self._agenda.put(f"change/{name}", self._clock.elapsed() + CARRY_ON_AFTER)

    def _due(self, record: m.OrderRecord) -> timedelta:
        step = self._step(record)
        return step.at if isinstance(step, Query) else self._clock.elapsed()


def answered(name: str, request: m.Commanded, outcome: m.Outcome) -> m.Answered:
    """What a request came to, as an entry."""
    number, broker_order_id = request.number, request.broker_order_id
    match outcome:
        case m.Accepted():
            answer, message, kind = m.AnswerKind.ACCEPTED, "", None
        case m.Rejected(refused, message):
            answer, kind = m.AnswerKind.REJECTED, refused
        case m.NotSent(_, message):
            answer, kind = m.AnswerKind.NOT_SENT, None
        case m.Ambiguous(_, message):
            answer, kind = m.AnswerKind.AMBIGUOUS, None
    return m.Answered(name, number, answer, message, kind, broker_order_id)


def _lane_of(intent: m.Intent) -> Lane:
    """The lane of an order: one that only reduces is an exit."""
    reduces = intent.reserve is not None and not intent.reserve.opens
    return Lane.EXIT if reduces else Lane.SUBMIT


def _is_unproven(record: m.OrderRecord) -> bool:
    return record.order.status is m.OrderStatus.UNPROVEN


def _rests(order: m.Order) -> bool:
    """Whether an order has ended, or is known to the broker and not meant to end at once."""
    if order.is_final:
        return True
    at_once = order.type is m.OrderType.MARKET or order.time_in_force in _AT_ONCE
    return order.status is not m.OrderStatus.UNPROVEN and not at_once
