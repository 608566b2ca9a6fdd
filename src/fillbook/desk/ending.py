"""
The end of an order: canceled, and asked for again where nobody answered (promise P2).

A fill wins over a cancel.  A cancel is repeated only of an order that was read alive; one
that is unproven is not sent again, and canceled as soon as it is found.
"""

from __future__ import annotations

from fillbook import model as m
from fillbook.core import lifecycle
from fillbook.core.permission import Permission, Warrant
from fillbook.desk.binder import Binder
from fillbook.desk.book import Book
from fillbook.desk.line import Line
from fillbook.desk.recorder import Recorder
from fillbook.desk.resolver import Resolver, answered
from fillbook.desk.tracker import Tracker


class Ending:
    """Asks for the end of orders."""

    def __init__(
        self, line: Line, recorder: Recorder, binder: Binder, tracker: Tracker, resolver: Resolver
    ) -> None:
        self._line = line
        self._recorder = recorder
        self._binder = binder
        self._tracker = tracker
        self._resolver = resolver
        self._book = Book(recorder.store)

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
        return self._resolver.ended(name)

    def _cancel(self, name: str, warrant: Warrant = Warrant.ORDER) -> None:
        """One cancel of an order that was alive a moment ago."""
        with self._recorder.turn() as turn:
            record = turn.read.get(m.OrderRecord, name)
            if record is None or record.order.is_final:
                return  # it ended meanwhile
            if warrant is not Warrant.ORDER and not self._line.lease.is_mine(turn.read):
                return  # another desk asks for it
            lifecycle.expect(record.order.status, m.Command.CANCEL)
            number, broker_order_id = len(record.requests) + 1, record.order.broker_order_id
            turn.take(m.Commanded(name, m.Command.CANCEL, number, broker_order_id))
        if broker_order_id is None:
            # Nothing to send: it is not sent again, and canceled as soon as it is found.
            self._resolver.after(name)
            return
        outcome = self._line.write(
            "cancel", lambda: self._line.broker.cancel(broker_order_id), warrant
        )
        self._recorder.record(answered(name, number, outcome))
        if not isinstance(outcome, m.Accepted):
            self._tracker.read(self._book.record(name))

    def repeat_cancels(self) -> None:
        """Ask again for the end of orders whose cancel nobody answered, if they are read alive."""
        if self._line.permission(Warrant.STANDING) is not Permission.SEND:
            return
        for record in self._tracker.followed():
            if record.order.pending == m.Command.CANCEL and record.ids:
                self._tracker.read(record)
                order = self._book.order(record.client_order_id)
                if order.pending == m.Command.CANCEL:
                    self._cancel(order.client_order_id, Warrant.STANDING)
