"""
The Coinbase broker: a portfolio of spot wallets.

A list is read whole by one call (see `api`).  The account is three reads: the wallets, the prices
of what they hold, and now and then the fees and the products.

Other modules: `api` and `transport` send, `wire` encodes and decodes.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker, PageOf, Sink
from fillbook.brokers.coinbase import credentials, rules
from fillbook.brokers.coinbase.api import Api
from fillbook.brokers.coinbase.symbols import OrderSymbols
from fillbook.brokers.coinbase.transport import Transport
from fillbook.brokers.coinbase.wire import account as wire
from fillbook.brokers.coinbase.wire import enums, frames, market, orders, outcome, requests
from fillbook.errors import BadAddress, InvalidValue

T = TypeVar("T")

_ORDER_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
#: Requests a minute and a second, of one user; Coinbase documents 10,000 an hour.
_RATE_LIMIT: Final = 160
_BURST_LIMIT: Final = 10
_KEPT_S: Final = 300.0  #: fees and products are read again after this

CAPABILITIES: Final = m.Capabilities(
    order_types=frozenset({m.OrderType.MARKET, m.OrderType.LIMIT, m.OrderType.STOP_LIMIT}),
    times_in_force=frozenset({m.TimeInForce.GTC, m.TimeInForce.IOC, m.TimeInForce.FOK}),
    order_classes=frozenset({m.OrderClass.SIMPLE, m.OrderClass.OCO}),
    time_in_force=m.TimeInForce.GTC,
    notional=True,
    fractional=True,
    post_only=True,
    history=True,
    instruments=True,
    instrument=True,
    quotes=True,
    stream=True,
    streams_fills=False,
    replace=True,
    replace_makes=m.ReplaceMakes.SAME_ID,
    replace_cum=m.ReplaceCum.CARRIED,
    replace_qty=m.ReplaceQty.TOTAL,
    rate_limit=_RATE_LIMIT,
    burst_limit=_BURST_LIMIT,
    takes=rules.TAKES,
    oco_stop_collar=rules.OCO_STOP_COLLAR,
    notional_step=Decimal("0.01"),
    nets_open_orders=True,
    reserve_rule=rules.RESERVE_RULE,
)


class CoinbaseBroker(Broker):
    """
    A portfolio at Coinbase, or at an emulator on this machine.

    *api_key* is the name of an API key and *api_secret* its private key.  *portfolio* is the id of
    the portfolio that the key must belong to (None: any).  *sharing* (> 0) is the number of
    portfolios of the same user that are traded: each takes its part of one rate limit.  *url* is
    the API (None: Coinbase's own), *stream_url* the user channel (None: of the same host).
    *connect_timeout_s* and *read_timeout_s* (> 0 seconds) bound each request.  *page_size* is the
    number of rows in a page (None: the most).

    Raises: CredentialsMissing, BadAddress, ExtraMissing (without coinbase-advanced-py).
    """

    name = "coinbase"
    capabilities: m.Capabilities = CAPABILITIES

    def __init__(
        self,
        api_key: str,
        api_secret: str,
        *,
        portfolio: str | None = None,
        sharing: int = 1,
        url: str | None = None,
        stream_url: str | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 10.0,
        page_size: int | None = None,
    ) -> None:
        if sharing < 1:
            raise BadAddress(f"sharing={sharing} must be at least 1")
        if sharing > 1:
            self.capabilities = evolve(
                CAPABILITIES,
                rate_limit=_RATE_LIMIT // sharing,
                burst_limit=max(1, _BURST_LIMIT // sharing),
            )
        self._endpoints = credentials.endpoints(url, stream_url)
        self._keys = credentials.Credentials(api_key, api_secret)
        self._portfolio = portfolio
        self._transport = Transport(
            self._endpoints, self._keys, connect_s=connect_timeout_s, read_s=read_timeout_s
        )
        self.host: str = self._endpoints.authority
        self.live: bool = self._endpoints.live
        self._api = Api(self._transport, page_size=page_size)
        self._fees = _Kept(lambda: self._api.read("/transaction_summary", [], wire.fees))
        self._products = _Kept(self._api.products)
        self._symbols = OrderSymbols()

    def __repr__(self) -> str:
        return f"<CoinbaseBroker {self.host}{' LIVE' if self.live else ''}>"

    @classmethod
    def from_address(cls, rest: str, env: Mapping[str, str]) -> CoinbaseBroker:
        """
        Open ``coinbase:live`` or ``coinbase:http://127.0.0.1:8080``.

        Each may end in ``?portfolio=ID&sharing=2``.  *env* has the keys.  Raises: BadAddress,
        CredentialsMissing, ExtraMissing.
        """
        rest, options = credentials.parse_address(rest)
        is_url = rest.startswith(("http://", "https://"))
        if not is_url and rest != "live":
            raise BadAddress(
                f"coinbase:{rest} must be coinbase:live; an emulator on this machine is "
                "coinbase:http://127.0.0.1:8080"
            )
        sharing = options.get("sharing", "1")
        if not sharing.isascii() or not sharing.isdigit() or len(sharing) > 3:
            raise BadAddress(f"sharing={sharing!r} must be a number of portfolios")
        keys = credentials.credentials_from(env)
        return cls(
            keys.api_key,
            keys.api_secret,
            portfolio=options.get("portfolio"),
            sharing=int(sharing),
            url=rest if is_url else None,
        )

    @classmethod
    def from_client(cls, client: Any, *, url: str | None = None) -> CoinbaseBroker:
        """
        Open the portfolio of *client*, a `RESTClient` of the SDK, which is not changed.

        *url* is needed for an emulator over plain HTTP.  Raises: BadAddress, CredentialsMissing.
        """
        base = url or f"https://{client.base_url}"
        return cls(client.api_key or "", client.api_secret or "", url=base)

    def close(self) -> None:
        """Close idle connections; the broker stays usable."""
        self._transport.close()

    # Reads ------------------------------------------------------------------------------------

    def account(self) -> m.Read[m.AccountSnapshot]:
        read = self._wallets()
        if isinstance(read, m.NotObserved):
            return read
        wallets = read.value
        owner = self._owner(wallets)
        if isinstance(owner, m.NotObserved):
            return owner
        if self._portfolio not in (None, owner):
            message = f"the key is for portfolio {owner}, not for {self._portfolio}"
            return m.NotObserved(m.Failure.REFUSED, message)
        fees, quotes = self._fees.value(), self._prices(wallets)
        if isinstance(fees, m.NotObserved):
            return fees
        if isinstance(quotes, m.NotObserved):
            return quotes
        number = m.AccountId(self.name, self.host, owner)
        found = wire.snapshot(wallets, quotes.value, fees.value, number)
        return m.Observed(found, at=read.at)

    def _owner(self, wallets: Collection[wire.Wallet]) -> str | m.NotObserved:
        """Return the portfolio of *wallets*; that of the key, if they do not name it."""
        found = wire.portfolios(wallets)
        if not found:
            read = self._api.read("/key_permissions", [], wire.permitted_portfolio)
            if isinstance(read, m.NotObserved):
                return read
            found = set() if read.value is None else {read.value}
        if len(found) != 1:
            message = "the wallets name no portfolio, or several"
            return m.NotObserved(m.Failure.UNREADABLE, message)
        return found.pop()

    def positions(self, page: m.Cursor | None) -> PageOf[m.PositionSnapshot]:
        read = self._wallets()
        if isinstance(read, m.NotObserved):
            return read
        return m.Observed(wire.positions(read.value), at=read.at)

    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        if query.scope is m.OrderScope.ALL:
            since = [] if query.since is None else [("start_date", m.timestamp(query.since))]
            return self._listed(since)
        # OPEN excludes orders that are live, and cannot be combined with their statuses.  These
        # are the first page: an order that is pending may be open a moment later.
        is_first = page is None
        statuses = enums.OTHER_LIVE if is_first else ("OPEN",)
        read = self._listed([("order_status", each) for each in statuses])
        if isinstance(read, m.NotObserved):
            return read
        since_at = "" if query.since is None else m.timestamp(query.since)
        rows = [x for x in read.value if (x.created_at or since_at) >= since_at]
        return m.Observed(rows, m.Cursor("OPEN") if is_first else None)

    def _listed(self, query: Sequence[tuple[str, str]]) -> m.Read[list[m.OrderReport]]:
        read = self._api.orders(query)
        if isinstance(read, m.Observed):
            self._symbols.read(read.value)
        return read

    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        if _ORDER_ID.fullmatch(broker_order_id) is None:
            return m.NotObserved(m.Failure.REFUSED, f"{broker_order_id!r} is not an order id")
        path = f"/orders/historical/{broker_order_id}"
        found = self._api.read_or_absent(path, orders.order)
        if isinstance(found, m.Observed) and found.value.broker_order_id != broker_order_id:
            message = f"the reply reports another order, {found.value.broker_order_id}"
            return m.NotObserved(m.Failure.UNREADABLE, message)
        if isinstance(found, m.Observed):
            self._symbols.read([found.value])
        return found

    def executions(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Execution]:
        return self._fills([], since, lambda fill: fill.at >= since)

    def executions_of(
        self, broker_order_id: str, since: m.Timestamp, page: m.Cursor | None
    ) -> PageOf[m.Execution]:
        return self._fills(
            [("order_ids", broker_order_id)],
            since,
            lambda fill: fill.broker_order_id == broker_order_id and fill.at >= since,
        )

    def _fills(
        self,
        query: list[tuple[str, str]],
        since: m.Timestamp,
        matches: Callable[[m.Execution], bool],
    ) -> PageOf[m.Execution]:
        read = self._api.fills([*query, ("start_sequence_timestamp", since)], self._side)
        if isinstance(read, m.NotObserved):
            return read
        return m.Observed(tuple(filter(matches, read.value)), at=read.at)

    def _side(self, broker_order_id: str) -> m.OrderSide | None:
        found = self.order(broker_order_id)
        return found.value.terms.side if isinstance(found, m.Observed) else None

    def instruments(self, asset_class: m.AssetClass, page: m.Cursor | None) -> PageOf[m.Instrument]:
        if asset_class is not m.AssetClass.CRYPTO:
            return m.Observed(())
        return self._api.products()

    def instrument(self, symbol: str) -> m.Read[m.Instrument] | m.Absent:
        name = market.product_id(symbol)
        if not market.is_spot(name):
            return m.Absent(
                f"{symbol} is no spot product: futures and perpetuals are not supported"
            )
        found = self._api.read_or_absent(f"/products/{name}", market.instrument)
        if not isinstance(found, m.Observed):
            return found
        if found.value is None or found.value.symbol != market.symbol(name):
            return m.NotObserved(m.Failure.UNREADABLE, f"the reply is not about {name}")
        return m.Observed(found.value, at=found.at)

    def pair(self, symbol: str) -> m.Pair | None:
        return market.pair(symbol)

    def quotes(self, symbols: Collection[str]) -> m.Read[Sequence[m.Quote]]:
        listed = self._products.value()
        if isinstance(listed, m.NotObserved):
            return listed
        # A product that is not listed would make the whole request fail.
        known = {each.symbol for each in listed.value}
        names = [market.product_id(each) for each in sorted(symbols) if each in known]
        if not names:
            return m.Observed(())
        return self._api.read(
            "/best_bid_ask", [("product_ids", each) for each in names], market.quotes
        )

    def _wallets(self) -> m.Read[list[wire.Wallet]]:
        return self._api.wallets(self._portfolio)

    def _prices(self, wallets: Collection[wire.Wallet]) -> m.Read[Sequence[m.Quote]]:
        symbols = wire.valued(wallets)
        return self.quotes(symbols) if symbols else m.Observed(())

    # Writes -----------------------------------------------------------------------------------

    def submit(self, intent: m.Intent) -> m.Outcome:
        symbol, body = intent.request.symbol, requests.submit(intent)
        if not market.is_spot(market.product_id(symbol)):
            return m.Rejected(m.RejectKind.INSTRUMENT, f"{symbol} is not a spot product")
        if body is None:
            return m.Rejected(m.RejectKind.UNSUPPORTED, "Coinbase has no such order")
        name = intent.client_order_id
        self._symbols.sent(intent)
        return self._api.write("/orders", body, lambda reply: outcome.created(reply, name))

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        if any(x is not None for x in (change.stop_price, change.trail, change.time_in_force)):
            message = "only the quantity and the limit price of an order can be changed"
            return m.Rejected(m.RejectKind.UNSUPPORTED, message)
        # An edit states both; what is missing counts as zero.
        qty, price = change.qty, change.limit_price
        if qty is None or price is None:
            found = self.order(broker_order_id)
            if isinstance(found, m.Absent):
                return m.Rejected(m.RejectKind.NOT_FOUND, found.message)
            if isinstance(found, m.NotObserved):
                return m.NotSent(found.why, found.message, found.retry_at)
            terms = found.value.terms
            qty, price = qty or terms.qty, price or terms.limit_price
            if qty is None or price is None:
                message = "only a limit order by quantity can be changed"
                return m.Rejected(m.RejectKind.UNSUPPORTED, message)
        body = requests.edit(broker_order_id, qty, price)
        return self._api.write("/orders/edit", body, outcome.edited)

    def cancel(self, broker_order_id: str) -> m.Outcome:
        body: dict[str, object] = {"order_ids": [broker_order_id]}
        return self._api.write(
            "/orders/batch_cancel", body, lambda reply: outcome.canceled(reply, broker_order_id)
        )

    # Events -----------------------------------------------------------------------------------

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        from fillbook.brokers.coinbase.stream import UserChannel

        return UserChannel(self._endpoints.stream_url, self._keys, self._reports, sink)

    def read_event(self, raw: object) -> Sequence[m.OrderReport]:
        if not isinstance(raw, (dict, str, bytes)):
            to_dict = getattr(raw, "to_dict", None)  # of the SDK's typed frames, which are text
            if to_dict is None:
                raise InvalidValue(f"{type(raw).__name__} is not a frame of Coinbase")
            raw = to_dict()
        return self._reports(frames.frame(raw))

    def _reports(self, found: frames.Frame) -> Sequence[m.OrderReport]:
        return [
            evolve(x, reason=x.reason and self.redact(x.reason))
            for x in frames.reports(found, self._symbols.of)
        ]

    def redact(self, text: str) -> str:
        return self._keys.redact(text)


class _Kept(Generic[T]):
    """A read that is repeated after `_KEPT_S`."""

    def __init__(self, read: Callable[[], m.Read[T]]) -> None:
        self._read = read
        self._found: m.Observed[T] | None = None
        self._at = 0.0
        self._lock = threading.Lock()

    def value(self) -> m.Read[T]:
        with self._lock:
            found, at = self._found, self._at
        if found is not None and time.monotonic() - at < _KEPT_S:
            return found
        read = self._read()
        if isinstance(read, m.Observed):
            with self._lock:
                self._found, self._at = read, time.monotonic()
        return read
