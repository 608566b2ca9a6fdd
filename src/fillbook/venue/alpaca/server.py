"""The emulator: an HTTP and WebSocket server on this machine, in its own thread."""

from __future__ import annotations

from typing import Any

from fillbook.venue.http.server import EmulatorServer  # isort: skip - it reports a missing extra

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from fillbook.venue.alpaca.endpoints import ENDPOINTS, Endpoint
from fillbook.venue.alpaca.gateway import Gateway, not_allowed, not_found, secret_of
from fillbook.venue.alpaca.sse import Events
from fillbook.venue.alpaca.stream import Streams
from fillbook.venue.alpaca.switches import Behavior
from fillbook.venue.exchange import Account, Exchange, InjectionPoint


class Emulator(EmulatorServer):
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
        super().__init__("alpaca-emulator", port)
        self.exchange = exchange
        self.account: Account = account if account is not None else _paper(exchange)
        self.gateway: Gateway = Gateway(exchange, rate_limit=rate_limit, behavior=behavior)
        self.streams: Streams = Streams(self.gateway, is_limited=behavior.one_stream)
        self.events: Events = Events(self.gateway)

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
    def stream_url(self) -> str:
        return f"ws://{self.authority}/stream"

    def application(self) -> Starlette:
        return app(self.gateway, self.streams, self.events)

    def disconnect(self) -> None:
        self.streams.disconnect()
        self.events.disconnect()


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


def _paper(exchange: Exchange) -> Account:
    try:
        return exchange.account("paper")
    except KeyError:
        return exchange.open_account("paper")
