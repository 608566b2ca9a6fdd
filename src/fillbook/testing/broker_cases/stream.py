"""B100-B119: what is streamed, against what is read."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.errors import InvalidValue
from fillbook.testing.broker_cases.base import Cases, Listener
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_PATIENCE: Final = 100  #: how often it is looked whether a lost stream is back


class StreamCases(Cases):
    def test_b100_the_stream_says_when_it_is_heard(self, listener: Listener) -> None:
        assert (listener.connections, listener.losses) == (1, [])

    def test_b101_a_fill_is_told_after_the_order_is_new(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, limit_price=None)
        words = listener.words(order)
        assert [w for w in words if w in (_S.NEW, _S.FILLED)] == [_S.NEW, _S.FILLED]

    def test_b102_each_event_tells_its_own_slice(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=6)
        for qty in ("1", "2", "3"):
            puppeteer.fill(order, qty)
        puppeteer.heard()
        told = listener.executions(order)
        assert [Decimal(1), Decimal(2), Decimal(3)] == [each.qty for each in told]
        assert [Decimal(1), Decimal(3), Decimal(6)] == [r.filled_qty for r in listener.of(order)][
            -3:
        ]

    def test_b103_stream_and_history_tell_the_same_fills(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=5)
        puppeteer.fill(order, "2", "99.5")
        puppeteer.fill(order, "3", "99")
        puppeteer.heard()
        told = [(each.qty, each.price) for each in listener.executions(order)]
        read = [(each.qty, each.price) for each in self.executions_of(broker, order)]
        assert [(Decimal(2), Decimal("99.5")), (Decimal(3), Decimal(99))] == told == read

    def test_b104_an_event_told_twice_bears_one_execution_id(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=2)
        puppeteer.fail("event", "event-doubled")
        puppeteer.fill(order)
        puppeteer.heard()
        ids = [each.exec_id for each in listener.executions(order)]
        assert (len(ids), len(set(ids))) == (2, 1)

    def test_b105_a_dropped_event_is_found_by_reading(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=2)
        puppeteer.fail("event", "event-dropped")
        puppeteer.fill(order)
        puppeteer.heard()
        assert listener.executions(order) == []
        assert _S.FILLED is self.seen(broker, order).status

    def test_b106_a_cancel_is_told(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer)
        broker.cancel(order)
        puppeteer.heard()
        assert _S.CANCELED is listener.words(order)[-1]

    def test_b107_streamed_and_read_clocks_are_one_clock(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        self.need(broker.capabilities.clocked, "a clock on its reports")
        order = self._worked(broker, puppeteer, qty=2)
        puppeteer.fill(order)
        puppeteer.heard()
        assert self.seen(broker, order).clock == listener.of(order)[-1].clock

    def test_b108_a_bust_voids_the_execution_that_was_told(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=2)
        puppeteer.fill(order)
        puppeteer.bust_last(order)
        puppeteer.heard()
        told = [each.exec_id for each in listener.executions(order)]
        assert told == [void.exec_id for r in listener.of(order) for void in r.voids]
        assert self.symbol not in self.held(broker)

    def test_b109_a_correction_names_the_execution_that_it_fixes(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=2)
        puppeteer.fill(order, None, "100")
        puppeteer.correct_last(order, "99")
        puppeteer.heard()
        wrong, right = listener.executions(order)
        assert (wrong.exec_id, Decimal(99)) == (right.fixes, right.price)
        assert [Decimal(99)] == [each.price for each in self.executions_of(broker, order)]
        assert Decimal(99) == self.seen(broker, order).avg_price

    def test_b110_a_refused_stream_is_lost_and_not_silent(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.stream, "a stream")
        puppeteer.fail("listen", "stream-refused")
        sink = Listener()
        stream = broker.listen(sink)
        assert stream is not None
        with stream:
            puppeteer.heard()
            assert sink.losses

    def test_b111_nothing_is_told_once_the_stream_has_ended(
        self, broker: Broker, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.stream, "a stream")
        sink = Listener()
        stream = broker.listen(sink)
        assert stream is not None
        with stream:
            puppeteer.heard()
        self._worked(broker, puppeteer)
        assert sink.reports == []

    def test_b112_what_is_no_event_is_refused(self, broker: Broker) -> None:
        self.need(broker.capabilities.stream, "a stream")
        with pytest.raises(InvalidValue):
            broker.read_event(object())

    def test_b113_a_rejection_after_acceptance_is_told(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        puppeteer.fail("taken", "reject-after-accept")
        order = self._worked(broker, puppeteer)
        assert _S.REJECTED is listener.words(order)[-1]

    def test_b114_a_trade_by_hand_is_told(self, puppeteer: VenueDriver, listener: Listener) -> None:
        order = puppeteer.trade_by_hand(self.symbol, m.OrderSide.BUY, "3")
        puppeteer.heard()
        assert [Decimal(3)] == [each.qty for each in listener.executions(order)]

    def test_b115_a_stream_that_breaks_says_so_and_comes_back(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        puppeteer.fail("event", "stream-lost")
        self._worked(broker, puppeteer)
        self._back(puppeteer, listener)
        assert (listener.connections, len(listener.losses)) == (2, 1)
        assert listener.words(self._worked(broker, puppeteer))

    def test_b116_what_is_told_again_after_a_loss_agrees_with_what_is_read(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=5)
        puppeteer.fill(order, "2", "99.5")
        puppeteer.heard()
        puppeteer.fail("event", "stream-lost")
        puppeteer.fill(order, "3", "99")
        self._back(puppeteer, listener)
        self._worked(broker, puppeteer)
        told = {each.exec_id: (each.qty, each.price) for each in listener.executions(order)}
        read = [(each.qty, each.price) for each in self.executions_of(broker, order)]
        # A stream may tell all of it again or nothing, and never one fill under two names.
        assert list(told.values()) in (read[:1], read)

    def test_b117_what_was_told_last_is_what_is_read(
        self, broker: Broker, puppeteer: VenueDriver, listener: Listener
    ) -> None:
        order = self._worked(broker, puppeteer, qty=5)
        puppeteer.fill(order, "2", "99.5")
        puppeteer.fill(order, "3", "99")
        puppeteer.heard()
        told, seen = listener.of(order)[-1], self.seen(broker, order)
        assert (told.status, told.filled_qty) == (seen.status, seen.filled_qty)
        assert (told.avg_price, told.terms) == (seen.avg_price, seen.terms)

    def _back(self, puppeteer: VenueDriver, listener: Listener) -> None:
        for _ in range(_PATIENCE):
            puppeteer.heard()  # made-up time moves, real time passes below
            if listener.again.wait(0.1):
                return

    def _worked(self, broker: Broker, puppeteer: VenueDriver, **wish: object) -> str:
        """The id of an order of which all that there is to hear was heard."""
        order = self.placed(broker, **wish)
        puppeteer.heard()
        return order.broker_order_id
