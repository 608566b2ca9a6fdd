"""
The user channel: a socket of our own under a supervisor, on its own thread.

The SDK's client stays dead after a clean close, loses subscriptions without products when it
connects again, ends silently when a callback raises, and verifies no certificate; so only its
tokens are used.

Rule 1: connected means that Coinbase confirmed the subscription to `user`.
Rule 2: a frame a second is expected (heartbeats).  After `SILENCE_S` without any the connection is
        abandoned.  So it is when the subscription is gone.
Rule 3: frames are numbered.  A missing one is a gap: `lost`, then `connected` again.
Rule 4: an order is passed on if it has changed: the channel sends each fill twice, and repeats.

There is no replay: what was missed is read.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

from fillbook import model as m
from fillbook.broker import Sink
from fillbook.brokers.coinbase.credentials import Credentials
from fillbook.brokers.coinbase.sdk import sdk
from fillbook.brokers.coinbase.wire import frames
from fillbook.brokers.wire.event_sink import EventSink
from fillbook.errors import InvalidValue

SILENCE_S: Final = 10.0
_CONNECT_S: Final = 10.0
_FRAME_MAX: Final = 10 << 20
_STOP_S: Final = 5.0
_KNOWN_MAX: Final = 10_000
#: The pauses before the next attempts to connect; the last is repeated.
_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)

#: At DEBUG, websockets logs each frame, the one with the token too.
_SOCKET_LOG: Final = logging.getLogger("fillbook.coinbase.websocket")
_SOCKET_LOG.setLevel(logging.INFO)

ReadFrame = Callable[[frames.Frame], Sequence[m.OrderReport]]


class StreamEnded(Exception):
    """The reason why a connection is abandoned."""


class UserChannel:
    """A context that passes the orders of the channel, decoded by *read*, to *sink*."""

    def __init__(
        self,
        url: str,
        keys: Credentials,
        read: ReadFrame,
        sink: Sink,
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        sdk("coinbase.jwt_generator")  # it raises ExtraMissing here, and not on the thread
        self._url = url
        self._keys = keys
        self._sink = EventSink(self._changed, sink)
        self._read = read
        self._silence_s = silence_s
        self._stopped = threading.Event()
        self._socket: Any = None
        self._next: int | None = None
        self._is_connected = False
        self._known: dict[str, tuple[object, ...]] = {}
        self._thread = threading.Thread(target=self._run, name="coinbase-stream", daemon=True)

    def __enter__(self) -> UserChannel:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        socket = self._socket
        if socket is not None:
            with suppress(Exception):  # it may have ended already
                socket.close()
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        attempts = 0
        while not self._stopped.is_set():
            self._is_connected, self._next = False, None
            why = self._connection()
            if self._stopped.is_set():
                return
            attempts = 0 if self._is_connected else attempts + 1
            self._sink.lost(why)
            self._stopped.wait(_PAUSES_S[min(attempts, len(_PAUSES_S) - 1)])

    def _connection(self) -> str:
        """Hold one connection to its end, and return why it ended."""
        connect = sdk("websockets.sync.client").connect
        try:
            with connect(
                self._url,
                open_timeout=_CONNECT_S,
                close_timeout=1,
                max_size=_FRAME_MAX,
                logger=_SOCKET_LOG,
            ) as socket:
                self._socket = socket
                for channel in ("heartbeats", "user"):
                    socket.send(json.dumps(self._subscription(channel)))
                while not self._stopped.is_set():
                    self.frame(socket.recv(self._silence_s))
        except TimeoutError:
            return f"nothing was received for {self._silence_s:g} s"
        except StreamEnded as ended:
            return str(ended)
        except Exception as error:
            return _why(error)
        finally:
            self._socket = None
        return "stopped"

    def _subscription(self, channel: str) -> dict[str, object]:
        token = sdk("coinbase.jwt_generator").build_ws_jwt(
            self._keys.api_key, self._keys.api_secret
        )
        return {"type": "subscribe", "channel": channel, "product_ids": [], "jwt": token}

    def frame(self, raw: str | bytes) -> None:
        """
        Handle one frame.

        Raises: StreamEnded, if the connection is of no use any more.
        """
        try:
            found = frames.frame(raw)
        except InvalidValue:
            self._gap("a frame could not be read")
            return
        self._count(found.number)
        match found.channel:
            case None:
                raise StreamEnded(f"Coinbase refused the subscription: {found.message}")
            case "subscriptions":
                self._confirm(found)
            case "user":
                self._sink.event(found)
            case _:
                pass  # heartbeats

    def _confirm(self, found: frames.Frame) -> None:
        is_subscribed = "user" in found.subscriptions()
        if is_subscribed and not self._is_connected:
            self._is_connected = True
            self._sink.connected()
        elif self._is_connected and not is_subscribed:
            raise StreamEnded("the subscription ended")

    def _count(self, number: int | None) -> None:
        """Note the number of a frame; a missing one is a gap, a repeated or late one is not."""
        if number is None:
            return
        expected, self._next = self._next, max(number + 1, self._next or 0)
        if expected is not None and number > expected:
            self._gap("a frame was lost")

    def _gap(self, why: str) -> None:
        if self._is_connected:
            self._sink.lost(why)
            self._sink.connected()

    def _changed(self, found: object) -> Sequence[m.OrderReport]:
        """Decode a frame, and return the orders that have changed since they were passed on."""
        assert isinstance(found, frames.Frame)
        return [each for each in self._read(found) if self._is_new(each)]

    def _is_new(self, report: m.OrderReport) -> bool:
        before = self._known.get(report.broker_order_id)
        terms = report.terms
        state = (
            report.filled_qty,
            report.status,
            report.filled_value,
            terms.qty,
            terms.limit_price,
        )
        if before is not None:
            is_late = report.filled_qty < before[0]  # type: ignore[operator]
            was_final = before[1] in _ENDED and report.status not in _ENDED
            if before == state or is_late or was_final:
                return False
        self._known[report.broker_order_id] = state
        if len(self._known) > _KNOWN_MAX:
            del self._known[next(iter(self._known))]
        return True


_ENDED: Final = m.ENDINGS | {m.OrderStatus.FILLED}


def _why(error: Exception) -> str:
    """Return the cause of a loss, without text that may quote a request."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is not None:
        return f"HTTP {status}: there is no stream"
    return f"the connection ended: {type(error).__name__}"
