"""The Alpaca adapter, over real HTTP and a real stream, passes the broker suite."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.clock import ManualClock
from fillbook.testing.broker_suite import BrokerSuite, StreamCases
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

from .emulated import EmulatorDriver, HeardBroker

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York


class AtEmulator:
    stream: ClassVar[str]

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock(OPEN)

    @pytest.fixture
    def emulator(self, clock: ManualClock) -> Iterator[Emulator]:
        with Emulator(Exchange(seed=7, clock=clock), rate_limit=10_000) as running:
            yield running

    @pytest.fixture
    def broker(self, emulator: Emulator) -> Iterator[HeardBroker]:
        broker = HeardBroker(emulator.key, emulator.secret, url=emulator.url, stream=self.stream)
        yield broker
        broker.close()

    @pytest.fixture
    def restarted(self, emulator: Emulator) -> Iterator[AlpacaBroker]:
        broker = AlpacaBroker(emulator.key, emulator.secret, url=emulator.url)
        yield broker
        broker.close()

    @pytest.fixture
    def venue(self, emulator: Emulator, broker: HeardBroker, clock: ManualClock) -> EmulatorDriver:
        return EmulatorDriver(emulator, broker, clock)


class TestAlpacaBroker(AtEmulator, BrokerSuite):
    stream = "websocket"


class TestAlpacaEvents(AtEmulator, StreamCases):
    """The stream again, over HTTP."""

    stream = "sse"
