"""
The WebSocket stream: JSON in binary frames, one connection per key, no replay.

Source: https://docs.alpaca.markets/docs/websocket-streaming.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.websockets import WebSocket

from fillbook.venue.alpaca import responses
from fillbook.venue.alpaca.gateway import Gateway
from fillbook.venue.exchange import Account, Event, Fault, InjectionPoint, subjects_of
from fillbook.venue.http.connections import Connection, Connections

_TRADE_UPDATES = "trade_updates"


class Streams(Connections):
    """
    The open connections.

    `is_limited`: one connection per key.  A client sends its key only after the upgrade, so
    the upgrade is refused (HTTP 429) once every known key has a connection.
    """

    def __init__(self, gateway: Gateway, *, is_limited: bool = True) -> None:
        super().__init__()
        self.gateway = gateway
        self.is_limited = is_limited

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection from its upgrade to its end."""
        injected = self.gateway.exchange.faults.next(InjectionPoint.LISTEN)
        if injected is not None or (self.is_limited and self._is_full()):
            await socket.send_denial_response(Response(status_code=429))
            return
        await self.run(TradeConnection(self, socket))

    def claim_key(self, connection: Connection, key: str) -> bool:
        """Assign *key* to the connection; return False if another connection has it."""
        taken = self.is_limited and key in self.keys()
        if not taken:
            self.register(connection, key)
        return not taken

    def _is_full(self) -> bool:
        keys = self.keys()
        return bool(keys) and self.gateway.keys <= keys


class TradeConnection(Connection):
    """One client's connection."""

    is_binary = True

    def __init__(self, streams: Streams, socket: WebSocket) -> None:
        super().__init__(socket)
        self._streams = streams
        self._account: Account | None = None

    async def handle_message(self, text: str | bytes) -> None:
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
        await self.send(_authorization(status, "authenticate"))

    async def _listen(self, streams: object) -> None:
        if self._account is None:
            await self.send(_authorization("unauthorized", "listen"))
            return
        known = [_TRADE_UPDATES] if isinstance(streams, list) and _TRADE_UPDATES in streams else []
        self._subscription.close()
        if known:
            self._subscription.enter_context(self._account.listen(self._on_event, self._disconnect))
        await self.send({"stream": "listening", "data": {"streams": known}})
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
                self.abort()
            case Fault.EVENT_NULL:
                self.put(frame | {"data": None})
            case Fault.UNKNOWN_EVENT:
                self.put(responses.with_unknown_event(frame))
            case _:
                self.put(frame)


def _authorization(status: str, action: str) -> dict[str, object]:
    return {"stream": "authorization", "data": {"status": status, "action": action}}
