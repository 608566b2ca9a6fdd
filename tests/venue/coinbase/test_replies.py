"""Tokens, strict bodies, and the faults and switches of replies, over HTTP."""

from __future__ import annotations

import json
import secrets
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from coinbase.rest import RESTClient
from websockets.sync.client import connect

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Behavior, Emulator, Once
from fillbook.venue.exchange import Exchange
from tests.venue.coinbase.certificates import certificate
from tests.venue.coinbase.conftest import (
    Raw,
    client_of,
    created,
    limit,
    market,
    reasons,
)

D = Decimal


def test_json_is_strict(raw: Raw) -> None:
    """An unknown field and a number in place of a string are refused by HTTP 400."""
    unknown = {"order_configuration": {"limit_limit_gtc": {"max_floor": "1"}}}
    bodies: list[dict[str, Any]] = [
        {"client_order_id": "a", **unknown},
        {"client_order_id": "a", "colour": "red"},
        {"client_order_id": "a", "order_configuration": market(base_size=0.1)},  # type: ignore[arg-type]
        {"client_order_id": ""},
        {"client_order_id": "x" * 129},
    ]
    found = [raw.refused("post", "/orders", body=each) for each in bodies]
    assert [each.status_code for each in found] == [400] * 5
    assert 'unknown field "max_floor"' in found[0].json()["error_details"]
    assert found[3].json()["error"] == "INVALID_ARGUMENT"
    assert all(each.json()["message"] == each.json()["error_details"] for each in found)


def test_unknown_ids_and_paths_are_not_found(raw: Raw) -> None:
    """The client order id is no id of a path."""
    created(raw.create("a", limit()))
    found = [
        raw.refused("get", path)
        for path in ("/orders/historical/a", "/products/X-Y", "/accounts/x", "/nowhere")
    ]
    assert [each.status_code for each in found] == [404] * 4
    assert found[0].json()["error_details"] == "order with this orderID was not found"


def test_only_a_valid_token_is_accepted(
    emulator: Emulator, exchange: Exchange, client: RESTClient
) -> None:
    """A key of nobody, another path, a token used twice, and a plain text are refused by text."""
    path = "/api/v3/brokerage/accounts"
    stranger = client_of(emulator, "stranger")
    with pytest.raises(requests.HTTPError) as found:
        stranger.get(path)
    assert found.value.response is not None
    assert (found.value.response.status_code, found.value.response.text) == (401, "Unauthorized")
    url = f"{emulator.url}{path}"
    for headers, statuses in (
        (client.set_headers("GET", path), (200, 401)),
        (client.set_headers("GET", path + "/x"), (401,)),
        ({"Authorization": "Bearer x"}, (401,)),
        ({}, (401,)),
    ):
        for status in statuses:
            assert requests.get(url, headers=headers, timeout=5).status_code == status
    exchange.open_account("stranger", multiplier=1)
    assert stranger.get(path)["accounts"]
    stranger.session.close()


def test_replies_of_one_request(raw: Raw, emulator: Emulator) -> None:
    """Each switch changes one reply, and whether the order exists is known by a read."""
    emulator.once(Once.UNAUTHORIZED)
    assert raw.refused("get", "/accounts").status_code == 401
    emulator.once(Once.SCOPES)
    refused = raw.refused("get", "/accounts")
    assert (refused.status_code, refused.json()["error"]) == (403, "PERMISSION_DENIED")
    for once, error in (
        (Once.HTML, requests.JSONDecodeError),
        (Once.CUT, requests.RequestException),
    ):
        emulator.once(once)
        with pytest.raises(error):
            raw.create(once, limit())
    emulator.once(Once.UNKNOWN_REASON)
    unknown = ("UNKNOWN_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON")
    assert reasons(raw.create("x", limit())) == unknown
    names = {x["client_order_id"] for x in raw.get("/orders/historical/batch")["orders"]}
    assert names == {Once.HTML.value, Once.CUT.value}


@pytest.mark.parametrize(
    ("fault", "status"), [("rate-limited", 429), ("server-error", 503), ("html", 502)]
)
def test_faults_of_the_plan_have_replies(
    raw: Raw, exchange: Exchange, fault: str, status: int
) -> None:
    """The faults of the exchange's plan come over the wire."""
    exchange.faults.fail("account", fault)
    refused = raw.refused("get", "/accounts")
    assert refused.status_code == status
    if status == 429:
        assert refused.json() == {
            "errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]
        }
    raw.get("/accounts")


def test_a_new_order_may_be_missing_for_a_while(
    raw: Raw, emulator: Emulator, clock: ManualClock
) -> None:
    """404 and not listed, until the time has passed."""
    emulator.behavior = Behavior(hidden_s=5)
    order_id = created(raw.create("a", limit()))
    clock.advance(4)
    assert raw.refused("get", f"/orders/historical/{order_id}").status_code == 404
    assert raw.get("/orders/historical/batch")["orders"] == []
    clock.advance(2)
    assert raw.order(order_id)["status"] == "OPEN"


def test_other_shapes_of_replies(raw: Raw, emulator: Emulator, clock: ManualClock) -> None:
    """Null configurations, errors as an object, a cancel that is not shown, an empty cursor."""
    order_id = created(raw.create("a", limit()))
    created(raw.create("b", limit()))
    clock.advance(1)
    emulator.behavior = Behavior(
        null_configuration=True,
        errors_as_object=True,
        cancel_shows_open=True,
        empty_cursor=True,
        page_max=1,
    )
    raw.post("/orders/batch_cancel", {"order_ids": [order_id]})
    order = raw.order(order_id)
    assert order["order_configuration"] is None
    assert (order["status"], order["pending_cancel"]) == ("OPEN", True)
    reply = raw.post("/orders/edit", {"order_id": "x", "size": "1", "price": "1"})
    assert reply["errors"]["edit_failure_reason"] == "ORDER_NOT_FOUND"
    page = raw.get("/orders/historical/batch")
    assert (page["has_next"], page["cursor"]) == (True, "")


def test_the_limit_of_requests_is_per_second(exchange: Exchange, clock: ManualClock) -> None:
    """The request above it is refused before anything is done."""
    with Emulator(exchange, rate_limit=2) as emulator:
        client = client_of(emulator)
        raw = Raw(client)
        raw.get("/accounts")
        raw.get("/accounts")
        assert raw.refused("get", "/accounts").status_code == 429
        clock.advance(1)
        raw.get("/accounts")
        client.session.close()


def test_an_exchange_of_another_form_is_refused() -> None:
    """The emulator needs wallets by currency."""
    with pytest.raises(ValueError, match="spot_exchange"):
        Emulator(Exchange())


def test_bodies_are_compact_json(client: RESTClient, emulator: Emulator) -> None:
    """No spaces, and a length; the connection stays open for the next request."""
    path = "/api/v3/brokerage/time"
    with requests.Session() as session:
        for _ in range(2):
            headers = client.set_headers("GET", path)
            reply = session.get(emulator.url + path, headers=headers, data="{}", timeout=5)
            assert reply.text == json.dumps(reply.json(), separators=(",", ":"))
            assert reply.headers["content-length"] == str(len(reply.text))


def test_a_key_in_one_line_signs_too(emulator: Emulator) -> None:
    """An Ed25519 secret of the same key."""
    client = client_of(emulator, secret=emulator.short_secret)
    assert Raw(client).get("/accounts")["accounts"]
    client.session.close()


def test_the_sdk_trusts_a_certificate_of_its_own(exchange: Exchange, tmp_path: Path) -> None:
    """Over TLS no adapter is needed, only the certificate."""
    tls = certificate(tmp_path)
    with Emulator(exchange, tls=tls) as emulator:
        client = RESTClient(
            api_key=emulator.key,
            api_secret=emulator.secret,
            base_url=emulator.authority,
            timeout=5,
        )
        client.session.trust_env = False
        client.session.verify = tls.certificate
        assert client.get("/api/v3/brokerage/accounts")["accounts"]
        client.session.close()


@pytest.mark.parametrize(
    ("begins", "lasts", "status"),
    [(0, 120, 200), (-119, 120, 200), (-121, 120, 401), (60, 120, 401), (0, 600, 401)],
)
def test_a_token_lives_two_minutes(
    emulator: Emulator, begins: int, lasts: int, status: int
) -> None:
    """Not before, not after, and not longer; on the stream it is checked at the subscription."""
    now = int(time.time()) + begins
    claims = {"sub": emulator.key, "iss": "cdp", "nbf": now, "exp": now + lasts}

    def token(**more: str) -> str:
        head = {"kid": emulator.key, "nonce": secrets.token_hex()}
        return jwt.encode(claims | more, emulator.secret, algorithm="ES256", headers=head)

    path = "/api/v3/brokerage/accounts"
    bearer = token(uri=f"GET {emulator.authority}{path}")
    reply = requests.get(
        emulator.url + path, headers={"Authorization": f"Bearer {bearer}"}, timeout=5
    )
    assert reply.status_code == status
    with connect(emulator.stream_url, close_timeout=0.1) as socket:
        socket.send(json.dumps({"type": "subscribe", "channel": "user", "jwt": token()}))
        first = json.loads(socket.recv(5))
    assert first.get("channel", first.get("message")) == (
        "subscriptions" if status == 200 else "authentication failure"
    )


def test_what_is_public_needs_no_token(emulator: Emulator) -> None:
    """The market and the time; nothing of an account."""
    prefix = f"{emulator.url}/api/v3/brokerage"
    public = ("/time", "/market/products", "/market/products/BTC-USD/ticker")
    private = ("/products", "/accounts", "/orders/historical/market/", "/best_bid_ask")
    found = [requests.get(prefix + path, timeout=5).status_code for path in (*public, *private)]
    assert found == [200] * 3 + [401] * 2 + [404, 401]


def test_candles_have_their_limits(raw: Raw) -> None:
    """A length that is known, a span in seconds, and at most 350."""
    path, span = "/products/BTC-USD/candles", {"start": "0", "end": "60"}
    assert raw.get(path, **span, granularity="ONE_MINUTE")["candles"] == []
    queries: list[dict[str, str]] = [
        span,
        {**span, "granularity": "TWO_MINUTES"},
        {"start": "x", "end": "60", "granularity": "ONE_HOUR"},
        {"start": "60", "end": "0", "granularity": "ONE_HOUR"},
        {"start": "0", "end": "99999", "granularity": "ONE_MINUTE"},
    ]
    assert [raw.refused("get", path, **each).status_code for each in queries] == [400] * 5
