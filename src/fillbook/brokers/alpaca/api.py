"""
Requests to Alpaca: `transport` sends one request, `wire` decodes the reply.

The list of crypto pairs is requested once, when a pair without a slash is found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from fillbook import model as m
from fillbook.broker import READ_UNSUPPORTED, PageOf
from fillbook.brokers.alpaca.transport import Transport
from fillbook.brokers.alpaca.wire import account, enums, market, orders, outcome, requests
from fillbook.brokers.wire.fields import array, parse
from fillbook.brokers.wire.http import NoReply
from fillbook.errors import InvalidValue

T = TypeVar("T")

_ACTIVITIES_MAX: Final = 100


class Api:
    """The requests over one transport, and the aliases of crypto pairs that are known so far."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._aliases: dict[str, str] = {}
        self._resolved: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def read(
        self,
        path: str,
        query: Mapping[str, str],
        decode: Callable[[object], T],
        *,
        base: str | None = None,
    ) -> m.Read[T]:
        """Read the JSON at *path* and decode it; *base* is another host (None: the trading API)."""
        reply = self._transport.request("GET", path, query=query, base=base)
        if isinstance(reply, NoReply):
            return _no_reply(reply)
        return _decoded(reply, decode) if reply.status == 200 else outcome.of_read(reply)

    def read_order(self, path: str, query: Mapping[str, str]) -> m.Read[m.OrderReport] | m.Absent:
        """Read one order; `Absent` if it is not found at Alpaca."""
        reply = self._transport.request("GET", path, query=query)
        if isinstance(reply, NoReply):
            return _no_reply(reply)
        if reply.status != 200:
            return outcome.of_read_by_id(reply)
        return self._with_aliases(_decoded(reply, lambda raw: raw), orders.order, single=True)

    def read_or_absent(self, path: str, decode: Callable[[object], T]) -> m.Read[T] | m.Absent:
        """Read the JSON at *path* and decode it; `Absent` if it is not found at Alpaca."""
        reply = self._transport.request("GET", path, query={})
        if isinstance(reply, NoReply):
            return _no_reply(reply)
        return _decoded(reply, decode) if reply.status == 200 else outcome.of_read_by_id(reply)

    def page(
        self,
        path: str,
        query: Mapping[str, str],
        decode: Callable[[object, orders.SymbolAliases], T],
    ) -> m.Read[T]:
        """Read a list of rows with symbols, and decode it with the aliases of its symbols."""
        return self._with_aliases(self.read(path, query, lambda raw: raw), decode)

    def _with_aliases(
        self,
        read: m.Read[object],
        decode: Callable[[object, orders.SymbolAliases], T],
        *,
        single: bool = False,
    ) -> m.Read[T]:
        """Decode *read* with the aliases of its crypto pairs."""
        if isinstance(read, m.NotObserved):
            return read
        try:
            rows = [read.value] if single else array(read.value, "page")
            aliases = self.aliases_for(rows)
            if isinstance(aliases, m.NotObserved):
                return aliases
            return m.Observed(decode(read.value, aliases), None, read.rate_limit)
        except InvalidValue as error:
            return m.NotObserved(m.Failure.UNREADABLE, str(error), None, read.rate_limit)

    def instruments(self, asset_class: m.AssetClass) -> PageOf[m.Instrument]:
        """Read the instruments of one class, and keep the aliases of crypto pairs."""
        if asset_class not in enums.ASSET_CLASS_NAMES:
            return READ_UNSUPPORTED
        params = {"asset_class": enums.ASSET_CLASS_NAMES[asset_class]}
        found = self.read("/v2/assets", params, market.instruments)
        if isinstance(found, m.Observed):
            with self._lock:
                self._aliases = self._aliases | market.crypto_aliases(found.value)
        return found

    def aliases_for(self, rows: Collection[object]) -> orders.SymbolAliases | m.NotObserved:
        """Return the aliases for *rows*; request the list of pairs for an unknown symbol."""
        unresolved = orders.unresolved_crypto_symbols(rows) - self._aliases.keys() - self._resolved
        if unresolved:
            listed = self.instruments(m.AssetClass.CRYPTO)
            if isinstance(listed, m.NotObserved):
                return listed
            with self._lock:
                self._resolved |= unresolved
        return self._aliases

    def history(
        self,
        path: str,
        query: Mapping[str, str],
        page: m.Cursor | None,
        decode: Callable[[object, orders.SymbolAliases], Sequence[T]],
    ) -> PageOf[T]:
        """Read one page of account history, oldest first, after the id in *page*."""
        params = {**query, "direction": "asc", "page_size": str(_ACTIVITIES_MAX)}
        if page is not None:
            params["page_token"] = page

        def rows_and_cursor(
            raw: object, aliases: orders.SymbolAliases
        ) -> tuple[Sequence[T], str | None]:
            is_full = len(array(raw, "activities")) >= _ACTIVITIES_MAX
            return decode(raw, aliases), account.last_id(raw) if is_full else None

        read = self.page(path, params, rows_and_cursor)
        if isinstance(read, m.NotObserved):
            return read
        rows, last = read.value
        return m.Observed(rows, None if last is None else m.Cursor(last), read.rate_limit)

    def write(
        self, method: str, path: str, body: requests.Body | None, client_order_id: str | None
    ) -> m.Outcome:
        """
        Send a write and return its outcome.

        The reply must report the order *client_order_id* (None: the reply has no order).
        """
        reply = self._transport.request(method, path, body=body)
        if isinstance(reply, NoReply):
            if not reply.sent:
                return m.NotSent(m.Failure.UNREACHABLE, reply.message)
            return m.Ambiguous(m.Failure.NO_ANSWER, reply.message)
        if not 200 <= reply.status < 300:
            return outcome.of_write(reply)
        try:
            return m.Accepted(self._report(reply, client_order_id), reply.rate_limit)
        except InvalidValue as error:
            return m.Ambiguous(m.Failure.UNREADABLE, str(error), reply.rate_limit)

    def _report(self, reply: outcome.Reply, client_order_id: str | None) -> m.OrderReport | None:
        """Decode the order in the reply to a write; the reply to a cancel has none."""
        if client_order_id is None:
            if reply.text:
                parse(reply.text)
            return None
        report = orders.order(parse(reply.text), self._aliases)
        if report.client_order_id != client_order_id:
            raise InvalidValue(f"the reply reports another order, {report.client_order_id}")
        return report


def _decoded(reply: outcome.Reply, decode: Callable[[object], T]) -> m.Read[T]:
    try:
        return m.Observed(decode(parse(reply.text)), None, reply.rate_limit, reply.at)
    except InvalidValue as error:
        return m.NotObserved(m.Failure.UNREADABLE, str(error), None, reply.rate_limit)


def _no_reply(no_reply: NoReply) -> m.NotObserved:
    why = m.Failure.NO_ANSWER if no_reply.sent else m.Failure.UNREACHABLE
    return m.NotObserved(why, no_reply.message)
