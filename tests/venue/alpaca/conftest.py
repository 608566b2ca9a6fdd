"""
An emulator with a simulated clock, and alpaca-py's own clients at it, unmodified.

Every reply to one of these clients is compared with Alpaca's description of its API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from alpaca.trading.client import TradingClient

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.venue.alpaca.contract import CONTRACT

OPEN = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, 10:00 in New York


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(OPEN)


@pytest.fixture
def exchange(clock: ManualClock) -> Exchange:
    return Exchange(seed=11, clock=clock)


@pytest.fixture
def emulator(exchange: Exchange) -> Iterator[Emulator]:
    with Emulator(exchange) as running:
        yield running


@pytest.fixture
def typed(emulator: Emulator) -> Iterator[TradingClient]:
    client = TradingClient(emulator.key, emulator.secret, url_override=emulator.url)
    client._session.hooks["response"].append(CONTRACT.hold)
    yield client
    client._session.close()


@pytest.fixture
def raw(emulator: Emulator) -> Iterator[TradingClient]:
    client = TradingClient(emulator.key, emulator.secret, url_override=emulator.url, raw_data=True)
    client._session.hooks["response"].append(CONTRACT.hold)
    yield client
    client._session.close()


class Http:
    """Bare HTTP: a client with only the headers of Alpaca."""

    def __init__(self, emulator: Emulator) -> None:
        self._url = emulator.url
        self._session = requests.Session()
        self._session.hooks["response"].append(CONTRACT.hold)
        self._session.headers.update(
            {"APCA-API-KEY-ID": emulator.key, "APCA-API-SECRET-KEY": emulator.secret}
        )

    def __call__(
        self, method: str, path: str, body: object = None, **kwargs: Any
    ) -> requests.Response:
        text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        kwargs.setdefault("timeout", 10)
        return self._session.request(
            method, self._url + path, data=text, allow_redirects=False, **kwargs
        )

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def http(emulator: Emulator) -> Iterator[Http]:
    made = Http(emulator)
    yield made
    made.close()
