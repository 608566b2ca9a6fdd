"""Whatever a client sends, the reply is a value or an error of Coinbase: never a failed server."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import requests
from coinbase.jwt_generator import build_rest_jwt

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Emulator
from fillbook.venue.coinbase.configurations import SCHEMA
from tests.venue.coinbase.conftest import limit, market

PREFIX = "/api/v3/brokerage"
#: What takes the place of any value.
VALUES = (
    *(None, "", "x", "-1", "0", "1", "0.001", "50000", "1e5", "NaN", "9" * 50, "0." + "1" * 30),
    *(True, False, 0, -1, 1.5, 10**30, [], {}, ["a"], {"a": 1}, "\u0000", "BTC-USD", "SELL"),
    *("2026-11-20T16:00:00Z", "2026-13-40T00:00:00Z", "STOP_DIRECTION_STOP_UP"),
)
FIELDS = ("base_size", "quote_size", "limit_price", "stop_price", "stop_trigger_price", "end_time")
LISTS = (
    *("/orders/historical/batch", "/orders/historical/fills", "/accounts", "/products"),
    *("/best_bid_ask", "/product_book", "/products/BTC-USD/candles", "/transaction_summary"),
)
NAMES = (
    *("limit", "cursor", "order_status", "order_side", "product_ids", "start_date", "end_date"),
    *("order_ids", "sort_by", "start_sequence_timestamp", "offset", "start", "end", "granularity"),
)


class Client:
    """A client that sends anything, with a valid token."""

    def __init__(self, emulator: Emulator, dice: random.Random) -> None:
        self._emulator, self._dice = emulator, dice
        self._session = requests.Session()
        self._session.trust_env = False
        self._orders = ["x"]

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        emulator, full = self._emulator, PREFIX + path
        about = f"{method} {emulator.authority}{full}"
        token = build_rest_jwt(about, emulator.key, emulator.short_secret)
        headers = {"Authorization": f"Bearer {token}"}
        return self._session.request(
            method, emulator.url + full, headers=headers, timeout=20, **more
        )

    def _any(self) -> Any:
        return self._dice.choice(VALUES)

    def _post(self, path: str, body: dict[str, Any]) -> requests.Response:
        if self._dice.random() < 0.3:
            body[self._dice.choice(list(body))] = self._any()
        return self._send("POST", path, data=json.dumps(body))

    def create(self, number: int) -> requests.Response:
        kind = self._dice.choice(list(SCHEMA))
        terms = {name: self._any() for name in self._dice.sample(FIELDS, 3)}
        known = [limit("0.1", self._dice.choice(["40000", "90000"])), market(base_size="0.01")]
        body = {
            "client_order_id": f"c{number}",
            "product_id": "BTC-USD",
            "side": self._dice.choice(["BUY", "SELL"]),
            "order_configuration": self._dice.choice([{kind: terms}, *known]),
        }
        reply = self._post("/orders", body)
        if reply.status_code == 200 and reply.json()["success"]:
            self._orders.append(reply.json()["success_response"]["order_id"])
        return reply

    def edit(self, number: int) -> requests.Response:
        path = self._dice.choice(["/orders/edit", "/orders/edit_preview"])
        order_id = self._dice.choice(self._orders)
        return self._post(path, {"order_id": order_id, "size": "0.2", "price": "49000"})

    def cancel(self, number: int) -> requests.Response:
        return self._post("/orders/batch_cancel", {"order_ids": [self._dice.choice(self._orders)]})

    def read(self, number: int) -> requests.Response:
        path = f"/orders/historical/{self._dice.choice(self._orders)}"
        query = {name: str(self._any()) for name in self._dice.sample(NAMES, 2)}
        return self._send("GET", self._dice.choice([*LISTS, path]), params=query)

    def act(self, number: int) -> requests.Response:
        acts = (self.create, self.create, self.edit, self.cancel, self.read, self.read)
        return self._dice.choice(acts)(number)

    def close(self) -> None:
        self._session.close()


@pytest.mark.parametrize("seed", range(2))
def test_any_request_has_a_reply(emulator: Emulator, clock: ManualClock, seed: int) -> None:
    """And no wallet holds more than it has."""
    client = Client(emulator, random.Random(seed))
    statuses = set()
    for number in range(150):
        reply = client.act(number)
        statuses.add(reply.status_code)
        assert reply.status_code in (200, 400, 404), reply.text
        assert isinstance(reply.json(), dict)
        clock.advance(0.5)
    client.close()
    assert statuses == {200, 400, 404}
    for wallet in emulator.account.wallets():
        assert 0 <= wallet.hold <= wallet.total
