"""HTTP: keys, the rate limit, unreadable bodies, and every fault of the transport."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange

LIMIT = {
    "symbol": "AAPL",
    "qty": "1",
    "side": "buy",
    "type": "limit",
    "time_in_force": "gtc",
    "limit_price": "150",
}


# Keys


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"APCA-API-KEY-ID": "paper"},
        {"APCA-API-KEY-ID": "paper", "APCA-API-SECRET-KEY": "wrong"},
        {"APCA-API-KEY-ID": "nobody", "APCA-API-SECRET-KEY": Emulator.secret_of("nobody")},
        {"Authorization": "Bearer nonsense"},
    ],
)
def test_strangers_get_a_body_without_a_code(emulator: Emulator, headers: dict[str, str]) -> None:
    answer = requests.get(f"{emulator.url}/v2/account", headers=headers, timeout=60)
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})


def test_a_bearer_of_the_pair_is_let_in(emulator: Emulator) -> None:
    headers = {"Authorization": f"Bearer {emulator.key}:{emulator.secret}"}
    answer = requests.get(f"{emulator.url}/v2/account", headers=headers, timeout=60)
    assert answer.json()["id"] == emulator.account.id


@pytest.mark.parametrize("sent", [1_000_000, 1_000_001, 10_000_000])
def test_a_body_is_at_most_one_megabyte(emulator: Emulator, sent: int) -> None:
    """Whether it announces its length or not."""
    keys = {"APCA-API-KEY-ID": emulator.key, "APCA-API-SECRET-KEY": emulator.secret}
    url, body = f"{emulator.url}/v2/orders", b" " * sent
    for data in (body, (body[at : at + 60_000] for at in range(0, sent, 60_000))):
        try:
            status = requests.post(url, data, headers=keys, timeout=60).status_code
        except requests.ConnectionError:  # it was closed while the rest was sent
            status = 413
        assert (status == 413) is (sent > 1_000_000)


def test_a_calendar_of_more_than_a_year_is_refused(http: Any) -> None:
    asked = {"start": "2025-01-01", "end": "2026-01-02"}
    assert http("GET", "/v2/calendar", params=asked).status_code == 200
    answer = http("GET", "/v2/calendar", params=asked | {"end": "2026-01-03"})
    assert (answer.status_code, "longer than a year" in answer.json()["message"]) == (422, True)


# Connections


@pytest.mark.parametrize(
    "part",
    [
        "",
        "GET /v2/account HTTP/1.1\r\nHost: a\r\nKEYS\r\n",
        "POST /v2/orders HTTP/1.1\r\nHost: a\r\nKEYS\r\nContent-Length: 9\r\n\r\n{",
        "GET /v2/account HTTP/1.1\r\nHost: a\r\nKEYS\r\n\r\nGET /v2",
    ],
)
def test_a_request_that_does_not_arrive_is_ended(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """A head or a body that stops half-way keeps no connection open; others are served."""
    monkeypatch.setattr("fillbook.venue.http.server.RECEIVE_MAX_S", 0.05)
    with raw_line(emulator, part) as line:
        try:
            while line.recv(65_536):
                pass
        except ConnectionResetError:
            pass


WEBSOCKET = (
    "GET /stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize(
    ("asked", "begins"),
    [
        ("GET /v2/events/trades HTTP/1.1\r\nHost: a\r\nKEYS\r\n\r\n", b": listening"),
        (WEBSOCKET, b"101 Switching Protocols"),
    ],
)
def test_a_stream_stays_open_beyond_the_time_of_a_request(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, asked: str, begins: bytes
) -> None:
    monkeypatch.setattr("fillbook.venue.http.server.RECEIVE_MAX_S", 0.05)
    with raw_line(emulator, asked) as line:
        received = b""
        while begins not in received:
            part = line.recv(65_536)
            assert part, received
            received += part
        line.settimeout(0.5)
        with pytest.raises(TimeoutError):
            line.recv(65_536)


def raw_line(emulator: Emulator, text: str) -> socket.socket:
    """A connection on which *text* was sent."""
    made = socket.create_connection(("127.0.0.1", int(emulator.url.rpartition(":")[2])), 10)
    keys = f"APCA-API-KEY-ID: {emulator.key}\r\nAPCA-API-SECRET-KEY: {emulator.secret}\r\n"
    made.sendall(text.replace("KEYS\r\n", keys).encode())
    return made


def test_requests_may_be_pipelined(emulator: Emulator) -> None:
    with raw_line(emulator, "GET /v2/clock HTTP/1.1\r\nHost: x\r\nKEYS\r\n\r\n" * 20) as line:
        heard = b""
        while heard.count(b"HTTP/1.1 200 OK") < 20:
            heard += line.recv(65536) or pytest.fail("the connection ended")


def test_slow_or_disconnected_clients_do_not_block_others(
    emulator: Emulator, http: Any, caplog: pytest.LogCaptureFixture
) -> None:
    head = "POST /v2/orders HTTP/1.1\r\nHost: x\r\nKEYS\r\nContent-Length: 99\r\n\r\n{"
    lines = [raw_line(emulator, head) for _ in range(100)]
    assert http("GET", "/v2/account").status_code == 200
    for line in lines:
        line.close()
    assert http("GET", "/v2/orders").json() == []
    assert caplog.records == []


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "TRACE", "DELETE"])
@pytest.mark.parametrize("path", ["/v2/account", "/v2//orders", "/v2/orders/", "/v2/clock/", "/"])
def test_an_unknown_path_is_404(http: Any, method: str, path: str) -> None:
    """A slash too many on a DELETE must not cancel everything."""
    assert http(method, path).status_code in (404, 405)


# The budget


def test_every_reply_has_the_rest_of_the_rate_limit(http: Any, exchange: Exchange) -> None:
    first, second = http("GET", "/v2/clock"), http("GET", "/v2/orders/nothing")
    assert [
        (each.headers["X-RateLimit-Limit"], each.headers["X-RateLimit-Remaining"])
        for each in (first, second)
    ] == [("200", "199"), ("200", "198")]
    assert int(first.headers["X-RateLimit-Reset"]) == exchange.now().timestamp() + 60
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


def test_beyond_the_budget_is_429_until_the_minute_is_over(
    emulator: Emulator, http: Any, clock: ManualClock
) -> None:
    emulator.gateway.rate_limit = 2
    answers = [http("POST", "/v2/orders", LIMIT) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}
    clock.advance(60)
    assert len(http("GET", "/v2/orders").json()) == 2


# What cannot be read


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"qty": NaN}', "5"])
def test_a_body_that_is_no_object_is_refused(http: Any, body: str) -> None:
    answer = http("POST", "/v2/orders", body)
    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)


@pytest.mark.parametrize(
    "change",
    [
        {"side": "up"},
        {"side": None},
        {"type": "unrecognised"},
        {"type": "iceberg"},
        {"time_in_force": 5},
        {"symbol": None},
        {"symbol": 5},
        {"qty": "many"},
        {"qty": True},
        {"qty": "1E+400"},
        {"qty": "1_000"},
        {"qty": " 1"},
        {"qty": "\u0661"},
        {"extended_hours": "perhaps"},
        {"qty": None},
        {"take_profit": 5},
        {"order_class": "mleg"},
        {"client_order_id": "x" * 129},
    ],
)
def test_an_order_that_cannot_be_meant_is_refused(http: Any, change: dict[str, Any]) -> None:
    answer = http("POST", "/v2/orders", LIMIT | change)
    assert answer.status_code == 422
    assert {"code", "message"} <= set(answer.json())
    assert http("GET", "/v2/orders?status=all").json() == []


def test_numbers_may_be_numbers_or_text(http: Any) -> None:
    numbers = LIMIT | {"qty": 1, "limit_price": 150.25, "extended_hours": False}
    answer = http("POST", "/v2/orders", numbers)
    assert (answer.json()["qty"], answer.json()["limit_price"]) == ("1", "150.25")


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1"])
def test_booleans_may_be_in_any_case(http: Any, text: str) -> None:
    bracket = LIMIT | {
        "order_class": "bracket",
        "take_profit": {"limit_price": "250"},
        "stop_loss": {"stop_price": "140"},
    }
    http("POST", "/v2/orders", bracket)
    (order,) = http("GET", f"/v2/orders?nested={text}").json()
    assert len(order["legs"]) == 2


@pytest.mark.parametrize(
    "query",
    [
        "status=frozen",
        "limit=0",
        "limit=501",
        "limit=x",
        "direction=up",
        "side=up",
        "after=yesterday",
        "after_order_id=a&before_order_id=b",
        "after_order_id=a&after=2026-01-01",
        "after_order_id=unknown",
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(http: Any, query: str) -> None:
    assert http("GET", f"/v2/orders?{query}").status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v2/orders/nothing", 404, "order not found for nothing"),
        ("DELETE", "/v2/orders/nothing", 404, "order not found for nothing"),
        ("PATCH", "/v2/orders/nothing", 404, "order not found for nothing"),
        ("GET", "/v2/orders:by_client_order_id?client_order_id=x", 404, "order not found for x"),
        ("GET", "/v2/positions/AAPL", 404, "position does not exist"),
        ("DELETE", "/v2/positions/BTC/USD", 404, "position does not exist"),
        ("GET", "/v2/assets/NOPE", 404, "asset not found for NOPE"),
        ("GET", "/v2/nowhere", 404, "endpoint not found."),
        ("PUT", "/v2/orders", 405, "method not allowed."),
    ],
)
def test_what_is_not_there(http: Any, method: str, path: str, status: int, words: str) -> None:
    answer = http(method, path, {} if method == "PATCH" else None)
    assert (status, words) == (answer.status_code, answer.json()["message"])
    assert str(status) == str(answer.json()["code"])[:3]


def test_a_replace_is_rejected_with_alpacas_messages(http: Any) -> None:
    order = http("POST", "/v2/orders", LIMIT).json()
    early = http("PATCH", f"/v2/orders/{order['id']}", {"qty": "2"})
    ipo = http("PATCH", f"/v2/orders/{order['id']}", {"notional": "200"})
    bad = http("PATCH", f"/v2/orders/{order['id']}", b"[]")
    assert [(each.status_code, each.json()["message"]) for each in (early, ipo, bad)] == [
        (422, "cannot replace order in accepted status"),
        (422, "notional can be changed of IPO orders only"),
        (400, "request body format is invalid"),
    ]


# Faults of the transport


def placed(http: Any) -> list[str]:
    return [each["client_order_id"] for each in http("GET", "/v2/orders?status=all").json()]


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [("request-lost", False), ("unreachable", False), ("reply-lost", True)],
)
def test_after_a_cut_connection_the_outcome_of_the_order_is_unknown(
    exchange: Exchange, http: Any, fault: str, is_there: bool
) -> None:
    exchange.faults.fail(next="submit", with_=fault)
    with pytest.raises(requests.ConnectionError):
        http("POST", "/v2/orders", LIMIT | {"client_order_id": "mine"})
    assert (["mine"] if is_there else []) == placed(http)


@pytest.mark.parametrize(
    ("fault", "seconds"), [("late-landing", 60.0), ("duplicate-unlisted", 30.0)]
)
def test_an_order_may_appear_long_after_its_request(
    exchange: Exchange, http: Any, clock: ManualClock, fault: str, seconds: float
) -> None:
    exchange.faults.fail(next="submit", with_=fault, seconds=seconds)
    with pytest.raises(requests.ConnectionError):
        http("POST", "/v2/orders", LIMIT | {"client_order_id": "mine"})
    assert placed(http) == []
    clock.advance(seconds + 1)
    assert placed(http) == ["mine"]


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("server-error", 504, "application/json"),
        ("html", 502, "text/html"),
        ("redirect", 307, None),
        ("rate-limited", 429, "application/json"),
    ],
)
def test_a_gateway_replies_in_place_of_alpaca(
    exchange: Exchange, http: Any, fault: str, status: int, kind: str | None
) -> None:
    exchange.faults.fail(next="positions", with_=fault)
    answer = http("GET", "/v2/positions")
    assert (status, kind) == (answer.status_code, answer.headers.get("Content-Type"))
    assert http("GET", "/v2/positions").status_code == 200


def test_a_list_may_be_empty_or_cut_or_begin_too_early(exchange: Exchange, http: Any) -> None:
    ids = [http("POST", "/v2/orders", LIMIT).json()["id"] for _ in range(3)]
    exchange.faults.fail(next="orders", with_="empty-list")
    assert http("GET", "/v2/orders").json() == []
    exchange.faults.fail(next="orders", with_="cut-page")
    with pytest.raises(requests.RequestException):
        http("GET", "/v2/orders")
    exchange.faults.fail(next="orders", with_="shifting-page")
    shifted = http("GET", f"/v2/orders?direction=asc&after_order_id={ids[0]}").json()
    assert ids == [each["id"] for each in shifted]


def test_a_slow_reply_is_delayed_by_the_exchanges_clock(
    exchange: Exchange, http: Any, clock: ManualClock
) -> None:
    before = clock.elapsed()
    exchange.faults.fail(next="account", with_="slow", seconds=7)
    assert http("GET", "/v2/account").status_code == 200
    assert (clock.elapsed() - before).total_seconds() == 7


_TEXT = st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=12)
_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXT,
    st.lists(_TEXT, max_size=2),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=st.dictionaries(st.sampled_from([*LIMIT, "notional", "stop_loss"]), _VALUE))
def test_no_body_breaks_the_server(emulator: Emulator, http: Any, change: dict[str, Any]) -> None:
    emulator.gateway.rate_limit = 10_000
    answer = http("POST", "/v2/orders", LIMIT | change)
    assert answer.status_code in (200, 400, 403, 422)
    assert "id" in answer.json() or {"code", "message"} <= set(answer.json())


_PATHS = st.sampled_from(
    [
        "/v2/orders",
        "/v2/orders/{}",
        "/v2/orders:by_client_order_id",
        "/v2/positions/{}",
        "/v2/account/activities",
        "/v2/account/activities/{}",
        "/v2/assets",
        "/v2/assets/{}",
        "/v2/calendar",
    ]
)
_DATA_PATHS = st.sampled_from(
    [
        "/v2/stocks/quotes/latest",
        "/v2/stocks/bars?timeframe=1Day",
        "/v2/stocks/{}/bars?timeframe=1Day&symbols=AAPL",
        "/v2/stocks/{}/snapshot",
        "/v1beta3/crypto/us/bars?timeframe=1Hour",
        "/v1beta3/crypto/us/snapshots",
    ]
)
_WORDS = st.sampled_from(
    ["status", "limit", "after", "until", "direction", "nested", "symbols", "side", "date", "start",
     "end", "page_size", "page_token", "category", "activity_types", "asset_class", "order_id",
     "timeframe", "sort", "feed"]
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=_PATHS, name=_TEXT, query=st.dictionaries(_WORDS, _TEXT, max_size=3))
def test_no_query_breaks_the_server(
    emulator: Emulator, http: Any, path: str, name: str, query: dict[str, str]
) -> None:
    emulator.gateway.rate_limit = 10_000
    answer = http("GET", path.format(requests.utils.quote(name, safe="")), params=query)
    assert answer.status_code in (200, 404, 422)
    assert answer.headers["Content-Type"] == "application/json"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=_DATA_PATHS, name=_TEXT, query=st.dictionaries(_WORDS, _TEXT, max_size=3))
def test_no_query_of_market_data_breaks_the_server(
    emulator: Emulator, http: Any, path: str, name: str, query: dict[str, str]
) -> None:
    emulator.gateway.rate_limit = 10_000
    answer = http("GET", path.format(requests.utils.quote(name, safe="")), params=query)
    assert answer.status_code in (200, 400, 404)
    assert answer.status_code == 200 or "message" in answer.json()
