"""
The simulated broker: the exchange of `fillbook.venue` in this process, as a broker.

It injects the transport faults of the exchange's fault plan: a lost reply takes the
time-out (simulated time, under a `ManualClock`) and returns `Ambiguous` or `NotObserved`,
as with a real broker.
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
    pair,
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
_RECONNECT_S: Final = 5.0  #: a stream that was refused or lost reconnects after this
_RETRY_AFTER: Final = timedelta(seconds=1)

CAPABILITIES: Final = m.Capabilities(
    order_types=frozenset(m.OrderType) - {m.OrderType.UNRECOGNISED},
    times_in_force=frozenset(m.TimeInForce)
    - {m.TimeInForce.DEFAULT, m.TimeInForce.GTD, m.TimeInForce.UNRECOGNISED},
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
    values_crypto=True,
    clocked=True,
    base_fee=m.number("0.0025"),
    takes=rules.TAKES,
    auctions=rules.AUCTIONS,
    ticks=rules.TICKS,
    notional_step=rules.CENT,
    wash_rule=rules.WASH_RULE,
    closing_intent=frozenset({m.AssetClass.EQUITY}),
    nets_open_orders=True,
    reserve_rule=rules.RESERVE_RULE,
)

#: The failure that the client gets, by injected fault.
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
#: The faults on order_filter the client waits for its time-out.
_NO_REPLY: Final = frozenset(
    {Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.LATE_LANDING, Fault.DUPLICATE_UNLISTED}
)
_NOT_SENT: Final = frozenset({Fault.UNREACHABLE, Fault.RATE_LIMITED})


class SimulatedBroker(Broker):
    """
    An account at an exchange in this process.

    *exchange* is the venue (None: a new one), *account* one of its accounts (None: a new one).
    *timeout_s* (> 0 seconds) is how long a request waits for its reply.  *page_size* (> 0) is
    the maximum number of rows in a page.  The attribute `exchange` controls the market and
    the faults.
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
        self.exchange: Exchange = exchange if exchange is not None else Exchange()
        #: the account at the exchange, with its `truth`
        self.books: Account = account if account is not None else self.exchange.open_account()
        self._clock = self.exchange.clock
        self._timeout_s = timeout_s
        self._page_size = page_size

    @classmethod
    def from_address(cls, rest: str, env: Mapping[str, str]) -> SimulatedBroker:
        """
        Open the broker of ``sim:`` + *rest*, such as ``?seed=7&faults=lost-reply&rate=0.1``.

        The options are `seed`, `cash` (USD), `multiplier`, `partial` (the rate of partial
        fills, 0 to 1), `faults` (names, or "random"), `rate` (of each fault, 0 to 1), `walk`
        (symbols whose price moves) and `timeout` (seconds).  *env* is not used: there are no
        credentials.  Raises: BadAddress.
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
                for each in self.books.positions()
            ]

        return self._page(InjectionPoint.POSITIONS, rows, lambda each: each.symbol, page)

    def orders(self, query: m.OrderQuery, page: m.Cursor | None) -> PageOf[m.OrderReport]:
        # The exchange's filter excludes its own time; *since* includes it.
        since = None if query.since is None else m.timestamp(query.since - _MICROSECOND)

        def rows() -> Sequence[m.OrderReport]:
            order_filter = OrderFilter(scope=query.scope, after=since, oldest_first=True)
            return [report(order) for order in self.books.orders(order_filter)]

        return self._page(InjectionPoint.ORDERS, rows, lambda each: each.broker_order_id, page)

    def order(self, broker_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        return self._read(
            InjectionPoint.ORDER,
            lambda _: _found(self.books.order(broker_order_id)),
            *self._subjects(broker_order_id),
        )

    def find(self, client_order_id: str) -> m.Read[m.OrderReport] | m.Absent:
        return self._read(
            InjectionPoint.FIND,
            lambda _: _found(self.books.find(client_order_id)),
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
            return [execution(f) for f in self.books.fills(order_id) if f.at >= since]

        return self._page(InjectionPoint.EXECUTIONS, rows, lambda each: each.exec_id, page)

    def activities(self, since: m.Timestamp, page: m.Cursor | None) -> PageOf[m.Activity]:
        def rows() -> Sequence[m.Activity]:
            return [activity(row) for row in self.books.activities() if row.at >= since]

        return self._page(InjectionPoint.ACTIVITIES, rows, lambda each: each.activity_id, page)

    def instruments(self, asset_class: m.AssetClass, page: m.Cursor | None) -> PageOf[m.Instrument]:
        def rows() -> Sequence[m.Instrument]:
            return [i for i in self.exchange.instruments() if i.asset_class is asset_class]

        return self._page(InjectionPoint.INSTRUMENTS, rows, lambda each: each.symbol, page)

    def instrument(self, symbol: str) -> m.Read[m.Instrument] | m.Absent:
        def found(_: InjectedFault | None) -> m.Observed[m.Instrument] | m.Absent:
            listed = self.exchange.instrument(symbol)
            return m.Absent() if listed is None else m.Observed(listed)

        return self._read(InjectionPoint.INSTRUMENTS, found)

    def pair(self, symbol: str) -> m.Pair | None:
        return pair(symbol)

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
        injected = self._next_fault(InjectionPoint.SUBMIT, ticket.symbol, intent.client_order_id)
        if injected is not None and injected.fault is Fault.LATE_LANDING:
            self.books.submit_later(ticket, self._timeout_s + injected.seconds)
        if injected is not None and injected.fault is Fault.DUPLICATE_UNLISTED:
            hidden_s = self._timeout_s + injected.seconds
            return self._write(injected, lambda: self.books.submit_unlisted(ticket, hidden_s))
        return self._write(injected, lambda: self.books.submit(ticket))

    def cancel(self, broker_order_id: str) -> m.Outcome:
        injected = self._next_fault(InjectionPoint.CANCEL, *self._subjects(broker_order_id))
        return self._write(injected, lambda: self.books.cancel(broker_order_id))

    def replace(self, broker_order_id: str, change: m.Change) -> m.Outcome:
        amendment = amendment_of(change)
        injected = self._next_fault(InjectionPoint.REPLACE, *self._subjects(broker_order_id))
        return self._write(injected, lambda: self.books.replace(broker_order_id, amendment))

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
                    lost("the exchange rejected the subscription")
                    return
                stack.enter_context(
                    self.books.listen(on_event, lambda: lost("the exchange closed the connection"))
                )
                sink.connected()

            try:
                connect()
                yield
            finally:
                closed.set()

    def read_event(self, raw: object) -> Sequence[m.OrderReport]:
        if not isinstance(raw, Event):
            raise InvalidValue(f"{type(raw).__name__} is not an event of the simulated broker")
        return [event_report(raw)]

    # ----------------------------------------------------------------- faults

    def _subjects(self, broker_order_id: str) -> tuple[str, ...]:
        """Return the values by order_filter a fault rule selects this order; empty if unknown."""
        order = self.books.truth.get(broker_order_id)
        return () if order is None else subjects_of(order)

    def _next_fault(self, point: InjectionPoint, *subjects: str) -> InjectedFault | None:
        """Return the fault of a request (None: no fault), after a delay within the time-out."""
        injected = self.exchange.faults.next(point, subjects=subjects)
        if injected is None or injected.fault is not Fault.SLOW:
            return injected
        if injected.seconds < self._timeout_s:
            self._wait(injected.seconds)
            return None
        # A delay beyond the time-out is a lost reply: the exchange carries the write out.
        return InjectedFault(Fault.REPLY_LOST, point, is_applied=True)

    def _wait(self, seconds: float) -> None:
        self._clock.wait(threading.Event(), seconds)

    def _read(
        self, point: InjectionPoint, answer: Callable[[InjectedFault | None], R], *subjects: str
    ) -> R | m.NotObserved:
        injected = self._next_fault(point, *subjects)
        why = None if injected is None else _FAILURES.get(injected.fault)
        if injected is None or why is None:
            return answer(injected)
        if injected.fault in _NO_REPLY:
            self._wait(self._timeout_s)
        return m.NotObserved(why, injected.fault, self._retry_at(injected))

    def _page(
        self,
        point: InjectionPoint,
        rows: Callable[[], Sequence[T]],
        cursor_of: Callable[[T], str],
        page: m.Cursor | None,
    ) -> PageOf[T]:
        """Read one page of *rows*; the cursor is `cursor_of` the last row of the page before."""

        def answer(injected: InjectedFault | None) -> m.Observed[Sequence[T]]:
            if injected is not None and injected.fault is Fault.EMPTY_LIST:
                return m.Observed([])
            found = rows()
            cursors = [cursor_of(row) for row in found]
            first = cursors.index(page) + 1 if page in cursors else 0
            if injected is not None and injected.fault is Fault.SHIFTING_PAGE:
                first = max(0, first - 1)
            end = first + self._page_size
            return m.Observed(
                found[first:end], next=m.Cursor(cursors[end - 1]) if end < len(found) else None
            )

        return self._read(point, answer)

    def _write(
        self, injected: InjectedFault | None, request: Callable[[], OrderVersion | None]
    ) -> m.Outcome:
        """Carry out a write unless a fault prevents it, and return the outcome of the client."""
        outcome: m.Outcome | None = None
        if injected is None or injected.is_applied:
            try:
                order = request()
                outcome = m.Accepted(None if order is None else report(order))
            except Refused as refusal:
                outcome = m.Rejected(refusal.kind, refusal.message, str(refusal.code))
        if injected is None:
            assert outcome is not None
            return outcome
        why = _FAILURES[injected.fault]
        if injected.fault in _NOT_SENT:
            return m.NotSent(why, injected.fault, self._retry_at(injected))
        if injected.fault in _NO_REPLY:
            self._wait(self._timeout_s)
        return m.Ambiguous(why, injected.fault)

    def _retry_at(self, injected: InjectedFault) -> datetime | None:
        return self._clock.now() + _RETRY_AFTER if injected.fault is Fault.RATE_LIMITED else None

    def _account(self) -> m.AccountSnapshot:
        account_report = self.books.report()
        return m.AccountSnapshot(
            m.AccountId(self.name, self.host, account_report.id),
            "USD",
            cash=account_report.cash,
            equity=account_report.equity,
            buying_power=account_report.buying_power,
            non_marginable_buying_power=account_report.non_marginable_buying_power,
            multiplier=m.number(account_report.multiplier),
            long_market_value=account_report.long_market_value,
            short_market_value=account_report.short_market_value,
            blocked=(
                *(
                    each.value
                    for each in (Block.TRADING, Block.ACCOUNT)
                    if each in account_report.blocks
                ),
                *(["trade_suspended_by_user"] if account_report.suspended else []),
            ),
            restricted=(
                *([Block.TRANSFERS.value] if Block.TRANSFERS in account_report.blocks else []),
                *([] if account_report.shorting_enabled else ["no shorting"]),
            ),
        )


def _open_exchange(options: dict[str, str]) -> tuple[Exchange, Account]:
    """Open an exchange and an account by *options*; remove the known options."""
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
