"""B160-B179: what a desk makes of the broker, from a bot's wish to the record."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
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
_TOO_MANY: Final = 10**6
_RETRIES: Final = 20
_PATIENCE_S: Final = 10


class Relay:
    """A sink before the desk's own; `gap` is set once the desk knows of one."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.gap = threading.Event()

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self._sink.receive(reports)

    def connected(self) -> None:
        self._sink.connected()

    def lost(self, why: str) -> None:
        self._sink.lost(why)
        self.gap.set()


class DeskCases(Cases):
    """Override `clock` with the venue's, so that a desk that waits lets time pass there."""

    @pytest.fixture
    def clock(self) -> Clock:
        """The time of the desk."""
        return SystemClock()

    @pytest.fixture
    def desk(self, broker: Broker, puppeteer: VenueDriver, clock: Clock) -> Iterator[Desk]:
        """A desk with an empty record on the account; its bot orders what rests."""
        with self.opened(broker, clock) as desk:
            assert desk.sync().opened
            yield desk

    def opened(self, broker: Broker, clock: Clock) -> Desk:
        return fillbook.open(broker, "memory://", clock=clock, wait_s=_WAIT_S)

    def wish(self, **wish: Any) -> m.OrderRequest:
        return self.intent(**wish).request

    def resting(self, desk: Desk, puppeteer: VenueDriver, **wish: Any) -> m.Order:
        """An order of four units on which the venue works."""
        order = desk.submit(self.wish(**{"qty": 4, **wish}))
        puppeteer.advance(1)
        desk.sync(order=order)
        return desk.book.order(order)

    def at_rest(self, desk: Desk, puppeteer: VenueDriver) -> None:
        """Some time later a pass finds the record true, and the next one nothing at all."""
        puppeteer.advance(15)
        desk.sync()
        puppeteer.advance(15)
        report = desk.sync()
        assert (report.verdict, report.entries) == (m.Verdict.IN_SYNC, 0)

    def test_b160_what_cannot_be_paid_is_denied_and_leaves_nothing(
        self, broker: Broker, desk: Desk
    ) -> None:
        with pytest.raises(errors.Denied) as raised:
            desk.submit(self.wish(qty=_TOO_MANY))
        reason = raised.value.reason
        assert reason is not None
        assert reason.code == m.ReasonCode.BUYING_POWER
        assert self.open_orders(broker) == {}
        assert desk.book.reservations() == []
        if broker.capabilities.find:
            assert isinstance(broker.find(raised.value.order.client_order_id), m.Absent)

    def test_b161_one_key_is_one_order_and_a_lost_record_changes_nothing(
        self, broker: Broker, desk: Desk, clock: Clock
    ) -> None:
        wish = self.wish()
        first = desk.submit(wish, key="once")
        assert first.broker_order_id == desk.submit(wish, key="once").broker_order_id
        self.need(broker.capabilities.duplicate_check, "a duplicate check")
        with self.opened(broker, clock) as another:
            assert first.broker_order_id == another.submit(wish, key="once").broker_order_id
        assert [first.broker_order_id] == list(self.open_orders(broker))

    def test_b162_a_lost_reply_ends_in_the_one_order_that_is_there(
        self, broker: Broker, desk: Desk, puppeteer: VenueDriver
    ) -> None:
        puppeteer.fail("submit", "reply-lost")
        order = desk.submit(self.wish(), key="once")
        for _ in range(_RETRIES):
            puppeteer.advance(5)
            desk.tick()
        [there] = self.open_orders(broker)
        assert there == desk.book.order(order).broker_order_id
        self.at_rest(desk, puppeteer)

    def test_b163_an_order_replaced_twice_is_one_order_that_fills_its_total(
        self, broker: Broker, desk: Desk, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.replace and broker.capabilities.find, "replace and find")
        order = self.resting(desk, puppeteer)
        price = Decimal(self.resting_price)
        for steps in (1, 2):
            now = desk.replace(order, limit_price=price + steps, qty=4 + steps)
            puppeteer.advance(1)
            desk.sync(order=order)
        assert (order.client_order_id, price + 2, Decimal(6)) == (
            now.client_order_id,
            now.limit_price,
            now.qty,
        )
        [tip] = self.open_orders(broker)
        puppeteer.fill(tip)
        self.at_rest(desk, puppeteer)
        done = desk.book.order(order)
        assert (_S.FILLED, Decimal(6), tip) == (done.status, done.filled_qty, done.broker_order_id)
        assert Decimal(6) == self.held(broker)[self.symbol] == desk.book.position(self.symbol).qty
        assert desk.book.reservations() == []

    def test_b164_a_replace_whose_reply_is_lost_is_found_and_not_repeated(
        self, broker: Broker, desk: Desk, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.replace and broker.capabilities.find, "replace and find")
        order = self.resting(desk, puppeteer)
        puppeteer.fail("replace", "reply-lost")
        desk.replace(order, qty=5)
        for _ in range(_RETRIES):
            puppeteer.advance(5)
            desk.tick()
        [there] = self.open_orders(broker)
        now = desk.book.order(order)
        assert (there, Decimal(5), None) == (now.broker_order_id, now.qty, now.pending)
        self.at_rest(desk, puppeteer)

    def test_b165_an_order_that_fills_as_it_is_canceled_is_filled(
        self, broker: Broker, desk: Desk, puppeteer: VenueDriver
    ) -> None:
        order = self.resting(desk, puppeteer)
        puppeteer.fail("asked-cancel", "cancel-fills")
        desk.cancel(order)
        self.at_rest(desk, puppeteer)
        done = desk.book.order(order)
        assert (_S.FILLED, Decimal(4), None) == (done.status, done.filled_qty, done.pending)
        assert Decimal(4) == self.held(broker)[self.symbol] == desk.book.position(self.symbol).qty

    def test_b166_all_that_rests_is_canceled_and_keeps_nothing_back(
        self, broker: Broker, desk: Desk, puppeteer: VenueDriver
    ) -> None:
        for symbol in (self.symbol, self.other_symbol):
            self.resting(desk, puppeteer, symbol=symbol)
        ended = desk.cancel_all()
        assert [order.status for order in ended] == [_S.CANCELED] * 2
        assert self.open_orders(broker) == {}
        assert desk.book.reservations() == []
        self.at_rest(desk, puppeteer)

    def test_b167_after_a_gap_an_order_first_reads_what_was_missed(
        self, broker: Broker, desk: Desk, puppeteer: VenueDriver
    ) -> None:
        self.need(broker.capabilities.stream, "a stream")
        order = self.resting(desk, puppeteer)
        relay = Relay(desk._background)
        stream = broker.listen(relay)
        assert stream is not None
        with stream:
            puppeteer.heard()
            puppeteer.fail("event", "stream-lost")
            assert order.broker_order_id is not None
            puppeteer.fill(order.broker_order_id)
            puppeteer.advance(1)
            assert relay.gap.wait(_PATIENCE_S), "the loss of the stream was not told"
            desk.submit(self.wish(symbol=self.other_symbol))
            assert desk.book.order(order).status is _S.FILLED
        self.at_rest(desk, puppeteer)
