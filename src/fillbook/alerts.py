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
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from fillbook import model as m
from fillbook.errors import ExtraMissing, InvalidValue
from fillbook.model.text.foreign import foreign

log: logging.Logger = logging.getLogger("fillbook")

Sink = Callable[[m.Alert], None]

#: The number of alerts that are queued for a slow receiver; the oldest are dropped for new ones.
QUEUED_MAX: Final = 1_000
TIMEOUT_S: Final = 10.0
#: The same alert is delivered again after this time at the earliest.
REPEAT_AFTER: Final = timedelta(minutes=10)


def to_log(alert: m.Alert) -> None:
    """Write an alert to the logger ``fillbook``: a warning, or information."""
    log.log(
        logging.INFO if alert.severity is m.Severity.INFO else logging.WARNING,
        "%s (%s): %s",
        alert.kind,
        foreign(alert.about),
        foreign(alert.message),
        extra={
            "alert": str(alert.kind),
            "about": foreign(alert.about),
            "severity": str(alert.severity),
            "resolved": alert.resolved,
        },
    )


def webhook(url: str, *, timeout_s: float = TIMEOUT_S) -> Sink:
    """
    Make a sink that posts each alert to *url* as JSON, with a text for chats.

    A thread posts the alerts in order, each once without a retry.  *timeout_s* is how long a
    post waits for the receiver, in seconds.  Delivered means a status of 2xx: a redirect is not
    followed.  Raises: InvalidValue if *url* is not an http or https address, or has credentials,
    a blank or a control character.
    """
    return _Webhook(url, timeout_s)


def sink(address: str) -> Sink:
    """
    Make a sink from an address: ``log``, a URL of http or https, or one of Apprise.

    Apprise has over a hundred services, such as ``slack://…``; it needs the extra `alerts`.
    Raises: InvalidValue, ExtraMissing.
    """
    if address == "log":
        return to_log
    if address.lower().startswith(("http://", "https://")) or "://" not in address:
        return webhook(address)
    return _Apprise(address)


class Delivery:
    """
    The delivery of alerts to one sink; `failure` is why the last one was not delivered.

    The same alert is not delivered again within `REPEAT_AFTER`, unless its condition has ended.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._failure: str | None = None
        self._delivered: dict[tuple[m.AlertKind, str], tuple[m.Alert, datetime]] = {}
        self.name: str = str(getattr(sink, "name", getattr(sink, "__name__", "a sink")))

    def deliver(self, event: m.Event) -> None:
        """Pass the alert of *event* on to the sink; the recorder logs an exception."""
        if event.alert is None or self._is_repeated(event.alert, m.moment(event.at)):
            return
        try:
            self._sink(event.alert)
            self._failure = None
        except Exception as error:
            self._failure = f"it raised {type(error).__name__}"
            raise

    def _is_repeated(self, alert: m.Alert, at: datetime) -> bool:
        self._delivered = {
            key: (known, since)
            for key, (known, since) in self._delivered.items()
            if at - since < REPEAT_AFTER
        }
        key = (alert.kind, alert.about)
        last = self._delivered.get(key)
        if last is not None and last[0] == alert:
            return True
        self._delivered[key] = (alert, at)
        return False

    @property
    def failure(self) -> str | None:
        """Why the last alert was not delivered; None: it was, or is queued."""
        return self._failure or getattr(self._sink, "failure", None)


class _Queued(ABC):
    """A sink whose thread posts the alerts in order, each once."""

    name: str

    def __init__(self) -> None:
        self.failure: str | None = None  #: why the last post failed
        self._queue: queue.Queue[m.Alert] = queue.Queue(QUEUED_MAX)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, alert: m.Alert) -> None:
        while True:
            try:
                self._queue.put_nowait(alert)
                break
            except queue.Full:
                self._drop_oldest()
        with self._lock:
            # A forked child has the mark of a thread that only its parent has.
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(
                    target=self._post_all, name="fillbook-webhook", daemon=True
                )
                thread.start()
                self._thread = thread

    def _drop_oldest(self) -> None:
        try:
            dropped = self._queue.get_nowait()
        except queue.Empty:
            return
        self._note_failure(dropped, "the queue is full")

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
                self.post(alert)
                self.failure = None
            except Exception as error:
                # Any error: if the thread died, no later alert would be posted.
                self._note_failure(alert, why_failed(error))

    def _note_failure(self, alert: m.Alert, why: str) -> None:
        self.failure = why
        log.error("an alert was not posted to %s (%s): %s", self.name, why, foreign(alert.message))

    @abstractmethod
    def post(self, alert: m.Alert) -> None:
        """Post one alert, and wait for the receiver."""


def why_failed(error: Exception) -> str:
    """Return why a post failed, without the address."""
    status = getattr(error, "code", None)
    return f"HTTP {status}" if status else type(error).__name__


class _Webhook(_Queued):
    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__()
        self._url = url  # its path and query may be a secret: messages show the host only
        self.name: str = _host(url)
        self._timeout_s = timeout_s
        self._open = _opener()

    def post(self, alert: m.Alert) -> None:
        fields = {
            "kind": str(alert.kind),
            "about": alert.about,
            "message": alert.message,
            "severity": str(alert.severity),
            "resolved": alert.resolved,
        }
        body = json.dumps({**fields, "text": _text(alert)}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "fillbook"}
        from urllib.request import Request

        request = Request(self._url, body, headers, method="POST")
        with self._open(request, timeout=self._timeout_s):
            pass


class _Apprise(_Queued):
    def __init__(self, address: str) -> None:
        super().__init__()
        try:
            apprise: Any = import_module("apprise")
        except ImportError:
            raise ExtraMissing(
                'alerts to this address need Apprise: pip install "fillbook[alerts]"'
            ) from None
        with warnings.catch_warnings():
            # It imports a module that Python 3.13 no longer has; that one warning.
            warnings.filterwarnings("ignore", "'imghdr' is deprecated", DeprecationWarning)
            self._notifier = apprise.Apprise()
            is_known = self._notifier.add(address)
        if not is_known:
            raise InvalidValue("an address of alerts is neither a URL nor known to Apprise")
        self.name = address.partition("://")[0]  # the rest may be a secret

    def post(self, alert: m.Alert) -> None:
        kinds = {m.Severity.CRITICAL: "failure", m.Severity.WARNING: "warning"}
        kind = "success" if alert.resolved else kinds.get(alert.severity, "info")
        if not self._notifier.notify(_text(alert), title="fillbook", notify_type=kind):
            raise OSError("the service refused the alert")


def _text(alert: m.Alert) -> str:
    return f"{alert.kind}: {alert.message}"


def _opener() -> Callable[..., Any]:
    """Return a function that opens a request, and follows no redirect."""
    from urllib.request import HTTPRedirectHandler, build_opener  # here: the import is long

    class NoRedirect(HTTPRedirectHandler):
        """A redirect would become a GET without the alert.  So it raises, as any 3xx."""

        def redirect_request(self, *args: object) -> None:
            return None

    return build_opener(NoRedirect).open


def _host(url: str) -> str:
    """Return the host of a webhook.  Raises: InvalidValue; the message shows no part of *url*."""
    try:
        parts = urlsplit(url)
        is_plain = (
            url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
        )
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and is_plain:
            return parts.hostname
    except ValueError:  # such as a port that is not a number
        pass
    raise InvalidValue(
        "the address of a webhook must be a URL such as https://host/path, in ASCII and without "
        "credentials, blanks and control characters"
    )
