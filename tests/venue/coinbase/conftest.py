"""An emulator with a simulated clock, and the SDK's own client at it, unmodified."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from coinbase.rest import RESTClient

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Emulator, spot_exchange
from fillbook.venue.exchange import Exchange

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class PlainHttp(requests.adapters.HTTPAdapter):
    """Sends over HTTP what the SDK addresses to HTTPS."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kw: Any) -> Any:
        assert request.url is not None
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kw)


def client_of(emulator: Emulator, key: str | None = None, secret: str | None = None) -> RESTClient:
    """The SDK's client, with the keys of the emulator's account or of *key*."""
    logging.getLogger("coinbase.RESTClient").handlers.clear()
    key = key or emulator.key
    client = RESTClient(
        api_key=key,
        api_secret=secret or emulator.secret_of(key),
        base_url=emulator.authority,
        timeout=5,
    )
    client.session.trust_env = False
    client.session.mount(f"https://{emulator.authority}", PlainHttp())
    return client


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def exchange(clock: ManualClock) -> Exchange:
    return spot_exchange(seed=11, clock=clock)


@pytest.fixture
def emulator(exchange: Exchange) -> Iterator[Emulator]:
    with Emulator(exchange, rate_limit=1000) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[RESTClient]:
    made = client_of(emulator)
    yield made
    made.session.close()


class Raw:
    """The SDK's generic calls, which return plain dicts."""

    def __init__(self, client: RESTClient) -> None:
        self._client = client

    def get(self, path: str, **params: Any) -> Any:
        return self._client.get(f"/api/v3/brokerage{path}", params=params)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._client.post(f"/api/v3/brokerage{path}", data=body)

    def create(self, name: str, configuration: dict[str, Any], **body: Any) -> Any:
        """Place an order *name* of BTC-USD, a buy unless *body* says otherwise."""
        order = {"client_order_id": name, "product_id": "BTC-USD", "side": "BUY"}
        return self.post("/orders", {**order, "order_configuration": configuration, **body})

    def order(self, order_id: str) -> Any:
        return self.get(f"/orders/historical/{order_id}")["order"]

    def refused(self, method: str, path: str, **kw: Any) -> requests.Response:
        """Send a request that is refused, and return the reply."""
        with pytest.raises(requests.HTTPError) as found:
            getattr(self, method)(path, **kw)
        assert found.value.response is not None
        return found.value.response


@pytest.fixture
def raw(client: RESTClient) -> Raw:
    return Raw(client)


def limit(size: str = "0.1", price: str = "50000", **more: Any) -> dict[str, Any]:
    """The configuration of a limit order that rests."""
    return {"limit_limit_gtc": {"base_size": size, "limit_price": price, **more}}


def market(**size: str) -> dict[str, Any]:
    return {"market_market_ioc": size or {"base_size": "0.1"}}


def created(reply: dict[str, Any]) -> str:
    """The order id of a successful create."""
    assert reply["success"] is True, reply
    return str(reply["success_response"]["order_id"])


def reasons(reply: dict[str, Any]) -> tuple[str, str]:
    assert reply["success"] is False, reply
    error = reply["error_response"]
    return error["error"], error["preview_failure_reason"]
