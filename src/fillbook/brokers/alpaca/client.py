"""
The Alpaca broker.  One method is one request; in addition, the list of crypto pairs is
requested once, when a pair without a slash is found.

Other modules: `api` and `transport` send, `wire` encodes and decodes, `stream` (websocket)
and `sse` receive events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker, PageOf, Sink
from fillbook.brokers.alpaca import credentials, rules
from fillbook.brokers.alpaca.api import Api
from fillbook.brokers.alpaca.transport import Transport
from fillbook.brokers.alpaca.wire import account, enums, market, orders, requests
from fillbook.errors import BadAddress

_ORDERS_MAX: Final = 500

_ORDER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_OPTION: Final = re.compile(r"[A-Z]{1,6}\d{6}[CP]\d{8}")

CAPABILITIES: Final = m.Capabilities(
    order_types=frozenset(enums.TYPES.values()),
    times_in_force=frozenset(enums.TIMES_IN_FORCE.values()) - {m.TimeInForce.GTD},
    order_classes=frozenset(enums.CLASSES.values()),
    notional=True,
    fractional=True,
    short=True,
    extended_hours=True,
    find=True,
    history=True,
    activities=True,
    instruments=True,
    instrument=True,
    sessions=True,
    quotes=True,
    stream=True,
    streams_per_key=1,
    replace=True,
    duplicate_check=True,
    clocked=True,
    base_fee=m.number("0.0025"),
    # Alpaca does not document which order counts the fills from before a replace.
    replace_cum=m.ReplaceCum.UNKNOWN,
    account_lag=timedelta(seconds=10),
    late_landing=timedelta(seconds=150),
    rate_limit=200,
    takes=rules.TAKES,
    auctions=rules.AUCTIONS,
    ticks=rules.TICKS,
    notional_step=rules.CENT,
    wash_rule=rules.WASH_RULE,
    closing_intent=frozenset({m.AssetClass.EQUITY}),
    nets_open_orders=True,
    reserve_rule=rules.RESERVE_RULE,
)


class AlpacaBroker(Broker):
    """
    An account at Alpaca, paper or live, or at an emulator on this machine.

    *api_key* and *secret_key*, or *oauth_token*, are the credentials (None: not used).  *paper*
    selects the environment and must be False for live.  *url* is the trading API (None:
    Alpaca's own), *stream_url* the websocket (None: on the host of *url*).  *stream* is
    "websocket" (alpaca-py's, without a replay after a loss) or "sse" (events over HTTP, which
    replay after a loss, and which Alpaca does not document).  *connect_timeout_s* and
    *read_timeout_s* (> 0 seconds) bound each request.

    Raises: CredentialsMissing, BadAddress, ExtraMissing (without alpaca-py).
    """

    name = "alpaca"
    capabilities: m.Capabilities = CAPABILITIES

    def __init__(
        self,
        api_key: str | None = None,
        secret_key: str | None = None,
        *,
        oauth_token: str | None = None,
        paper: bool = True,
        url: str | None = None,
        stream_url: str | None = None,
        stream: str = "websocket",
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 10.0,
    ) -> None:
        if stream not in credentials.STREAMS:
            raise BadAddress(f"stream={stream!r} must be {' or '.join(credentials.STREAMS)}")
        self._stream = stream
        if stream == "sse":
            self.capabilities = evolve(CAPABILITIES, streams_per_key=None)
        self._endpoints = credentials.endpoints(url, paper=paper, stream_url=stream_url)
        self._keys = credentials.Credentials(api_key, secret_key, oauth_token)
        self._transport = Transport(
            self._endpoints, self._keys, connect_s=connect_timeout_s, read_s=read_timeout_s
        )
        self.host: str = self._endpoints.host
        self.live: bool = self._endpoints.live
        self._api = Api(self._transport)

    def __repr__(self) -> str:
        return f"<AlpacaBroker {self.host}{' LIVE' if self.live else ''}>"

    @classmethod
    def from_address(cls, rest: str, env: Mapping[str, str]) -> AlpacaBroker:
        """
        Open ``alpaca:paper``, ``alpaca:live`` or ``alpaca:http://127.0.0.1:8080``.

        Each may end in ``?stream=sse``.  *env* has the keys.  Raises: BadAddress,
        CredentialsMissing, ExtraMissing.
        """
        rest, options = credentials.parse_address(rest)
        is_url = rest.startswith(("http://", "https://"))
        if not is_url and rest not in ("paper", "live"):
            raise BadAddress(
                f"alpaca:{rest} must be alpaca:paper or alpaca:live; an emulator on this machine "
                "is alpaca:http://127.0.0.1:8080"
            )
        keys = credentials.credentials_from(env)
        return cls(
            keys.api_key,
            keys.secret_key,
            paper=rest != "live",
            url=rest if is_url else None,
            stream=options.get("stream", "websocket"),
        )

    @classmethod
    def from_client(
        cls, client: Any, *, stream_url: str | None = None, stream: str = "websocket"
    ) -> AlpacaBroker:
        """
        Open the account of *client*, a `TradingClient` of alpaca-py, which is not changed.

        *stream_url* and *stream* are as in the constructor.  Raises: BadAddress,
        CredentialsMissing.
        """
        base = getattr(client._base_url, "value", client._base_url)
        return cls(
            client._api_key,
            client._secret_key,
            oauth_token=client._oauth_token,
            paper=base.removeprefix("https://").rstrip("/") != credentials.LIVE,
            url=base,
            stream_url=stream_url,
            stream=stream,
        )

    def close(self) -> None:
        """Close idle connections; the broker stays usable."""
        self._transport.close()

    # Reads ------------------------------------------------------------------------------------

    def account(self) -> m.Read[m.AccountSnapshot]:
        return self._api.read("/v2/account", {}, lambda raw: account.account(raw, self.host))

    def positions(self, page: m.Cursor | None) -> PageOf[m.PositionSnapshot]:
        return self._api.page("/v2/positions", {}, account.positions)

    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        params = {
            "status": query.scope.value,
            "limit": str(_ORDERS_MAX),
            "direction": "asc",
            "nested": "true",
        }
        if page is not None:
            # Alpaca takes a time or an id; an id neither repeats nor skips orders of one time.
            params["after_order_id"] = page
        elif query.since is not None:
            params["after"] = requests.just_before(m.timestamp(query.since))
        found = self._api.page("/v2/orders", params, orders.order_page)
        if isinstance(found, m.NotObserved):
            return found
        listed = found.value
        is_full = listed.rows >= _ORDERS_MAX and listed.last is not None
        return m.Observed(
            listed.reports, m.Cursor(listed.last or "") if is_full else None, found.rate_limit
        )

    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        if _ORDER_ID.fullmatch(broker_order_id) is None:
            return _invalid_id_read(broker_order_id)
        path = f"/v2/orders/{broker_order_id}"
        found = self._api.read_order(path, {"nested": "true"})
        return _if_matches(found, lambda report: report.broker_order_id == broker_order_id)

    def find(self, client_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        path = "/v2/orders:by_client_order_id"
        found = self._api.read_order(path, {"client_order_id": client_order_id})
        return _if_matches(found, lambda report: report.client_order_id == client_order_id)

    def executions(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Execution]:
        return self._fills({}, since, page, lambda fill: fill.at >= since)

    def executions_of(
        self, broker_order_id: str, since: m.Timestamp, page: m.Cursor | None
    ) -> PageOf[m.Execution]:
        # Alpaca has this filter since July 2026; without it the page has every order's fills.
        return self._fills(
            {"order_id": broker_order_id},
            since,
            page,
            lambda fill: fill.broker_order_id == broker_order_id,
        )

    def activities(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Activity]:
        # These rows have a date only, which may be before *since* on the same day.
        after = requests.just_before(since, timedelta(days=1))
        params = {"category": "non_trade_activity", "after": after}
        return self._api.history("/v2/account/activities", params, page, account.activities)

    def instruments(self, asset_class: m.AssetClass, page: m.Cursor | None) -> PageOf[m.Instrument]:
        return self._api.instruments(asset_class)

    def instrument(self, symbol: str) -> m.Read[m.Instrument] | m.Absent:
        if _OPTION.fullmatch(symbol):
            # Option contracts are not among the assets; the symbol says what it is.
            return m.Observed(m.Instrument(symbol, m.AssetClass.OPTION))
        found = self._api.read_or_absent(f"/v2/assets/{quote(symbol, safe='')}", market.instrument)
        if isinstance(found, m.Observed):
            asset = found.value
            if symbol not in (asset.symbol, *asset.aliases):
                message = f"the reply reports another asset, {asset.symbol}"
                return m.NotObserved(m.Failure.UNREADABLE, message, None, found.rate_limit)
        return found

    def pair(self, symbol: str) -> m.Pair | None:
        return market.pair(symbol)

    def sessions(self, first: date, last: date) -> m.Read[Sequence[m.Session]]:
        params = {"start": first.isoformat(), "end": last.isoformat()}
        return self._api.read("/v2/calendar", params, market.sessions)

    def quotes(self, symbols: Collection[str]) -> m.Read[Sequence[m.Quote]]:
        crypto = sorted(each for each in symbols if "/" in each)
        stocks = sorted(s for s in symbols if "/" not in s and not _OPTION.fullmatch(s))
        found: list[m.Quote] = []
        at: datetime | None = None
        for path, names in (
            ("/v2/stocks/quotes/latest", stocks),
            ("/v1beta3/crypto/us/latest/quotes", crypto),
        ):
            if names:
                params = {"symbols": ",".join(names)}
                read = self._api.read(path, params, market.quotes, base=self._endpoints.data_url)
                if isinstance(read, m.NotObserved):
                    return read
                found += read.value
                at = read.at
        return m.Observed(tuple(found), at=at)

    # Writes -----------------------------------------------------------------------------------

    def submit(self, intent: m.Intent) -> m.Outcome:
        params = requests.submit(intent)
        return self._api.write("POST", "/v2/orders", params, intent.client_order_id)

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        if _ORDER_ID.fullmatch(broker_order_id) is None:
            return _invalid_id_write(broker_order_id)
        path = f"/v2/orders/{broker_order_id}"
        return self._api.write("PATCH", path, requests.replace(change), change.client_order_id)

    def cancel(self, broker_order_id: str) -> m.Outcome:
        # Without an id the path would cancel every order of the account.
        if _ORDER_ID.fullmatch(broker_order_id) is None:
            return _invalid_id_write(broker_order_id)
        return self._api.write("DELETE", f"/v2/orders/{broker_order_id}", None, None)

    # Events -----------------------------------------------------------------------------------

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        if self._stream == "sse":
            from fillbook.brokers.alpaca.sse import SseListener

            return SseListener(self._transport, self.read_event, sink)
        from fillbook.brokers.alpaca.stream import WebsocketListener

        if self._keys.oauth_token is not None:
            return None  # the stream accepts a pair of keys only
        return WebsocketListener(self._endpoints.stream_url, self._keys, self.read_event, sink)

    def read_event(self, raw: object) -> Sequence[m.OrderReport]:
        if not isinstance(raw, (dict, str, bytes)):
            return (orders.typed_event(raw),)
        inner = orders.event_of(raw)
        if inner is None:
            return ()
        aliases = self._api.aliases_for([inner.fields.get("order")])
        if isinstance(aliases, m.NotObserved):
            return ()  # the symbol of its pair is unknown; the next poll reports the order
        return [
            x if x.reason is None else evolve(x, reason=self.redact(x.reason))
            for x in orders.events(inner.fields, aliases)
        ]

    def redact(self, text: str) -> str:
        return self._keys.redact(text)

    def _fills(
        self,
        query: Mapping[str, str],
        since: m.Timestamp,
        page: m.Cursor | None,
        matches: Callable[[m.Execution], bool],
    ) -> PageOf[m.Execution]:
        params = {**query, "after": requests.just_before(since)}
        read = self._api.history("/v2/account/activities/FILL", params, page, account.executions)
        if isinstance(read, m.NotObserved):
            return read
        return m.Observed(tuple(filter(matches, read.value)), read.next, read.rate_limit)


def _if_matches(
    read: m.Read[m.OrderReport] | m.Absent, matches: Callable[[m.OrderReport], bool]
) -> m.Read[m.OrderReport] | m.Absent:
    """Return *read*, or `NotObserved` if it reports another order than the requested one."""
    if isinstance(read, m.Observed) and not matches(read.value):
        other = read.value.broker_order_id
        message = f"the reply reports another order, {other}"
        return m.NotObserved(m.Failure.UNREADABLE, message, None, read.rate_limit)
    return read


def _invalid_id_read(broker_order_id: str) -> m.NotObserved:
    return m.NotObserved(m.Failure.REFUSED, f"{broker_order_id!r} is not an order id of Alpaca")


def _invalid_id_write(broker_order_id: str) -> m.Rejected:
    return m.Rejected(m.RejectKind.NOT_FOUND, f"{broker_order_id!r} is not an order id of Alpaca")
