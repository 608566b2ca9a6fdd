"""The Coinbase adapter, over real HTTP, passes the broker suite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fillbook.brokers.coinbase import CoinbaseBroker
from fillbook.clock import ManualClock
from fillbook.testing.broker_suite import BrokerSuite
from fillbook.venue.coinbase import Emulator, spot_exchange

from .emulated import EmulatorDriver, HeardBroker

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class TestCoinbaseBroker(BrokerSuite):
    symbol, other_symbol = "SOL/USD", "ETH/USD"
    stop_price, time_in_force, fraction = "120", "gtc", "0.12345678"

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(OPEN)

    @pytest.fixture
    def emulator(self, clock: ManualClock) -> Iterator[Emulator]:
        with Emulator(spot_exchange(seed=7, clock=clock), rate_limit=10_000) as running:
            yield running

    @pytest.fixture
    def broker(self, emulator: Emulator) -> Iterator[HeardBroker]:
        broker = HeardBroker(emulator.key, emulator.secret, url=emulator.url, page_size=4)
        yield broker
        broker.close()

    @pytest.fixture
    def restarted(self, emulator: Emulator) -> Iterator[CoinbaseBroker]:
        broker = CoinbaseBroker(emulator.key, emulator.short_secret, url=emulator.url)
        yield broker
        broker.close()

    @pytest.fixture
    def venue(self, emulator: Emulator, broker: HeardBroker, clock: ManualClock) -> EmulatorDriver:
        return EmulatorDriver(emulator, broker, clock)
