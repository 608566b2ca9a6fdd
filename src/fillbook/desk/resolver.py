"""
The resolver: what became of a request (promises P2 and P3).

A request without a good answer is *unproven*; it is asked after, and perhaps sent again
under the same id, as `core.resolution` says.  Nobody ever sees "timeout".  Every step
can be taken again: a crash between two of them leaves an intent that the next start
asks after.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import resolution
from fillbook.core.permission import Permission, Warrant
from fillbook.core.resolution import Ask, GiveUp, SendAgain
from fillbook.desk.agenda import Agenda
from fillbook.desk.binder import Binder
from fillbook.desk.book import Book
from fillbook.desk.inquirer import Inquirer
from fillbook.desk.line import Line
from fillbook.desk.recorder import Recorder, Transaction
from fillbook.desk.tracker import Tracker

#: These are meant to end at once: `settled` looks at them until they have.
_AT_ONCE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})


class Resolver:
    """Makes the request that was written down, and finds out what became of it."""

    def __init__(
        self,
        line: Line,
        recorder: Recorder,
        agenda: Agenda,
        binder: Binder,
        tracker: Tracker,
        clock: Clock,
        *,
        wait_s: float,
    ) -> None:
        self._line = line
        self._recorder = recorder
        self._agenda = agenda
        self._binder = binder
        self._tracker = tracker
        self._clock = clock
        self._book = Book(recorder.store)
        self._wait_s = wait_s
        self._inquirer = Inquirer(clock)

    def create(self, name: str, number: int, warrant: Warrant = Warrant.ORDER) -> m.Outcome:
        """Make the create that was written down as request *number*; what it came to."""
        record = self._book.record(name)
        assert record.intent is not None  # only our own orders are sent
        intent, look = record.intent, self._tracker.look_number()
        outcome = self._line.write("submit", lambda: self._line.broker.submit(intent), warrant)
        entries: list[m.Entry] = [answered(name, number, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, look))
        self._recorder.record(*entries)
        self.after(name)
        return outcome

    # -- looking at it -----------------------------------------------------------------

    def settled(self, name: str) -> m.Order:
        """Look at an order until it is final, or rests where it was meant to; at most wait_s."""
        end = self._clock.elapsed() + timedelta(seconds=self._wait_s)
        return self._look_until(name, end, rests=True)

    def ended(self, name: str, timeout_s: float | None = None) -> m.Order:
        """Look at an order until it is final, or *timeout_s* (wait_s) have passed."""
        wait_s = self._wait_s if timeout_s is None else timeout_s
        end = self._clock.elapsed() + timedelta(seconds=wait_s)
        return self._look_until(name, end, rests=False)

    def _look_until(self, name: str, end: timedelta, *, rests: bool) -> m.Order:
        asked = 0
        due = self._clock.elapsed()
        while True:
            self._tracker.drain()
            order = self._book.order(name)
            now = self._clock.elapsed()
            if order.is_final or (rests and _rests(order)) or now >= end:
                return order
            if order.status is m.OrderStatus.UNPROVEN:
                self.resolve(name)
                record = self._book.record(name)
                due = self._due(record) if _is_unproven(record) else now
            elif now >= due:
                if asked:  # the reply, or the stream, has just told how it is
                    self._tracker.read(self._book.record(name))
                pauses = resolution.ASK_AFTER
                asked += 1
                due = self._clock.elapsed() + pauses[min(asked, len(pauses) - 1)]
                continue
            pause = min(due, end) - self._clock.elapsed()
            self._clock.wait(self._tracker.news, max(0.01, pause.total_seconds()))

    # -- unproven ----------------------------------------------------------------------

    def resume(self) -> list[str]:
        """Put every unproven order in the record on the agenda; their client ids."""
        names = [
            record.client_order_id
            for record in self._tracker.followed()
            if record.order.status is m.OrderStatus.UNPROVEN and record.requests
        ]
        for name in names:
            self.after(name)
        return names

    def resolve(self, name: str) -> None:
        """Take the next step about an unproven order, if it is due."""
        record = self._book.record(name)
        if record.order.status is m.OrderStatus.UNPROVEN:
            match self._step(record):
                case Ask(at) if at <= self._clock.elapsed():
                    self._ask(name)
                case Ask():
                    pass
                case SendAgain():
                    self._send_again(record)
                case GiveUp(answers):
                    self._give_up(record, answers)
        self.after(name)

    def ask(self, name: str) -> None:
        """Ask after an unproven order now, and conclude if that was enough; sends nothing."""
        record = self._book.record(name)
        if record.order.status is not m.OrderStatus.UNPROVEN:
            return
        self._ask(name)
        record = self._book.record(name)
        if record.order.status is m.OrderStatus.UNPROVEN:
            step = self._step(record)
            if isinstance(step, GiveUp):
                self._give_up(record, step.answers)
        self.after(name)

    def _step(self, record: m.OrderRecord) -> resolution.Step:
        can, inquiry = self._line.broker.capabilities, self._inquirer.about(record)
        step = resolution.next_step(inquiry, self._clock.elapsed(), can)
        return step if self._may(step) else resolution.question(inquiry)

    def _may(self, step: resolution.Step) -> bool:
        """Whether it is for this desk to take *step*; who may not goes on asking."""
        match step:
            case Ask():
                return True
            case GiveUp():
                return self._line.lease.hold()
            case SendAgain():
                permission = self._line.permission(Warrant.STANDING)
                sends = self._line.lease.hold() and self._line.lease.may_send()
                return sends and permission is Permission.SEND

    def _ask(self, name: str) -> None:
        number = self._tracker.look_number()
        sends = self._inquirer.about(self._book.record(name)).sends
        answer = self._line.look_up("find", lambda: self._line.broker.find(name))
        now = self._clock.elapsed()
        self._inquirer.change(name, lambda inquiry: resolution.asked(inquiry, now))
        if isinstance(answer, m.Observed):
            self._recorder.record(m.Reported(answer.value, m.ReportSource.BY_ID, number))
        elif isinstance(answer, m.Absent) and self._same_account():
            # It says nothing of a create that somebody sent meanwhile.
            self._inquirer.change(
                name, lambda x: resolution.not_found(x, now) if x.sends == sends else x
            )

    def _same_account(self) -> bool:
        """An absence counts only if its pass saw the account that is bound."""
        return isinstance(self._binder.account(), m.Observed)

    def _send_again(self, was: m.OrderRecord) -> None:
        name = was.client_order_id
        with self._recorder.turn() as turn:
            record = self._still_unproven(turn, was)
            if record is None or not self._line.lease.is_mine(turn.read):
                return
            number = len(record.requests) + 1
            turn.take(m.Commanded(name, m.Command.SEND, number))
        self.create(name, number, Warrant.STANDING)

    def _give_up(self, was: m.OrderRecord, answers: int) -> None:
        with self._recorder.turn() as turn:
            fenced = not self._line.lease.is_mine(turn.read)
            if not fenced and self._still_unproven(turn, was) is not None:
                turn.take(m.ConcludedAbsent(was.client_order_id, answers))

    def _still_unproven(self, turn: Transaction, was: m.OrderRecord) -> m.OrderRecord | None:
        """The order as it is, unless somebody heard of it or asked for it since *was*."""
        record = turn.read.get(m.OrderRecord, was.client_order_id)
        same = record is not None and record.requests == was.requests
        unproven = record is not None and record.order.status is m.OrderStatus.UNPROVEN
        return record if same and unproven else None

    def after(self, name: str) -> None:
        """Put the next step on the agenda, or be done with the question."""
        matter, record = f"order/{name}", self._book.record(name)
        if record.order.status is m.OrderStatus.UNPROVEN:
            self._agenda.put(matter, self._due(record))
            return
        self._inquirer.drop(name)
        self._agenda.drop(matter)
        if record.order.pending == m.Command.CANCEL:  # it was found after its end was wanted
            self._agenda.put("cancels", self._clock.elapsed())

    def _due(self, record: m.OrderRecord) -> timedelta:
        step = self._step(record)
        return step.at if isinstance(step, Ask) else self._clock.elapsed()


def answered(name: str, number: int, outcome: m.Outcome) -> m.Answered:
    """What a request came to, as an entry."""
    match outcome:
        case m.Accepted():
            return m.Answered(name, number, m.AnswerKind.ACCEPTED)
        case m.Rejected(kind, message):
            return m.Answered(name, number, m.AnswerKind.REJECTED, message, kind)
        case m.NotSent(_, message):
            return m.Answered(name, number, m.AnswerKind.NOT_SENT, message)
        case m.Ambiguous(_, message):
            return m.Answered(name, number, m.AnswerKind.AMBIGUOUS, message)


def _is_unproven(record: m.OrderRecord) -> bool:
    return record.order.status is m.OrderStatus.UNPROVEN


def _rests(order: m.Order) -> bool:
    """Whether an order is known to the broker and not meant to end at once."""
    at_once = order.type is m.OrderType.MARKET or order.time_in_force in _AT_ONCE
    return order.status is not m.OrderStatus.UNPROVEN and not at_once
