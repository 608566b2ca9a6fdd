"""
The end of an order: canceled, and asked for again where nobody answered (promise P2).

A fill wins over a cancel.  A cancel is repeated only of an order that was read alive; one
that is unproven is not sent again, and canceled as soon as it is found.
"""

from __future__ import annotations

from fillbook import model as m
from fillbook.core.orders import lifecycle, lineage
from fillbook.core.permission import Authority, Permission
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.resolver import Resolver, answered
from fillbook.desk.orders.tracker import Tracker, evidence_of
from fillbook.desk.record.book import Book
from fillbook.desk.record.recorder import Recorder, Transaction


class Ending:
    """Asks for the end of orders."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        account_link: AccountLink,
        tracker: Tracker,
        resolver: Resolver,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._account_link = account_link
        self._tracker = tracker
        self._resolver = resolver
        self._book = Book(recorder.store)

    def cancel(self, order: m.Order | str) -> m.Order:
        """
        Ask for an order's end, and look at it until it has ended or wait_s have passed.

        An order that has ended is given back as it is; a fill wins over a cancel.  An order
        that is unproven is not sent again, and canceled as soon as it is found.  What a change
        by cancel-and-new has placed since, or still would, is ended with it: that order is
        then given back.  Raises: UnknownOrder, TradingDisabled.
        """
        self._gateway.gate()
        name = self._book.record(order).client_order_id
        asked = self._ask(name)
        after = self._successor(name)
        if after is not None:
            return self.cancel(after)
        return self._resolver.ended(name) if asked else self._book.order(name)

    def cancel_all(self, symbol: str | None, strategy: str | None) -> list[m.Order]:
        """
        Ask for the end of every open order, each by its own request, and look at all of them.

        None keeps another from being asked for; those that are not final are told as they are.
        Raises: TradingDisabled, AccountChanged, ReadFailed.
        """
        self._gateway.gate()
        changing = [x.order for x in self._tracker.followed() if _is_planned(x)]
        names = [
            order.client_order_id
            for order in changing
            if symbol in (None, order.symbol) and strategy in (None, order.strategy)
        ]
        asked = [name for name in names if self._ask(name)]
        # What a change has placed meanwhile is among those that are open now.
        orders = self._book.orders(open=True, symbol=symbol, strategy=strategy)
        rest = [x.client_order_id for x in orders if x.client_order_id not in names]
        asked += [name for name in rest if self._ask(name)]
        self._resolver.all_ended(asked)
        return [self._book.order(name) for name in (*names, *rest)]

    def _successor(self, name: str) -> str | None:
        """The order that a change of an order by cancel-and-new has placed, if there is one."""
        with self._recorder.store.read() as reader:
            record = reader.get(m.OrderRecord, name)
            planned = () if record is None else reversed(record.requests)
            for request in planned:
                if request.change is not None and _is_cancel(request):
                    placed = reader.get(m.OrderRecord, request.change.client_order_id)
                    return None if placed is None else placed.client_order_id
        return None

    def _ask(self, name: str) -> bool:
        """Whether the end of an order was asked for: a cancel is repeated of what is read alive."""
        record = self._book.record(name)
        if record.order.pending is not None:
            self._tracker.read(record)
        if self._book.order(name).is_final:
            with self._recorder.turn() as turn:
                self._begin(turn, name, None)  # a change of it may still place another
            return False
        self._account_link.bind()
        self.end(name)
        return True

    def end(
        self, name: str, change: m.Change | None = None, authority: Authority = Authority.ORDER
    ) -> None:
        """
        One cancel of every id of an order that was alive a moment ago.

        With *change* it is the first half of a plan to change the order, and says so.
        """
        with self._recorder.turn() as turn:
            if authority is not Authority.ORDER and not self._gateway.lease.is_mine(turn.read):
                return  # another desk asks for it
            asked = self._begin(turn, name, change)
        if not asked:
            self._resolver.after(name)
        for request in asked:
            self._send(name, request, authority)
        if asked and any(r.answer is not m.AnswerKind.ACCEPTED for r in self._told(name, asked)):
            self._tracker.read(self._book.record(name))

    def _begin(self, turn: Transaction, name: str, change: m.Change | None) -> list[m.Commanded]:
        """Write down the cancels that are to be sent, if any; the others are for later."""
        record = turn.read.get(m.OrderRecord, name)
        if record is None:
            return []
        if record.order.is_final:  # it ended meanwhile
            plan = lineage.unsettled(record, evidence_of(turn.read, record))
            if change is None and plan is not None and _is_cancel(plan):
                turn.take(m.ChangeClosed(name, plan.number, "withdrawn: the order was canceled"))
            return []
        lifecycle.expect(record.order.status, m.Command.CANCEL)
        living = [e.broker_order_id for e in evidence_of(turn.read, record) if lineage.is_alive(e)]
        first = len(record.requests) + 1
        asked = [
            m.Commanded(name, m.Command.CANCEL, number, broker_order_id, change)
            for number, broker_order_id in enumerate(
                living or [record.order.broker_order_id], first
            )
        ]
        turn.take(*asked)
        # Of an unproven order nothing is sent; nor is it sent again.
        return [request for request in asked if request.broker_order_id is not None]

    def _send(self, name: str, request: m.Commanded, authority: Authority) -> None:
        broker, broker_order_id = self._gateway.broker, request.broker_order_id or ""
        outcome = self._gateway.write("cancel", lambda: broker.cancel(broker_order_id), authority)
        self._recorder.record(answered(name, request.number, outcome))

    def _told(self, name: str, asked: list[m.Commanded]) -> list[m.Request]:
        numbers = {request.number for request in asked}
        return [x for x in self._book.record(name).requests if x.number in numbers]

    def repeat_cancels(self) -> None:
        """Ask again for the end of orders whose cancel nobody answered, if they are read alive."""
        if self._gateway.permission(Authority.STANDING) is not Permission.SEND:
            return
        for record in self._tracker.followed():
            if record.order.pending == m.Command.CANCEL and record.ids:
                self._tracker.read(record)
                order = self._book.order(record.client_order_id)
                if order.pending == m.Command.CANCEL:
                    self.end(order.client_order_id, _planned(record), Authority.STANDING)


def _is_planned(record: m.OrderRecord) -> bool:
    """Whether a change by cancel-and-new was begun, and not ended by the bot."""
    return any(request.change is not None and _is_cancel(request) for request in record.requests)


def _planned(record: m.OrderRecord) -> m.Change | None:
    """The change that the newest cancel is the first half of."""
    return next((r.change for r in reversed(record.requests) if _is_cancel(r)), None)


def _is_cancel(request: m.Request) -> bool:
    return request.command is m.Command.CANCEL
