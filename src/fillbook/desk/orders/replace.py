"""
The replace of an order, under a client order id of its own (promises P1 and P2).

A replace is durable before it is sent.  While its outcome is unknown it is not resent, and no other
replace is sent; the old id is read and the new id is queried.  If the broker cannot change the
quantity natively, the change is a plan: cancel the order, and when its end is confirmed, place a
new order for the remaining quantity.

Other half: `core.orders.replace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import (
    cancel_retries,
    instructions,
    lifecycle,
    replace,
    unconfirmed,
)
from fillbook.core.orders.cancel_retries import Progress
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.orders.replace import ProposedChange
from fillbook.core.send_permission import Authority, Permission
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.approval import Approval, CheckInputs
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.place import ChangeWithdrawn, OrderPlacement
from fillbook.desk.orders.resolver import CHANGE_RETRY_DELAY, Resolver, reply_entry
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.book import Book
from fillbook.desk.record.kill_switch import halt_reason
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.store import Reader


class Replacement:
    """Replaces orders."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        tracker: Tracker,
        resolver: Resolver,
        approval: Approval,
        placement: OrderPlacement,
        cancellation: Cancellation,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._resolver = resolver
        self._approval = approval
        self._placement = placement
        self._cancellation = cancellation
        self._clock = clock
        self._book = Book(recorder.store)
        self._started = clock.elapsed()
        self._attempts: dict[tuple[str, int], tuple[timedelta, int]] = {}

    def replace(self, order: m.Order | str, change: m.Change) -> m.Order:
        """
        Replace an order, and follow it until the outcome is known; at most `wait_s`.

        Raises: UnknownOrder, Denied, OrderRejected, Unavailable, TradingDisabled, AccountChanged.
        """
        self._gateway.require_trading_enabled()
        record = self._book.record(order)
        name = record.client_order_id
        self._account_link.bind()
        if record.order.pending is not None:  # its outcome may be known by now
            self._tracker.read(record)
        number, way = self.instruct(name, change)
        if way is m.Way.ANEW:
            return self._cancel_and_new(name)
        order = self._resolver.wait_until_replaced(
            name, lambda: self.advance(name, for_caller=True)
        )
        return self._check_accepted(order, number)

    def instruct(
        self,
        name: str,
        change: m.Change,
        authority: Authority = Authority.ORDER,
        plan: str | None = None,
    ) -> tuple[int, m.Way]:
        """
        Check a change and write its instruction; return its number, and how it is made.

        *plan* is the plan whose step it is.  Raises: Denied, AccountChanged.
        """
        inputs = self._check_inputs(name, change, plan)
        with self._recorder.transaction() as transaction:
            wanted = self._wanted(transaction.reader, name, change)
            denied = replace.refusal_of(wanted)
            if denied is None and inputs is not None:
                denied = self._approval.change_denial(transaction, wanted.record, change, inputs)
            way = replace.way_of(wanted)
            if denied is None:
                change = replace.with_client_order_id(wanted)
                number = self._instruct(transaction, wanted.record, change, way, authority)
        if denied is not None:
            text = f"{denied.message} (nothing was sent)"
            raise errors.Denied(text, order=self._book.order(name), reason=denied)
        return number, way

    def _instruct(
        self,
        transaction: Transaction,
        record: m.OrderRecord,
        change: m.Change,
        way: m.Way,
        authority: Authority,
    ) -> int:
        """Write the instruction to change an order; return its number."""
        lifecycle.expected_status(record.order.status, m.Command.REPLACE)
        number = len(record.instructions) + 1
        request = None if record.intent is None else record.intent.request
        validity = (
            unconfirmed.GOOD_FOR_DEFAULT if request is None else unconfirmed.good_for(request)
        )
        transaction.record(
            m.Instructed(
                record.client_order_id,
                number,
                m.Amend(change, way),
                authority,
                m.timestamp(m.moment(transaction.at) + validity),
                record.order.broker_order_id,
            )
        )
        return number

    def _wanted(self, reader: Reader, name: str, change: m.Change) -> ProposedChange:
        record = errors.present(reader.get(m.OrderRecord, name), f"order {name}")
        known = evidence_of(reader, record)
        return ProposedChange(record, known, change, self._gateway.broker.capabilities)

    def _check_inputs(self, name: str, change: m.Change, plan: str | None) -> CheckInputs | None:
        """Read what the checks of the changed order need; None: the change is refused."""
        with self._recorder.store.read() as reader:
            wanted = self._wanted(reader, name, change)
        wish = (
            None if replace.refusal_of(wanted) else replace.remaining_request(wanted.record, change)
        )
        return None if wish is None else self._approval.read_inputs(wish, plan=plan)

    # -- native replaces ---------------------------------------------------------------

    def advance(self, name: str, *, for_caller: bool) -> timedelta | None:
        """
        Take the due step of a change; return when the next is due, None: queried or closed.

        A change that provably was not sent is attempted again until `good_until`.
        *for_caller*: a caller waits, and its first attempts need no lease.
        """
        record = self._book.record(name)
        change = instructions.open_replace(record, self._tracker.evidence(record))
        if change is None:
            return None
        made = instructions.attempts(record, change)
        now = self._clock.elapsed()
        at = cancel_retries.retry_of_change(made, self._progress(name, change.number), now)
        if at is None:
            return None  # it may have been sent: the resolver determines the outcome
        if not self._is_in_time(change):
            self._expire(record, change, f"it could not be sent in time ({_last_message(made)})")
            return None
        return at if at > now else self._attempt(record, change, len(made), for_caller=for_caller)

    def _attempt(
        self, record: m.OrderRecord, change: m.Instruction, made: int, *, for_caller: bool
    ) -> timedelta | None:
        """Claim, write and send the replace; return when to retry if it cannot be sent now."""
        name, broker = record.client_order_id, self._gateway.broker
        retry_at = self._clock.elapsed() + CHANGE_RETRY_DELAY
        if self._gateway.permission(change.authority) is not Permission.SEND:
            return retry_at
        refused = self._gateway.claim(
            "replace", change.authority, first_attempt=for_caller, wait=for_caller
        )
        if refused is not None:
            return retry_at
        with self._recorder.transaction() as transaction:
            if _is_not_replaceable(transaction.reader.get(m.OrderRecord, name)):
                return retry_at
            request = self._claim(transaction, name, change, made, for_caller=for_caller)
        if request is None or request.change is None:
            return None
        broker_order_id, requested = request.broker_order_id or "", request.change
        number_before = self._tracker.snapshot_number()
        outcome = self._gateway.send(
            "replace", lambda: broker.replace(broker_order_id, requested), first_attempt=for_caller
        )
        entries: list[m.Entry] = [reply_entry(name, request, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, number_before))
        if not self._recorder.record_reply(*entries):
            return None  # the outcome is queried when the store is available again
        self._attempts[name, change.number] = (self._clock.elapsed(), made + 1)
        self._approval.apply_outcome(self._book.order(name), outcome)
        if not isinstance(outcome, m.NotSent):
            self._tracker.read(self._book.record(name))
            self._resolver.query(name)
        return None

    def _claim(
        self,
        transaction: Transaction,
        name: str,
        change: m.Instruction,
        made: int,
        *,
        for_caller: bool,
    ) -> m.Commanded | None:
        """Write and return the request; None if it is obsolete, or another desk has made it."""
        record = transaction.reader.get(m.OrderRecord, name)
        if record is None or record.order.is_final:
            return None
        # A halt stops the changes of the bot, not those that keep an exit right.
        if change.authority is Authority.ORDER and halt_reason(transaction.reader) is not None:
            return None
        now = instructions.open_replace(record, evidence_of(transaction.reader, record))
        if now is None or len(instructions.attempts(record, now)) != made:
            return None
        if instructions.open_cancel(record) is not None:
            return None  # a cancel is open: the change is obsolete
        if not for_caller and not self._gateway.lease.is_held(transaction.reader):
            return None
        number, broker_order_id = len(record.requests) + 1, record.order.broker_order_id
        request = m.Commanded(
            name,
            m.Command.REPLACE,
            number,
            broker_order_id,
            change.change,
            instruction=now.number,
        )
        transaction.record(request)
        return request

    def _progress(self, name: str, number: int) -> Progress:
        at, attempts = self._attempts.get((name, number), (self._started, 0))
        return Progress(attempted_at=at, is_own=attempts > 0, attempts=attempts)

    def _check_accepted(self, order: m.Order, number: int) -> m.Order:
        """Return the order. Raises: OrderRejected if the broker rejected the change."""
        record = self._book.record(order)
        change = next(x for x in record.instructions if x.number == number)
        made = instructions.attempts(record, change)
        refused = bool(made) and made[-1].answer is m.AnswerKind.REJECTED and not change.done
        if refused and change.closed is not None and not order.is_final:  # a fill wins
            kind = made[-1].kind or m.RejectKind.OTHER
            name = order.client_order_id
            text = f"the broker rejected the change of order {name}: {made[-1].message}"
            raise errors.OrderRejected(text, order=order, kind=kind)
        return order

    # -- changes by cancel-and-new -----------------------------------------------------

    def _cancel_and_new(self, name: str) -> m.Order:
        """Cancel the order; when its end is confirmed, place the remaining quantity."""
        self._resolver.wait_until_final(
            name, advance=lambda: self._cancellation.advance(name, for_caller=True)
        )
        with self._recorder.log_store_errors(f"order {name}"):
            self.continue_plan(name)
        order = self._book.order(name)
        # Another desk may have placed the new order meanwhile.
        after = None if order.pending is not None else self._cancellation.successor(name)
        return order if after is None else self._book.order(after)

    def continue_plan(self, name: str, authority: Authority = Authority.ORDER) -> m.Order | None:
        """
        Take the next step of a change by cancel-and-new; return the order that it placed.

        A change whose time has passed is closed, with an alert.
        """
        record = self._book.record(name)
        plan = instructions.open_cancel_and_new(record, self._tracker.evidence(record))
        if plan is None or plan.change is None:
            return None
        if record.order.is_final:
            return self._place(record, plan, plan.change, authority)
        if not self._is_in_time(plan):
            self._expire(record, plan, f"order {name} is {record.order.status}, not canceled")
        self._resolver.schedule_next(name)
        return None

    def advance_in_background(self, name: str) -> None:
        """Take the next step of a change in the background; alert if the new order is refused."""
        sends = self._gateway.permission(Authority.STANDING) is Permission.SEND
        if not (sends and self._gateway.lease.acquire() and self._gateway.lease.may_send()):
            self._resolver.schedule_next(name)
            return
        try:
            self.advance(name, for_caller=False)
            self.continue_plan(name, Authority.STANDING)
            self._resolver.schedule_next(name)
        except errors.OrderError as error:
            text = f"the change of order {name} was abandoned: {error}. See `fillbook order {name}`"
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.GIVEN_UP, name, text)))

    def _place(
        self, record: m.OrderRecord, plan: m.Instruction, change: m.Change, authority: Authority
    ) -> m.Order | None:
        known = self._find_record(change.client_order_id)
        intent = None if known is None else known.intent
        wish = replace.remaining_request(record, change) if intent is None else intent.request
        now, progress = self._clock.elapsed(), self._progress(record.client_order_id, plan.number)
        at = cancel_retries.retry_of_change(() if known is None else known.requests, progress, now)
        if wish is None:
            self._close(record, plan, "the order is completely filled")
        elif at is not None and not self._is_in_time(plan):
            self._expire(record, plan, "the new order was not sent in time")
        elif at is not None and self._is_halted():
            return None  # it is placed after `resume`, while it is in time
        elif at is None or at <= now:
            name = change.client_order_id
            # Placing again under the same client order id returns the order that exists: a crash
            # before the plan is closed makes no second order.
            try:
                order = self._placement.place(
                    name,
                    wish,
                    authority=authority,
                    is_withdrawn=lambda reader: self._is_withdrawn(reader, record, plan),
                )
            except ChangeWithdrawn:
                return None
            except errors.Unavailable:  # it provably was not sent: it is placed again when due
                made = self._clock.elapsed(), progress.attempts + 1
                self._attempts[record.client_order_id, plan.number] = made
                return None
            except errors.OrderError as error:
                self._close(record, plan, f"the remaining quantity was not placed: {error}")
                raise
            self._close(record, plan, f"the remaining quantity is order {name}")
            return order
        return None

    def _is_withdrawn(self, reader: Reader, record: m.OrderRecord, plan: m.Instruction) -> bool:
        now = reader.get(m.OrderRecord, record.client_order_id) or record
        open_plan = instructions.open_cancel_and_new(now, evidence_of(reader, now))
        return open_plan is None or open_plan.number != plan.number

    def _is_halted(self) -> bool:
        with self._recorder.store.read() as reader:
            return halt_reason(reader) is not None

    def _find_record(self, name: str) -> m.OrderRecord | None:
        with self._recorder.store.read() as reader:
            return reader.get(m.OrderRecord, name)

    def _is_in_time(self, change: m.Instruction) -> bool:
        """Whether `good_until` of a change has not passed."""
        until = change.good_until
        end = (
            m.moment(change.at) + unconfirmed.GOOD_FOR_DEFAULT if until is None else m.moment(until)
        )
        return self._clock.now() < end

    def _close(self, record: m.OrderRecord, plan: m.Instruction, why: str) -> None:
        self._recorder.record(m.InstructionClosed(record.client_order_id, plan.number, why))

    def _expire(self, record: m.OrderRecord, change: m.Instruction, why: str) -> None:
        name = record.client_order_id
        text = f"the change of order {name} expired: {why}. It is not retried: call replace again"
        self._recorder.record(
            m.InstructionClosed(name, change.number, f"expired: {why}"),
            m.Alerted(m.Alert(m.AlertKind.GIVEN_UP, name, text)),
        )


def _last_message(made: Sequence[m.Request]) -> str:
    """Return the message of the last attempt."""
    return made[-1].message if made else "no attempt was permitted"


def _is_not_replaceable(record: m.OrderRecord | None) -> bool:
    """Return whether a live order cannot be replaced in its status, which may pass."""
    if record is None or record.order.is_final:
        return False
    return (record.order.status, m.Command.REPLACE) not in lifecycle.COMMANDS
