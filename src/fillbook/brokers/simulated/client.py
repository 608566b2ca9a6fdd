"""
A broker in this process: the exchange of `fillbook.venue`, asked as any other broker is.

It carries requests, and so carries out what the exchange's fault plan says happens to
them on the way: a lost reply takes its time-out (made-up time, under a `ManualClock`) and
comes back `Ambiguous` or `NotObserved`, as a real one would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import parse_qsl

from fillbook import model as m
from fillbook.broker import Broker, PageOf, Sink
from fillbook.brokers.simulated import rules
from fillbook.brokers.simulated.wire import (
    activity,
    amendment_of,
    event_report,
    execution,
    report,
    ticket_of,
)
from fillbook.errors import BadAddress, InvalidValue
from fillbook.venue.exchange import (
    Account,
    Block,
    Event,
    Exchange,
    Fault,
    Faults,
    InjectedFault,
    InjectionPoint,
    OrderFilter,
    OrderVersion,
    Refused,
    subjects_of,
)

T = TypeVar("T")
R = TypeVar("R")

_MICROSECOND: Final = timedelta(microseconds=1)
_RECONNECT_S: Final = 5.0  #: a stream that was refused or lost is tried again after this
_RETRY_AFTER: Final = timedelta(seconds=1)

CAPABILITIES: Final = m.Capabilities(
    order_types=frozenset(m.OrderType) - {m.OrderType.UNRECOGNISED},
    times_in_force=frozenset(m.TimeInForce) - {m.TimeInForce.GTD, m.TimeInForce.UNRECOGNISED},
    order_classes=frozenset(
        {m.OrderClass.SIMPLE, m.OrderClass.BRACKET, m.OrderClass.OCO, m.OrderClass.OTO}
    ),
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
    replace=True,
    duplicate_check=True,
    clocked=True,
    base_fee=m.number("0.0025"),
    takes=rules.TAKES,
    auctions=rules.AUCTIONS,
    ticks=rules.TICKS,
    notional_step=rules.CENT,
    wash_rule=rules.WASH_RULE,
    nets_open_orders=True,
    reserve_rule=rules.RESERVE_RULE,
)

#: What the client is left with, by what happened on the way.
_FAILURES: Final[Mapping[Fault, m.Failure]] = {
    Fault.REQUEST_LOST: m.Failure.NO_ANSWER,
    Fault.REPLY_LOST: m.Failure.NO_ANSWER,
    Fault.LATE_LANDING: m.Failure.NO_ANSWER,
    Fault.DUPLICATE_UNLISTED: m.Failure.NO_ANSWER,
    Fault.UNREACHABLE: m.Failure.UNREACHABLE,
    Fault.RATE_LIMITED: m.Failure.RATE_LIMITED,
    Fault.SERVER_ERROR: m.Failure.SERVER_ERROR,
    Fault.HTML: m.Failure.UNREADABLE,
    Fault.REDIRECT: m.Failure.UNREADABLE,
    Fault.CUT_PAGE: m.Failure.UNREADABLE,
}
#: Those that take the client's patience before it gives up.
_NO_REPLY: Final = frozenset(
    {Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.LATE_LANDING, Fault.DUPLICATE_UNLISTED}
)
_NOT_SENT: Final = frozenset({Fault.UNREACHABLE, Fault.RATE_LIMITED})


class SimulatedBroker(Broker):
    """
    One account of an exchange in this process.

    *timeout_s* is how long a request waits for its answer, *page_size* how many rows a page
    has at most.  Both the market and what goes wrong are moved through `exchange`.
    """

    name = "sim"
    host = "localhost"
    live = False
    capabilities = CAPABILITIES

    def __init__(
        self,
        exchange: Exchange | None = None,
        account: Account | None = None,
        *,
        timeout_s: float = 10.0,
        page_size: int = 500,
    ) -> None:
        self.exchange = exchange if exchange is not None else Exchange()
        #: the exchange's own account, as its client sees it, with its `truth`
        self.venue_account = account if account is not None else self.exchange.open_account()
        self._clock = self.exchange.clock
        self._timeout_s = timeout_s
        self._page_size = page_size

    @classmethod
    def from_address(cls, rest: str, env: Mapping[str, str]) -> SimulatedBroker:
        """
        The broker behind ``sim:`` + *rest*, such as ``?seed=7&faults=lost-reply&rate=0.1``.

        `seed`, `cash`, `multiplier`, `partial` (the rate of partial fills), `faults` (cursors,
        or "random"), `rate` (of each fault), `walk` (symbols whose price moves), `timeout`
        (seconds that a lost request takes); no credentials.  Raises: BadAddress.
        """
        options = dict(parse_qsl(rest.removeprefix("?"), keep_blank_values=True))
        try:
            timeout_s = float(options.pop("timeout", "10"))
            exchange, account = _open_exchange(options)
        except (InvalidValue, ValueError, KeyError) as error:
            raise BadAddress(f"sim:{rest} cannot be opened: {error}") from None
        if options:
            raise BadAddress(f"sim:{rest} has unknown settings: {', '.join(sorted(options))}")
        return cls(exchange, account, timeout_s=timeout_s)

    # ------------------------------------------------------------------ reads

    def account(self) -> m.Read[m.AccountSnapshot]:
        return self._read(
            InjectionPoint.ACCOUNT, lambda _: m.Observed(self._account(), at=self.exchange.now())
        )

    def positions(self, page: m.Cursor | None) -> PageOf[m.PositionSnapshot]:
        def rows() -> Sequence[m.PositionSnapshot]:
            return [
                m.PositionSnapshot(
                    each.symbol,
                    each.qty,
                    each.qty_available,
                    each.avg_price,
                    each.market_value,
                    each.price,
                )
                for each in self.venue_account.positions()
            ]

        return self._page(InjectionPoint.POSITIONS, rows, lambda each: each.symbol, page)

    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        # The exchange lists what came after a time, we ask for what came at or after it.
        since = None if query.since is None else m.timestamp(query.since - _MICROSECOND)

        def rows() -> Sequence[m.OrderReport]:
            which = OrderFilter(scope=query.scope, after=since, oldest_first=True)
            return [report(order) for order in self.venue_account.orders(which)]

        return self._page(InjectionPoint.ORDERS, rows, lambda each: each.broker_order_id, page)

    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        return self._read(
            InjectionPoint.ORDER,
            lambda _: _found(self.venue_account.order(broker_order_id)),
            *self._selectors(broker_order_id),
        )

    def find(self, client_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        return self._read(
            InjectionPoint.FIND,
            lambda _: _found(self.venue_account.find(client_order_id)),
            client_order_id,
        )

    def executions(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Execution]:
        return self._executions(None, since, page)

    def executions_of(
        self, broker_order_id: str, since: m.Timestamp, page: m.Cursor | None
    ) -> PageOf[m.Execution]:
        return self._executions(broker_order_id, since, page)

    def _executions(
        self, order_id: str | None, since: m.Timestamp, page: m.Cursor | None
    ) -> PageOf[m.Execution]:
        def rows() -> Sequence[m.Execution]:
            return [execution(f) for f in self.venue_account.fills(order_id) if f.at >= since]

        return self._page(InjectionPoint.EXECUTIONS, rows, lambda each: each.exec_id, page)

    def activities(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Activity]:
        def rows() -> Sequence[m.Activity]:
            return [activity(row) for row in self.venue_account.activities() if row.at >= since]

        return self._page(InjectionPoint.ACTIVITIES, rows, lambda each: each.activity_id, page)

    def instruments(self, asset_class: m.AssetClass, page: m.Cursor | None) -> PageOf[m.Instrument]:
        def rows() -> Sequence[m.Instrument]:
            return [i for i in self.exchange.instruments() if i.asset_class is asset_class]

        return self._page(InjectionPoint.INSTRUMENTS, rows, lambda each: each.symbol, page)

    def instrument(self, symbol: str) -> m.Read[m.Instrument] | m.Absent:
        def found(_: InjectedFault | None) -> m.Observed[m.Instrument] | m.Absent:
            one = self.exchange.instrument(symbol)
            return m.Absent() if one is None else m.Observed(one)

        return self._read(InjectionPoint.INSTRUMENTS, found)

    def sessions(self, first: date, last: date) -> m.Read[Sequence[m.Session]]:
        return self._read(
            InjectionPoint.SESSIONS, lambda _: m.Observed(self.exchange.sessions(first, last))
        )

    def quotes(self, symbols: Collection[str]) -> m.Read[Sequence[m.Quote]]:
        def latest(_: InjectedFault | None) -> m.Observed[Sequence[m.Quote]]:
            found = (self.exchange.quote_of(symbol) for symbol in symbols)
            quotes = [quote for quote in found if quote is not None]
            return m.Observed(quotes, at=self.exchange.now())

        return self._read(InjectionPoint.QUOTES, latest)

    # ----------------------------------------------------------------- writes

    def submit(self, intent: m.Intent) -> m.Outcome:
        ticket = ticket_of(intent)
        strike = self._next_fault(InjectionPoint.SUBMIT, ticket.symbol, intent.client_order_id)
        if strike is not None and strike.fault is Fault.LATE_LANDING:
            self.venue_account.submit_later(ticket, self._timeout_s + strike.seconds)
        if strike is not None and strike.fault is Fault.DUPLICATE_UNLISTED:
            hidden_s = self._timeout_s + strike.seconds
            return self._write(strike, lambda: self.venue_account.submit_unlisted(ticket, hidden_s))
        return self._write(strike, lambda: self.venue_account.submit(ticket))

    def cancel(self, broker_order_id: str) -> m.Outcome:
        strike = self._next_fault(InjectionPoint.CANCEL, *self._selectors(broker_order_id))
        return self._write(strike, lambda: self.venue_account.cancel(broker_order_id))

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        amendment = amendment_of(change)
        strike = self._next_fault(InjectionPoint.REPLACE, *self._selectors(broker_order_id))
        return self._write(strike, lambda: self.venue_account.replace(broker_order_id, amendment))

    # ----------------------------------------------------------------- stream

    def listen(self, sink: Sink) -> AbstractContextManager[object] | None:
        return self._open_stream(sink)

    @contextmanager
    def _open_stream(self, sink: Sink) -> Iterator[None]:
        closed = threading.Event()

        def on_event(event: Event) -> None:
            sink.receive([event_report(event)])

        def lost(why: str) -> None:
            sink.lost(why)
            self.exchange.call_later(_RECONNECT_S, connect)

        with ExitStack() as stack:

            def connect() -> None:
                if closed.is_set():
                    return
                if self.exchange.faults.next(InjectionPoint.LISTEN) is not None:
                    lost("the stream was refused")
                    return
                stack.enter_context(
                    self.venue_account.listen(on_event, lambda: lost("the exchange hung up"))
                )
                sink.connected()

            try:
                connect()
                yield
            finally:
                closed.set()

    def read_event(self, raw: object) -> Sequence[m.OrderReport]:
        if not isinstance(raw, Event):
            raise InvalidValue(f"{type(raw).__name__} is no event of the simulated broker")
        return [event_report(raw)]

    # ---------------------------------------------------------------- the way

    def _selectors(self, broker_order_id: str) -> tuple[str, ...]:
        order = self.venue_account.truth.get(broker_order_id)
        return () if order is None else subjects_of(order)

    def _next_fault(self, occasion: InjectionPoint, *about: str) -> InjectedFault | None:
        """What happens to a request on the way; what only takes time has taken it."""
        strike = self.exchange.faults.next(occasion, subjects=about)
        if strike is None or strike.fault is not Fault.SLOW:
            return strike
        if strike.seconds < self._timeout_s:
            self._wait(strike.seconds)
            return None
        # Slower than our patience is the same as lost: a write is done all the same.
        return InjectedFault(Fault.REPLY_LOST, occasion, is_applied=True)

    def _wait(self, seconds: float) -> None:
        self._clock.wait(threading.Event(), seconds)

    def _read(
        self, occasion: InjectionPoint, answer: Callable[[InjectedFault | None], R], *about: str
    ) -> R | m.NotObserved:
        strike = self._next_fault(occasion, *about)
        why = None if strike is None else _FAILURES.get(strike.fault)
        if strike is None or why is None:
            return answer(strike)
        if strike.fault in _NO_REPLY:
            self._wait(self._timeout_s)
        return m.NotObserved(why, strike.fault, self._retry_at(strike))

    def _page(
        self,
        occasion: InjectionPoint,
        rows: Callable[[], Sequence[T]],
        cursor_of: Callable[[T], str],
        page: m.Cursor | None,
    ) -> PageOf[T]:
        """One page of *rows*; the cursor is the *name* of the last row before it."""

        def answer(strike: InjectedFault | None) -> m.Observed[Sequence[T]]:
            if strike is not None and strike.fault is Fault.EMPTY_LIST:
                return m.Observed([])
            found = rows()
            cursors = [cursor_of(row) for row in found]
            first = cursors.index(page) + 1 if page in cursors else 0
            if strike is not None and strike.fault is Fault.SHIFTING_PAGE:
                first = max(0, first - 1)
            end = first + self._page_size
            return m.Observed(
                found[first:end], next=m.Cursor(cursors[end - 1]) if end < len(found) else None
            )

        return self._read(occasion, answer)

    def _write(
        self, strike: InjectedFault | None, request: Callable[[], OrderVersion | None]
    ) -> m.Outcome:
        """A write, and what its sender learns of it."""
        outcome: m.Outcome | None = None
        if strike is None or strike.is_applied:
            try:
                order = request()
                outcome = m.Accepted(None if order is None else report(order))
            except Refused as refusal:
                outcome = m.Rejected(refusal.kind, refusal.message, str(refusal.code))
        if strike is None:
            assert outcome is not None
            return outcome
        why = _FAILURES[strike.fault]
        if strike.fault in _NOT_SENT:
            return m.NotSent(why, strike.fault, self._retry_at(strike))
        if strike.fault in _NO_REPLY:
            self._wait(self._timeout_s)
        return m.Ambiguous(why, strike.fault)

    def _retry_at(self, strike: InjectedFault) -> datetime | None:
        return self._clock.now() + _RETRY_AFTER if strike.fault is Fault.RATE_LIMITED else None

    def _account(self) -> m.AccountSnapshot:
        figures = self.venue_account.report()
        return m.AccountSnapshot(
            m.AccountId(self.name, self.host, figures.id),
            "USD",
            cash=figures.cash,
            equity=figures.equity,
            buying_power=figures.buying_power,
            non_marginable_buying_power=figures.non_marginable_buying_power,
            multiplier=m.number(figures.multiplier),
            long_market_value=figures.long_market_value,
            short_market_value=figures.short_market_value,
            blocked=(
                *(each.value for each in (Block.TRADING, Block.ACCOUNT) if each in figures.blocks),
                *(["trade_suspended_by_user"] if figures.suspended else []),
            ),
            restricted=(
                *([Block.TRANSFERS.value] if Block.TRANSFERS in figures.blocks else []),
                *([] if figures.shorting_enabled else ["no shorting"]),
            ),
        )


def _open_exchange(options: dict[str, str]) -> tuple[Exchange, Account]:
    """The exchange and account that *options* ask for; those that are understood are taken out."""
    seed = int(options.pop("seed", "0"))
    rate = float(options.pop("rate", "1"))
    fault_names = options.pop("faults", "")
    random = fault_names == "random"
    faults = (
        Faults.random(seed, rate) if random else Faults.named(fault_names, seed=seed, rate=rate)
    )
    partial_rate = float(options.pop("partial", "0"))
    exchange = Exchange(seed=seed, faults=faults, partial_rate=partial_rate)
    account = exchange.open_account(
        cash=m.number(options.pop("cash", "100000")), multiplier=int(options.pop("multiplier", "2"))
    )
    for symbol in filter(None, options.pop("walk", "").split(",")):
        exchange.walk(symbol)
    return exchange, account


def _found(order: OrderVersion | None) -> m.Observed[m.OrderReport] | m.Absent:
    return m.Absent() if order is None else m.Observed(report(order))
