"""The server itself, over sockets: slow clients, and the stream as a client receives it."""

import http.client
import json
import socket
from contextlib import closing

import pytest

from fillbook import errors
from fillbook.web import server, stream
from fillbook.web.server import Background, listening
from tests.web.client import BASE, Served


@pytest.fixture
def served():
    return Served(allow=(), anonymous=True, port=None)


@pytest.fixture
def running(served, monkeypatch):
    monkeypatch.setattr(server, "HEAD_S", 0.2)
    monkeypatch.setattr(stream, "EVERY_S", 0.01)
    with Background(served.app) as background:
        yield background


def connected(running):
    return closing(socket.create_connection(("127.0.0.1", running.port), timeout=20))


WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answered(client):
    """Read an answer up to its body, which is ``ok``."""
    found = b""
    while not found.endswith(b"ok"):
        found += client.recv(4_096)
    return found


@pytest.mark.parametrize("before", [b"", WHOLE], ids=["first", "second"])
@pytest.mark.parametrize("part", [b"", b"GET /heal", b"GET / HTTP/1.1\r\nHost: loc"])
def test_a_head_that_does_not_arrive_is_given_up(running, before, part):
    if before and not part:
        return  # an idle connection may wait for its next request
    with connected(running) as client:
        if before:
            client.sendall(before)
            assert answered(client).startswith(b"HTTP/1.1 200")
        client.sendall(part)
        assert client.recv(4_096) == b""


def test_a_head_that_is_too_large_is_refused(running):
    with connected(running) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000)
        assert client.recv(4_096).startswith(b"HTTP/1.1 400")


def test_another_connection_is_answered_meanwhile(running):
    with connected(running) as slow, connected(running) as quick:
        slow.sendall(b"GET / HT")
        quick.sendall(WHOLE)
        assert b"200" in answered(quick)


def test_a_client_receives_events_as_they_are_written(running, served):
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)) as client:
        client.putrequest("GET", f"{BASE}/events/stream", skip_host=True)
        client.putheader("Host", "localhost")
        client.endheaders()
        answer = client.getresponse()
        assert answer.getheader("Content-Type") == "text/event-stream; charset=utf-8"
        assert answer.readline() == b": heartbeat\n"
        served.bench.desk.halt("enough")
        lines = [answer.readline() for _ in range(4)]
        assert lines[1].startswith(b"id: ")
        assert lines[2] == b"event: alert\n"
        assert json.loads(lines[3].removeprefix(b"data: "))["alert"]["kind"] == "halt"


def test_a_server_that_ends_ends_its_streams(served, caplog):
    """The client reads the end of the answer, and nothing is logged as an error."""
    with Background(served.app) as running:
        client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        client.request("GET", f"{BASE}/events/stream", headers={"Host": "localhost"})
        answer = client.getresponse()
        assert answer.readline() == b": heartbeat\n"
    assert answer.read().strip() == b""
    client.close()
    assert [x for x in caplog.records if x.levelname == "ERROR"] == []


def test_a_port_that_is_taken_is_a_wrong_call():
    with (
        closing(listening("127.0.0.1", 0)) as taken,
        pytest.raises(errors.InvalidValue, match="cannot be listened on"),
    ):
        listening("127.0.0.1", taken.getsockname()[1])
