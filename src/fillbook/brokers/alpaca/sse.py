"""
The stream over HTTP: server-sent events, which Alpaca can replay.

Rule 1: connected means that Alpaca replied with a stream of events.
Rule 2: each connection starts at the last event received; the first one starts at
        Alpaca's time from before the connection.  A repeated event is merged once.
Rule 3: a comment that reports dropped events ("dropped 3 messages") ends the connection,
        so that the next connection replays them.
Rule 4: an idle time-out ends the connection too, because a dead connection is idle; it is
        not reported as a loss.

A host without such a stream is reported as lost and retried at growing intervals; the
desk polls meanwhile.  The other stream is `stream`, which has no replay.
Source: https://github.com/alpacahq/alpaca-trade-api-go (`StreamTradeUpdates`); alpaca-py
and the API reference do not know it.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from fillbook import model as m
from fillbook.broker import Sink
from fillbook.brokers.alpaca.sdk import sdk
from fillbook.brokers.alpaca.transport import Transport
from fillbook.brokers.wire.event_sink import EventSink, ReadEvent
from fillbook.brokers.wire.fields import parse, row
from fillbook.brokers.wire.http import NoReply
from fillbook.errors import InvalidValue

if TYPE_CHECKING:
    import requests

_PATH: Final = "/v2/events/trades"
_IDLE_TIMEOUT_S: Final = 20.0
_STOP_S: Final = 5.0
_RETRY_MIN_S, _RETRY_MAX_S = 1.0, 30.0  #: between attempts; doubled each time

#: Words of comments that report dropped events; other comments are keep-alives.
_GAP_WORDS: Final = (b"dropped", b"slow", b"error")

_REFUSALS: Final = {
    401: "Alpaca rejected the keys",
    403: "Alpaca rejected the keys",
    404: "HTTP 404: this host has no stream of server-sent events",
}


class SseListener:
    """A context that passes each event, decoded by *read*, to *sink*, with replay after a loss."""

    def __init__(self, transport: Transport, read: ReadEvent, sink: Sink) -> None:
        self._transport = transport
        self._sink = EventSink(read, sink)
        self._client: Any = sdk("sseclient").SSEClient
        self._since: m.Timestamp | None = None
        self._is_connected = False
        self._stopped = threading.Event()
        self._response: requests.Response | None = None
        self._thread = threading.Thread(target=self._run, name="alpaca-events", daemon=True)

    def __enter__(self) -> SseListener:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        response = self._response
        if response is not None:
            with suppress(RuntimeError, ValueError):  # the connection has ended already
                response.raw.shutdown()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        delay_s = _RETRY_MIN_S
        while not self._stopped.is_set():
            began = time.monotonic()
            why = self._listen_once()
            if self._stopped.is_set():
                return
            if why is not None:
                self._is_connected = False
                self._sink.lost(why)
            was_stable = time.monotonic() - began > delay_s
            delay_s = _RETRY_MIN_S if was_stable else min(2 * delay_s, _RETRY_MAX_S)
            self._stopped.wait(delay_s * random.uniform(0.5, 1.0))

    def _listen_once(self) -> str | None:
        """Listen until the connection ends; return the cause, None if no event is missing."""
        try:
            self._since = self._since or self._server_time()
            query = {} if self._since is None else {"since": self._since}
            with self._transport.open_stream(
                _PATH, query, idle_timeout_s=_IDLE_TIMEOUT_S
            ) as response:
                self._response = response
                return _refusal(response) or self._read_events(response)
        except Exception as error:
            # Any error: if the thread died, the stream would stay silent without a loss.
            # Report the class only: the message may quote a header.
            is_idle = self._is_connected and self._since is not None and _is_idle_timeout(error)
            return None if is_idle else f"the connection ended: {type(error).__name__}"
        finally:
            self._response = None

    def _read_events(self, response: requests.Response) -> str:
        """Pass on the events of the open *response* until it ends; return the cause."""
        if self._stopped.is_set():
            return ""
        gaps: list[str] = []
        client = self._client(_until_gap(_chunks(response), gaps))
        if not self._is_connected:
            self._is_connected = True
            self._sink.connected()
        for event in client.events():
            if self._stopped.is_set():
                break
            self._deliver(event.data)
        return self._transport.redact(gaps[0]) if gaps else "the connection ended"

    def _server_time(self) -> m.Timestamp | None:
        """Read Alpaca's time, to the second; None if the reply has none."""
        reply = self._transport.request("GET", "/v2/clock")
        at = None if isinstance(reply, NoReply) else reply.at
        return None if at is None else m.timestamp(at)

    def _deliver(self, text: str) -> None:
        self._sink.event(text)
        with suppress(InvalidValue):
            self._since = row(parse(text), "event").time("at") or self._since


def _refusal(response: requests.Response) -> str | None:
    """Return why *response* is not a stream of events; None if it is one."""
    status = response.status_code
    if status != 200:
        return _REFUSALS.get(status, f"HTTP {status}: there is no stream")
    if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
        return "the reply is not a stream of server-sent events"
    return None


def _chunks(response: requests.Response) -> Iterable[bytes]:
    """Iterate over the body without a delay: by its chunks, or by bytes if it has no chunks."""
    size = None if getattr(response.raw, "chunked", False) else 1
    chunks: Iterable[bytes] = response.iter_content(size)
    return chunks


def _until_gap(chunks: Iterable[bytes], gaps: list[str]) -> Generator[bytes, None, None]:
    """Iterate over the lines of *chunks* until a comment reports a gap; append it to *gaps*."""
    for line in _lines(chunks):
        if line.startswith(b":") and any(word in line.lower() for word in _GAP_WORDS):
            gaps.append(f"Alpaca reported {line[1:].decode('utf-8', 'replace').strip()[:120]!r}")
            return
        # Invalid UTF-8 would end sseclient; with replacements it is an event that fails to decode.
        yield line.decode("utf-8", "replace").encode()


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in complete)


def _is_idle_timeout(error: Exception) -> bool:
    """Return whether *error* is a read time-out on an open connection."""
    from urllib3.exceptions import ReadTimeoutError

    return bool(error.args) and isinstance(error.args[0], ReadTimeoutError)
