"""
Where alerts go: functions of one `Alert`, given to `fillbook.open(alerts=...)`.

An alert is in the record before a sink hears of it, so that none is lost where a sink fails;
`desk.events()` has them all.  A sink that raises is logged and stops nothing.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import urllib.request
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from fillbook import model as m
from fillbook.errors import InvalidValue

log = logging.getLogger("fillbook")

Sink = Callable[[m.Alert], None]

#: So many alerts wait for a slow receiver; the oldest make room for new ones.
WAITING_MAX: Final = 1_000
TIMEOUT_S: Final = 10.0


def to_log(alert: m.Alert) -> None:
    """Write an alert to the log of the name ``fillbook``, as a warning."""
    log.warning("%s (%s): %s", alert.kind, alert.about, alert.message)


def webhook(url: str, *, timeout_s: float = TIMEOUT_S) -> Sink:
    """
    A sink that posts each alert to *url* as JSON: kind, about, message, and text for chats.

    Posting is done in a thread, one after another, and each is tried once.  Raises:
    InvalidValue for what is no http or https address.
    """
    return _Webhook(url, timeout_s).put


class _Webhook:
    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidValue("a webhook takes an address like https://host/path")
        self._url = url  # its path and query may be a secret: only the host is ever told
        self._host = parts.hostname
        self._timeout_s = timeout_s
        self._waiting: queue.Queue[m.Alert] = queue.Queue(WAITING_MAX)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, alert: m.Alert) -> None:
        while True:
            try:
                self._waiting.put_nowait(alert)
                break
            except queue.Full:
                self._drop()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._post_all, name="fillbook-webhook", daemon=True
                )
                self._thread.start()

    def _drop(self) -> None:
        try:
            lost = self._waiting.get_nowait()
        except queue.Empty:
            return
        log.error("an alert was not posted to %s, too many wait: %s", self._host, lost.message)

    def _post_all(self) -> None:
        """Post what waits, and end."""
        while True:
            with self._lock:
                try:
                    alert = self._waiting.get_nowait()
                except queue.Empty:
                    self._thread = None
                    return
            try:
                self._post(alert)
            except (OSError, ValueError) as error:
                what = type(error).__name__
                log.error("an alert was not posted to %s (%s): %s", self._host, what, alert.message)

    def _post(self, alert: m.Alert) -> None:
        told = {"kind": str(alert.kind), "about": alert.about, "message": alert.message}
        body = json.dumps({**told, "text": f"{alert.kind}: {alert.message}"}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "fillbook"}
        request = urllib.request.Request(self._url, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=self._timeout_s):
            pass
