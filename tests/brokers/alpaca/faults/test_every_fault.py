"""Every fault of the exchange, and the result of the adapter for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange, Fault
from tests.brokers.alpaca.emulated import HeardBroker

from . import orders, requests, state, stream  # noqa: F401 - each enters its scenarios
from .scenarios import OPEN, SCENARIOS, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    clock = ManualClock(OPEN)
    with Emulator(Exchange(seed=7, clock=clock), rate_limit=10_000) as emulator:
        broker = HeardBroker(emulator.key, emulator.secret, url=emulator.url)
        yield Bench(emulator, broker, clock)
        broker.close()


@pytest.mark.parametrize("fault", Fault)
def test_what_the_adapter_makes_of_it(bench: Bench, fault: Fault) -> None:
    SCENARIOS[fault](bench)
    assert bench.exchange.faults.counts[fault] > 0


def test_every_fault_has_its_scenario() -> None:
    assert set(SCENARIOS) == set(Fault)
