"""The emulator: an HTTP and WebSocket server on this machine, in its own thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import TracebackType
from typing import Any, Final

from fillbook.errors import ExtraMissing

try:
    import h11
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute, Route, WebSocketRoute
    from starlette.types import Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
except ImportError:
    raise ExtraMissing(
        'the emulators are not installed: pip install "fillbook[emulator]"'
    ) from None

from fillbook.venue.alpaca.endpoints import ENDPOINTS, Endpoint
from fillbook.venue.alpaca.gateway import ABORT, Gateway, not_allowed, not_found, secret_of
from fillbook.venue.alpaca.sse import Events
from fillbook.venue.alpaca.stream import Streams
from fillbook.venue.alpaca.switches import Behavior
from fillbook.venue.exchange import Account, Exchange, InjectionPoint

_START_S: Final = 10.0
RECEIVE_MAX_S: Final = 10.0  #: how long the head and the body of a request may take, in seconds


class Emulator:
    """
    An emulator of Alpaca over *exchange*, at `url` and `stream_url` while the context lasts.

    The API key of an account is its name on the exchange, the secret is `secret_of(key)`.
    `key` and `secret` are those of *account*; None is the account named "paper", which is
    opened if it does not exist.  *port* 0 is any free port.  *rate_limit* is in requests per
    minute and account.  *behavior* holds the behavior switches.
    """

    def __init__(
        self,
        exchange: Exchange,
        account: Account | None = None,
        *,
        port: int = 0,
        rate_limit: int = 200,
        behavior: Behavior = Behavior(),  # noqa: B008 - frozen
    ) -> None:
        self.exchange = exchange
        self.account: Account = account if account is not None else _paper(exchange)
        self.gateway: Gateway = Gateway(exchange, rate_limit=rate_limit, behavior=behavior)
        self.streams: Streams = Streams(self.gateway, is_limited=behavior.one_stream)
        self.events: Events = Events(self.gateway)
        self._port = port

    @staticmethod
    def secret_of(key: str) -> str:
        """Return the API secret of the account named *key*."""
        return secret_of(key)

    @property
    def key(self) -> str:
        """The API key of the account; a reset may change it."""
        return self.account.name

    @property
    def secret(self) -> str:
        return secret_of(self.key)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def stream_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/stream"

    def __enter__(self) -> Emulator:
        self._socket = _listening(self._port)
        self._port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app(self.gateway, self.streams, self.events),
            http=_HttpProtocol,
            ws=_WebSocketProtocol,
            log_config=None,
            access_log=False,
            date_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="alpaca-emulator", daemon=True
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
        self.streams.disconnect()
        self.events.disconnect()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def app(gateway: Gateway, streams: Streams, events: Events) -> Starlette:
    """Return the emulator as an ASGI application, for use with another server."""
    routes: list[BaseRoute] = [
        Route(path, _endpoint(gateway, point, endpoint), methods=[method])
        for method, path, point, endpoint in ENDPOINTS
    ]
    routes.append(Route("/v2/events/trades", events.serve, methods=["GET"]))
    # Alpaca's older client sends a slash at the end.
    routes += [WebSocketRoute(path, streams.serve) for path in ("/stream", "/stream/")]
    application = Starlette(routes=routes, exception_handlers={404: _unknown, 405: _refused})
    # `/v2/orders/` without an id must not become `/v2/orders`, whose DELETE cancels all orders.
    application.router.redirect_slashes = False
    return application


def _endpoint(gateway: Gateway, point: InjectionPoint | None, endpoint: Endpoint) -> Any:
    async def serve(request: Request) -> Response:
        return await gateway.handle(request, point, endpoint)

    return serve


async def _unknown(request: Request, error: Exception) -> Response:
    return not_found()


async def _refused(request: Request, error: Exception) -> Response:
    return not_allowed()


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


def _paper(exchange: Exchange) -> Account:
    try:
        return exchange.account("paper")
    except KeyError:
        return exchange.open_account("paper")


class _Server(uvicorn.Server):
    """A server with an event that is set when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


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
