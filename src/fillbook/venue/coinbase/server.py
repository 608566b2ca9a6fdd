"""The emulator: an HTTP and WebSocket server on this machine, in its own thread."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillbook.venue.http.server import EmulatorServer, Tls  # isort: skip - reports a missing extra

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from fillbook.clock import Clock
from fillbook.venue.coinbase.answers import PREFIX, Endpoint
from fillbook.venue.coinbase.endpoints import ENDPOINTS, OTHER_ENDPOINTS
from fillbook.venue.coinbase.gateway import Gateway, not_found
from fillbook.venue.coinbase.stream import Streams
from fillbook.venue.coinbase.switches import Behavior, Once
from fillbook.venue.coinbase.tokens import secret_of, short_secret_of
from fillbook.venue.exchange import Account, Exchange, Faults, InjectionPoint, SpotTerms


def spot_exchange(
    *,
    seed: int = 0,
    clock: Clock | None = None,
    faults: Faults | None = None,
    latency_s: float = 0.02,
    partial_rate: float = 0.0,
    taker_fee: Decimal = Decimal("0.006"),
    maker_fee: Decimal = Decimal("0.004"),
) -> Exchange:
    """
    Return an exchange of the form that the emulator needs; its values are those of `Exchange`.

    The fees are shares of the value of a trade.
    """
    return Exchange(
        seed=seed,
        clock=clock,
        faults=faults,
        latency_s=latency_s,
        partial_rate=partial_rate,
        edits_in_place=True,
        checks_duplicates=False,
        spot=SpotTerms(taker_fee=taker_fee, maker_fee=maker_fee),
    )


class Emulator(EmulatorServer):
    """
    An emulator of Coinbase over *exchange*, at `url` and `stream_url` while the context
    lasts.

    The API key of an account is its name on the exchange, the secret is `secret_of(key)`, a private
    key.  `key` and `secret` are those of *account*; None is the account named "default", which is
    opened if it does not exist.  *port* 0 is any free port.  *rate_limit* is in requests per second
    and account.  *behavior* holds the behavior switches, which `behavior` may change at any time.
    *tls* None is plain HTTP; the SDK itself sends HTTPS only.
    """

    def __init__(
        self,
        exchange: Exchange,
        account: Account | None = None,
        *,
        port: int = 0,
        rate_limit: int = 30,
        behavior: Behavior = Behavior(),  # noqa: B008 - frozen
        tls: Tls | None = None,
    ) -> None:
        if exchange.spot is None:
            raise ValueError("the exchange of Coinbase's emulator is a spot_exchange()")
        super().__init__("coinbase-emulator", port, tls)
        self.exchange = exchange
        self.account: Account = account if account is not None else _default(exchange)
        self.gateway: Gateway = Gateway(exchange, rate_limit=rate_limit, behavior=behavior)
        self.streams: Streams = Streams(self.gateway)

    @staticmethod
    def secret_of(key: str) -> str:
        """Return the API secret of the account named *key*."""
        return secret_of(key)

    @property
    def key(self) -> str:
        return self.account.name

    @property
    def secret(self) -> str:
        return secret_of(self.key)

    @property
    def short_secret(self) -> str:
        """The other secret of the same key, in one line: an Ed25519 key."""
        return short_secret_of(self.key)

    @property
    def stream_url(self) -> str:
        return f"ws{self.url.removeprefix('http')}"

    @property
    def behavior(self) -> Behavior:
        return self.gateway.behavior

    @behavior.setter
    def behavior(self, behavior: Behavior) -> None:
        self.gateway.behavior = behavior

    def once(self, reply: Once, path: str | None = None) -> None:
        """Let the next request have this reply; *path* is like ``/orders`` (None: any)."""
        self.gateway.once(reply, path)

    def application(self) -> Starlette:
        return app(self.gateway, self.streams)

    def disconnect(self) -> None:
        self.streams.disconnect()


def app(gateway: Gateway, streams: Streams) -> Starlette:
    """Return the emulator as an ASGI application, for use with another server."""
    routes: list[BaseRoute] = [
        Route(prefix + path, _endpoint(gateway, points, endpoint), methods=[method])
        for prefix, served in ((PREFIX, ENDPOINTS), ("", OTHER_ENDPOINTS))
        for method, path, points, endpoint in served
    ]
    routes.append(WebSocketRoute("/", streams.serve))
    application = Starlette(routes=routes, exception_handlers={404: _unknown, 405: _unknown})
    application.router.redirect_slashes = False
    return application


def _endpoint(gateway: Gateway, points: tuple[InjectionPoint, ...], endpoint: Endpoint) -> Any:
    async def serve(request: Request) -> Response:
        return await gateway.handle(request, points, endpoint)

    return serve


async def _unknown(request: Request, error: Exception) -> Response:
    return not_found()


def _default(exchange: Exchange) -> Account:
    try:
        return exchange.account("default")
    except KeyError:
        return exchange.open_account("default", multiplier=1)
