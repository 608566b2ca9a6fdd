"""
Alert sinks: functions that take one `Alert`, for `fillbook.open(alerts=...)`.

The desk writes an alert to the record before it calls a sink, so that a sink that fails loses
no alert; `desk.events()` returns all of them.  If a sink raises, the desk logs it and continues.
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
from fillbook.model.words import foreign

log: logging.Logger = logging.getLogger("fillbook")

Sink = Callable[[m.Alert], None]

#: The number of alerts that are queued for a slow receiver; the oldest are dropped for new ones.
QUEUED_MAX: Final = 1_000
TIMEOUT_S: Final = 10.0


def to_log(alert: m.Alert) -> None:
    """Write an alert as a warning to the logger ``fillbook``."""
    log.warning("%s (%s): %s", alert.kind, foreign(alert.about), foreign(alert.message))


def webhook(url: str, *, timeout_s: float = TIMEOUT_S) -> Sink:
    """
    Make a sink that posts each alert to *url* as JSON: kind, about, message, and text for chats.

    A thread posts the alerts in order, each once without a retry.  *timeout_s* is how long a
    post waits for the receiver, in seconds.  Raises: InvalidValue if *url* is not an http or
    https address.
    """
    return _Webhook(url, timeout_s).put


class _Webhook:
    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidValue("the address of a webhook must be a URL such as https://host/path")
        self._url = url  # its path and query may be a secret: messages show the host only
        self._host = parts.hostname
        self._timeout_s = timeout_s
        self._queue: queue.Queue[m.Alert] = queue.Queue(QUEUED_MAX)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, alert: m.Alert) -> None:
        while True:
            try:
                self._queue.put_nowait(alert)
                break
            except queue.Full:
                self._drop_oldest()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._post_all, name="fillbook-webhook", daemon=True
                )
                self._thread.start()

    def _drop_oldest(self) -> None:
        try:
            dropped = self._queue.get_nowait()
        except queue.Empty:
            return
        log.error(
            "an alert was not posted to %s, because the queue is full: %s",
            self._host,
            dropped.message,
        )

    def _post_all(self) -> None:
        """Post the queued alerts, then end the thread."""
        while True:
            with self._lock:
                try:
                    alert = self._queue.get_nowait()
                except queue.Empty:
                    self._thread = None
                    return
            try:
                self._post(alert)
            except (OSError, ValueError) as error:
                error_class = type(error).__name__
                log.error(
                    "an alert was not posted to %s (%s): %s", self._host, error_class, alert.message
                )

    def _post(self, alert: m.Alert) -> None:
        fields = {"kind": str(alert.kind), "about": alert.about, "message": alert.message}
        body = json.dumps({**fields, "text": f"{alert.kind}: {alert.message}"}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "fillbook"}
        request = urllib.request.Request(self._url, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=self._timeout_s):
            pass
