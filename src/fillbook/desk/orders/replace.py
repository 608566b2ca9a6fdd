"""
Replacing: an order changed, under a client id of its own (promises P1 and P2).

What is asked for is durable first, and neither repeated nor followed by another while it is
unproven; any answer but a plain yes is followed by reading the old id and asking for the
new one.  Where a quantity cannot be changed natively it is a plan: the order is canceled,
and once its end is proven, what is left is ordered anew.

Other half: `core.orders.replace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import due, instructions, lifecycle, replace, resolution
from fillbook.core.orders.due import Progress
from fillbook.core.orders.replace import Wanted
from fillbook.core.permission import Authority, Permission
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.approval import Approval, Seen
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.place import OrderPlacement, Withdrawn
from fillbook.desk.orders.resolver import CARRY_ON_AFTER, Resolver, answered
from fillbook.desk.orders.tracker import Tracker, evidence_of
from fillbook.desk.record.book import Book
from fillbook.desk.record.kill_switch import halted
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.store import Reader


class Replacing:
    """Changes orders."""

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
        self._attempted: dict[tuple[str, int], tuple[timedelta, int]] = {}

    def replace(self, order: m.Order | str, change: m.Change) -> m.Order:
        """
        Change an order, and look at it until it is known what became of that; at most wait_s.

        Raises: UnknownOrder, Denied, OrderRejected, Unavailable, TradingDisabled, AccountChanged.
        """
        self._gateway.gate()
        record = self._book.record(order)
        name = record.client_order_id
        self._account_link.bind()
        if record.order.pending is not None:  # it may be known by now
            self._tracker.read(record)
        seen = self._seen(name, change)
        with self._recorder.turn() as turn:
            wanted = self._wanted(turn.read, name, change)
            denied = replace.refused(wanted)
            if denied is None and seen is not None:
                denied = self._approval.refuse_change(turn, wanted.record, change, seen)
            change = replace.numbered(wanted)
            way = m.Way.ANEW if replace.by_cancel(wanted) else m.Way.NATIVE
            if denied is None:
                number = self._instruct(turn, wanted.record, change, way)
        if denied is not None:
            words = f"{denied.message} (nothing was sent)"
            raise errors.Denied(words, order=self._book.order(name), reason=denied)
        if way is m.Way.ANEW:
            return self._order_anew(name)
        order = self._resolver.changed(name, lambda: self.pursue(name, first=True))
        return self._told(order, number)

    def _instruct(
        self, turn: Transaction, record: m.OrderRecord, change: m.Change, way: m.Way
    ) -> int:
        """Write down that an order is to change; the number of the instruction."""
        lifecycle.expect(record.order.status, m.Command.REPLACE)
        number = len(record.instructions) + 1
        request = None if record.intent is None else record.intent.request
        length = resolution.GOOD_FOR_ELSE if request is None else resolution.good_for(request)
        turn.take(
            m.Instructed(
                record.client_order_id,
                number,
                m.Amend(change, way),
                m.Authority.ORDER,
                m.timestamp(m.moment(turn.at) + length),
                record.order.broker_order_id,
            )
        )
        return number

    def _wanted(self, reader: Reader, name: str, change: m.Change) -> Wanted:
        record = reader.get(m.OrderRecord, name)
        assert record is not None  # orders of ours are never forgotten
        known = evidence_of(reader, record)
        return Wanted(record, known, change, self._gateway.broker.capabilities)

    def _seen(self, name: str, change: m.Change) -> Seen | None:
        """What the checks need to know of the order that it would become; None: it cannot."""
        with self._recorder.store.read() as reader:
            wanted = self._wanted(reader, name, change)
        wish = None if replace.refused(wanted) else replace.rest(wanted.record, change)
        return None if wish is None else self._approval.look(wish)

    # -- natively ----------------------------------------------------------------------

    def pursue(self, name: str, *, first: bool) -> timedelta | None:
        """
        Take the step about a change that is due; when the next is, None: it is queried or over.

        A change that provably did not leave is attempted again until it is not wanted any more.
        *first*: a caller waits, and its first attempts need no lease.
        """
        record = self._book.record(name)
        change = instructions.open_replace(record, self._tracker.known(record))
        if change is None:
            return None
        made = instructions.attempts(record, change)
        now = self._clock.elapsed()
        at = due.retry_of_change(made, self._progress(name, change.number), now)
        if at is None:
            return None  # it may have left: the resolver finds out
        if not self._is_wanted(change):
            self._give_up(record, change, f"it could not be sent in time ({_last(made)})")
            return None
        return at if at > now else self._attempt(record, change, len(made), first=first)

    def _attempt(
        self, record: m.OrderRecord, change: m.Instruction, made: int, *, first: bool
    ) -> timedelta | None:
        """Claim, write and send the replace; when to try again if it cannot be sent now."""
        name, broker, again = record.client_order_id, self._gateway.broker, self._clock.elapsed()
        if self._gateway.permission(change.authority) is not Permission.SEND:
            return again + CARRY_ON_AFTER
        refused = self._gateway.claim("replace", change.authority, first=first, patient=first)
        if refused is not None:
            return again + CARRY_ON_AFTER
        with self._recorder.turn() as turn:
            request = self._claimed(turn, name, change, made, first=first)
        if request is None or request.change is None:
            return None
        broker_order_id, asked, look = request.broker_order_id or "", request.change, self._look()
        outcome = self._gateway.send(
            "replace", lambda: broker.replace(broker_order_id, asked), first=first
        )
        entries: list[m.Entry] = [answered(name, request, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, look))
        if not self._recorder.record_answer(*entries):
            return None  # it is owed: what may have left is queried once the store is back
        self._attempted[name, change.number] = (self._clock.elapsed(), made + 1)
        self._approval.answered(self._book.order(name), outcome)
        if not isinstance(outcome, m.NotSent):
            self._tracker.read(self._book.record(name))
            self._resolver.ask(name)
        return None

    def _claimed(
        self, turn: Transaction, name: str, change: m.Instruction, made: int, *, first: bool
    ) -> m.Commanded | None:
        """The request, written; None if it is not wanted any more, or somebody else made it."""
        record = turn.read.get(m.OrderRecord, name)
        if record is None or record.order.is_final or halted(turn.read) is not None:
            return None
        now = instructions.open_replace(record, evidence_of(turn.read, record))
        if now is None or len(instructions.attempts(record, now)) != made:
            return None
        if instructions.open_end(record) is not None:
            return None  # the order is to end: what was not sent is not wanted any more
        if not first and not self._gateway.lease.is_mine(turn.read):
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
        turn.take(request)
        return request

    def _progress(self, name: str, number: int) -> Progress:
        at, attempts = self._attempted.get((name, number), (self._started, 0))
        return Progress(attempted_at=at, mine=attempts > 0, attempts=attempts)

    def _told(self, order: m.Order, number: int) -> m.Order:
        """The order once it is known what became of a change; refusals are raised."""
        record = self._book.record(order)
        change = next(x for x in record.instructions if x.number == number)
        made = instructions.attempts(record, change)
        refused = bool(made) and made[-1].answer is m.AnswerKind.REJECTED
        if refused and change.closed is not None and not order.is_final:  # a fill wins
            kind = made[-1].kind or m.RejectKind.OTHER
            words = f"the broker did not change order {order.client_order_id}: {made[-1].message}"
            raise errors.OrderRejected(words, order=order, kind=kind)
        return order

    def _look(self) -> int:
        return self._tracker.look_number()

    # -- by a plan ---------------------------------------------------------------------

    def _order_anew(self, name: str) -> m.Order:
        """Cancel the order; once that is proven, place what is then left of it."""
        self._cancellation.pursue(name, first=True)
        self._resolver.ended(name, pursue=lambda: self._cancellation.pursue(name, first=True))
        return self.carry_on(name) or self._book.order(name)

    def carry_on(self, name: str, authority: Authority = Authority.ORDER) -> m.Order | None:
        """
        Take the next step of a change by cancel-and-new, if there is one; the order it placed.

        A change that is not wanted any more is closed, with an alert.
        """
        record = self._book.record(name)
        plan = instructions.open_plan(record, self._tracker.known(record))
        if plan is None or plan.change is None:
            return None
        if record.order.is_final:
            return self._place(record, plan, plan.change, authority)
        if not self._is_wanted(plan):
            self._give_up(record, plan, f"order {name} is {record.order.status}, not canceled")
        self._resolver.after(name)
        return None

    def resume(self, name: str) -> None:
        """`carry_on` in the background: a refusal is told, and tried no more."""
        sends = self._gateway.permission(Authority.STANDING) is Permission.SEND
        if not (sends and self._gateway.lease.hold() and self._gateway.lease.may_send()):
            self._resolver.after(name)
            return
        try:
            self.pursue(name, first=False)
            self.carry_on(name, Authority.STANDING)
            self._resolver.after(name)
        except errors.OrderError as error:
            words = f"the change of order {name} was given up: {error}"
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.GIVEN_UP, name, words)))

    def _place(
        self, record: m.OrderRecord, plan: m.Instruction, change: m.Change, authority: Authority
    ) -> m.Order | None:
        known = self._named(change.client_order_id)
        intent = None if known is None else known.intent
        wish = replace.rest(record, change) if intent is None else intent.request
        if wish is None:
            self._settle(record, plan, "all of it had filled")
        elif known is None and not self._is_wanted(plan):
            self._give_up(record, plan, "it was not ordered anew in time")
        else:
            name = change.client_order_id
            # Placing again under the same name gives the order that exists: a crash in
            # between makes no second one.
            try:
                return self._placement.place(
                    name,
                    wish,
                    authority=authority,
                    withdrawn=lambda reader: self._is_withdrawn(reader, record, plan),
                )
            except Withdrawn:
                return None
            finally:
                if self._named(name) is not None:
                    self._settle(record, plan, f"what was left is order {name}")
        return None

    def _is_withdrawn(self, reader: Reader, record: m.OrderRecord, plan: m.Instruction) -> bool:
        now = reader.get(m.OrderRecord, record.client_order_id) or record
        open_plan = instructions.open_plan(now, evidence_of(reader, now))
        return open_plan is None or open_plan.number != plan.number

    def _named(self, name: str) -> m.OrderRecord | None:
        with self._recorder.store.read() as reader:
            return reader.get(m.OrderRecord, name)

    def _is_wanted(self, change: m.Instruction) -> bool:
        """Whether the time in which a change is wanted has not passed."""
        until = change.good_until
        end = m.moment(change.at) + resolution.GOOD_FOR_ELSE if until is None else m.moment(until)
        return self._clock.now() < end

    def _settle(self, record: m.OrderRecord, plan: m.Instruction, why: str) -> None:
        self._recorder.record(m.InstructionClosed(record.client_order_id, plan.number, why))

    def _give_up(self, record: m.OrderRecord, change: m.Instruction, why: str) -> None:
        name = record.client_order_id
        words = f"the change of order {name} expired: {why}; the order stays as it is"
        self._recorder.record(
            m.InstructionClosed(name, change.number, f"expired: {why}"),
            m.Alerted(m.Alert(m.AlertKind.GIVEN_UP, name, words)),
        )


def _last(made: Sequence[m.Request]) -> str:
    """What the last attempt came to."""
    return made[-1].message if made else "no attempt was permitted"
