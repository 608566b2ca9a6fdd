"""The sinks of alerts: the log, and a web address."""

import json
import logging
import socket
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import alerts
from fillbook import model as m
from fillbook.cli.commands import run
from tests.bench import MONDAY_10, Bench, unable

STUCK = m.Alert(m.AlertKind.STUCK, "fb-1", "order fb-1 waits")


class Receiver:
    """A server that receives posts, with a chosen reply."""

    def __init__(self, status=200):
        self.posted = []
        self.news = threading.Semaphore(0)
        self.let = threading.Event()
        self.let.set()
        outer = self

        class Post(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.let.wait(10)
                length = int(self.headers["Content-Length"])
                outer.posted.append((self.path, json.loads(self.rfile.read(length))))
                self.send_response(status)
                self.end_headers()
                outer.news.release()

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Post)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/s3cret"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def ended():
    """Wait for the threads that post."""
    for thread in threading.enumerate():
        if thread.name == "fillbook-webhook":
            thread.join(10)


def test_an_alert_is_posted_as_json():
    with Receiver() as receiver:
        alerts.webhook(receiver.url)(STUCK)
        assert receiver.news.acquire(timeout=60)
        ended()
    [(path, told)] = receiver.posted
    assert path == "/hook/s3cret"
    assert told == {
        "kind": "stuck",
        "about": "fb-1",
        "message": "order fb-1 waits",
        "severity": "warning",
        "resolved": False,
        "text": "stuck: order fb-1 waits",
    }


@pytest.mark.parametrize("status", [404, 500])
def test_a_refused_post_is_logged_without_the_secret(status, caplog):
    with Receiver(status) as receiver:
        sink = alerts.webhook(receiver.url)
        sink(STUCK)
        assert receiver.news.acquire(timeout=60)
        ended()
    assert "not posted to 127.0.0.1" in caplog.text
    assert "order fb-1 waits" in caplog.text
    assert "s3cret" not in caplog.text


def test_an_unreachable_webhook_is_logged_and_the_next_alert_is_tried(caplog):
    with Receiver() as receiver:
        url = receiver.url
    sink = alerts.webhook(url, timeout_s=1)
    for _ in range(2):
        sink(STUCK)
        ended()
    assert caplog.text.count("not posted") == 2


def test_of_too_many_queued_alerts_the_oldest_are_logged(caplog, monkeypatch):
    monkeypatch.setattr(alerts, "QUEUED_MAX", 2)
    with Receiver() as receiver:
        receiver.let.clear()
        sink = alerts.webhook(receiver.url)
        for number in range(6):
            sink(m.Alert(m.AlertKind.STUCK, f"fb-{number}", f"number {number}"))
        receiver.let.set()
        ended()
    told = [body["message"] for _, body in receiver.posted]
    assert told[-2:] == ["number 4", "number 5"]
    assert len(told) + caplog.text.count("the queue is full") == 6


@pytest.mark.parametrize("url", ["", "ftp://host/x", "host/x", "http://"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(fb.InvalidValue, match="https://host/path"):
        alerts.webhook(url)


def test_alerts_are_logged(caplog):
    with caplog.at_level(logging.WARNING, "fillbook"):
        alerts.to_log(STUCK)
    assert caplog.messages == ["stuck (fb-1): order fb-1 waits"]


@pytest.mark.parametrize(
    "wish", [{"stale_s": 0}, {"stuck_s": -1}, {"slow_fill_s": 1.5}, {"rejected_in_a_row": True}]
)
def test_thresholds_are_integers_above_zero(wish):
    with pytest.raises(fb.InvalidValue, match="above zero"):
        m.Thresholds(**wish)


class Broken:
    """A server whose replies are not HTTP, or end too early, or redirect."""

    def __init__(self, reply):
        self._server = socket.create_server(("127.0.0.1", 0))
        self._reply = reply
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/hook/s3cret"
        self.requests = []

    def __enter__(self):
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *why):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection:
                    self.requests.append(connection.recv(65_536))
                    connection.sendall(self._reply)


REPLIES = [
    *(
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 2xx\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200,
    ),
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    *(b"HTTP/1.1 %d Moved\r\nLocation: /here\r\n\r\n" % status for status in (301, 302, 303, 307)),
    *(b"HTTP/1.1 %d Moved\r\nLocation: ://\xff\r\n\r\n" % status for status in (302, 308)),
    b"HTTP/1.1 304 Not Modified\r\n\r\n",
]


@pytest.mark.parametrize("reply", REPLIES)
def test_no_reply_of_a_receiver_ends_the_worker(reply, caplog):
    """The alert is not delivered, and the next one is posted too; a redirect is not followed."""
    with Broken(reply) as receiver:
        sink = alerts.webhook(receiver.url)
        for _ in range(2):
            sink(STUCK)
            ended()
        assert sink.failure is not None
    assert [x.split()[0] for x in receiver.requests] == [b"POST", b"POST"]
    assert caplog.text.count("not posted to 127.0.0.1") == 2
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        *("https://user:pass@host/x", "https://user@host/x", "https://@host/x", "https://ho st/x"),
        *("https://host/a b", " https://host/x", "https://host/x\n", "https://host:port/x"),
        *("https://host:0/x", "https://höst/x", "https://[host/x", "https://host:99999/x"),
    ],
)
def test_an_address_that_can_never_receive_is_refused_without_showing_it(url):
    """Also credentials: they would be sent to the name lookup."""
    with pytest.raises(fb.InvalidValue, match="https://host/path") as caught:
        alerts.webhook(url)
    assert "pass@" not in str(caught.value)


def test_the_addresses_of_the_environment_are_checked_at_open():
    """Not when the first alert is raised."""
    with pytest.raises(fb.InvalidValue, match="without credentials"):
        fb.open("sim:", "memory://", env={"FILLBOOK_ALERT_URLS": "https://user:pass@host/x"})


def test_a_sink_that_fails_is_reported_to_the_other_sinks_once(caplog):
    """A sink that raises, and one that cannot post: the record and the other sink have both."""
    bench, told = Bench(), []

    def raising(alert):
        raise OSError("no")

    with Broken(b"") as receiver:
        sinks = [alerts.webhook(receiver.url), raising, told.append]
        desk = fb.open(bench.broker, bench.store, clock=bench.clock, alerts=sinks)
        for _ in range(3):
            desk.halt("a test")
            desk.resume()
            ended()
            bench.clock.advance(15)
            desk.tick()
        ended()
        bench.clock.advance(60)
        desk.tick()
    kind = m.AlertKind.UNDELIVERED
    assert {"127.0.0.1", "raising"} == {x.about for x in told if x.kind is kind}
    recorded = [x.alert.about for x in desk.events() if x.alert and x.alert.kind is kind]
    assert sorted(recorded) == ["127.0.0.1", "raising"]


# -- severity, repetition, addresses -----------------------------------------------------


def event_of(alert, seconds=0):
    at = m.timestamp(MONDAY_10 + timedelta(seconds=seconds))
    return m.Event(cursor="1", kind=m.EventKind.ALERT, at=at, alert=alert)


def test_every_kind_of_alert_has_its_severity():
    found = {kind: m.Alert(kind, "x", "y").severity for kind in m.AlertKind}
    assert set(found.values()) == set(m.Severity)
    assert found[m.AlertKind.NAKED] is m.Severity.CRITICAL
    assert found[m.AlertKind.STUCK] is m.Severity.WARNING
    assert m.Alert(m.AlertKind.NAKED, "x", "y", resolved=True).severity is m.Severity.INFO


def test_the_same_alert_is_not_delivered_twice_within_ten_minutes():
    told = []
    delivery = alerts.Delivery(told.append)
    ended = evolve(STUCK, message="resolved", resolved=True)
    for alert, seconds in (
        (STUCK, 0),
        (STUCK, 599),
        (ended, 600),
        (STUCK, 601),
        (evolve(STUCK, message="other"), 602),
        (evolve(STUCK, about="fb-2"), 603),
        (STUCK, 1_300),
    ):
        delivery.deliver(event_of(alert, seconds))
    other = evolve(STUCK, message="other")
    assert told == [STUCK, ended, STUCK, other, evolve(STUCK, about="fb-2"), STUCK]


def test_a_condition_that_ends_is_a_notice():
    told = []
    bench = Bench(opened=False)
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, alerts=[told.append])
    bench.desk.sync()
    bench.outage()
    bench.pass_(200)
    bench.over()
    bench.pass_(200)
    stale = [x for x in told if x.kind is m.AlertKind.STALE and x.about == "account"]
    assert [x.resolved for x in stale][-1] is True
    assert stale[-1].message == "resolved: the account is read again"


def test_a_drift_and_a_naked_position_that_end_are_notices():
    bench = Bench(broker=unable(activities=False))
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.desk.protect("AAPL", strategy="s", stop_loss="3%")
    bench.desk.cancel(bench.desk.book.orders(open=True)[0])
    bench.silently("MSFT", 5, "412")
    bench.pass_(240, every=30)
    bench.silently("MSFT", -5, "412")
    bench.desk.protect("AAPL", strategy="s", stop_loss="3%")
    bench.pass_(240, every=30)
    told = [x.alert for x in bench.desk.events() if x.alert is not None]
    for kind, about in ((m.AlertKind.DRIFT, "MSFT"), (m.AlertKind.NAKED, "AAPL")):
        found = [x.resolved for x in told if (x.kind, x.about) == (kind, about)]
        assert (found[0], found[-1], found.count(True)) == (False, True, 1)


def test_a_webhook_receives_severity_and_whether_it_is_resolved():
    with Receiver() as receiver:
        alerts.webhook(receiver.url)(evolve(STUCK, resolved=True))
        assert receiver.news.acquire(timeout=60)
        ended()
    ((_, body),) = receiver.posted
    assert (body["severity"], body["resolved"], body["text"]) == (
        "info",
        True,
        "stuck: order fb-1 waits",
    )


def test_a_sink_by_its_address(caplog):
    assert alerts.sink("log") is alerts.to_log
    assert alerts.sink("https://chat.example/x").name == "chat.example"
    with pytest.raises(fb.InvalidValue):
        alerts.sink("nonsense")
    with pytest.raises((fb.InvalidValue, fb.ExtraMissing)):
        alerts.sink("nothing-that-exists://x")


def test_apprise_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(fb.ExtraMissing, match=r"fillbook\[alerts\]"):
        alerts.sink("slack://a/b/c")


def test_an_address_of_apprise_is_notified():
    pytest.importorskip("apprise")
    with Receiver() as receiver:
        port = receiver.server.server_port
        sink = alerts.sink(f"json://127.0.0.1:{port}/hook/s3cret")
        sink(m.Alert(m.AlertKind.NAKED, "AAPL", "no stop"))
        assert receiver.news.acquire(timeout=60)
        ended()
    ((_, body),) = receiver.posted
    assert (body["type"], body["message"], sink.name) == ("failure", "naked: no stop", "json")


def test_the_command_tries_each_sink(capsys):
    with Receiver() as receiver, Receiver(status=500) as broken:
        code = run(["alert", "test", receiver.url, broken.url, "log"])
    out = capsys.readouterr().out
    assert code == 1
    assert out.count("delivered") == 3
    assert "not delivered (HTTP 500)" in out
    assert "s3cret" not in out
    assert receiver.posted[0][1]["about"] == "test"
    assert run(["alert", "test", "log"]) == 0
    assert run(["alert", "test"]) == 2
