"""
Requests to Coinbase: `transport` sends one request, `wire` decodes the reply.

Coinbase lists newest first and by pages.  A list is read whole here, because only then can it be
passed on oldest first; it is `NotObserved` unless its last page was read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from fillbook import model as m
from fillbook.brokers.coinbase.transport import Transport
from fillbook.brokers.coinbase.wire import account, market, orders, outcome
from fillbook.brokers.coinbase.wire.outcome import Reply
from fillbook.brokers.wire.fields import parse
from fillbook.brokers.wire.http import NoReply
from fillbook.errors import InvalidValue

T = TypeVar("T")
P = TypeVar("P", bound="Page")

Query = Sequence[tuple[str, str]]

_PAGES_MAX: Final = 200
_UNFINISHED: Final = "the list has too many pages, or its cursor does not change"


class Page(Protocol):
    """A page of a list."""

    @property
    def next(self) -> str | None: ...


class Api:
    """The reads and writes over one transport."""

    def __init__(self, transport: Transport, *, page_size: int | None) -> None:
        self._transport = transport
        self._page_size = page_size

    def read(self, path: str, query: Query, decode: Callable[[object], T]) -> m.Read[T]:
        """Read the JSON at *path* and decode it."""
        reply = self._transport.request("GET", path, query=query)
        if isinstance(reply, NoReply):
            return _no_reply(reply)
        return _decoded(reply, decode) if reply.status == 200 else outcome.of_read(reply)

    def read_or_absent(self, path: str, decode: Callable[[object], T]) -> m.Read[T] | m.Absent:
        """Read the JSON at *path* and decode it; `Absent` if it is not found at Coinbase."""
        reply = self._transport.request("GET", path)
        if isinstance(reply, NoReply):
            return _no_reply(reply)
        return _decoded(reply, decode) if reply.status == 200 else outcome.of_read_by_id(reply)

    def wallets(self, portfolio: str | None) -> m.Read[list[account.Wallet]]:
        """Read the wallets of the key's portfolio."""
        query = [] if portfolio is None else [("retail_portfolio_id", portfolio)]
        read = self._pages("/accounts", query, 250, account.wallet_page)
        if isinstance(read, m.NotObserved):
            return read
        wallets = [each for page in read.value for each in page.wallets]
        return m.Observed(wallets, at=read.at)

    def orders(self, query: Query) -> m.Read[list[m.OrderReport]]:
        """Read the spot orders of *query*, oldest first, each once."""
        full = [*query, ("product_type", "SPOT")]
        read = self._pages("/orders/historical/batch", full, 1000, orders.order_page)
        if isinstance(read, m.NotObserved):
            return read
        found = {x.broker_order_id: x for page in read.value for x in page.reports}
        return m.Observed(list(found.values())[::-1], at=read.at)

    def fills(self, query: Query, side_of: account.SideOf) -> m.Read[list[m.Execution]]:
        """Read the executions of *query*, oldest first, each once."""

        def decode(raw: object) -> account.FillPage:
            return account.fill_page(raw, side_of)

        read = self._pages("/orders/historical/fills", query, 100, decode)
        if isinstance(read, m.NotObserved):
            return read
        return m.Observed(account.executions(read.value), at=read.at)

    def products(self) -> m.Read[Sequence[m.Instrument]]:
        """Read the spot products."""
        query = [("product_type", "SPOT"), ("get_all_products", "true")]
        read = self.read("/products", query, market.products)
        return read if isinstance(read, m.NotObserved) else m.Observed(read.value.instruments)

    def _pages(
        self, path: str, query: Query, limit: int, decode: Callable[[object], P]
    ) -> m.Read[list[P]]:
        """Read all pages of a list; the last one has no cursor."""
        pages: list[P] = []
        sized = [*query, ("limit", str(self._page_size or limit))]
        seen: set[str] = set()
        cursor: str | None = None
        for _ in range(_PAGES_MAX):
            read = self.read(path, sized + ([("cursor", cursor)] if cursor else []), decode)
            if isinstance(read, m.NotObserved):
                return read
            pages.append(read.value)
            cursor = read.value.next
            if cursor is None:
                return m.Observed(pages, at=read.at)
            if cursor in seen:
                break
            seen.add(cursor)
        return m.NotObserved(m.Failure.UNREADABLE, _UNFINISHED)

    def write(
        self, path: str, body: dict[str, object], decode: Callable[[Reply], m.Outcome]
    ) -> m.Outcome:
        """Send a write and return its outcome; *decode* reads a reply with the status 200."""
        reply = self._transport.request("POST", path, body=body)
        if isinstance(reply, NoReply):
            if not reply.sent:
                return m.NotSent(m.Failure.UNREACHABLE, reply.message)
            return m.Ambiguous(m.Failure.NO_ANSWER, reply.message)
        return decode(reply) if reply.status == 200 else outcome.of_write(reply)


def _decoded(reply: Reply, decode: Callable[[object], T]) -> m.Read[T]:
    try:
        return m.Observed(decode(parse(reply.text)), at=reply.at)
    except InvalidValue as error:
        return m.NotObserved(m.Failure.UNREADABLE, str(error))


def _no_reply(no_reply: NoReply) -> m.NotObserved:
    why = m.Failure.NO_ANSWER if no_reply.sent else m.Failure.UNREACHABLE
    return m.NotObserved(why, no_reply.message)
