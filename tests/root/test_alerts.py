"""The sinks of alerts: the log, and a web address."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import fillbook as fb
from fillbook import alerts
from fillbook import model as m

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
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
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
        assert receiver.news.acquire(timeout=10)
        ended()
    [(path, told)] = receiver.posted
    assert path == "/hook/s3cret"
    assert told == {
        "kind": "stuck",
        "about": "fb-1",
        "message": "order fb-1 waits",
        "text": "stuck: order fb-1 waits",
    }


@pytest.mark.parametrize("status", [404, 500])
def test_a_refused_post_is_logged_without_the_secret(status, caplog):
    with Receiver(status) as receiver:
        sink = alerts.webhook(receiver.url)
        sink(STUCK)
        assert receiver.news.acquire(timeout=10)
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
