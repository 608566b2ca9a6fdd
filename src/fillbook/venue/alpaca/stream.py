"""
The WebSocket stream: JSON in binary frames, one connection per key, no replay.

Source: https://docs.alpaca.markets/docs/websocket-streaming.
"""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import ExitStack
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from fillbook.venue.alpaca import responses
from fillbook.venue.alpaca.gateway import ABORT, Gateway
from fillbook.venue.exchange import Account, Event, Fault, InjectionPoint, subjects_of

_TRADE_UPDATES = "trade_updates"


class Streams:
    """
    The open connections.

    `is_limited`: one connection per key.  A client sends its key only after the upgrade, so
    the upgrade is refused (HTTP 429) once every known key has a connection.
    """

    def __init__(self, gateway: Gateway, *, is_limited: bool = True) -> None:
        self.gateway = gateway
        self.is_limited = is_limited
        self.sent = 0  #: the number of events sent on all connections until now
        self._open: dict[Connection, str | None] = {}
        self._changed = threading.Condition()

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection from its upgrade to its end."""
        injected = self.gateway.exchange.faults.next(InjectionPoint.LISTEN)
        if injected is not None or (self.is_limited and self._is_full()):
            await socket.send_denial_response(Response(status_code=429))
            return
        connection = Connection(self, socket)
        self.register(connection, None)
        try:
            await connection.run()
        finally:
            self._unregister(connection)

    def claim_key(self, connection: Connection, key: str) -> bool:
        """Assign *key* to the connection; return False if another connection has it."""
        with self._changed:
            taken = self.is_limited and key in self._open.values()
        if not taken:
            self.register(connection, key)
        return not taken

    def broadcast(self, frame: object) -> None:
        """Send *frame* on every connection; from any thread."""
        for connection in self._connections():
            connection.put(frame)

    def disconnect(self) -> None:
        """Close every connection; from any thread."""
        for connection in self._connections():
            connection.put(None)

    def wait_for(self, listening: int, timeout_s: float) -> bool:
        """Wait until *listening* connections are subscribed; return False after *timeout_s*."""
        with self._changed:
            return self._changed.wait_for(
                lambda: sum(each.is_listening for each in self._open) >= listening, timeout_s
            )

    def wait_for_none(self, timeout_s: float) -> bool:
        """Wait until no connection is open; return False after *timeout_s*."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_s)

    def register(self, connection: Connection, key: str | None) -> None:
        with self._changed:
            self._open[connection] = key
            self._changed.notify_all()

    def notify_waiters(self) -> None:
        """Wake the threads that wait for a change of the connections."""
        with self._changed:
            self._changed.notify_all()

    def _is_full(self) -> bool:
        with self._changed:
            return bool(self._open) and self.gateway.keys <= set(self._open.values())

    def _connections(self) -> list[Connection]:
        with self._changed:
            return list(self._open)

    def _unregister(self, connection: Connection) -> None:
        with self._changed:
            del self._open[connection]
            self._changed.notify_all()


class Connection:
    """One client's connection."""

    def __init__(self, streams: Streams, socket: WebSocket) -> None:
        self._streams = streams
        self._socket = socket
        self._account: Account | None = None
        self._outbox: asyncio.Queue[object] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._subscription = ExitStack()
        self._is_ending = False
        self.is_listening: bool = False

    def put(self, frame: object) -> None:
        """Queue *frame*; None closes the connection, and later frames are dropped.  Any thread."""
        if self._is_ending:
            return
        self._is_ending = frame is None
        self._loop.call_soon_threadsafe(self._outbox.put_nowait, frame)

    async def run(self) -> None:
        await self._socket.accept()
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        with self._subscription:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self) -> None:
        while (frame := await self._outbox.get()) is not None:
            await self._send(frame)
        await self._socket.close(1001)

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self._handle_message(message.get("text") or message.get("bytes") or "")
        except WebSocketDisconnect:
            return

    async def _send(self, frame: object) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        await self._socket.send_bytes(text.encode())

    async def _handle_message(self, text: str | bytes) -> None:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        found: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
        given = found.get("data")
        data: dict[str, Any] = given if isinstance(given, dict) else {}
        match found.get("action"):
            case "authenticate":
                await self._authenticate(data.get("key_id"), data.get("secret_key"))
            case "auth":  # the form of the data streams; the server takes it too
                await self._authenticate(found.get("key"), found.get("secret"))
            case "listen":
                await self._listen(data.get("streams"))

    async def _authenticate(self, key: Any, secret: Any) -> None:
        account = self._streams.gateway.account(
            key if isinstance(key, str) else None, secret if isinstance(secret, str) else None
        )
        if account is not None and self._streams.claim_key(self, account.name):
            self._account = account
        status = "authorized" if self._account is not None else "unauthorized"
        await self._send(_authorization(status, "authenticate"))

    async def _listen(self, streams: object) -> None:
        if self._account is None:
            await self._send(_authorization("unauthorized", "listen"))
            return
        known = [_TRADE_UPDATES] if isinstance(streams, list) and _TRADE_UPDATES in streams else []
        self._subscription.close()
        if known:
            self._subscription.enter_context(self._account.listen(self._on_event, self._disconnect))
        await self._send({"stream": "listening", "data": {"streams": known}})
        self.is_listening = bool(known)
        self._streams.notify_waiters()

    def _disconnect(self) -> None:
        self.put(None)

    def _on_event(self, event: Event) -> None:
        if self._is_ending:
            return
        self._streams.sent += 1
        exchange = self._streams.gateway.exchange
        injected = exchange.faults.next(InjectionPoint.FRAME, subjects=subjects_of(event.order))
        frame = responses.event(exchange, event)
        match injected and injected.fault:
            case Fault.STREAM_CUT:
                self._loop.call_soon_threadsafe(self._socket.scope[ABORT])
            case Fault.EVENT_NULL:
                self.put(frame | {"data": None})
            case Fault.UNKNOWN_EVENT:
                self.put(responses.with_unknown_event(frame))
            case _:
                self.put(frame)


def _authorization(status: str, action: str) -> dict[str, object]:
    return {"stream": "authorization", "data": {"status": status, "action": action}}
