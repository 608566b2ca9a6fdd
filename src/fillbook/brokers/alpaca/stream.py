"""
The websocket stream: alpaca-py's trading stream, on its own thread.

Rule 1: connected means that Alpaca confirmed the subscription, not that a socket is open.
Rule 2: an event that does not reach the sink is a gap: `lost`, then `connected` again.
Rule 3: a cause of failure is reported once, however often it repeats; alpaca-py backs off
        between attempts (1 s doubling to 30 s), also after HTTP 429 and refused keys.

Alpaca has no replay on this stream and allows one connection for each key; `sse` is the
stream over HTTP, with replay.
Source: https://docs.alpaca.markets/docs/websocket-streaming.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from fillbook.broker import Sink
from fillbook.brokers.alpaca.credentials import Credentials
from fillbook.brokers.alpaca.sdk import sdk
from fillbook.brokers.wire.event_sink import EventSink, ReadEvent

#: Detects a half-open connection after 10 + 20 s; with alpaca-py's settings it takes 190 s.
_SOCKET = {"ping_interval": 10, "ping_timeout": 20, "max_queue": 1024, "close_timeout": 1}

#: At DEBUG, websockets logs each frame, the one with the keys too.
_SOCKET_LOG = logging.getLogger("fillbook.alpaca.websocket")
_SOCKET_LOG.setLevel(logging.INFO)

_STOP_S = 5.0
_RETRY_S = 5.0  #: alpaca-py's loop, if it ends, is started again after this


class WebsocketListener:
    """A context that passes each frame, decoded by *read*, to *sink*."""

    def __init__(self, url: str, keys: Credentials, read: ReadEvent, sink: Sink) -> None:
        self._frames = _FrameSink(read, sink)
        self._stream = _stream(url, keys, self._frames)
        self._thread = threading.Thread(target=self._run, name="alpaca-stream", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def __enter__(self) -> WebsocketListener:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._listen())
        finally:
            self._ready.set()

    async def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._connect_again())
        self._ready.set()
        # alpaca-py's own `stop` takes effect only after a read of up to 5 s.
        await asyncio.wait({self._task})
        with suppress(Exception):  # the connection may have ended already
            await self._stream.close()

    async def _connect_again(self) -> None:
        """Run alpaca-py's loop; again if it ends, because then nothing would be received."""
        while True:
            why = "alpaca-py's loop ended"
            try:
                await self._stream._run_forever()
            except Exception as error:
                why = _loss_reason(error)
            self._frames.lost(why)
            await asyncio.sleep(_RETRY_S)


class _FrameSink(EventSink):
    """Pass the frames of alpaca-py to a sink."""

    def frame(self, message: Any) -> None:
        stream = message.get("stream") if isinstance(message, dict) else None
        match stream:
            case "trade_updates":
                self.event(message)
            case "listening":
                self._confirm("trade_updates" in _streams(message))
            case "authorization":
                self._confirm(False)

    def _confirm(self, subscribed: bool) -> None:
        if subscribed:
            self.connected()
        else:
            self.lost("Alpaca did not confirm the subscription to trade_updates")


def _streams(message: dict[str, Any]) -> Sequence[object]:
    inner = message.get("data")
    streams = inner.get("streams") if isinstance(inner, dict) else None
    return streams if isinstance(streams, list) else ()


def _stream(url: str, keys: Credentials, frames: _FrameSink) -> Any:
    """
    Make a `TradingStream` that passes its frames and losses to *frames*.

    Raises: ExtraMissing if alpaca-py is not installed.
    """
    base: Any = sdk("alpaca.trading.stream").TradingStream
    # Of an error of websockets alpaca-py logs the text only, and it connects again.
    lost = sdk("websockets.exceptions").WebSocketException

    class Stream(base):  # type: ignore[misc]
        async def _start_ws(self) -> None:
            try:
                await super()._start_ws()
            except Exception as error:
                frames.lost(_loss_reason(error))
                # alpaca-py logs the error, whose text may quote the frame with the keys.
                raise lost(_loss_reason(error)) from None

        async def _consume(self) -> None:
            try:
                await super()._consume()
            except Exception as error:
                frames.lost(_loss_reason(error))
                raise lost(_loss_reason(error)) from None

        async def _dispatch(self, message: Any) -> None:
            frames.frame(message)

    stream = Stream(
        keys.api_key or "",
        keys.secret_key or "",
        raw_data=True,
        url_override=url,
        websocket_params={**_SOCKET, "logger": _SOCKET_LOG},
    )
    stream.subscribe_trade_updates(_discard)
    return stream


async def _discard(message: object) -> None:
    """Do nothing: alpaca-py needs a handler to connect, and `_dispatch` takes the frames first."""


def _loss_reason(error: Exception) -> str:
    """Return the cause of a loss, without text that may quote a request."""
    status = getattr(error, "status_code", None)
    if status == 429:
        return "HTTP 429: another connection of this key is open"
    if status is not None:
        return f"HTTP {status}: there is no stream"
    if isinstance(error, ValueError) and "authenticate" in str(error):
        return "Alpaca rejected the keys"
    return f"the connection ended: {type(error).__name__}"
