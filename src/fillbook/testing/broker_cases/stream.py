"""B100-B119: streamed reports, compared with reads."""

from __future__ import annotations

from typing import Final

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.errors import InvalidValue
from fillbook.testing.broker_cases.base import Cases, RecordingSink
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_RECONNECT_POLLS_MAX: Final = 100  #: polls for the reconnect of a lost stream


class StreamCases(Cases):
    def test_b100_the_stream_reports_its_connection(self, listener: RecordingSink) -> None:
        assert (listener.connections, listener.losses) == (1, [])

    def test_b101_a_fill_is_reported_after_the_order_is_new(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        order = self._place(broker, driver, limit_price=None)
        statuses = listener.statuses(order)
        assert [w for w in statuses if w in (_S.NEW, _S.FILLED)] == [_S.NEW, _S.FILLED]

    def test_b102_each_event_has_its_own_execution(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.streams_fills, "executions in its stream")
        order = self._place(broker, driver, qty=self.units(6))
        for lots in (1, 2, 3):
            driver.fill(order, str(self.units(lots)))
        driver.wait_for_events()
        streamed = listener.executions(order)
        assert [self.units(1), self.units(2), self.units(3)] == [each.qty for each in streamed]
        assert [self.units(1), self.units(3), self.units(6)] == [
            r.filled_qty for r in listener.reports_of(order)
        ][-3:]

    def test_b103_stream_and_history_have_the_same_fills(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.streams_fills, "executions in its stream")
        order = self._place(broker, driver, qty=self.units(5))
        driver.fill(order, str(self.units(2)), str(self.price(-3)))
        driver.fill(order, str(self.units(3)), str(self.price(-5)))
        driver.wait_for_events()
        streamed = [(each.qty, each.price) for each in listener.executions(order)]
        read = [(each.qty, each.price) for each in self.executions_of(broker, order)]
        assert (
            [(self.units(2), self.price(-3)), (self.units(3), self.price(-5))] == streamed == read
        )

    def test_b104_a_repeated_event_has_the_same_execution_id(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.streams_fills, "executions in its stream")
        order = self._place(broker, driver, qty=self.units(2))
        driver.fail("event", "event-doubled")
        driver.fill(order)
        driver.wait_for_events()
        ids = [each.exec_id for each in listener.executions(order)]
        assert (len(ids), len(set(ids))) == (2, 1)

    def test_b105_a_dropped_event_is_found_by_a_read(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        order = self._place(broker, driver, qty=self.units(2))
        driver.fail("event", "event-dropped")
        driver.fill(order)
        driver.wait_for_events()
        assert listener.executions(order) == []
        assert _S.FILLED is self.read_order(broker, order).status

    def test_b106_a_cancel_is_reported(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        order = self._place(broker, driver)
        broker.cancel(order)
        driver.wait_for_events()
        assert _S.CANCELED is listener.statuses(order)[-1]

    def test_b107_streamed_and_read_reports_have_one_clock(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.clocked, "a clock on its reports")
        order = self._place(broker, driver, qty=self.units(2))
        driver.fill(order)
        driver.wait_for_events()
        assert self.read_order(broker, order).clock == listener.reports_of(order)[-1].clock

    def test_b108_a_bust_voids_the_reported_execution(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.streams_fills, "executions in its stream")
        order = self._place(broker, driver, qty=self.units(2))
        driver.fill(order)
        driver.bust_last(order)
        driver.wait_for_events()
        streamed = [each.exec_id for each in listener.executions(order)]
        assert streamed == [bust.exec_id for r in listener.reports_of(order) for bust in r.busts]
        assert self.symbol not in self.positions(broker)

    def test_b109_a_correction_names_the_execution_that_it_corrects(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.streams_fills, "executions in its stream")
        order = self._place(broker, driver, qty=self.units(2))
        driver.fill(order, None, str(self.price(-1)))
        price = self.price(-5)
        driver.correct_last(order, str(price))
        driver.wait_for_events()
        wrong, right = listener.executions(order)
        assert (wrong.exec_id, price) == (right.fixes, right.price)
        assert [price] == [each.price for each in self.executions_of(broker, order)]
        assert price == self.read_order(broker, order).avg_price

    def test_b110_a_refused_stream_is_reported_lost(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.stream, "a stream")
        driver.fail("listen", "stream-refused")
        sink = RecordingSink()
        stream = broker.listen(sink)
        assert stream is not None
        with stream:
            driver.wait_for_events()
            assert sink.losses

    def test_b111_nothing_is_reported_after_the_stream_has_ended(
        self, broker: Broker, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.stream, "a stream")
        sink = RecordingSink()
        stream = broker.listen(sink)
        assert stream is not None
        with stream:
            driver.wait_for_events()
        self._place(broker, driver)
        assert sink.reports == []

    def test_b112_an_invalid_event_is_refused(self, broker: Broker) -> None:
        self.require(broker.capabilities.stream, "a stream")
        with pytest.raises(InvalidValue):
            broker.read_event(object())

    def test_b113_a_reject_after_acceptance_is_reported(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        driver.fail("taken", "reject-after-accept")
        order = self._place(broker, driver)
        assert _S.REJECTED is listener.statuses(order)[-1]

    def test_b114_a_manual_trade_is_reported(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.streams_fills, "executions in its stream")
        order = driver.trade_by_hand(self.symbol, m.OrderSide.BUY, str(self.units(3)))
        driver.wait_for_events()
        assert [self.units(3)] == [each.qty for each in listener.executions(order)]

    def test_b115_a_lost_stream_is_reported_and_reconnects(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        driver.fail("event", "stream-lost")
        self._place(broker, driver)
        self._wait_for_reconnect(driver, listener)
        assert (listener.connections, len(listener.losses)) == (2, 1)
        assert listener.statuses(self._place(broker, driver))

    def test_b116_replayed_reports_agree_with_reads(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        self.require(broker.capabilities.streams_fills, "executions in its stream")
        order = self._place(broker, driver, qty=self.units(5))
        driver.fill(order, str(self.units(2)), str(self.price(-3)))
        driver.wait_for_events()
        driver.fail("event", "stream-lost")
        driver.fill(order, str(self.units(3)), str(self.price(-5)))
        self._wait_for_reconnect(driver, listener)
        self._place(broker, driver)
        streamed = {each.exec_id: (each.qty, each.price) for each in listener.executions(order)}
        read = [(each.qty, each.price) for each in self.executions_of(broker, order)]
        # A stream may replay all fills or none, and never one fill under two ids.
        assert list(streamed.values()) in (read[:1], read)

    def test_b117_the_last_reported_state_is_the_read_state(
        self, broker: Broker, driver: VenueDriver, listener: RecordingSink
    ) -> None:
        order = self._place(broker, driver, qty=self.units(5))
        driver.fill(order, str(self.units(2)), str(self.price(-3)))
        driver.fill(order, str(self.units(3)), str(self.price(-5)))
        driver.wait_for_events()
        streamed, report = listener.reports_of(order)[-1], self.read_order(broker, order)
        assert (streamed.status, streamed.filled_qty) == (report.status, report.filled_qty)
        assert (streamed.avg_price, streamed.terms) == (report.avg_price, report.terms)

    def _wait_for_reconnect(self, driver: VenueDriver, listener: RecordingSink) -> None:
        for _ in range(_RECONNECT_POLLS_MAX):
            driver.wait_for_events()  # moves simulated time; the wait below is real time
            if listener.reconnected.wait(0.1):
                return

    def _place(self, broker: Broker, driver: VenueDriver, **fields: object) -> str:
        """Place an order, wait for its events, and return its id."""
        order = self.place(broker, **fields)
        driver.wait_for_events()
        return order.broker_order_id
