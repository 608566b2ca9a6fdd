"""
Listening over plain HTTP: server-sent events, which Alpaca can tell again.

Rule 1: connected means that Alpaca answered with a stream of events.
Rule 2: each connection goes on at the last event that was heard, and before there is one
        where Alpaca's clock stood before the first.  An event told twice is merged once;
        one told never would be a gap.
Rule 3: what says that something was passed over ("dropped 3 messages") ends the
        connection, so that the next one has it told.
Rule 4: silence ends the connection too, since a dead line is silent; that is no loss.

A host without such a stream is told as lost, asked again at growing intervals, and
polled meanwhile.  The other stream is `stream`, which replays nothing.
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
from fillbook.brokers.alpaca.sink import EventSink, ReadEvent
from fillbook.brokers.alpaca.transport import NoReply, Transport
from fillbook.brokers.alpaca.wire.fields import parse, row
from fillbook.errors import InvalidValue

if TYPE_CHECKING:
    import requests

_PATH: Final = "/v2/events/trades"
_IDLE_TIMEOUT_S: Final = 20.0
_STOP_S: Final = 5.0
_RETRY_MIN_S, _RETRY_MAX_S = 1.0, 30.0  #: between attempts; doubled each time

#: What comments say where events were passed over; other comments keep the line open.
_GAP_WORDS: Final = (b"dropped", b"slow", b"error")

_REFUSALS: Final = {
    401: "Alpaca refused the keys",
    403: "Alpaca refused the keys",
    404: "HTTP 404: this host tells no events over HTTP",
}


class SseListener:
    """A context in which *sink* hears what *read* makes of each event, and none is left out."""

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
            with suppress(RuntimeError, ValueError):  # it has ended by itself
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
        """Listen until the connection ends; why it did, or None if nothing can be missing."""
        self._since = self._since or self._server_time()
        query = {} if self._since is None else {"since": self._since}
        try:
            with self._transport.open_stream(_PATH, query, idle_timeout_s=_IDLE_TIMEOUT_S) as response:
                self._response = response
                return _refusal(response) or self._read_events(response)
        except Exception as error:
            # Whatever it was, a thread that dies would be a stream that is silent for ever.
            # Only the class is told: a message may quote a header.
            is_idle = self._is_connected and self._since is not None and _is_idle_timeout(error)
            return None if is_idle else f"the connection ended: {type(error).__name__}"
        finally:
            self._response = None

    def _read_events(self, response: requests.Response) -> str:
        """Tell what the open *response* tells until it ends; why it did."""
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
        return gaps[0] if gaps else "the connection ended"

    def _server_time(self) -> m.Timestamp | None:
        """Alpaca's clock, to the second; None where it does not say."""
        reply = self._transport.request("GET", "/v2/clock")
        at = None if isinstance(reply, NoReply) else reply.at
        return None if at is None else m.timestamp(at)

    def _deliver(self, text: str) -> None:
        self._sink.event(text)
        with suppress(InvalidValue):
            self._since = row(parse(text), "event").time("at") or self._since


def _refusal(response: requests.Response) -> str | None:
    """Why *response* is no stream of events."""
    status = response.status_code
    if status != 200:
        return _REFUSALS.get(status, f"HTTP {status} instead of a stream")
    if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
        return "this host tells something else than events"
    return None


def _chunks(response: requests.Response) -> Iterable[bytes]:
    """The body as it comes: a body in chunks by them, any other by bytes, so that none waits."""
    size = None if getattr(response.raw, "chunked", False) else 1
    chunks: Iterable[bytes] = response.iter_content(size)
    return chunks


def _until_gap(chunks: Iterable[bytes], gaps: list[str]) -> Generator[bytes, None, None]:
    """The lines of *chunks* up to a comment that tells of a gap, which is put into *gaps*."""
    for line in _lines(chunks):
        if line.startswith(b":") and any(word in line.lower() for word in _GAP_WORDS):
            gaps.append(f"Alpaca said {line[1:].decode('utf-8', 'replace').strip()[:120]!r}")
            return
        # Bytes that are no text would end sseclient; as text they are an event not taken.
        yield line.decode("utf-8", "replace").encode()


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in complete)


def _is_idle_timeout(error: Exception) -> bool:
    """Whether the line was open and nothing came."""
    from urllib3.exceptions import ReadTimeoutError

    return bool(error.args) and isinstance(error.args[0], ReadTimeoutError)
