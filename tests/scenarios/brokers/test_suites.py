"""
The broker suite on brokers of each manner.

They have no lookup, no clock, replies that are an id only, edits in place, wallets by currency, and
fees in the quote, the base or a third currency.
"""

from datetime import UTC, datetime

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.testing.broker_suite import BrokerSuite
from fillbook.testing.venue_driver import ExchangeDriver
from fillbook.venue.exchange import Exchange
from tests.scenarios.brokers.spot import Spot

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def without_clock(report):
    legs = tuple(map(without_clock, report.legs))
    return evolve(report, clock=None, legs=legs)


def mapped(answer, change):
    """A reply with *change* applied to its reports."""
    if isinstance(answer, m.Observed):
        value = answer.value
        is_list = isinstance(value, (list, tuple))
        return evolve(answer, value=list(map(change, value)) if is_list else change(value))
    if isinstance(answer, m.Accepted) and answer.report is not None:
        return evolve(answer, report=change(answer.report))
    return answer


class Clockless(SimulatedBroker):
    """No report bears the broker's clock."""

    capabilities = evolve(SimulatedBroker.capabilities, clocked=False)

    def orders(self, query, page):
        return mapped(super().orders(query, page), without_clock)

    def order(self, broker_order_id):
        return mapped(super().order(broker_order_id), without_clock)

    def find(self, client_order_id):
        return mapped(super().find(client_order_id), without_clock)

    def submit(self, intent):
        return mapped(super().submit(intent), without_clock)

    def replace(self, broker_order_id, change):
        return mapped(super().replace(broker_order_id, change), without_clock)

    def read_event(self, raw):
        return [without_clock(x) for x in super().read_event(raw)]

    def listen(self, sink):
        class Unclocked:
            connected, lost = sink.connected, sink.lost

            def receive(self, reports):
                sink.receive([without_clock(x) for x in reports])

        return super().listen(Unclocked())


class Nameless(Clockless):
    """It finds no client order id and accepts it twice; its reply is its own id."""

    capabilities = evolve(Clockless.capabilities, find=False, duplicate_check=False, replace=False)
    find, replace = Broker.find, Broker.replace

    def submit(self, intent):
        outcome = super().submit(intent)
        if not isinstance(outcome, m.Accepted) or outcome.report is None:
            return outcome
        return m.Accepted(broker_order_id=outcome.report.broker_order_id)


class AtExchange(BrokerSuite):
    made = SimulatedBroker

    @pytest.fixture
    def clock(self):
        return ManualClock(OPEN)

    @pytest.fixture
    def broker(self, clock):
        can = self.made.capabilities
        exchange = Exchange(seed=7, clock=clock, checks_duplicates=can.duplicate_check)
        return self.made(exchange, page_size=2)

    @pytest.fixture
    def restarted(self, broker):
        return self.made(broker.exchange, broker.books)

    @pytest.fixture
    def venue(self, broker, clock):
        return ExchangeDriver(broker.exchange, broker.books, clock)


class TestWithoutAClock(AtExchange):
    made = Clockless


class TestWithoutALookup(AtExchange):
    made = Nameless


class TestSpot(BrokerSuite):
    """Wallets by currency, edits in place."""

    symbol, other_symbol = "BTC-USD", "ETH-USD"
    resting_price, stop_price, high_price = "1000", "2000", "90000"
    time_in_force, fee_in = "gtc", "quote"

    @pytest.fixture
    def broker(self):
        return Spot(ManualClock(OPEN), enforces=True, fee_in=self.fee_in)


class TestSpotWithFeesInBase(TestSpot):
    fee_in = "base"


class TestSpotWithFeesInAThirdCurrency(TestSpot):
    fee_in = "KCS"
