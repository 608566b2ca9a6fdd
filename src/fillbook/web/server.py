"""
The server of the service: uvicorn, with bounds for slow and many clients.

On this machine only it may serve without a token and without TLS.  Everywhere else it needs tokens,
and TLS of its own or of a proxy.  Headers of forwarding are never believed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import h11
import uvicorn
from attrs import frozen
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from fillbook.errors import InvalidValue, cause

#: How long the head of a request may take to arrive, in seconds.
HEAD_S: Final = 10.0
#: The connections at once; further ones are answered 503.
CONNECTIONS_MAX: Final = 2_000


@frozen(kw_only=True)
class Address:
    """Where the service listens; `cert` and `key` are files for TLS (None: no TLS)."""

    host: str = "127.0.0.1"
    port: int = 8000
    cert: Path | None = None
    key: Path | None = None
    behind_tls: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    def check(self) -> None:
        """Raises: InvalidValue: no such port, or reached without TLS from other machines."""
        if not 0 <= self.port <= 65_535:  # the resolver would take it modulo 65,536
            raise InvalidValue(f"--port must be from 0 to 65535, not {self.port}")
        if not (self.is_loopback or self.cert or self.behind_tls):
            raise InvalidValue(
                f"{self.host} is reached from other machines: give --cert and --key, or "
                "--behind-tls if a proxy on this machine ends TLS"
            )


class _Patient(H11Protocol):
    """A connection that is closed unless the head of a request arrives in time."""

    conn: Any
    transport: Any
    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self.conn.trailing_data[0]:  # the next request has begun to arrive
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._head_due is None:
            loop = asyncio.get_running_loop()
            self._head_due = loop.call_later(HEAD_S, self.transport.abort)

    def _forget(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None


class _Server(uvicorn.Server):
    """A server that calls back when it has started, and when it ends."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], ends: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._started = started
        self._ends = ends

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ends()  # the streams have no end of their own
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()


def listening(host: str, port: int) -> socket.socket:
    """Open a listening socket; *port* 0 is any free port. Raises: InvalidValue."""
    with ExitStack() as on_error:
        try:
            family, _, protocol, _, address = socket.getaddrinfo(
                host.strip("[]"), port, type=socket.SOCK_STREAM
            )[0]
            # With an explicit protocol asyncio turns off Nagle's algorithm.
            opened = on_error.enter_context(socket.socket(family, socket.SOCK_STREAM, protocol))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen(1_024)
        except OSError as error:
            raise InvalidValue(f"{host}:{port} cannot be listened on: {cause(error)}") from None
        on_error.pop_all()
    return opened


class Server:
    """The server of one application on a socket, in the thread that calls `run`."""

    def __init__(
        self,
        application: Starlette,
        opened: socket.socket,
        address: Address,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        config = uvicorn.Config(
            application,
            http=_Patient,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=16_384,
            ssl_certfile=None if address.cert is None else os.fspath(address.cert),
            ssl_keyfile=None if address.key is None else os.fspath(address.key),
        )
        self._socket = opened
        ends: Callable[[], None] = getattr(application.state, "close", lambda: None)
        self._server = _Server(config, started, ends)

    def run(self) -> None:
        """Serve until the process receives a signal to end, or `stop` is called."""
        self._server.run([self._socket])

    def stop(self) -> None:
        """End `run` soon."""
        self._server.should_exit = True


class Background:
    """A server in a thread of its own, at `url` while the context lasts."""

    def __init__(self, application: Starlette, address: Address | None = None) -> None:
        self._address = address or Address(port=0)
        self._socket = listening(self._address.host, self._address.port)
        self.port: int = self._socket.getsockname()[1]
        self._is_up = threading.Event()
        self._server = Server(application, self._socket, self._address, self._is_up.set)
        self._thread = threading.Thread(target=self._server.run, name="fillbook-serve", daemon=True)

    @property
    def url(self) -> str:
        """The address of the page."""
        scheme = "http" if self._address.cert is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> Background:
        self._thread.start()
        if not self._is_up.wait(10):
            raise RuntimeError("the service did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._thread.join()
        self._socket.close()
