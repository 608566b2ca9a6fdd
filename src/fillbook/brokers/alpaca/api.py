"""
How Alpaca is asked: one request, read by the rules of `wire` and judged by `verdict`.

The list of coins is asked for by itself, once, when a coin without a slash is met.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from fillbook import model as m
from fillbook.broker import UNSUPPORTED, PageOf
from fillbook.brokers.alpaca.transport import Silence, Transport
from fillbook.brokers.alpaca.wire import account, enums, market, orders, outcome, requests
from fillbook.brokers.alpaca.wire.fields import array, parse
from fillbook.errors import InvalidValue

T = TypeVar("T")

_ACTIVITIES_MAX: Final = 100


class Api:
    """Requests over one transport, and the names of coins that were learnt on the way."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._spelling: dict[str, str] = {}
        self._looked_up: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def read(
        self,
        path: str,
        query: Mapping[str, str],
        make: Callable[[object], T],
        *,
        base: str | None = None,
    ) -> m.Read[T]:
        """What *make* makes of the JSON at *path*."""
        reply = self._transport.ask("GET", path, query=query, base=base)
        if isinstance(reply, Silence):
            return _unheard(reply)
        return _made(reply, make) if reply.status == 200 else outcome.of_read(reply)

    def one(self, path: str, query: Mapping[str, str]) -> m.Read[m.OrderReport] | m.Absent:
        """One order, or Alpaca's word that there is none."""
        reply = self._transport.ask("GET", path, query=query)
        if isinstance(reply, Silence):
            return _unheard(reply)
        if reply.status != 200:
            return outcome.of_read_by_id(reply)
        return self._spelled(_made(reply, lambda raw: raw), orders.order, single=True)

    def known(self, path: str, make: Callable[[object], T]) -> m.Read[T] | m.Absent:
        """What *make* makes of the JSON at *path*, or Alpaca's word that there is none."""
        reply = self._transport.ask("GET", path, query={})
        if isinstance(reply, Silence):
            return _unheard(reply)
        return _made(reply, make) if reply.status == 200 else outcome.of_read_by_id(reply)

    def page(
        self,
        path: str,
        query: Mapping[str, str],
        make: Callable[[object, orders.Spelling], T],
    ) -> m.Read[T]:
        """A list of rows that name symbols."""
        return self._spelled(self.read(path, query, lambda raw: raw), make)

    def _spelled(
        self,
        read: m.Read[object],
        make: Callable[[object, orders.Spelling], T],
        *,
        single: bool = False,
    ) -> m.Read[T]:
        """What *make* makes of *read* with every coin under its own name."""
        if isinstance(read, m.NotObserved):
            return read
        try:
            rows = [read.value] if single else array(read.value, "page")
            spelling = self.spelling_for(rows)
            if isinstance(spelling, m.NotObserved):
                return spelling
            return m.Observed(make(read.value, spelling), None, read.rate_limit)
        except InvalidValue as error:
            return m.NotObserved(m.Failure.UNREADABLE, str(error), None, read.rate_limit)

    def instruments(self, asset_class: m.AssetClass) -> PageOf[m.Instrument]:
        """Everything of one class; other names of coins are kept."""
        if asset_class not in enums.ASSET_CLASS_WORDS:
            return UNSUPPORTED
        asked = {"asset_class": enums.ASSET_CLASS_WORDS[asset_class]}
        found = self.read("/v2/assets", asked, market.instruments)
        if isinstance(found, m.Observed):
            with self._lock:
                self._spelling = self._spelling | market.spelling(found.value)
        return found

    def spelling_for(self, rows: Collection[object]) -> orders.Spelling | m.NotObserved:
        """Names of all coins in *rows*; asks for the list if one is met for the first time."""
        strange = orders.strange_symbols(rows) - self._spelling.keys() - self._looked_up
        if strange:
            listed = self.instruments(m.AssetClass.CRYPTO)
            if isinstance(listed, m.NotObserved):
                return listed
            with self._lock:
                self._looked_up |= strange
        return self._spelling

    def history(
        self,
        path: str,
        query: Mapping[str, str],
        page: m.Cursor | None,
        make: Callable[[object, orders.Spelling], Sequence[T]],
    ) -> PageOf[T]:
        """One page of account history, oldest first, going on behind the id in *page*."""
        asked = {**query, "direction": "asc", "page_size": str(_ACTIVITIES_MAX)}
        if page is not None:
            asked["page_token"] = page

        def both(raw: object, spelling: orders.Spelling) -> tuple[Sequence[T], str | None]:
            is_full = len(array(raw, "activities")) >= _ACTIVITIES_MAX
            return make(raw, spelling), account.last_id(raw) if is_full else None

        read = self.page(path, asked, both)
        if isinstance(read, m.NotObserved):
            return read
        rows, last = read.value
        return m.Observed(rows, None if last is None else m.Cursor(last), read.rate_limit)

    def write(
        self, method: str, path: str, asked: requests.Body | None, client_order_id: str | None
    ) -> m.Outcome:
        """A write and its outcome; a *client_order_id* says whose order the answer must show."""
        reply = self._transport.ask(method, path, body=asked)
        if isinstance(reply, Silence):
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
        """The order in the answer to a write; a cancel's answer has none."""
        if client_order_id is None:
            if reply.text:
                parse(reply.text)
            return None
        report = orders.order(parse(reply.text), self._spelling)
        if report.client_order_id != client_order_id:
            raise InvalidValue(f"the answer is about another order, {report.client_order_id}")
        return report


def _made(reply: outcome.Reply, make: Callable[[object], T]) -> m.Read[T]:
    try:
        return m.Observed(make(parse(reply.text)), None, reply.rate_limit, reply.at)
    except InvalidValue as error:
        return m.NotObserved(m.Failure.UNREADABLE, str(error), None, reply.rate_limit)


def _unheard(silence: Silence) -> m.NotObserved:
    why = m.Failure.NO_ANSWER if silence.sent else m.Failure.UNREACHABLE
    return m.NotObserved(why, silence.message)
