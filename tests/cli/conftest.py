"""An empty folder for each test, and an emulator without an entry in `fillbook.toml`."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

MONDAY_10 = datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """An empty folder, and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("BROKER", "STORE", "CONFIG"):
        monkeypatch.delenv(f"FILLBOOK_{name}", raising=False)
    for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)


def use(running, monkeypatch):
    """Make the emulator the broker of the environment; the command line shares its clock."""
    clock = running.exchange.clock
    for module in ("opening", "cli.plans.follow", "cli.watch"):
        monkeypatch.setattr(f"fillbook.{module}.SystemClock", lambda: clock)
    monkeypatch.setenv("ALPACA_API_KEY", running.key)
    monkeypatch.setenv("ALPACA_SECRET_KEY", running.secret)
    monkeypatch.setenv("FILLBOOK_BROKER", f"alpaca:{running.url}")


@pytest.fixture
def emulator(monkeypatch):
    """The broker of the environment, with a simulated clock that the command line shares."""
    with Emulator(Exchange(seed=7, clock=ManualClock(MONDAY_10))) as running:
        use(running, monkeypatch)
        yield running


def ordered(store):
    """Make a record that agrees with the broker, and return its order."""
    with fb.open(store=store) as desk:
        desk.sync()
        order = desk.buy("AAPL", qty=10, strategy="mean-rev")
        desk.sync()
    return order


@pytest.fixture
def order(emulator):
    """The order of a record, bot.db, which agrees with the emulator."""
    return ordered("sqlite:///bot.db")


@pytest.fixture
def parts(emulator):
    """AAPL with a protected part of `tilt`, one without a strategy, and a flat part of `dips`."""
    with fb.open(store="sqlite:///bot.db") as desk:
        desk.sync()
        for number, (strategy, side, qty) in enumerate(
            (
                ("tilt", "buy", 10),
                (None, "buy", 10),
                ("dips", "buy", 10),
                ("tilt", "sell", 4),
                (None, "sell", 4),
                ("dips", "sell", 10),
            )
        ):
            emulator.exchange.quote("AAPL", Decimal(180 + number), Decimal(180 + number))
            desk.submit(fb.OrderRequest(symbol="AAPL", side=side, qty=qty, strategy=strategy))
        desk.protect("AAPL", strategy="tilt", stop_loss="20%")
        desk.tick()
    return emulator
