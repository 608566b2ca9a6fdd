"""The texts of failed requests: what happened, at which host, and what to do."""

from __future__ import annotations

import socket

import pytest
import requests

from fillbook import model as m
from fillbook.brokers.alpaca.wire import outcome as alpaca
from fillbook.brokers.coinbase.wire import outcome as coinbase
from fillbook.brokers.wire.http import NoReply, request_once

from .canned import Answer, Canned


def asked(url: str, read_s: float = 5.0) -> NoReply:
    with requests.Session() as session:
        session.trust_env = False
        reply = request_once(
            session,
            "GET",
            url,
            query=None,
            body=None,
            headers={"secret": "hunter2hunter2"},
            timeouts=(5.0, read_s),
            name="GET /v2/account",
        )
    assert isinstance(reply, NoReply)
    return reply


def test_a_refused_connection_names_the_host_and_what_to_do() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # bound, and not listening
        host = f"127.0.0.1:{unheard.getsockname()[1]}"
        reply = asked(f"http://{host}/v2/account")
    text = f"could not reach {host} (connection refused): check the network, and try again"
    assert reply == NoReply(False, text)


class Unconnected(requests.Session):
    """A session whose connections fail, without a network."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def request(self, *_: object, **__: object) -> requests.Response:
        raise self.error


def failed(cause: Exception) -> requests.ConnectionError:
    from urllib3.connection import HTTPConnection
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    reason = NewConnectionError(HTTPConnection("x"), "secret")
    reason.__cause__ = cause
    return requests.ConnectionError(MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


UNSENT = {
    "unknown host": failed(socket.gaierror("secret")),
    "no connection": failed(OSError("secret")),
    "no connection within 5 s": requests.ConnectTimeout("secret"),
}


@pytest.mark.parametrize("why", UNSENT)
def test_a_request_that_was_not_sent_says_why(why: str) -> None:
    reply = request_once(
        Unconnected(UNSENT[why]),
        "GET",
        "https://api.example/v2/account",
        query=None,
        body=None,
        headers={},
        timeouts=(5.0, 10.0),
        name="GET /v2/account",
    )
    text = f"could not reach api.example ({why}): check the network, and try again"
    assert reply == NoReply(False, text)


LOST = {
    "none within 10 s": requests.ReadTimeout("secret"),
    "the connection was lost": requests.ConnectionError("secret"),
    "the TLS connection failed: check the clock and the certificates of this machine": (
        requests.exceptions.SSLError("secret")
    ),
}


@pytest.mark.parametrize("why", LOST)
def test_a_request_without_a_reply_says_why(why: str) -> None:
    reply = request_once(
        Unconnected(LOST[why]),
        "POST",
        "https://api.example/v2/orders",
        query=None,
        body=None,
        headers={},
        timeouts=(5.0, 10.0),
        name="POST /v2/orders",
    )
    assert reply == NoReply(True, f"no reply from api.example to POST /v2/orders ({why})")


def test_a_late_reply_and_a_lost_connection_are_told_apart() -> None:
    with Canned(Answer(mute=True), Answer(hang_up=True)) as canned:
        late, lost = (asked(canned.url, read_s) for read_s in (0.2, 5.0))
    assert "(none within 0.2 s)" in late.message
    assert "(the connection was lost)" in lost.message


ALPACA = {
    401: "Alpaca refused the API key (401 unauthorized.): check the key and its secret, and paper "
    "against live",
    403: "Alpaca refused the request (403 forbidden.)",
    429: "the rate limit of Alpaca is used up (429 too many requests.)",
    503: "Alpaca has a server error (503 no server.)",
    302: "Alpaca replied 302 elsewhere.",
}
TEXTS = {401: "unauthorized.", 403: "forbidden.", 429: "too many requests.", 503: "no server."}


@pytest.mark.parametrize("status", ALPACA)
def test_a_read_that_alpaca_refuses_says_what_to_check(status: int) -> None:
    read = alpaca.of_read(alpaca.Reply(status, TEXTS.get(status, "elsewhere."), {}))
    assert read.message == ALPACA[status]


def test_a_write_with_a_refused_key_says_the_same() -> None:
    written = alpaca.of_write(alpaca.Reply(401, "unauthorized.", {}))
    assert isinstance(written, m.Rejected)
    assert written.message == ALPACA[401]


def test_a_key_that_coinbase_refuses_twice_is_a_wrong_key() -> None:
    texts = [
        coinbase.of_read(coinbase.Reply(401, "Unauthorized", {}, refusals)).message
        for refusals in (1, 2)
    ]
    assert texts == [
        "Coinbase refused the token of one request (401): check the clock of this machine, and "
        "try again",
        "Coinbase refused the API key (401 Unauthorized): check the key and its secret",
    ]
    written = coinbase.of_write(coinbase.Reply(401, "Unauthorized", {}, 2))
    assert isinstance(written, m.Rejected)
    assert written.message == texts[1]
