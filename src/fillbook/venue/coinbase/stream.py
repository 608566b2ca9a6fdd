"""
The WebSocket: the channels `user` and `heartbeats`, subscribed with a token each.

Every frame of a connection has the next number, from 0.  A subscription to `user` begins with the
open orders, at most 50 a frame; each change of an order is an update with its totals, and a fill is
two: the new total, then the lower hold.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from enum import StrEnum
from typing import Any, Final

from starlette.responses import Response
from starlette.websockets import WebSocket

from fillbook import model as m
from fillbook.venue.coinbase import frames, responses
from fillbook.venue.coinbase.gateway import Gateway
from fillbook.venue.coinbase.requests import Json
from fillbook.venue.exchange import (
    Account,
    Event,
    Fault,
    InjectionPoint,
    OrderFilter,
    subjects_of,
)
from fillbook.venue.exchange.market import spot
from fillbook.venue.http.connections import Connection, Connections

_USER, _HEARTBEATS = "user", "heartbeats"
_SNAPSHOT_MAX: Final = 50
_KEPT: Final = 20  #: the updates that are sent again if a switch says so
_REFUSED: Final = {"type": "error", "message": "authentication failure"}


class Frame(StrEnum):
    """What happens to one update, by `Streams.next`."""

    GAP = "gap"  #: its number is used, and it is not sent
    TWICE = "twice"  #: it is sent twice, with the same number
    SWAPPED = "swapped"  #: it is sent after the next one


class Streams(Connections):
    """The open connections; `is_silent`: they send nothing, and stay open."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self.gateway = gateway
        self.is_silent = False
        self.last: deque[Json] = deque(maxlen=_KEPT)
        self._next: list[Frame] = []
        self._lock = threading.Lock()

    def next(self, what: Frame) -> None:
        """Let the next update of an order be sent so."""
        with self._lock:
            self._next.append(what)

    def take_next(self) -> Frame | None:
        with self._lock:
            return self._next.pop(0) if self._next else None

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection from its upgrade to its end."""
        if self.gateway.exchange.faults.next(InjectionPoint.LISTEN) is not None:
            await socket.send_denial_response(Response(status_code=503))
            return
        await self.run(UserConnection(self, socket))


class UserConnection(Connection):
    """One client's connection."""

    def __init__(self, streams: Streams, socket: WebSocket) -> None:
        super().__init__(socket)
        self._streams = streams
        self._number = 0
        self._channels: dict[str, list[str]] = {}
        self._products: frozenset[str] | None = frozenset()  # None: all
        self._beats: asyncio.Task[None] | None = None
        self._held: Json | None = None
        self._numbers = threading.Lock()

    async def run(self) -> None:
        switches = self._streams.gateway.behavior
        ending = self._loop.call_later(switches.subscribe_s, self._end_without_subscription)
        try:
            await super().run()
        finally:
            ending.cancel()
            if self._beats is not None:
                self._beats.cancel()

    def _end_without_subscription(self) -> None:
        if not self._channels:
            self.put(None)

    async def handle_message(self, text: str | bytes) -> None:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        found: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
        kind, channel, products = (found.get(x) for x in ("type", "channel", "product_ids"))
        account = self._streams.gateway.account(str(found.get("jwt") or ""), None)
        is_known = kind in ("subscribe", "unsubscribe") and channel in (_USER, _HEARTBEATS)
        if account is None or not is_known or not _are_products(products):
            self.put(_REFUSED)
        elif kind == "subscribe":
            self._subscribe(str(channel), account, products or [])
        else:
            self._unsubscribe(str(channel), products or [])

    def _subscribe(self, channel: str, account: Account, products: list[str]) -> None:
        is_user = channel == _USER
        self._channels[channel] = [responses.user_id(account)] if is_user else [_HEARTBEATS]
        self._put("subscriptions", [{"subscriptions": self._channels}])
        if not is_user:
            self._beats = self._beats or self._loop.create_task(self._beat())
            return
        # Products add up; none means all.
        more = frozenset(map(_book, products))
        self._products = self._products | more if more and self._products is not None else None
        self._subscription.close()
        self._send_snapshot(account)
        self._subscription.enter_context(
            account.listen(lambda event: self._on_event(account, event), lambda: self.put(None))
        )
        self.is_listening = True
        self._streams.notify_waiters()

    def _unsubscribe(self, channel: str, products: list[str]) -> None:
        if channel == _HEARTBEATS and self._beats is not None:
            self._beats.cancel()
            self._beats = None
        if channel == _HEARTBEATS or not self._keeps_some(products):
            self._channels.pop(channel, None)
        if _USER not in self._channels:
            self._products = frozenset()
            self._subscription.close()
            self.is_listening = False
        self._put("subscriptions", [{"subscriptions": self._channels}])

    def _keeps_some(self, products: list[str]) -> bool:
        """Leave *products* out (none: all); return whether any is still subscribed."""
        if not products or self._products is None:
            return bool(products)
        self._products -= frozenset(map(_book, products))
        return bool(self._products)

    def drop_subscriptions(self) -> None:
        """Forget the subscriptions of the client and report it; from any thread."""
        self._loop.call_soon_threadsafe(self._unsubscribe, _USER, [])

    async def _beat(self) -> None:
        counter = 1000
        while True:
            period_s = self._streams.gateway.behavior.heartbeat_s
            await asyncio.sleep(period_s or 1)
            counter += 1
            if period_s:
                at = f"2026-01-01 00:00:00.000000000 +0000 UTC m=+{counter}.5"
                self._put(_HEARTBEATS, [{"current_time": at, "heartbeat_counter": counter}])

    def _send_snapshot(self, account: Account) -> None:
        behavior = self._streams.gateway.behavior
        shown = [x for x in account.orders(OrderFilter(scope="open")) if self._is_wanted(x.symbol)]
        rows = [frames.order(self._streams.gateway, account, each) for each in shown]
        for first in range(0, max(1, len(rows)), _SNAPSHOT_MAX):
            self._put(_USER, [_event("snapshot", rows[first : first + _SNAPSHOT_MAX])])
        for row in list(self._streams.last) if behavior.replays else ():
            self._put(_USER, [_event("update", [row])])

    def _is_wanted(self, symbol: str) -> bool:
        return self._products is None or _book(responses.product_id(symbol)) in self._products

    def _on_event(self, account: Account, event: Event) -> None:
        if self._is_ending or not self._is_wanted(event.order.symbol):
            return
        gateway = self._streams.gateway
        injected = gateway.exchange.faults.next(
            InjectionPoint.FRAME, subjects=subjects_of(event.order)
        )
        match injected and injected.fault:
            case Fault.STREAM_CUT:
                self.abort()
                return
            case Fault.EVENT_NULL:
                self._streams.sent += 1
                self._put(_USER, None)
                return
            case Fault.UNKNOWN_EVENT:
                self._streams.sent += 1
                self._put(_USER, [_event("deliberation", [])])
                return
        rows = frames.of_event(gateway, account, event)
        self._streams.last.extend(rows)
        for number, row in enumerate(rows):
            # The switches are about the update, which may be two frames.
            self._put_update(row, self._streams.take_next() if number == 0 else None)

    def _put_update(self, row: Json, what: Frame | None) -> None:
        frame = self._frame(_USER, [_event("update", [row])])
        self._streams.sent += {Frame.GAP: 0, Frame.TWICE: 2}.get(what or Frame.SWAPPED, 1)
        held, self._held = self._held, None
        match what:
            case Frame.GAP:
                pass
            case Frame.SWAPPED:
                self._held = frame
            case Frame.TWICE:
                self._send_frame(frame)
                self._send_frame(frame)
            case None:
                self._send_frame(frame)
        if held is not None:
            self._send_frame(held)

    def _put(self, channel: str, events: list[Json] | None) -> None:
        self._send_frame(self._frame(channel, events))

    def _send_frame(self, frame: Json) -> None:
        if not self._streams.is_silent:
            self.put(frame)

    def _frame(self, channel: str, events: list[Json] | None) -> Json:
        with self._numbers:
            number, self._number = self._number, self._number + 1
        gateway = self._streams.gateway
        client = {"client_id": ""} if gateway.behavior.names_client else {}
        at = m.timestamp(gateway.exchange.clock.now())
        # The values may change before the frame is sent.
        copied = None if events is None else json.loads(json.dumps(events))
        head = {"channel": channel, **client, "timestamp": at}
        return {**head, "sequence_num": number, "events": copied}


def _are_products(found: object) -> bool:
    return found is None or (isinstance(found, list) and all(isinstance(x, str) for x in found))


def _book(product_id: str) -> str:
    """Return the product whose book is that of *product_id*."""
    symbol = product_id.replace("-", "/")
    return responses.product_id(spot.ALIASES.get(symbol, symbol))


def _event(kind: str, orders: list[Json]) -> Json:
    positions: Json = {"perpetual_futures_positions": [], "expiring_futures_positions": []}
    return {"type": kind, "orders": orders, "positions": positions}
