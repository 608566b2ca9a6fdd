"""
Other clients of Alpaca: their requests, byte for byte, as recorded on this emulator.

A line is a request and the status of its reply; `$first` is the id of the first order in the
replies, `$second` that of the second. The recording was made with the unmodified clients and only
the emulator's address (see the page on the emulator).
"""

from __future__ import annotations

from string import Template
from typing import Any

import pytest
from attrs import frozen
from websockets.sync.client import connect

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from tests.venue.alpaca.test_streams import ACK, Client, verdict


@frozen
class Recorded:
    """The requests of one client; *stream* are its path and its messages there."""

    headers: dict[str, str]
    requests: str
    stream: tuple[str, str, str]
    header_of_delete: str | None = None


JS_3 = Recorded(
    {
        "Accept": "application/json, text/plain, */*",
        "Content-Type": "application/json",
        "User-Agent": "axios/0.21.4",
    },
    """
GET /v2/account 200
POST /v2/orders {"symbol":"AAPL","qty":2,"side":"buy","type":"limit","time_in_force":"gtc","limit_price":150,"client_order_id":"js-1"} 200
PATCH /v2/orders/$first {"qty":"3","limit_price":"151"} 200
GET /v2/orders?status=open&limit=50&nested=true 200
GET /v2/orders:by_client_order_id?client_order_id=js-1 200
GET /v2/orders/$second 200
DELETE /v2/orders/$second 204
POST /v2/orders {"symbol":"BTC/USD","qty":"0.01","side":"buy","type":"market","time_in_force":"gtc"} 200
GET /v2/positions 200
DELETE /v2/positions/BTCUSD 200
GET /v2/account/activities?activity_types=FILL 200
GET /v2/clock 200
GET /v2/calendar?start=2026-11-23&end=2026-11-25 200
GET /v2/assets/AAPL 200
GET /v2/account/configurations 200
DELETE /v2/orders 207
DELETE /v2/positions 207
""",  # noqa: E501 - as it was sent
    (
        "/stream",
        '{"action":"authenticate","data":{"key_id":"$key","secret_key":"$secret"}}',
        '{"action":"listen","data":{"streams":["trade_updates"]}}',
    ),
    header_of_delete="",
)
JS_4 = Recorded(
    {"Accept": "*/*", "Accept-Language": "*", "User-Agent": "APCA-NODE/4.0.2 Node/20.20.2"},
    """
GET /v2/account 200
POST /v2/orders {"client_order_id":"js4-1","limit_price":"150","qty":"2","side":"buy","symbol":"AAPL","time_in_force":"gtc","type":"limit"} 200
PATCH /v2/orders/$first {"limit_price":"151","qty":"3"} 200
GET /v2/orders?status=open&limit=50&nested=true 200
GET /v2/orders:by_client_order_id?client_order_id=js4-1 200
DELETE /v2/orders/$second 204
POST /v2/orders {"qty":"0.01","side":"buy","symbol":"BTC/USD","time_in_force":"gtc","type":"market"} 200
GET /v2/positions 200
DELETE /v2/positions/BTCUSD 200
DELETE /v2/orders 207
""",  # noqa: E501
    JS_3.stream,
)
PYTHON_3 = Recorded(
    {"Accept": "*/*", "User-Agent": "APCA-TRADE-SDK-PY/3.2.0"},
    """
GET /v2/account 200
POST /v2/orders {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "gtc", "qty": 2, "limit_price": 150, "client_order_id": "old-1"} 200
PATCH /v2/orders/$first {"qty": "3", "limit_price": 151.0} 200
GET /v2/orders?limit=50&status=open&nested=True 200
GET /v2/orders:by_client_order_id?client_order_id=old-1 200
GET /v2/orders/$second 200
DELETE /v2/orders/$second 204
POST /v2/orders {"symbol": "BTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc", "qty": "0.01"} 200
GET /v2/positions/BTCUSD 200
GET /v2/account/activities/FILL 200
DELETE /v2/positions/BTCUSD 200
GET /v2/calendar?start=2026-11-23&end=2026-11-25 200
GET /v2/assets 200
POST /v2/orders {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "gtc", "qty": 2, "limit_price": 150, "order_class": "bracket", "take_profit": {"limit_price": 250}, "stop_loss": {"stop_price": 140}} 200
DELETE /v2/orders 207
DELETE /v2/positions 207
""",  # noqa: E501
    (
        "/stream/",
        '{"action": "authenticate", "data": {"key_id": "$key", "secret_key": "$secret"}}',
        '{"action": "listen", "data": {"streams": ["trade_updates"]}}',
    ),
)
CLIENTS = {"js 3.1": JS_3, "js 4.0": JS_4, "alpaca-trade-api 3.2": PYTHON_3}


@pytest.mark.parametrize("name", CLIENTS)
def test_what_another_client_sends_is_taken(
    emulator: Emulator, http: Any, clock: ManualClock, name: str
) -> None:
    client = CLIENTS[name]
    url = emulator.url.replace("http", "ws") + client.stream[0]
    with connect(url, close_timeout=0.1) as socket:  # with frames left unread
        one = Client(socket)
        words = [Template(each) for each in client.stream[1:]]
        keys = {"key": emulator.key, "secret": emulator.secret}
        assert one.ask(words[0].substitute(keys)) == verdict("authorized")
        assert one.ask(words[1].substitute(keys)) == ACK
        replay(http, clock, client)
        heard = [one.next()["data"]["event"] for _ in range(8)]
    assert heard[:5] == ["pending_new", "new", "replaced", "new", "canceled"]
    assert heard[5:] == ["pending_new", "new", "fill"]


def replay(http: Any, clock: ManualClock, client: Recorded) -> None:
    """Send the recorded requests, and compare the status of each reply."""
    ids: dict[str, str] = {}
    for line in client.requests.strip().splitlines():
        head, _, status = Template(line).safe_substitute(ids).rpartition(" ")
        method, path, *rest = head.split(" ", 2)
        headers = dict(client.headers)
        if rest:
            headers["Content-Type"] = "application/json"
        elif method == "DELETE" and client.header_of_delete is not None:
            headers["Content-Type"] = client.header_of_delete
        answer = http(method, path, "".join(rest) or None, headers=headers)
        assert str(answer.status_code) == status, line
        if rest and len(ids) < 2:
            ids["second" if ids else "first"] = answer.json()["id"]
        clock.advance(2)
