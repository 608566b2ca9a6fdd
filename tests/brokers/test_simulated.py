"""The simulated broker passes the suite, and is opened by its address."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.errors import BadAddress
from fillbook.testing.broker_suite import BrokerSuite
from fillbook.testing.venue_driver import ExchangeDriver
from fillbook.venue.exchange import Configurations, Exchange

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York


class TestSimulatedBroker(BrokerSuite):
    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(OPEN)

    @pytest.fixture
    def broker(self, clock: ManualClock) -> SimulatedBroker:
        return SimulatedBroker(Exchange(seed=7, clock=clock), page_size=2)

    @pytest.fixture
    def restarted(self, broker: SimulatedBroker) -> SimulatedBroker:
        return SimulatedBroker(broker.exchange, broker.books)

    @pytest.fixture
    def venue(self, broker: SimulatedBroker, clock: ManualClock) -> ExchangeDriver:
        return ExchangeDriver(broker.exchange, broker.books, clock)


class EditsInPlace(SimulatedBroker):
    capabilities = evolve(
        SimulatedBroker.capabilities,
        replace_makes=m.ReplaceMakes.SAME_ID,
        replace_qty=m.ReplaceQty.TOTAL,
    )


class TestEditsInPlace(TestSimulatedBroker):
    """The same broker at an exchange whose replaces keep the ids of the order."""

    @pytest.fixture
    def broker(self, clock: ManualClock) -> SimulatedBroker:
        exchange = Exchange(seed=7, clock=clock, edits_in_place=True)
        return EditsInPlace(exchange, page_size=2)


class TestWithoutAVenue(BrokerSuite):
    """The cases that run without a venue driver, under the real clock."""

    @pytest.fixture
    def broker(self) -> SimulatedBroker:
        return SimulatedBroker()


def test_an_address_sets_money_and_faults() -> None:
    broker = SimulatedBroker.from_address("?seed=7&cash=5000&multiplier=1&faults=lost-reply", {})
    answer = broker.account()
    assert isinstance(answer, m.Observed)
    assert (Decimal(5000), Decimal(5000)) == (answer.value.cash, answer.value.buying_power)
    assert {"reply-lost"} == {broker.exchange.faults.next("submit").fault}


def test_the_plain_address_is_a_paper_account_of_a_hundred_thousand() -> None:
    answer = SimulatedBroker.from_address("", {}).account()
    assert isinstance(answer, m.Observed)
    assert Decimal(100_000) == answer.value.cash


@pytest.mark.parametrize("rest", ["?seed=x", "?faults=bad-luck", "?colour=red", "?cash=NaN"])
def test_an_address_that_cannot_be_meant_is_refused(rest: str) -> None:
    with pytest.raises(BadAddress):
        SimulatedBroker.from_address(rest, {})


def test_the_same_seed_gives_the_same_day() -> None:
    def day() -> list[object]:
        clock = ManualClock(OPEN)
        exchange = Exchange(seed=11, clock=clock, partial_rate=0.5)
        broker = SimulatedBroker(exchange)
        exchange.walk("AAPL")
        for n in range(20):
            wish = m.OrderRequest(
                symbol="AAPL", side="buy", qty=5, limit_price="187.00", time_in_force="day"
            )
            broker.submit(m.Intent(client_order_id=f"c{n}", request=wish, at=m.timestamp(OPEN)))
            clock.advance(7)
        return [*broker.books.truth.orders(), *broker.books.truth.fills()]

    assert day() == day()


def test_a_blocked_account_lists_its_blocks() -> None:
    broker = SimulatedBroker()
    broker.books.configure(Configurations(suspend_trade=True))
    broker.exchange.block(broker.books)
    answer = broker.account()
    assert isinstance(answer, m.Observed)
    assert answer.value.blocked == ("trading_blocked", "trade_suspended_by_user")
