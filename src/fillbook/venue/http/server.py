"""An HTTP and WebSocket server on this machine, in its own thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Final, Self

from attrs import frozen

from fillbook.errors import ExtraMissing

try:
    import h11
    import uvicorn
    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
except ImportError:
    raise ExtraMissing(
        'the emulators are not installed: pip install "fillbook[emulator]"'
    ) from None

from fillbook.venue.http.replies import ABORT

_START_S: Final = 10.0
_STOP_S: Final = 1.0  # how long the requests that are being answered may take when it stops
RECEIVE_MAX_S: Final = 10.0  #: how long the head and the body of a request may take, in seconds


@frozen
class Tls:
    """The files of a certificate and of its key, in PEM."""

    certificate: str
    key: str


class EmulatorServer(ABC):
    """
    A server of one ASGI application on 127.0.0.1 while the context lasts.

    *port* 0 is any free port; `port` is the one in use.  *tls* None is plain HTTP.
    """

    def __init__(self, name: str, port: int, tls: Tls | None = None) -> None:
        self._name = name
        self.port = port
        self._tls = tls

    @property
    def authority(self) -> str:
        """The host and the port, as clients name them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://{self.authority}"

    @abstractmethod
    def application(self) -> Starlette:
        """Return the application that is served."""

    @abstractmethod
    def disconnect(self) -> None:
        """Close the streams before the server stops."""

    def __enter__(self) -> Self:
        self._socket = _listening(self.port)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self.application(),
            http=_HttpProtocol,
            ws=_WebSocketProtocol,
            log_config=None,
            access_log=False,
            date_header=False,
            proxy_headers=False,
            lifespan="off",
            ssl_certfile=None if self._tls is None else self._tls.certificate,
            ssl_keyfile=None if self._tls is None else self._tls.key,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name=self._name, daemon=True
        )
        self._thread.start()
        if not self._server.is_up.wait(_START_S):
            raise RuntimeError("the emulator did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.disconnect()
        self._server.stop()
        self._thread.join()
        self._socket.close()


def _listening(port: int) -> socket.socket:
    """
    Open a listening socket on this machine; *port* 0 is any free port.

    The protocol is explicit because asyncio turns off Nagle's algorithm only then, and with
    Nagle's algorithm every reply takes 40 ms.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """
    A server with an event that is set when it has started, and that stops at once.

    uvicorn looks ten times a second whether it is to stop, and whether its connections are closed.
    """

    _loop: asyncio.AbstractEventLoop
    _stopped: asyncio.Event

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    def stop(self) -> None:
        """Stop serving; any thread may ask for it once the server has started."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self.is_up.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # it sets the headers of every reply
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        end = self._loop.time() + _STOP_S
        while (state.connections or state.tasks) and self._loop.time() < end:
            await asyncio.sleep(0.001)
        for task in state.tasks:
            task.cancel()


class _Abortable:
    """A connection that the application may abort, by `scope[ABORT]`."""

    app: Any
    transport: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        served = self.app

        async def with_abort(scope: Scope, receive: Receive, send: Send) -> None:
            # The transport is read late, because it is set when the connection is made.
            scope[ABORT] = lambda: self.transport.abort()
            await served(scope, receive, send)

        self.app = with_abort


class _HttpProtocol(_Abortable, H11Protocol):
    """The protocol of a connection for requests; one that arrives too slowly is aborted."""

    conn: Any
    loop: asyncio.AbstractEventLoop
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch(is_receiving=True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        state = self.conn.their_state
        has_part = state is h11.IDLE and bool(self.conn.trailing_data[0])
        is_upgraded = self.transport.get_protocol() is not self  # it is a WebSocket from here on
        self._watch(is_receiving=not is_upgraded and (has_part or state is h11.SEND_BODY))

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch(is_receiving=False)
        super().connection_lost(exc)

    def _watch(self, *, is_receiving: bool) -> None:
        """Abort the connection unless the request is received within `RECEIVE_MAX_S`."""
        if is_receiving and self._deadline is None:
            self._deadline = self.loop.call_later(RECEIVE_MAX_S, self.transport.abort)
        elif not is_receiving and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _WebSocketProtocol(_Abortable, WebSocketsSansIOProtocol):
    """The protocol of a connection for a stream."""
