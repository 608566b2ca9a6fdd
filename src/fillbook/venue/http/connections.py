"""The WebSocket connections of an emulator: each has a queue of frames, from any thread."""

from __future__ import annotations

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from contextlib import ExitStack

from starlette.websockets import WebSocket, WebSocketDisconnect

from fillbook.venue.http.replies import ABORT


class Connections:
    """The open connections, each with its key (None: none yet)."""

    def __init__(self) -> None:
        self.sent = 0  #: the number of events sent on all connections until now
        self._open: dict[Connection, str | None] = {}
        self._changed = threading.Condition()

    def broadcast(self, frame: object) -> None:
        """Send *frame* on every connection; from any thread."""
        for connection in self.all():
            connection.put(frame)

    def disconnect(self) -> None:
        """Close every connection; from any thread."""
        self.broadcast(None)

    def abort(self) -> None:
        """End every connection without a closing frame; from any thread."""
        for connection in self.all():
            connection.abort()

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

    def notify_waiters(self) -> None:
        """Wake the threads that wait for a change of the connections."""
        with self._changed:
            self._changed.notify_all()

    def all(self) -> list[Connection]:
        with self._changed:
            return list(self._open)

    def keys(self) -> set[str | None]:
        """Return the keys of the open connections."""
        with self._changed:
            return set(self._open.values())

    def register(self, connection: Connection, key: str | None) -> None:
        with self._changed:
            self._open[connection] = key
            self._changed.notify_all()

    async def run(self, connection: Connection) -> None:
        """Serve *connection* from its upgrade to its end."""
        self.register(connection, None)
        try:
            await connection.run()
        finally:
            with self._changed:
                del self._open[connection]
                self._changed.notify_all()


class Connection(ABC):
    """One client's connection; a subclass handles its messages."""

    is_binary = False  #: frames are sent as bytes

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._outbox: asyncio.Queue[object] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._subscription = ExitStack()
        self._is_ending = False
        self.is_listening: bool = False

    @abstractmethod
    async def handle_message(self, text: str | bytes) -> None:
        """Handle a message of the client."""

    def put(self, frame: object) -> None:
        """Queue *frame*; None closes the connection, and later frames are dropped.  Any thread."""
        if self._is_ending:
            return
        self._is_ending = frame is None
        self._loop.call_soon_threadsafe(self._outbox.put_nowait, frame)

    def abort(self) -> None:
        """End the connection without a closing frame; from any thread."""
        self._loop.call_soon_threadsafe(self._socket.scope[ABORT])

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
            await self.send(frame)
        await self._socket.close(1001)

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self.handle_message(message.get("text") or message.get("bytes") or "")
        except WebSocketDisconnect:
            return

    async def send(self, frame: object) -> None:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        if self.is_binary:
            await self._socket.send_bytes(text.encode())
        else:
            await self._socket.send_text(text)
