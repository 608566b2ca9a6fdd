"""
The cancel of an order: instructed once, and attempted until the order is final (promises P1, P2).

A fill wins over a cancel.  The instruction is durable before the first attempt.
`core.orders.cancel_retries` decides the next step on each live broker id, whatever the replies
were, and after a crash too.  An unconfirmed order is not resent, and is canceled as soon as it is
found.  The order that a change by cancel-and-new has placed, or would place, is canceled with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import cancel_retries, instructions, lineage
from fillbook.core.orders.cancel_retries import Attempt, Read
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.send_permission import Authority
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.cancels.attempts import NEXT_STEP_DELAY, CancelAttempts, Due, attempts_on
from fillbook.desk.orders.cancels.instruction import instruct_cancel, successor_of
from fillbook.desk.orders.cancels.unwritten import UNWRITABLE, UnwrittenCancels
from fillbook.desk.orders.protective_exits import protective_exits
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import BY_ID_MAX, Tracker
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import CUT, Recorder
from fillbook.errors import present
from fillbook.store import Reader, Urgency, urgency


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
        self._attempts = CancelAttempts(gateway, recorder, tracker, clock)

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
        self._request_again([name])
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
            self._attempt_first(names, wait=True)
            if len(self._unfinal(names)) > BY_ID_MAX:
                self._tracker.poll()  # a few lists instead of a read of each order
            self._advance_each(names)
            self._resolver.wait_until_all_final(names, self._advance_each)
        return self._tracker.orders(names)

    def _advance_each(self, names: Sequence[str]) -> None:
        """
        Take the due steps of several cancels.

        An order whose cancel the broker keeps rejecting must not use up the rate limit before every
        other has had its first attempt.
        """
        if not self._attempt_first(names):
            return
        with self._recorder.store.read() as reader:
            known = [known_of(reader, name) for name in names]
        now = self._clock.elapsed()
        for record, evidence in known:
            due = self._next(record, evidence)
            if due is not None and due[0].at <= now:
                self.advance(record.client_order_id, for_caller=True, wait=False)

    def _attempt_first(self, names: Sequence[str], *, wait: bool = False) -> bool:
        """
        Make the first attempts of several cancels; return whether all were made.

        With *wait*, the first of them waits for the rate limit.
        """
        now = self._clock.elapsed()
        waiting = self._without_attempt(names)
        steps = [(*x, self._next(*x)) for x in waiting]
        due = [x for _, _, x in steps if x is not None and x[0].at <= now]
        attempts = [x for step, x in due if isinstance(step, Attempt)]
        for first in range(0, len(attempts), CUT):
            some = attempts[first : first + CUT]
            if self._attempts.attempt(some, for_caller=True, wait=wait and not first) is not None:
                break
        for _, x in (x for x in due if isinstance(x[0], Read)):
            self._read_order(x.record, now)
        return not (waiting and self._without_attempt([x.client_order_id for x, _ in waiting]))

    def _without_attempt(
        self, names: Sequence[str]
    ) -> list[tuple[m.OrderRecord, list[m.Evidence]]]:
        """Return those of the orders with a live id of which no cancel of any id has left."""
        with self._recorder.store.read() as reader:
            known = [known_of(reader, name) for name in names]
        return [x for x in known if not _was_sent(x[0]) and any(map(lineage.is_live, x[1]))]

    def _unfinal(self, names: Sequence[str]) -> list[str]:
        return [x.client_order_id for x in self._tracker.orders(names) if not x.is_final]

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
            self._request_again(fresh)
            names += fresh  # the loop repeats for orders that a change has placed meanwhile
        return names

    def _request_again(self, names: Sequence[str]) -> None:
        with self._recorder.store.read() as reader:
            known = [known_of(reader, name) for name in names]
        for record, evidence in known:
            self._attempts.request_again(record, evidence)

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

    def advance(self, name: str, *, for_caller: bool, wait: bool = True) -> timedelta | None:
        """
        Take the due steps of the cancel of an order; return when the next is due, None: never.

        *for_caller*: a caller waits, and its first attempts need no lease.  *wait*: wait for a
        share of the rate limit.
        """
        while True:
            with self._recorder.store.read() as reader:
                record, known = known_of(reader, name)
            next_ = self._next(record, known)
            if next_ is None:
                return None
            now = self._clock.elapsed()
            step, due = next_
            if step.at > now:
                return step.at
            match step:
                case Attempt():
                    retry_at = self._attempts.attempt([due], for_caller=for_caller, wait=wait)
                    if retry_at is not None:
                        return retry_at
                case Read():
                    self._read_order(record, now)
                case _:
                    return now + NEXT_STEP_DELAY

    def _next(
        self, record: m.OrderRecord, known: Sequence[m.Evidence]
    ) -> tuple[cancel_retries.Step, Due] | None:
        """Return the next step of the cancel of an order, and the id that it is about, if any."""
        instruction = instructions.cancel_of_all_ids(record, known)
        if instruction is None or record.order.is_final:
            return None
        steps = [self._step(record, instruction, e) for e in known if lineage.is_live(e)]
        return min(steps, key=lambda x: x[0].at, default=None)

    def _step(
        self, record: m.OrderRecord, instruction: m.Instruction, e: m.Evidence
    ) -> tuple[cancel_retries.Step, Due]:
        made = attempts_on(record, instruction, e.broker_order_id)
        shown = None if e.word is None else e.word.status
        name = record.client_order_id
        progress = self._attempts.progress_of(name, e.broker_order_id, len(made))
        step = cancel_retries.next_step(made, shown, progress, stuck=self._stuck)
        return step, Due(record, instruction, e.broker_order_id, made)

    def _read_order(self, record: m.OrderRecord, now: timedelta) -> None:
        """Read an order by all its ids, and note which of them are alive."""
        name = record.client_order_id
        before = self._tracker.evidence(record)
        failed = self._tracker.read(record)
        with self._recorder.store.read() as reader:
            after = known_of(reader, name)[1]
        alive = {e.broker_order_id for e in after if lineage.is_live(e)}
        for e in filter(lineage.is_live, before):
            is_alive = failed is None and e.broker_order_id in alive
            self._attempts.note_read(name, e.broker_order_id, now, alive=is_alive)

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


def known_of(reader: Reader, name: str) -> tuple[m.OrderRecord, list[m.Evidence]]:
    """Return an order and the evidence of each of its broker ids."""
    record = present(reader.get(m.OrderRecord, name), f"order {name}")
    return record, evidence_of(reader, record)


def _was_sent(record: m.OrderRecord) -> bool:
    """Return whether a cancel of any id of the order may have left."""
    return any(
        r.command is m.Command.CANCEL and r.answer is not m.AnswerKind.NOT_SENT
        for r in record.requests
    )


def _has_open_instruction(record: m.OrderRecord) -> bool:
    """Whether an instruction is open; the evidence decides whether it cancels the order."""
    return any(x.closed is None for x in record.instructions)
