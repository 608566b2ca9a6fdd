"""
The cancel of an order: instructed once, and attempted until the order is final (promises P1, P2).

A fill wins over a cancel.  The instruction is durable before the first attempt.
`core.orders.pending_cancel` decides the next step on each live broker id, whatever the replies
were, and after a crash too.  An unconfirmed order is not resent, and is canceled as soon as it is
found.  The order that a change by cancel-and-new has placed, or would place, is canceled with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import instructions, lifecycle, lineage, pending_cancel
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.orders.pending_cancel import Attempt, Progress, Read
from fillbook.core.permission import Authority, Permission
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.cancel_instruction import instruct_cancel, successor_of
from fillbook.desk.orders.protective_exits import protective_exits
from fillbook.desk.orders.resolver import Resolver, reply_entry
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.orders.unwritten_cancels import UNWRITABLE, UnwrittenCancels
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import CUT, Recorder, Transaction
from fillbook.store import Urgency, urgency

#: The delay of the next step if none is due, or if the cancel cannot be sent now.
NEXT_STEP_DELAY: Final = timedelta(seconds=10)


class Cancellation:
    """Cancels orders."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        agenda: Agenda,
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
        self._unwritten = UnwrittenCancels(gateway, agenda, tracker, self._book, clock)
        self._progress: dict[tuple[str, str], Progress] = {}
        self._lock = threading.Lock()
        self._rejected: set[tuple[str, str]] = set()  #: refused cancels that were alerted

    # -- for the bot -------------------------------------------------------------------

    @urgency(Urgency.EXIT)
    def cancel(self, order: m.Order | str) -> m.Order:
        """
        Cancel an order, and follow it until it is final or `wait_s` have passed.

        A final order is returned unchanged.  If a change by cancel-and-new has placed another
        order since, that order is canceled and returned.  A cancel that the store cannot record is
        sent all the same, and the error says so.  Raises: UnknownOrder, TradingDisabled,
        AccountChanged, StoreError.
        """
        self._gateway.require_trading_enabled()
        name = self._book.record(order).client_order_id
        self._account_link.try_bind()  # whether or not it can be read: an id is of one account
        try:
            wanted = self.instruct(name)
        except UNWRITABLE as error:
            raise self._unwritten.send([name], error) from error
        self._request_retry(name)
        after = self.successor(name)
        if after is not None:
            return self.cancel(after)
        if not wanted:
            return self._book.order(name)
        return self._resolver.wait_until_final(
            name, advance=lambda: self.advance(name, for_caller=True)
        )

    @urgency(Urgency.EXIT)
    def cancel_all(self, symbol: str | None, strategy: str | None, *, exits: bool) -> list[m.Order]:
        """
        Cancel every open order, and every change that would place one; follow all of them.

        Exits that protect a position stay open unless *exits*.  All instructions are written
        before the first cancel is sent; an order that is not final on return has a pending
        cancel.  Cancels that the store cannot record are sent all the same, and the error says so.
        Raises: TradingDisabled, AccountChanged, StoreError.
        """
        self._gateway.require_trading_enabled()
        self._account_link.try_bind()
        try:
            names = self._instruct_all(symbol, strategy, exits=exits)
        except UNWRITABLE as error:
            wanted = self._wanted(symbol, strategy, self._kept(exits=exits))
            raise self._unwritten.send(wanted, error) from error
        with self._recorder.log_store_errors("the orders that are canceled"):
            self._advance_each(names, wait=True)
            self._resolver.wait_until_all_final(names, self._advance_each)
        return [self._book.order(name) for name in names]

    def _advance_each(self, names: Sequence[str], *, wait: bool = False) -> None:
        """
        Take the due steps of several cancels; with *wait*, the first waits for the rate limit.

        An order whose cancel the broker keeps rejecting must not use up the rate limit before every
        other has had its first attempt.
        """
        fresh = [name for name in names if self._awaits_first_attempt(name)]
        for name in fresh:
            self.advance(name, for_caller=True, wait=wait and name == fresh[0], once=True)
        if any(map(self._awaits_first_attempt, fresh)):
            return
        for name in names:
            self.advance(name, for_caller=True, wait=False)

    def _instruct_all(self, symbol: str | None, strategy: str | None, *, exits: bool) -> list[str]:
        """Write the instructions to cancel every open order; return their client ids."""
        if not self._tracker.poll():  # orders that the record does not have are canceled too
            self._tracker.record_readable_orders()
        kept = self._kept(exits=exits)
        names: list[str] = []
        while fresh := self._wanted(symbol, strategy, kept.union(names)):
            for first in range(0, len(fresh), CUT):
                with self._recorder.transaction() as transaction:
                    for name in fresh[first : first + CUT]:
                        instruct_cancel(transaction, name, Authority.ORDER)
            for name in fresh:
                self._request_retry(name)
            names += fresh  # the loop repeats for orders that a change has placed meanwhile
        return names

    def _awaits_first_attempt(self, name: str) -> bool:
        """Return whether the order has a live id, and no cancel of any of its ids has left."""
        record = self._book.record(name)
        has_left = any(
            r.command is m.Command.CANCEL and r.answer is not m.AnswerKind.NOT_SENT
            for r in record.requests
        )
        return not has_left and any(map(lineage.is_live, self._tracker.evidence(record)))

    def _kept(self, *, exits: bool) -> frozenset[str]:
        if exits:
            return frozenset()
        return protective_exits(self._gateway, self._recorder, self._tracker)

    def _wanted(self, symbol: str | None, strategy: str | None, kept: frozenset[str]) -> list[str]:
        """Return the orders that may still fill, or for which a change would place another."""
        return [
            x.client_order_id
            for x in self._tracker.tracked()
            if x.client_order_id not in kept
            and symbol in (None, x.terms.symbol)
            and strategy in (None, x.strategy)
            and (not x.order.is_final or self._open_plan(x) is not None)
        ]

    def _open_plan(self, record: m.OrderRecord) -> m.Instruction | None:
        return instructions.open_cancel_and_new(record, self._tracker.evidence(record))

    def successor(self, name: str) -> str | None:
        """Return the order that the latest change by cancel-and-new has placed, or None."""
        with self._recorder.store.read() as reader:
            return successor_of(reader, name)

    # -- instructing -------------------------------------------------------------------

    def instruct(self, name: str, authority: Authority = Authority.ORDER) -> bool:
        """
        Write the instruction to cancel an order; return whether the order is not final yet.

        A change by cancel-and-new is withdrawn in the same transaction, also for a final order.
        """
        with self._recorder.transaction() as transaction:
            return instruct_cancel(transaction, name, authority)

    def _instruct_with_successor(self, name: str) -> None:
        """Write the cancel of an order, and of the one that a change has placed since."""
        self.instruct(name)
        after = self.successor(name)
        if after is not None:
            self._instruct_with_successor(after)

    # -- attempts ----------------------------------------------------------------------

    def advance(
        self, name: str, *, for_caller: bool, wait: bool = True, once: bool = False
    ) -> timedelta | None:
        """
        Take the due steps of the cancel of an order; return when the next is due, None: never.

        *for_caller*: a caller waits, and its first attempts need no lease.  *wait*: wait for a
        share of the rate limit.  *once*: take one step only.
        """
        while True:
            record = self._book.record(name)
            known = self._tracker.evidence(record)
            instruction = instructions.cancel_of_all_ids(record, known)
            living = [e for e in known if lineage.is_live(e)]
            if instruction is None or record.order.is_final or not living:
                return None
            now = self._clock.elapsed()
            steps = [(self._step(record, instruction, e), e.broker_order_id) for e in living]
            step, broker_order_id = min(steps, key=lambda x: x[0].at)
            if step.at > now:
                return step.at
            match step:
                case Attempt():
                    retry_at = self._attempt(record, instruction, broker_order_id, for_caller, wait)
                    if retry_at is not None:
                        return retry_at
                case Read():
                    self._read_order(record, living, now)
                case _:
                    return now + NEXT_STEP_DELAY
            if once:
                return now

    def _step(
        self, record: m.OrderRecord, instruction: m.Instruction, e: m.Evidence
    ) -> pending_cancel.Step:
        made = _attempts(record, instruction, e.broker_order_id)
        shown = None if e.word is None else e.word.status
        progress = self._progress_of(record.client_order_id, e.broker_order_id, len(made))
        return pending_cancel.next_step(made, shown, progress, stuck=self._stuck)

    def _attempt(
        self,
        record: m.OrderRecord,
        instruction: m.Instruction,
        broker_order_id: str,
        for_caller: bool,
        wait: bool,
    ) -> timedelta | None:
        """Claim, write and send one cancel; return when to retry if it cannot be sent now."""
        name = record.client_order_id
        made = _attempts(record, instruction, broker_order_id)
        unsent = all(r.answer is m.AnswerKind.NOT_SENT for r in made)
        first_attempt = for_caller and unsent
        if self._gateway.permission(instruction.authority) is not Permission.SEND:
            return self._clock.elapsed() + NEXT_STEP_DELAY
        refused = self._gateway.claim(
            "cancel", instruction.authority, first_attempt=first_attempt, wait=wait
        )
        if refused is not None:
            return self._retry_at(refused)
        with self._recorder.transaction() as transaction:
            request = self._claim(
                transaction,
                name,
                instruction,
                broker_order_id,
                len(made),
                first_attempt=first_attempt,
            )
        if request is None:
            return None  # another thread or process has sent it meanwhile
        broker, number_before = self._gateway.broker, self._tracker.snapshot_number()
        outcome = self._gateway.send(
            "cancel", lambda: broker.cancel(broker_order_id), first_attempt=first_attempt
        )
        now = self._clock.elapsed()
        self._update_progress(name, broker_order_id, _after_attempt(now, len(made) + 1))
        entries: list[m.Entry] = [reply_entry(name, request, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, number_before))
        self._recorder.record_reply(*entries)
        if isinstance(outcome, m.Rejected):
            self._alert_rejected(name, broker_order_id, outcome.message)
        return None

    def _claim(
        self,
        transaction: Transaction,
        name: str,
        instruction: m.Instruction,
        broker_order_id: str,
        made: int,
        *,
        first_attempt: bool,
    ) -> m.Commanded | None:
        """Write and return the request; None if it is obsolete, or another desk has made it."""
        record = transaction.reader.get(m.OrderRecord, name)
        if record is None or record.order.is_final:
            return None
        known = evidence_of(transaction.reader, record)
        now = instructions.cancel_of_all_ids(record, known)
        alive = {e.broker_order_id for e in known if lineage.is_live(e)}
        if now is None or broker_order_id not in alive:
            return None
        if len(_attempts(record, now, broker_order_id)) != made:
            return None
        if not first_attempt and not self._gateway.lease.is_held(transaction.reader):
            return None
        lifecycle.expected_status(record.order.status, m.Command.CANCEL)
        number = len(record.requests) + 1
        request = m.Commanded(
            name, m.Command.CANCEL, number, broker_order_id, instruction=now.number
        )
        transaction.record(request)
        return request

    def _read_order(
        self, record: m.OrderRecord, living: Sequence[m.Evidence], now: timedelta
    ) -> None:
        """Read an order by all its ids, and record which are alive in the progress."""
        name = record.client_order_id
        failed = self._tracker.read(record)
        alive = {
            e.broker_order_id
            for e in self._tracker.evidence(self._book.record(name))
            if lineage.is_live(e)
        }
        for e in living:
            shown = failed is None and e.broker_order_id in alive
            self._update_progress(name, e.broker_order_id, _after_read(now, alive=shown))

    def _retry_at(self, refused: m.NotSent) -> timedelta:
        """Return when to retry a request that was not granted."""
        if refused.retry_at is None:
            return self._clock.elapsed() + NEXT_STEP_DELAY
        delay = refused.retry_at - self._clock.now()
        return self._clock.elapsed() + min(
            max(delay, timedelta(milliseconds=250)), NEXT_STEP_DELAY * 6
        )

    def _alert_rejected(self, name: str, broker_order_id: str, message: str) -> None:
        if (name, broker_order_id) not in self._rejected:
            self._rejected.add((name, broker_order_id))
            text = (
                f"the broker rejected the cancel of order {name}: {message}; the cancel is retried "
                "while the order is live"
            )
            alert = m.Alert(m.AlertKind.CANCEL_REFUSED, name, text)
            self._recorder.record(m.Alerted(alert))

    # -- in the background -------------------------------------------------------------

    @urgency(Urgency.EXIT)
    def advance_all(self) -> timedelta | None:
        """Take every due step of all cancels; return when the next is due, None: none is open."""
        self._unwritten.take(self._instruct_with_successor)
        waits: list[timedelta] = []
        for record in self._tracker.tracked():
            if not record.order.is_final and _has_open_instruction(record):
                after = self.advance(record.client_order_id, for_caller=False, wait=False)
                waits += [] if after is None else [after]
        return min(waits, default=None)

    # -- progress of this process ------------------------------------------------------

    def _progress_of(self, name: str, broker_order_id: str, recorded: int) -> Progress:
        key, now = (name, broker_order_id), self._clock.elapsed()
        with self._lock:
            self._progress[key] = pending_cancel.seen(self._progress.get(key), recorded, now)
            return self._progress[key]

    def _request_retry(self, name: str) -> None:
        """Retry each attempted cancel as soon as its id is read alive: the bot cancels again."""
        now, record = self._clock.elapsed(), self._book.record(name)
        instruction = instructions.cancel_of_all_ids(record, self._tracker.evidence(record))
        if instruction is None:
            return
        for broker_order_id in record.ids:
            made = _attempts(record, instruction, broker_order_id)
            if made:
                self._progress_of(name, broker_order_id, len(made))
                self._update_progress(
                    name, broker_order_id, lambda before: evolve(before, requested_at=now)
                )

    def _update_progress(
        self, name: str, broker_order_id: str, change: Callable[[Progress], Progress]
    ) -> None:
        with self._lock:
            before = self._progress[name, broker_order_id]
            self._progress[name, broker_order_id] = change(before)


def _after_attempt(at: timedelta, recorded: int) -> Callable[[Progress], Progress]:
    def change(before: Progress) -> Progress:
        return Progress(
            attempted_at=at, recorded=recorded, is_own=True, attempts=before.attempts + 1
        )

    return change


def _after_read(at: timedelta, *, alive: bool) -> Callable[[Progress], Progress]:
    def change(before: Progress) -> Progress:
        seen = at if alive else before.live_at
        return evolve(before, reads=before.reads + 1, read_at=at, live_at=seen)

    return change


def _attempts(
    record: m.OrderRecord, instruction: m.Instruction, broker_order_id: str
) -> list[m.Request]:
    """Return the cancels of one id: of a cancel, or of a change by cancel-and-new."""
    made = instructions.attempts(record, instruction, broker_order_id)
    return [r for r in made if r.command is m.Command.CANCEL]


def _has_open_instruction(record: m.OrderRecord) -> bool:
    """Whether an instruction is open; the evidence decides whether it cancels the order."""
    return any(x.closed is None for x in record.instructions)
