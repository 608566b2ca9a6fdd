"""
The suite presumes no price and no quantity.

It passes on a share of a dollar, on one of five thousand, and on one that trades in lots of ten.

A driver that can only let time pass and fill skips the rest, each case with the missing method.
"""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.testing.venue_driver import ExchangeDriver, VenueDriver
from fillbook.venue.exchange import Exchange
from tests.brokers.test_simulated import TestSimulatedBroker as AtExchange


class _OtherShares(AtExchange):
    prices = {"LOW": ("1.50", "1.51"), "LESS": ("2.00", "2.01")}
    symbol, other_symbol = "LOW", "LESS"

    @pytest.fixture
    def broker(self, clock: ManualClock) -> SimulatedBroker:
        exchange = Exchange(seed=7, clock=clock)
        like = exchange.instrument("AAPL")
        assert like is not None
        for symbol, (bid, ask) in self.prices.items():
            listed = m.Instrument(
                symbol,
                m.AssetClass.EQUITY,
                fractionable=True,
                shortable=True,
                marginable=True,
                qty_increment=like.qty_increment,
            )
            exchange.list_instrument(listed, bid, ask)
        return SimulatedBroker(exchange, page_size=2)


class TestCheapShares(_OtherShares):
    resting_price, stop_price, high_price = "0.8000", "1.20", "2.00"
    price_step, off_tick, exact_price = "0.0100", "0.80001", "0.8001"
    unaffordable_qty = 10_000_000


class TestDearShares(_OtherShares):
    prices = {"HIGH": ("5000.00", "5000.50"), "MORE": ("4000.00", "4000.50")}
    symbol, other_symbol = "HIGH", "MORE"
    resting_price, stop_price, high_price = "3000.50", "4500", "5500"
    price_step, off_tick, exact_price = "0.50", "3000.123", "3000.01"


class InLots(SimulatedBroker):
    """It trades ten units or a multiple of them."""

    capabilities = evolve(SimulatedBroker.capabilities, fractional=False)

    def submit(self, intent: m.Intent) -> m.Outcome:
        qty = intent.request.qty
        return super().submit(intent) if self._is_in_lots(qty) else self._rejected(qty)

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        qty = change.qty
        return (
            super().replace(broker_order_id, change)
            if self._is_in_lots(qty)
            else self._rejected(qty)
        )

    def _is_in_lots(self, qty: Decimal | None) -> bool:
        return qty is None or qty % 10 == 0

    def _rejected(self, qty: Decimal | None) -> m.Rejected:
        return m.Rejected(m.RejectKind.QUANTITY, f"{qty} is no multiple of 10")


class TestInLots(AtExchange):
    lot = "10"

    @pytest.fixture
    def broker(self, clock: ManualClock) -> SimulatedBroker:
        return InLots(Exchange(seed=7, clock=clock), page_size=2)


class HalfDriver(VenueDriver):
    """A test bench that can let time pass and fill an order."""

    def __init__(self, whole: ExchangeDriver) -> None:
        self._whole = whole

    def advance(self, seconds: float) -> None:
        self._whole.advance(seconds)

    def fill(self, broker_order_id: str, qty: str | None = None, price: str | None = None) -> None:
        self._whole.fill(broker_order_id, qty, price)


class TestWithHalfADriver(AtExchange):
    @pytest.fixture
    def venue(self, broker: SimulatedBroker, clock: ManualClock) -> HalfDriver:  # type: ignore[override]
        return HalfDriver(ExchangeDriver(broker.exchange, broker.books, clock))


@pytest.mark.slow
def test_half_a_driver_skips_what_it_cannot_do_and_says_so() -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    chosen = f"{Path(__file__)}::TestWithHalfADriver"
    ended = subprocess.run([*words, chosen], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    for name in ("split", "transfer", "fail", "quote", "trade_by_hand", "wait_for_events"):
        assert f"the venue driver has no method `{name}`" in ended.stdout
