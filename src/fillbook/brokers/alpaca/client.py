"""
Alpaca as a broker.  One method is one request, but for the list of coins, which is
fetched once when a coin without a slash is met.

Its other halves: `wire`, `holdings` and `market` read, `body` writes, `verdict` judges,
`stream` listens.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta
from typing import Any, Final, TypeVar

from fillbook import model as m
from fillbook.broker import UNSUPPORTED, Broker, PageOf, Sink
from fillbook.brokers.alpaca import access, body, holdings, market, verdict, wire, words
from fillbook.brokers.alpaca.fields import array, parse
from fillbook.brokers.alpaca.transport import Silence, Transport
from fillbook.errors import BadAddress, InvalidValue

T = TypeVar("T")

_ORDERS_MAX: Final = 500
_ACTIVITIES_MAX: Final = 100

_ORDER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_OPTION: Final = re.compile(r"[A-Z]{1,6}\d{6}[CP]\d{8}")

CAPABILITIES: Final = m.Capabilities(
    order_types=frozenset(words.TYPES.values()),
    times_in_force=frozenset(words.TIMES_IN_FORCE.values()) - {m.TimeInForce.GTD},
    order_classes=frozenset(words.CLASSES.values()),
    notional=True,
    fractional=True,
    short=True,
    extended_hours=True,
    find=True,
    history=True,
    activities=True,
    instruments=True,
    sessions=True,
    quotes=True,
    stream=True,
    replace=True,
    duplicate_check=True,
    clocked=True,
    base_fee=m.number("0.0025"),
    # After a replace of a partly filled order nobody has said whose fills count where.
    replace_cum=m.ReplaceCum.UNKNOWN,
    account_lag=timedelta(seconds=10),
    late_landing=timedelta(seconds=150),
    rate_limit=200,
)


class AlpacaBroker(Broker):
    """
    One account at Alpaca, paper or live, or at an emulator on this machine (*url*).

    Raises: CredentialsMissing, BadAddress, ExtraMissing (without alpaca-py).
    """

    name = "alpaca"
    capabilities = CAPABILITIES

    def __init__(
        self,
        api_key: str | None = None,
        secret_key: str | None = None,
        *,
        oauth_token: str | None = None,
        paper: bool = True,
        url: str | None = None,
        stream_url: str | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 10.0,
    ) -> None:
        self._place = access.place(url, paper=paper, stream_url=stream_url)
        self._keys = access.Keys(api_key, secret_key, oauth_token)
        self._transport = Transport(
            self._place, self._keys, connect_s=connect_timeout_s, read_s=read_timeout_s
        )
        self.host = self._place.host
        self.live = self._place.live
        self._spelling: dict[str, str] = {}
        self._looked_up: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<AlpacaBroker {self.host}{' LIVE' if self.live else ''}>"

    @classmethod
    def from_address(cls, rest: str, env: Mapping[str, str]) -> AlpacaBroker:
        """The broker behind ``alpaca:paper``, ``alpaca:live`` or ``alpaca:http://127.0.0.1:8080``."""
        is_url = rest.startswith(("http://", "https://"))
        if not is_url and rest not in ("paper", "live"):
            raise BadAddress(f"alpaca:{rest} is none of alpaca:paper, alpaca:live, alpaca:http://…")
        keys = access.keys_from(env)
        return cls(
            keys.api_key,
            keys.secret_key,
            paper=rest != "live",
            url=rest if is_url else None,
        )

    @classmethod
    def from_client(cls, client: Any, *, stream_url: str | None = None) -> AlpacaBroker:
        """The broker that *client*, a bot's own `TradingClient`, asks; it is left as it is."""
        base = getattr(client._base_url, "value", client._base_url)
        return cls(
            client._api_key,
            client._secret_key,
            oauth_token=client._oauth_token,
            paper=base.removeprefix("https://").rstrip("/") != access.LIVE,
            url=base,
            stream_url=stream_url,
        )

    def close(self) -> None:
        """Close idle connections; the broker may still be used."""
        self._transport.close()

    # Reads ------------------------------------------------------------------------------------

    def account(self) -> m.Read[m.AccountSnapshot]:
        return self._read("/v2/account", {}, lambda raw: holdings.account(raw, self.host))

    def positions(self, page: m.Cursor | None) -> PageOf[m.PositionSnapshot]:
        return self._read_symbols("/v2/positions", {}, holdings.positions)

    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        asked = {
            "status": query.scope.value,
            "limit": str(_ORDERS_MAX),
            "direction": "asc",
            "nested": "true",
        }
        if page is not None:
            # Times and ids exclude each other; ids neither double nor skip orders of one moment.
            asked["after_order_id"] = page
        elif query.since is not None:
            asked["after"] = body.before(m.stamp(query.since))
        found = self._read_symbols("/v2/orders", asked, wire.order_page)
        if isinstance(found, m.NotObserved):
            return found
        listed = found.value
        is_full = listed.rows >= _ORDERS_MAX and listed.last is not None
        return m.Observed(
            listed.reports, m.Cursor(listed.last or "") if is_full else None, found.meter
        )

    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        if _ORDER_ID.fullmatch(broker_order_id) is None:
            return _no_id(broker_order_id)
        path = f"/v2/orders/{broker_order_id}"
        found = self._read_one(path, {"nested": "true"})
        return _if(found, lambda report: report.broker_order_id == broker_order_id)

    def find(self, client_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        path = "/v2/orders:by_client_order_id"
        found = self._read_one(path, {"client_order_id": client_order_id})
        return _if(found, lambda report: report.client_order_id == client_order_id)

    def executions(self, since: m.Stamp, page: m.Cursor | None) -> PageOf[m.Execution]:
        return self._fills({}, since, page, lambda fill: fill.at >= since)

    def executions_of(
        self, broker_order_id: str, since: m.Stamp, page: m.Cursor | None
    ) -> PageOf[m.Execution]:
        # The filter is of July 2026; where it is not known the page has every order's fills.
        return self._fills(
            {"order_id": broker_order_id},
            since,
            page,
            lambda fill: fill.broker_order_id == broker_order_id,
        )

    def activities(self, since: m.Stamp, page: m.Cursor | None) -> PageOf[m.Activity]:
        # Such rows bear a date only, so a row of today may lie before this morning.
        after = body.before(since, timedelta(days=1))
        asked = {"category": "non_trade_activity", "after": after}
        return self._history("/v2/account/activities", asked, page, holdings.activities)

    def instruments(self, asset_class: m.AssetClass, page: m.Cursor | None) -> PageOf[m.Instrument]:
        if asset_class not in words.ASSET_CLASS_WORDS:
            return UNSUPPORTED
        asked = {"asset_class": words.ASSET_CLASS_WORDS[asset_class]}
        found = self._read("/v2/assets", asked, market.instruments)
        if isinstance(found, m.Observed):
            with self._lock:
                self._spelling = self._spelling | market.spelling(found.value)
        return found

    def sessions(self, first: date, last: date) -> m.Read[Sequence[m.Session]]:
        asked = {"start": first.isoformat(), "end": last.isoformat()}
        return self._read("/v2/calendar", asked, market.sessions)

    def quotes(self, symbols: Collection[str]) -> m.Read[Sequence[m.Quote]]:
        coins = sorted(each for each in symbols if "/" in each)
        stocks = sorted(s for s in symbols if "/" not in s and not _OPTION.fullmatch(s))
        found: list[m.Quote] = []
        for path, names in (
            ("/v2/stocks/quotes/latest", stocks),
            ("/v1beta3/crypto/us/latest/quotes", coins),
        ):
            if names:
                asked = {"symbols": ",".join(names)}
                read = self._read(path, asked, market.quotes, base=self._place.data_url)
                if isinstance(read, m.NotObserved):
                    return read
                found += read.value
        return m.Observed(tuple(found))

    # Writes -----------------------------------------------------------------------------------

    def submit(self, intent: m.Intent) -> m.Outcome:
        asked = body.submit(intent)
        return self._write("POST", "/v2/orders", asked, intent.client_order_id)

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        if _ORDER_ID.fullmatch(broker_order_id) is None:
            return _no_such(broker_order_id)
        path = f"/v2/orders/{broker_order_id}"
        return self._write("PATCH", path, body.replace(change), change.client_order_id)

    def cancel(self, broker_order_id: str) -> m.Outcome:
        # Without an id the path would cancel every order of the account.
        if _ORDER_ID.fullmatch(broker_order_id) is None:
            return _no_such(broker_order_id)
        return self._write("DELETE", f"/v2/orders/{broker_order_id}", None, None)

    # Events -----------------------------------------------------------------------------------

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        from fillbook.brokers.alpaca.stream import Listener

        if self._keys.oauth_token is not None:
            return None  # the stream takes a pair of keys and nothing else
        return Listener(self._place.stream_url, self._keys, self.read_event, sink)

    def read_event(self, raw: object) -> Sequence[m.OrderReport]:
        if not isinstance(raw, (dict, str, bytes)):
            return (wire.poke(raw),)
        inner = wire.event_of(raw)
        if inner is None:
            return ()
        spelling = self._spelling_for([inner.fields.get("order")])
        # Without the name of its coin the event cannot be booked; the next look will show it.
        return () if isinstance(spelling, m.NotObserved) else wire.events(inner.fields, spelling)

    # How requests are made --------------------------------------------------------------------

    def _read(
        self,
        path: str,
        query: Mapping[str, str],
        make: Callable[[object], T],
        *,
        base: str | None = None,
    ) -> m.Read[T]:
        reply = self._transport.ask("GET", path, query=query, base=base)
        if isinstance(reply, Silence):
            return _unheard(reply)
        return _made(reply, make) if reply.status == 200 else verdict.of_read(reply)

    def _read_one(self, path: str, query: Mapping[str, str]) -> m.Read[m.OrderReport] | m.Absent:
        reply = self._transport.ask("GET", path, query=query)
        if isinstance(reply, Silence):
            return _unheard(reply)
        if reply.status != 200:
            return verdict.of_read_by_id(reply)
        return self._spelled(_made(reply, lambda raw: raw), wire.order, single=True)

    def _read_symbols(
        self,
        path: str,
        query: Mapping[str, str],
        make: Callable[[object, wire.Spelling], T],
    ) -> m.Read[T]:
        return self._spelled(self._read(path, query, lambda raw: raw), make)

    def _spelled(
        self,
        read: m.Read[object],
        make: Callable[[object, wire.Spelling], T],
        *,
        single: bool = False,
    ) -> m.Read[T]:
        """What *make* makes of *read* with every coin under its own name."""
        if isinstance(read, m.NotObserved):
            return read
        try:
            rows = [read.value] if single else array(read.value, "page")
            spelling = self._spelling_for(rows)
            if isinstance(spelling, m.NotObserved):
                return spelling
            return m.Observed(make(read.value, spelling), None, read.meter)
        except InvalidValue as error:
            return m.NotObserved(m.Failure.UNREADABLE, str(error), None, read.meter)

    def _spelling_for(self, rows: Collection[object]) -> wire.Spelling | m.NotObserved:
        """Names of all coins in *rows*; asks for the list if one is met for the first time."""
        strange = wire.strange_symbols(rows) - self._spelling.keys() - self._looked_up
        if strange:
            listed = self.instruments(m.AssetClass.CRYPTO, None)
            if isinstance(listed, m.NotObserved):
                return listed
            with self._lock:
                self._looked_up |= strange
        return self._spelling

    def _fills(
        self,
        query: Mapping[str, str],
        since: m.Stamp,
        page: m.Cursor | None,
        wanted: Callable[[m.Execution], bool],
    ) -> PageOf[m.Execution]:
        asked = {**query, "after": body.before(since)}
        read = self._history("/v2/account/activities/FILL", asked, page, holdings.executions)
        if isinstance(read, m.NotObserved):
            return read
        return m.Observed(tuple(filter(wanted, read.value)), read.next, read.meter)

    def _history(
        self,
        path: str,
        query: Mapping[str, str],
        page: m.Cursor | None,
        make: Callable[[object, wire.Spelling], Sequence[T]],
    ) -> PageOf[T]:
        """One page of account history, oldest first, going on behind the id in *page*."""
        asked = {**query, "direction": "asc", "page_size": str(_ACTIVITIES_MAX)}
        if page is not None:
            asked["page_token"] = page

        def both(raw: object, spelling: wire.Spelling) -> tuple[Sequence[T], str | None]:
            is_full = len(array(raw, "activities")) >= _ACTIVITIES_MAX
            return make(raw, spelling), holdings.last_id(raw) if is_full else None

        read = self._read_symbols(path, asked, both)
        if isinstance(read, m.NotObserved):
            return read
        rows, last = read.value
        return m.Observed(rows, None if last is None else m.Cursor(last), read.meter)

    def _write(
        self, method: str, path: str, asked: body.Body | None, client_order_id: str | None
    ) -> m.Outcome:
        reply = self._transport.ask(method, path, body=asked)
        if isinstance(reply, Silence):
            if not reply.sent:
                return m.NotSent(m.Failure.UNREACHABLE, reply.message)
            return m.Ambiguous(m.Failure.NO_ANSWER, reply.message)
        if not 200 <= reply.status < 300:
            return verdict.of_write(reply)
        try:
            return m.Accepted(self._report(reply, client_order_id), reply.meter)
        except InvalidValue as error:
            return m.Ambiguous(m.Failure.UNREADABLE, str(error), reply.meter)

    def _report(self, reply: verdict.Reply, client_order_id: str | None) -> m.OrderReport | None:
        """The order in the answer to a write; a cancel's answer has none."""
        if client_order_id is None:
            if reply.text:
                parse(reply.text)
            return None
        report = wire.order(parse(reply.text), self._spelling)
        if report.client_order_id != client_order_id:
            raise InvalidValue(f"the answer is about another order, {report.client_order_id}")
        return report


def _made(reply: verdict.Reply, make: Callable[[object], T]) -> m.Read[T]:
    try:
        return m.Observed(make(parse(reply.text)), None, reply.meter)
    except InvalidValue as error:
        return m.NotObserved(m.Failure.UNREADABLE, str(error), None, reply.meter)


def _unheard(silence: Silence) -> m.NotObserved:
    why = m.Failure.NO_ANSWER if silence.sent else m.Failure.UNREACHABLE
    return m.NotObserved(why, silence.message)


def _if(
    read: m.Read[m.OrderReport] | m.Absent, right: Callable[[m.OrderReport], bool]
) -> m.Read[m.OrderReport] | m.Absent:
    """*read*, unless it shows an order that was not asked for."""
    if isinstance(read, m.Observed) and not right(read.value):
        other = read.value.broker_order_id
        message = f"the answer is about another order, {other}"
        return m.NotObserved(m.Failure.UNREADABLE, message, None, read.meter)
    return read


def _no_id(broker_order_id: str) -> m.NotObserved:
    return m.NotObserved(m.Failure.REFUSED, f"{broker_order_id!r} is no order id of Alpaca's")


def _no_such(broker_order_id: str) -> m.Rejected:
    return m.Rejected(m.RejectKind.NOT_FOUND, f"{broker_order_id!r} is no order id of Alpaca's")
