"""
Replacing: an order changed, under a client id of its own (promises P1 and P2).

What is asked for is durable first, and neither repeated nor followed by another while it is
unproven; any answer but a plain yes is followed by reading the old id and asking for the
new one.  Where a quantity cannot be changed natively it is a plan: the order is canceled,
and once its end is proven, what is left is ordered anew.

Other half: `core.orders.replace`.
"""

from __future__ import annotations

from datetime import timedelta

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.orders import lineage, replace, resolution
from fillbook.core.orders.replace import Wanted
from fillbook.core.permission import Authority, Permission
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.approval import Approval, Seen
from fillbook.desk.orders.cancel import Ending
from fillbook.desk.orders.place import OrderPlacement, Withdrawn
from fillbook.desk.orders.resolver import Resolver, answered
from fillbook.desk.orders.tracker import Tracker, evidence_of
from fillbook.desk.record.book import Book
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
        ending: Ending,
        clock: Clock,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._resolver = resolver
        self._approval = approval
        self._placement = placement
        self._ending = ending
        self._clock = clock
        self._book = Book(recorder.store)

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
            natively = not replace.by_cancel(wanted)
            if denied is None and natively:
                request = self._begin(turn, wanted.record, change)
        if denied is not None:
            words = f"{denied.message} (nothing was sent)"
            raise errors.Denied(words, order=self._book.order(name), reason=denied)
        return self._send(name, request) if natively else self._order_anew(name, change)

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

    def _begin(self, turn: Transaction, record: m.OrderRecord, change: m.Change) -> m.Commanded:
        order, number = record.order, len(record.requests) + 1
        request = m.Commanded(
            record.client_order_id, m.Command.REPLACE, number, order.broker_order_id, change
        )
        turn.take(request)
        return request

    # -- natively ----------------------------------------------------------------------

    def _send(self, name: str, request: m.Commanded) -> m.Order:
        broker_order_id, change, look = request.broker_order_id, request.change, self._look()
        assert broker_order_id is not None  # only what the broker has shown is replaced
        assert change is not None
        broker = self._gateway.broker
        outcome = self._gateway.write("replace", lambda: broker.replace(broker_order_id, change))
        entries: list[m.Entry] = [answered(name, request.number, outcome)]
        if isinstance(outcome, m.Accepted) and outcome.report is not None:
            entries.append(m.Reported(outcome.report, m.ReportSource.REPLY, look))
        self._recorder.record(*entries)
        self._approval.answered(self._book.order(name), outcome)
        if isinstance(outcome, m.NotSent):
            words = f"order {name} was not changed: {outcome.message}; ask for it again"
            order = self._book.order(name)
            raise errors.Unavailable(words, order=order, retry_at=outcome.retry_at)
        self._tracker.read(self._book.record(name))
        self._resolver.ask(name)
        return self._told(self._resolver.changed(name), request.number)

    def _told(self, order: m.Order, number: int) -> m.Order:
        """The order once it is known what became of request *number*; refusals are raised."""
        request = next(r for r in self._book.requests(order) if r.number == number)
        refused = request.answer is m.AnswerKind.REJECTED and request.settled is not None
        if refused and not order.is_final:  # a fill wins over a replace
            kind = request.kind or m.RejectKind.OTHER
            words = f"the broker did not change order {order.client_order_id}: {request.message}"
            raise errors.OrderRejected(words, order=order, kind=kind)
        return order

    def _look(self) -> int:
        return self._tracker.look_number()

    # -- by a plan ---------------------------------------------------------------------

    def _order_anew(self, name: str, change: m.Change) -> m.Order:
        """Cancel the order; once that is proven, place what is then left of it."""
        self._ending.end(name, change)
        self._resolver.ended(name)
        return self.carry_on(name) or self._book.order(name)

    def carry_on(self, name: str, authority: Authority = Authority.ORDER) -> m.Order | None:
        """
        Take the next step of a plan, if there is one; the order that it placed.

        What nobody wants any more is given up, with an alert.
        """
        record = self._book.record(name)
        plan = lineage.unsettled(record, self._tracker.known(record))
        if plan is None or plan.change is None or plan.command is not m.Command.CANCEL:
            return None
        if record.order.is_final:
            return self._place(record, plan, plan.change, authority)
        refused = plan.answer is m.AnswerKind.REJECTED and record.order.pending != m.Command.CANCEL
        if refused or not self._is_wanted(record, plan):
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
            self.carry_on(name, Authority.STANDING)
        except errors.OrderError as error:
            words = f"the change of order {name} was given up: {error}"
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.GIVEN_UP, name, words)))

    def _place(
        self, record: m.OrderRecord, plan: m.Request, change: m.Change, authority: Authority
    ) -> m.Order | None:
        known = self._named(change.client_order_id)
        intent = None if known is None else known.intent
        wish = replace.rest(record, change) if intent is None else intent.request
        if wish is None:
            self._settle(record, plan, "all of it had filled")
        elif known is None and not self._is_wanted(record, plan):
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

    def _is_withdrawn(self, reader: Reader, record: m.OrderRecord, plan: m.Request) -> bool:
        now = reader.get(m.OrderRecord, record.client_order_id) or record
        open_plan = lineage.unsettled(now, evidence_of(reader, now))
        return open_plan is None or open_plan.number != plan.number

    def _named(self, name: str) -> m.OrderRecord | None:
        with self._recorder.store.read() as reader:
            return reader.get(m.OrderRecord, name)

    def _is_wanted(self, record: m.OrderRecord, plan: m.Request) -> bool:
        request = None if record.intent is None else record.intent.request
        length = resolution.GOOD_FOR_ELSE if request is None else resolution.good_for(request)
        return self._clock.now() - m.moment(plan.at) < max(length, timedelta())

    def _settle(self, record: m.OrderRecord, plan: m.Request, why: str) -> None:
        self._recorder.record(m.ChangeClosed(record.client_order_id, plan.number, why))

    def _give_up(self, record: m.OrderRecord, plan: m.Request, why: str) -> None:
        name = record.client_order_id
        words = f"the change of order {name} was given up: {why}; what is left is not ordered"
        self._recorder.record(
            m.ChangeClosed(name, plan.number, why),
            m.Alerted(m.Alert(m.AlertKind.GIVEN_UP, name, words)),
        )
