"""
The coordinator: one order, from wish to final (promises P1, P2, P3 and P12).

Intent first: an order is durable before it is sent, under a client id that is its own
for ever.  A request without a good answer is *unproven*; it is asked after, and perhaps
sent again under the same id, as `core.resolution` says.  Nobody ever sees "timeout".

Every step can be taken again: a crash between two of them leaves an intent that the
next start asks after.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import Final

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import asking, checks, lifecycle, resolution
from fillbook.core.resolution import Ask, GiveUp, SendAgain
from fillbook.desk.agenda import Agenda
from fillbook.desk.binder import Binder
from fillbook.desk.book import Book
from fillbook.desk.inquirer import Inquirer
from fillbook.desk.line import Line
from fillbook.desk.recorder import Recorder, Transaction
from fillbook.desk.tracker import Tracker

#: These are meant to end at once: `submit` looks at them until they have.
_AT_ONCE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})


class Coordinator:
    """Sends what the bot asks for, and finds out what became of it."""

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

    # -- from wish to sent -------------------------------------------------------------

    def submit(self, request: m.OrderRequest, key: str | None = None) -> m.Order:
        """
        Place an order, and look at it until it is final or known to rest.

        With *key* the client id is derived from account, strategy and key: submitting again
        gives the order that exists.  Raises: Denied, Rejected, Unavailable, KeyReused,
        NotArmed, AccountChanged.
        """
        self._line.gate()
        account = self._binder.bind()
        name = client_order_id(account, request.strategy, key)
        with self._recorder.turn() as turn:
            record = self._intended(turn, name, request, key)
            denied = None if _was_sent(record) else self._refuse(turn, request)
            number = self._begin(turn, record, denied)
        if denied is not None:
            raise errors.Denied(
                f"{denied.message} (nothing was sent)", order=self._book.order(name)
            )
        if number is None:  # it was sent before: the bot asks again
            return self._settled(name)
        return self._send(name, number)

    def _intended(
        self, turn: Transaction, name: str, request: m.OrderRequest, key: str | None
    ) -> m.OrderRecord:
        """The order of that name: the one that is known, or a fresh intent."""
        known = turn.read.get(m.OrderRecord, name)
        same = known is None or (
            known.intent.request == request
            if known.intent is not None
            else asking.asks_for(known.terms, request)
        )
        if not same:
            raise errors.KeyReused(
                f"order {name} was asked for with other words under this key; "
                "use a new key for a new order"
            )
        if known is None or known.intent is None:  # the broker may have told of it first
            intent = m.Intent(client_order_id=name, request=request, at=turn.at, key=key)
            turn.take(m.Intended(intent))
            known = turn.read.get(m.OrderRecord, name)
            assert known is not None  # its intent was taken down just now
        return known

    def _refuse(self, turn: Transaction, request: m.OrderRequest) -> checks.Reason | None:
        return checks.unsupported(request, self._line.broker.capabilities) or checks.locked(
            request,
            turn.read.get(m.Position, request.symbol),
            # The intent just taken down is on no order's way but its own.
            [x.order for x in turn.read.find(m.OrderRecord, "open", "yes") if x.requests or x.ids],
            turn.read.all(m.OpenDrift),
        )

    def _begin(
        self, turn: Transaction, record: m.OrderRecord, denied: checks.Reason | None
    ) -> int | None:
        """Write down what comes next of an intent; the number of the request to make, if any."""
        if denied is not None:
            if record.order.status is not m.OrderStatus.DENIED:  # else it was denied before
                turn.take(m.Denied(record.client_order_id, denied.message))
            return None
        if _was_sent(record):
            return None
        number = len(record.requests) + 1
        turn.take(m.Commanded(record.client_order_id, m.Command.SEND, number))
        return number

    def _send(self, name: str, number: int) -> m.Order:
        """Make the request that was just written down, and see what comes of it."""
        outcome = self._create(name, number)
        order = self._book.order(name)
        match outcome:
            case m.Rejected(kind, message) if kind is not m.RejectKind.DUPLICATE:
                if order.status is m.OrderStatus.REJECTED and order.broker_order_id is None:
                    words = f"the broker refused order {name}: {message}"
                    raise errors.Rejected(words, order=order)
            case m.NotSent(_, message, retry_at):
                if order.status is m.OrderStatus.DENIED:
                    words = f"order {name} was not sent: {message}; submit it again"
                    raise errors.Unavailable(words, order=order, retry_at=retry_at)
            case _:
                pass
        return self._settled(name)

    def _create(self, name: str, number: int) -> m.Outcome:
        record = self._book.record(name)
        assert record.intent is not None  # only our own orders are sent
        intent, look = record.intent, self._tracker.look_number()
        outcome = self._line.write("submit", lambda: self._line.broker.submit(intent))
        entries: list[m.Entry] = [answered(name, number, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, look))
        self._recorder.record(*entries)
        self._after(name)
        return outcome

    # -- what became of it -------------------------------------------------------------

    def _settled(self, name: str) -> m.Order:
        """Look at an order until it is final, or rests where it was meant to; at most wait_s."""
        end = self._clock.elapsed() + timedelta(seconds=self._wait_s)
        return self._look_until(name, end, rests=True)

    def wait(self, order: m.Order | str, timeout_s: float) -> m.Order:
        """Look at an order until it is final or *timeout_s* have passed; as it is then."""
        name = self._book.record(order).client_order_id
        end = self._clock.elapsed() + timedelta(seconds=timeout_s)
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
            self._after(name)
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
                case SendAgain() if self._line.is_armed:
                    self._send_again(record)
                case SendAgain():
                    self._ask(name)
                case GiveUp(answers):
                    self._give_up(record, answers)
        self._after(name)

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
        self._after(name)

    def _step(self, record: m.OrderRecord) -> resolution.Step:
        can = self._line.broker.capabilities
        return resolution.next_step(self._inquirer.about(record), self._clock.elapsed(), can)

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
            if record is None:
                return
            number = len(record.requests) + 1
            turn.take(m.Commanded(name, m.Command.SEND, number))
        self._create(name, number)

    def _give_up(self, was: m.OrderRecord, answers: int) -> None:
        with self._recorder.turn() as turn:
            if self._still_unproven(turn, was) is not None:
                turn.take(m.ConcludedAbsent(was.client_order_id, answers))

    def _still_unproven(self, turn: Transaction, was: m.OrderRecord) -> m.OrderRecord | None:
        """The order as it is, unless somebody heard of it or asked for it since *was*."""
        record = turn.read.get(m.OrderRecord, was.client_order_id)
        same = record is not None and record.requests == was.requests
        unproven = record is not None and record.order.status is m.OrderStatus.UNPROVEN
        return record if same and unproven else None

    def _after(self, name: str) -> None:
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

    # -- the end of it -----------------------------------------------------------------

    def cancel(self, order: m.Order | str) -> m.Order:
        """
        Ask for an order's end, and look at it until it has ended or wait_s have passed.

        An order that has ended is given back as it is; a fill wins over a cancel.  An order
        that is unproven is not sent again, and canceled as soon as it is found.  Raises:
        UnknownOrder, NotArmed.
        """
        self._line.gate()
        record = self._book.record(order)
        name = record.client_order_id
        if record.order.pending is not None:  # repeat a cancel only of what is read alive
            self._tracker.read(record)
            record = self._book.record(name)
        if record.order.is_final:
            return record.order
        self._binder.bind()
        self._cancel(name)
        end = self._clock.elapsed() + timedelta(seconds=self._wait_s)
        return self._look_until(name, end, rests=False)

    def _cancel(self, name: str) -> None:
        """One cancel of an order that was alive a moment ago."""
        with self._recorder.turn() as turn:
            record = turn.read.get(m.OrderRecord, name)
            if record is None or record.order.is_final:
                return  # it ended meanwhile
            lifecycle.expect(record.order.status, m.Command.CANCEL)
            number, broker_order_id = len(record.requests) + 1, record.order.broker_order_id
            turn.take(m.Commanded(name, m.Command.CANCEL, number, broker_order_id))
        if broker_order_id is None:
            # Nothing to send: it is not sent again, and canceled as soon as it is found.
            self._after(name)
            return
        outcome = self._line.write("cancel", lambda: self._line.broker.cancel(broker_order_id))
        self._recorder.record(answered(name, number, outcome))
        if not isinstance(outcome, m.Accepted):
            self._tracker.read(self._book.record(name))

    def repeat_cancels(self) -> None:
        """Ask again for the end of orders whose cancel nobody answered, if they are read alive."""
        for record in self._tracker.followed():
            wanted = record.order.pending == m.Command.CANCEL and record.ids
            if wanted and self._line.is_armed:
                self._tracker.read(record)
                order = self._book.order(record.client_order_id)
                if order.pending == m.Command.CANCEL:
                    self._cancel(order.client_order_id)


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


def _was_sent(record: m.OrderRecord) -> bool:
    """Whether a create of it may have left; what provably did not may be sent as if new."""
    may_send = record.verdict is not None and record.verdict.may_send
    return bool(record.ids or (record.requests and not may_send))


def _is_unproven(record: m.OrderRecord) -> bool:
    return record.order.status is m.OrderStatus.UNPROVEN


def _rests(order: m.Order) -> bool:
    """Whether an order is known to the broker and not meant to end at once."""
    at_once = order.type is m.OrderType.MARKET or order.time_in_force in _AT_ONCE
    return order.status is not m.OrderStatus.UNPROVEN and not at_once


def client_order_id(account: m.AccountId, strategy: str | None, key: str | None) -> str:
    """
    The client id of an order: from account, strategy and *key*, or drawn where there is none.

    Even a lost record makes no second order of one key.  At most 60 characters of
    ``[a-z0-9-]``, the strategy first so that it can be read at the broker.
    """
    if key is None:
        word = secrets.token_hex(16)
    else:
        parts = (str(account), strategy or "", key)
        seed = "".join(f"{len(part)}:{part}" for part in parts)  # no two triples are alike
        word = hashlib.sha256(seed.encode()).hexdigest()[:32]
    name = re.sub(r"[^a-z0-9]+", "-", (strategy or "").lower()).strip("-")[:20]
    return m.ID_PREFIX + "-".join(part for part in (name, word) if part)
