"""
The emulators for the tests of a bot, as fixtures: `alpaca` and `coinbase`.

Load them by ``pytest_plugins = ["fillbook.testing.emulators"]`` in a test module or in the
topmost ``conftest.py``, or import the fixtures; they are not loaded by default.  Their time is
simulated: it moves when the test calls ``alpaca_clock.advance(seconds)``, and what takes time,
such as a fill, happens then.  For real time, override `alpaca_clock` with a fixture that
returns `fillbook.clock.SystemClock()`; the fixtures of Coinbase have the same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest

from fillbook.clock import Clock, ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

if TYPE_CHECKING:
    from fillbook.venue import coinbase as coinbase_emulator

#: A Monday, 10:00 in New York: the market is open.
MONDAY_10: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)

#: The environment variables in which bots look for the address and the keys.
_VARIABLES: Final = {
    "url": ("APCA_API_BASE_URL",),
    "key": ("APCA_API_KEY_ID", "ALPACA_API_KEY"),
    "secret": ("APCA_API_SECRET_KEY", "ALPACA_SECRET_KEY"),
}


@pytest.fixture
def alpaca_clock() -> Clock:
    """The simulated clock of the emulator; override it for another start, or for real time."""
    return ManualClock(MONDAY_10)


@pytest.fixture
def alpaca_exchange(alpaca_clock: Clock) -> Exchange:
    """The exchange behind the emulator; override it for another seed, faults or latency."""
    return Exchange(seed=7, clock=alpaca_clock)


@pytest.fixture
def alpaca(alpaca_exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """A new emulator for this test; the environment has its address and keys."""
    with Emulator(alpaca_exchange) as emulator:
        for what, names in _VARIABLES.items():
            for name in names:
                monkeypatch.setenv(name, getattr(emulator, what))
        yield emulator


#: The same for Coinbase.
_COINBASE_VARIABLES: Final = {
    "url": ("COINBASE_URL",),
    "key": ("COINBASE_API_KEY",),
    "secret": ("COINBASE_API_SECRET",),
}


@pytest.fixture
def coinbase_clock() -> Clock:
    """The simulated clock of the emulator; override it for another start, or for real time."""
    return ManualClock(MONDAY_10)


@pytest.fixture
def coinbase_exchange(coinbase_clock: Clock) -> Exchange:
    """The exchange behind the emulator; override it for another seed, faults, fees or latency."""
    from fillbook.venue.coinbase import spot_exchange

    return spot_exchange(seed=7, clock=coinbase_clock)


@pytest.fixture
def coinbase(
    coinbase_exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> Iterator[coinbase_emulator.Emulator]:
    """A new emulator for this test; the environment has its address and keys."""
    from fillbook.venue.coinbase import Emulator as CoinbaseEmulator

    with CoinbaseEmulator(coinbase_exchange) as emulator:
        for what, names in _COINBASE_VARIABLES.items():
            for name in names:
                monkeypatch.setenv(name, getattr(emulator, what))
        yield emulator
