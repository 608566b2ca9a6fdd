"""B160-B179: a desk over the broker, from the order request to the record."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

import fillbook
from fillbook import errors
from fillbook import model as m
from fillbook.broker import Broker, Sink
from fillbook.clock import Clock, SystemClock
from fillbook.desk import Desk
from fillbook.testing.broker_cases.base import Cases
from fillbook.testing.venue_driver import VenueDriver

_S: Final = m.OrderStatus
_WAIT_S: Final = 2
_TICKS_MAX: Final = 20
_GAP_TIMEOUT_S: Final = 10


class RelaySink:
    """A sink in front of the desk's; `gap` is set after the desk has received a loss."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.gap: threading.Event = threading.Event()

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self._sink.receive(reports)

    def connected(self) -> None:
        self._sink.connected()

    def lost(self, why: str) -> None:
        self._sink.lost(why)
        self.gap.set()


class DeskCases(Cases):
    """Override `clock` with the clock of the venue, so that a wait of the desk moves its time."""

    @pytest.fixture
    def clock(self) -> Clock:
        """The clock of the desk."""
        return SystemClock()

    @pytest.fixture
    def desk(self, broker: Broker, driver: VenueDriver, clock: Clock) -> Iterator[Desk]:
        """A desk with an opening balance and no orders yet."""
        with self.open_desk(broker, clock) as desk:
            assert desk.sync().opened
            yield desk

    def open_desk(self, broker: Broker, clock: Clock) -> Desk:
        return fillbook.open(broker, "memory://", clock=clock, wait_s=_WAIT_S)

    def request(self, **fields: Any) -> m.OrderRequest:
        return self.intent(**fields).request

    def place_resting(self, desk: Desk, driver: VenueDriver, **fields: Any) -> m.Order:
        """Place an order of four units that the venue has accepted."""
        order = desk.submit(self.request(**{"qty": self.units(4), **fields}))
        driver.advance(1)
        desk.sync(order=order)
        now = desk.book.order(order)
        assert not now.is_final, (
            f"a buy of {now.symbol} at {self.resting_price} is {now.status}: a buy of `symbol` or "
            "`other_symbol` at `resting_price` has to rest"
        )
        return now

    def assert_reconciled(self, desk: Desk, driver: VenueDriver) -> None:
        """Check that a later reconciliation is in sync and a second one writes no entries."""
        driver.advance(15)
        desk.sync()
        driver.advance(15)
        report = desk.sync()
        assert (report.verdict, report.entries) == (m.Verdict.IN_SYNC, 0)

    def test_b160_an_unaffordable_order_is_denied_and_leaves_nothing(
        self, broker: Broker, desk: Desk
    ) -> None:
        with pytest.raises(errors.Denied) as raised:
            desk.submit(self.request(qty=self.unaffordable_qty))
        reason = raised.value.reason
        assert reason is not None
        assert reason.code == m.ReasonCode.BUYING_POWER
        assert self.open_orders(broker) == {}
        assert desk.book.reservations() == []
        if broker.capabilities.find:
            assert isinstance(broker.find(raised.value.order.client_order_id), m.Absent)

    def test_b161_an_idempotency_key_is_one_order_even_after_a_lost_record(
        self, broker: Broker, desk: Desk, clock: Clock
    ) -> None:
        request = self.request()
        first = desk.submit(request, key="once")
        assert first.broker_order_id == desk.submit(request, key="once").broker_order_id
        self.require(broker.capabilities.duplicate_check, "a duplicate check")
        with self.open_desk(broker, clock) as another:
            assert first.broker_order_id == another.submit(request, key="once").broker_order_id
        assert [first.broker_order_id] == list(self.open_orders(broker))

    def test_b162_a_lost_reply_is_resolved_to_the_one_order(
        self, broker: Broker, desk: Desk, driver: VenueDriver
    ) -> None:
        driver.fail("submit", "reply-lost")
        order = desk.submit(self.request(), key="once")
        for _ in range(_TICKS_MAX):
            driver.advance(5)
            desk.tick()
        [open_order_id] = self.open_orders(broker)
        assert open_order_id == desk.book.order(order).broker_order_id
        self.assert_reconciled(desk, driver)

    def test_b163_an_order_replaced_twice_is_one_order_that_fills_its_total(
        self, broker: Broker, desk: Desk, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.replace and broker.capabilities.find, "replace and find")
        order = self.place_resting(desk, driver)
        for steps in (1, 2):
            now = desk.replace(order, limit_price=self.price(steps), qty=self.units(4 + steps))
            driver.advance(1)
            desk.sync(order=order)
        assert (order.client_order_id, self.price(2), self.units(6)) == (
            now.client_order_id,
            now.limit_price,
            now.qty,
        )
        [newest_id] = self.open_orders(broker)
        driver.fill(newest_id)
        self.assert_reconciled(desk, driver)
        done = desk.book.order(order)
        assert (_S.FILLED, self.units(6), newest_id) == (
            done.status,
            done.filled_qty,
            done.broker_order_id,
        )
        assert (
            self.units(6)
            == self.positions(broker)[self.symbol]
            == desk.book.position(self.symbol).qty
        )
        assert desk.book.reservations() == []

    def test_b164_a_replace_whose_reply_is_lost_is_found_and_not_repeated(
        self, broker: Broker, desk: Desk, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.replace and broker.capabilities.find, "replace and find")
        order = self.place_resting(desk, driver)
        driver.fail("replace", "reply-lost")
        desk.replace(order, qty=self.units(5))
        for _ in range(_TICKS_MAX):
            driver.advance(5)
            desk.tick()
        [open_order_id] = self.open_orders(broker)
        now = desk.book.order(order)
        assert (open_order_id, self.units(5), None) == (now.broker_order_id, now.qty, now.pending)
        self.assert_reconciled(desk, driver)

    def test_b165_an_order_that_fills_during_its_cancel_is_filled(
        self, broker: Broker, desk: Desk, driver: VenueDriver
    ) -> None:
        order = self.place_resting(desk, driver)
        driver.fail("asked-cancel", "cancel-fills")
        desk.cancel(order)
        self.assert_reconciled(desk, driver)
        done = desk.book.order(order)
        assert (_S.FILLED, self.units(4), None) == (done.status, done.filled_qty, done.pending)
        assert (
            self.units(4)
            == self.positions(broker)[self.symbol]
            == desk.book.position(self.symbol).qty
        )

    def test_b166_cancel_all_cancels_every_order_and_frees_reservations(
        self, broker: Broker, desk: Desk, driver: VenueDriver
    ) -> None:
        for symbol in (self.symbol, self.other_symbol):
            self.place_resting(desk, driver, symbol=symbol)
        ended = desk.cancel_all()
        assert [order.status for order in ended] == [_S.CANCELED] * 2
        assert self.open_orders(broker) == {}
        assert desk.book.reservations() == []
        self.assert_reconciled(desk, driver)

    def test_b167_after_a_gap_a_submit_first_reads_the_missed_reports(
        self, broker: Broker, desk: Desk, driver: VenueDriver
    ) -> None:
        self.require(broker.capabilities.stream, "a stream")
        order = self.place_resting(desk, driver)
        relay = RelaySink(desk._background)
        stream = broker.listen(relay)
        assert stream is not None
        with stream:
            driver.wait_for_events()
            driver.fail("event", "stream-lost")
            assert order.broker_order_id is not None
            driver.fill(order.broker_order_id)
            driver.advance(1)
            assert relay.gap.wait(_GAP_TIMEOUT_S), "the loss of the stream was not reported"
            desk.submit(self.request(symbol=self.other_symbol))
            assert desk.book.order(order).status is _S.FILLED
        self.assert_reconciled(desk, driver)
