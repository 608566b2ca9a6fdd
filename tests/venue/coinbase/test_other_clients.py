"""
Other clients: requests in the form of theirs, with tokens of their form.

ccxt 4.5.90 was run against the emulator unchanged: markets, balance, orders of two kinds, edit,
cancel, orders, trades, ticker, fees.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Emulator

PREFIX = "/api/v3/brokerage"


class Ccxt:
    """Requests whose tokens have an audience, the older issuer and the scheme in their URI."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._session = requests.Session()

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        now = int(time.time())
        url = self._emulator.url + path
        claims = {
            "aud": ["retail_rest_api_proxy"],
            "iss": "coinbase-cloud",
            "nbf": now,
            "exp": now + 120,
            "sub": self._emulator.key,
            "uri": f"{method} {url}",
        }
        head = {"kid": self._emulator.key, "nonce": secrets.token_hex(16)}
        token = jwt.encode(claims, self._emulator.secret, algorithm="ES256", headers=head)
        is_public = path.startswith("/v2/currencies") or path == "/v2/exchange-rates"
        headers = {} if is_public else {"Authorization": f"Bearer {token}"}
        reply = self._session.request(
            method, url, json=body, params=query, headers=headers, timeout=10
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def ccxt(emulator: Emulator) -> Iterator[Ccxt]:
    made = Ccxt(emulator)
    yield made
    made.close()


def test_its_markets_are_those_of_both_interfaces(ccxt: Ccxt) -> None:
    """Names and rates of the older API, products and fees of the newer one."""
    assert [x["id"] for x in ccxt("GET", "/v2/currencies")["data"]] == ["USD"]
    coins = ccxt("GET", "/v2/currencies/crypto")["data"]
    assert [x["code"] for x in coins] == ["BTC", "ETH", "SOL", "USDC"]
    assert ccxt("GET", "/v2/time")["data"] == {"iso": "2026-11-20T15:00:00Z", "epoch": 1795186800}
    assert ccxt("GET", "/v2/exchange-rates")["data"]["rates"]["USDC"] == "1"
    products = ccxt("GET", f"{PREFIX}/products", get_tradability_status="true")["products"]
    assert len(products) == 6
    fees = ccxt("GET", f"{PREFIX}/transaction_summary", product_type="SPOT")
    assert fees["fee_tier"]["taker_fee_rate"] == "0.006"
    wallets = {x["currency"]["code"]: x["balance"] for x in ccxt("GET", "/v2/accounts")["data"]}
    assert wallets["USD"] == {"amount": "100000", "currency": "USD"}


def test_it_trades(ccxt: Ccxt, clock: ManualClock) -> None:
    """Create, read, edit, cancel, trades and the ticker."""
    order = {
        "client_order_id": "ccxt-1",
        "product_id": "BTC-USD",
        "side": "BUY",
        "order_configuration": {
            "limit_limit_gtc": {"base_size": "0.01", "limit_price": "50000", "post_only": False}
        },
    }
    placed = ccxt("POST", f"{PREFIX}/orders", order)["success_response"]["order_id"]
    market = {"market_market_ioc": {"quote_size": "100"}}
    ccxt(
        "POST",
        f"{PREFIX}/orders",
        {**order, "client_order_id": "ccxt-2", "order_configuration": market},
    )
    clock.advance(1)
    read = ccxt("GET", f"{PREFIX}/orders/historical/{placed}")["order"]
    assert (read["status"], read["client_order_id"]) == ("OPEN", "ccxt-1")
    change = {"order_id": placed, "size": "0.02", "price": "51000"}
    assert ccxt("POST", f"{PREFIX}/orders/edit", change)["success"] is True
    clock.advance(1)
    listed = ccxt("GET", f"{PREFIX}/orders/historical/batch", order_status="OPEN")["orders"]
    assert [x["order_id"] for x in listed] == [placed]
    canceled = ccxt("POST", f"{PREFIX}/orders/batch_cancel", {"order_ids": [placed]})
    assert canceled["results"][0]["success"] is True
    # The singular name is no filter.
    trades = ccxt("GET", f"{PREFIX}/orders/historical/fills", product_id="ETH-USD")["fills"]
    assert [x["product_id"] for x in trades] == ["BTC-USD"]
    ticker = ccxt("GET", f"{PREFIX}/market/products/BTC-USD/ticker", limit="1")
    assert (ticker["best_bid"], ticker["best_ask"]) == ("64250", "64260")
