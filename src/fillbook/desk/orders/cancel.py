"""
The end of an order: instructed once, and attempted until the order is final (promises P1, P2).

A fill wins over a cancel.  The instruction is durable before the first attempt; what is due on
each broker id that is alive is `core.orders.due`'s, whatever was answered and whoever was killed.
An unconfirmed order is not sent again, and canceled as soon as it is found.  What a change by
cancel-and-new has placed, or still would, ends with the order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import due, instructions, lifecycle, lineage, protective
from fillbook.core.orders.due import Attempt, Look, Progress
from fillbook.core.permission import Authority, Permission
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway, value_of
from fillbook.desk.orders.resolver import Resolver, answered
from fillbook.desk.orders.tracker import Tracker, evidence_of
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.desk.record.unsettled import differences

#: When nothing is due on any id, or it cannot be sent now, the next look is at this distance.
IDLE: Final = timedelta(seconds=10)


class Cancellation:
    """Ends orders."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        tracker: Tracker,
        resolver: Resolver,
        clock: Clock,
        *,
        stuck: timedelta,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._resolver = resolver
        self._clock = clock
        self._stuck = stuck
        self._book = Book(recorder.store)
        self._started = clock.elapsed()
        self._progress: dict[tuple[str, str], Progress] = {}
        self._lock = threading.Lock()
        self._refused: set[tuple[str, str]] = set()  #: refused cancels that were alerted

    # -- for the bot -------------------------------------------------------------------

    def cancel(self, order: m.Order | str) -> m.Order:
        """
        End an order, and look at it until it has ended or wait_s have passed.

        An order that is final comes back as it is.  What a change by cancel-and-new has placed
        since is ended with it: that order then comes back.  Raises: UnknownOrder,
        TradingDisabled, AccountChanged, ReadFailed.
        """
        self._gateway.gate()
        name = self._book.record(order).client_order_id
        self._account_link.bind()
        wanted = self.instruct(name)
        self._urge(name)
        after = self._successor(name)
        if after is not None:
            return self.cancel(after)
        if not wanted:
            return self._book.order(name)
        return self._resolver.ended(name, pursue=lambda: self.pursue(name, first=True))

    def cancel_all(self, symbol: str | None, strategy: str | None, *, exits: bool) -> list[m.Order]:
        """
        End every open order, and every change that would still place one; look at all of them.

        Exits that protect a position are left unless *exits*.  Each order is instructed before the
        first is attempted; what is not final comes back so, with its end pending.  Raises:
        TradingDisabled, AccountChanged, ReadFailed.
        """
        self._gateway.gate()
        self._account_link.bind()
        self._tracker.poll()  # an order that the record does not know is ended too
        left = frozenset[str]() if exits else self._protective()
        names: list[str] = []
        while fresh := [x for x in self._to_end(symbol, strategy) if x not in {*names, *left}]:
            for name in fresh:  # what a change has placed meanwhile comes in the next round
                self.instruct(name)
                self._urge(name)
            names += fresh
        for name in names:
            self.pursue(name, first=True, patient=name == names[0])
        self._resolver.all_ended(
            names, pursue=lambda name: self.pursue(name, first=True, patient=False)
        )
        return [self._book.order(name) for name in names]

    def _protective(self) -> frozenset[str]:
        """The client ids of the exits that protect a position, by all evidence of it."""
        live = [x.order for x in self._tracker.followed() if not x.order.is_final]
        with self._recorder.store.read() as reader:
            held = {x.symbol: x.qty for x in reader.all(m.Position)}
            opened = reader.get(m.Cash, "cash") is not None
            for symbol in list(held):
                held[symbol] = _least(held[symbol], differences(reader, symbol))
        if not opened:  # the record has no opening balance: the broker knows what is held
            broker = self._gateway.broker
            listed = self._gateway.pages("positions", broker.positions)
            held = {x.symbol: x.qty for x in value_of(listed)}
        return protective.protective(map(protective.of_order, live), held)

    def _to_end(self, symbol: str | None, strategy: str | None) -> list[str]:
        """The followed orders that may still fill, or that a change would place another for."""
        return [
            x.client_order_id
            for x in self._tracker.followed()
            if symbol in (None, x.terms.symbol)
            and strategy in (None, x.strategy)
            and (not x.order.is_final or self._plan_of(x) is not None)
        ]

    def _plan_of(self, record: m.OrderRecord) -> m.Instruction | None:
        return instructions.open_plan(record, self._tracker.known(record))

    def _successor(self, name: str) -> str | None:
        """The order that a change of an order by cancel-and-new has placed, if there is one."""
        with self._recorder.store.read() as reader:
            record = reader.get(m.OrderRecord, name)
            for x in reversed(() if record is None else record.instructions):
                if isinstance(x.asked, m.Amend) and x.asked.way is m.Way.ANEW:
                    placed = reader.get(m.OrderRecord, x.asked.change.client_order_id)
                    return None if placed is None else placed.client_order_id
        return None

    # -- instructing -------------------------------------------------------------------

    def instruct(self, name: str, authority: Authority = Authority.ORDER) -> bool:
        """
        Write down that an order is to end; whether it is not final yet.

        A change by cancel-and-new is withdrawn in the same transaction, of a final order too.
        """
        with self._recorder.turn() as turn:
            record = turn.read.get(m.OrderRecord, name)
            if record is None:
                return False
            known = evidence_of(turn.read, record)
            plan = instructions.open_plan(record, known)
            if record.order.is_final:
                if plan is not None:
                    turn.take(m.InstructionClosed(name, plan.number, "withdrawn: it is canceled"))
                return False
            if not _has_end(record, authority):
                number = len(record.instructions) + 1
                broker_order_id = record.order.broker_order_id
                turn.take(
                    m.Instructed(
                        name, number, m.Cancel(), authority, broker_order_id=broker_order_id
                    )
                )
        return True

    # -- carrying out ------------------------------------------------------------------

    def pursue(self, name: str, *, first: bool, patient: bool = True) -> timedelta | None:
        """
        Take every step about the end of an order that is due; when the next is, None: never.

        *first*: a caller waits, and its first attempts need no lease.
        """
        while True:
            record = self._book.record(name)
            known = self._tracker.known(record)
            end = instructions.ends_all(record, known)
            living = [e for e in known if lineage.is_alive(e)]
            if end is None or record.order.is_final or not living:
                return None
            now = self._clock.elapsed()
            steps = [(self._step(record, end, e), e.broker_order_id) for e in living]
            step, broker_order_id = min(steps, key=lambda x: x[0].at)
            if step.at > now:
                return step.at
            match step:
                case Attempt():
                    free = self._attempt(record, end, broker_order_id, first, patient)
                    if free is not None:
                        return free
                case Look():
                    self._look(record, living, now)
                case _:
                    return now + IDLE

    def _step(self, record: m.OrderRecord, end: m.Instruction, e: m.Evidence) -> due.Step:
        made = _attempts(record, end, e.broker_order_id)
        shown = None if e.word is None else e.word.status
        progress = self._of(record.client_order_id, e.broker_order_id)
        return due.next_step(made, shown, progress, stuck=self._stuck)

    def _attempt(
        self,
        record: m.OrderRecord,
        end: m.Instruction,
        broker_order_id: str,
        first: bool,
        patient: bool,
    ) -> timedelta | None:
        """Claim, write and send one cancel; when to try again if it cannot be sent now."""
        name = record.client_order_id
        made = _attempts(record, end, broker_order_id)
        unsent = all(r.answer is m.AnswerKind.NOT_SENT for r in made)
        own = first and unsent
        if self._gateway.permission(end.authority) is not Permission.SEND:
            return self._clock.elapsed() + IDLE
        refused = self._gateway.claim("cancel", end.authority, first=own, patient=patient)
        if refused is not None:
            return self._free_at(refused)
        with self._recorder.turn() as turn:
            request = self._claimed(turn, name, end, broker_order_id, len(made), own=own)
        if request is None:
            return None  # another thread or process has done it meanwhile
        broker, look = self._gateway.broker, self._tracker.look_number()
        outcome = self._gateway.send("cancel", lambda: broker.cancel(broker_order_id), first=own)
        self._note(name, broker_order_id, _attempted(self._clock.elapsed()))
        entries: list[m.Entry] = [answered(name, request, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, look))
        self._recorder.record_answer(*entries)
        if isinstance(outcome, m.Rejected):
            self._alert_refused(name, broker_order_id, outcome.message)
        return None

    def _claimed(
        self,
        turn: Transaction,
        name: str,
        end: m.Instruction,
        broker_order_id: str,
        made: int,
        *,
        own: bool,
    ) -> m.Commanded | None:
        """The request, written; None if it is not wanted any more, or somebody else made it."""
        record = turn.read.get(m.OrderRecord, name)
        if record is None or record.order.is_final:
            return None
        known = evidence_of(turn.read, record)
        now = instructions.ends_all(record, known)
        alive = {e.broker_order_id for e in known if lineage.is_alive(e)}
        if now is None or broker_order_id not in alive:
            return None
        if len(_attempts(record, now, broker_order_id)) != made:
            return None
        if not own and not self._gateway.lease.is_mine(turn.read):
            return None
        lifecycle.expect(record.order.status, m.Command.CANCEL)
        number = len(record.requests) + 1
        request = m.Commanded(
            name, m.Command.CANCEL, number, broker_order_id, instruction=now.number
        )
        turn.take(request)
        return request

    def _look(self, record: m.OrderRecord, living: Sequence[m.Evidence], now: timedelta) -> None:
        """Read an order by all its ids, and note which are alive."""
        name = record.client_order_id
        failed = self._tracker.read(record)
        alive = {
            e.broker_order_id
            for e in self._tracker.known(self._book.record(name))
            if lineage.is_alive(e)
        }
        for e in living:
            shown = failed is None and e.broker_order_id in alive
            self._note(name, e.broker_order_id, _read(now, alive=shown))

    def _free_at(self, refused: m.NotSent) -> timedelta:
        """When a request that was not let through may be tried again."""
        if refused.retry_at is None:
            return self._clock.elapsed() + IDLE
        wait = refused.retry_at - self._clock.now()
        return self._clock.elapsed() + min(max(wait, timedelta(milliseconds=250)), IDLE * 6)

    def _alert_refused(self, name: str, broker_order_id: str, message: str) -> None:
        if (name, broker_order_id) not in self._refused:
            self._refused.add((name, broker_order_id))
            words = (
                f"the broker refused to cancel order {name}: {message}; it is canceled again "
                "for as long as it is alive"
            )
            alert = m.Alert(m.AlertKind.CANCEL_REFUSED, name, words)
            self._recorder.record(m.Alerted(alert))

    # -- by itself ---------------------------------------------------------------------

    def pursue_all(self) -> timedelta | None:
        """Take every step about open ends that is due; when the next is, None: none is open."""
        waits: list[timedelta] = []
        for record in self._tracker.followed():
            if not record.order.is_final and _may_end(record):
                after = self.pursue(record.client_order_id, first=False, patient=False)
                waits += [] if after is None else [after]
        return min(waits, default=None)

    # -- what this process has seen ----------------------------------------------------

    def _of(self, name: str, broker_order_id: str) -> Progress:
        with self._lock:
            begun = Progress(attempted_at=self._started)
            return self._progress.setdefault((name, broker_order_id), begun)

    def _urge(self, name: str) -> None:
        """The bot asks again: what was attempted is attempted again once it is read alive."""
        now, record = self._clock.elapsed(), self._book.record(name)
        for broker_order_id in record.ids:
            if any(r.broker_order_id == broker_order_id for r in record.requests):
                self._note(name, broker_order_id, lambda was: evolve(was, urged_at=now))

    def _note(
        self, name: str, broker_order_id: str, change: Callable[[Progress], Progress]
    ) -> None:
        was = self._of(name, broker_order_id)
        with self._lock:
            self._progress[name, broker_order_id] = change(was)


def _least(qty: Decimal, differences: Iterable[Decimal]) -> Decimal:
    """The smallest position of the sign of *qty* that the evidence allows."""
    sign = 1 if qty > 0 else -1
    least = min(sign * (qty + x) for x in (m.ZERO, *differences))
    return sign * max(m.ZERO, least)


def _attempted(at: timedelta) -> Callable[[Progress], Progress]:
    def noted(was: Progress) -> Progress:
        return Progress(attempted_at=at, mine=True, attempts=was.attempts + 1)

    return noted


def _read(at: timedelta, *, alive: bool) -> Callable[[Progress], Progress]:
    def noted(was: Progress) -> Progress:
        seen = at if alive else was.alive_at
        return evolve(was, reads=was.reads + 1, read_at=at, alive_at=seen)

    return noted


def _attempts(record: m.OrderRecord, end: m.Instruction, broker_order_id: str) -> list[m.Request]:
    """The cancels of one id: for the order's end, or for the change that begins with it."""
    made = instructions.attempts(record, end, broker_order_id)
    return [r for r in made if r.command is m.Command.CANCEL]


def _has_end(record: m.OrderRecord, authority: Authority) -> bool:
    """Whether the end of an order is instructed already, with as strong an authority."""
    end = instructions.open_end(record)
    return end is not None and end.authority.raised_to(authority) is end.authority


def _may_end(record: m.OrderRecord) -> bool:
    """Whether an instruction on it may be an open end; what it is the evidence says."""
    return any(x.closed is None for x in record.instructions)
