"""The base of all cases: the fixtures to override, and the functions that cases share."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar

import pytest

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.desk.link.reply_types import wrong_type
from fillbook.testing.venue_driver import PartialDriver, VenueDriver, has_method

T = TypeVar("T")

NO_VENUE: Final = "no `venue` fixture: only reads, orders and cancels are checked"
FAR_FUTURE: Final = m.Timestamp("9999-01-01T00:00:00.000000000Z")
EPOCH: Final = m.Timestamp("1970-01-01T00:00:00.000000000Z")
_PAGES_MAX: Final = 1000
_POLLS_MAX: Final = 20
#: The longest client order id of a desk: an adapter has to report such a one whole.
_ID_LENGTH: Final = 60
_numbers = itertools.count(1)


def require_types(reply: object) -> None:
    """Check that every field in a reply of the adapter has its type: a float has lost digits."""
    wrong = wrong_type(reply)
    if wrong is not None:
        raise AssertionError(wrong)


class RecordingSink:
    """A sink that records everything it receives."""

    def __init__(self) -> None:
        self.reports: list[m.OrderReport] = []
        self.connections: int = 0
        self.losses: list[str] = []
        self.reconnected: threading.Event = threading.Event()  #: set on a connection after a loss

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self.reports.extend(reports)

    def connected(self) -> None:
        self.connections += 1
        if self.losses:
            self.reconnected.set()

    def lost(self, why: str) -> None:
        self.losses.append(why)

    def reports_of(self, broker_order_id: str) -> list[m.OrderReport]:
        return [r for r in self.reports if r.broker_order_id == broker_order_id]

    def statuses(self, broker_order_id: str) -> list[m.OrderStatus]:
        return [r.status for r in self.reports_of(broker_order_id)]

    def executions(self, broker_order_id: str) -> list[m.Execution]:
        return [e for r in self.reports_of(broker_order_id) for e in r.executions]


class Cases:
    """
    The fixtures, and functions for the cases.

    The attributes describe the instrument and the broker; a subclass sets its own.  Prices are in
    units of the quote currency.  The price of `symbol` is between `stop_price` and `high_price`, so
    that a buy at `resting_price` rests, and the exits of a bracket are on both sides of the market.
    """

    symbol: ClassVar[str] = "AAPL"  #: it is tradable at any time at which the suite runs
    other_symbol: ClassVar[str] = "MSFT"  #: another one, of which a buy at `resting_price` rests
    resting_price: ClassVar[str] = "100.25"  #: a buy at this price rests
    stop_price: ClassVar[str] = "150"  #: above `resting_price`, and below the market
    high_price: ClassVar[str] = "250"  #: a sale at this price rests
    lot: ClassVar[str] = "1"  #: the cases trade multiples of this quantity
    price_step: ClassVar[str] = "0.25"  #: of prices; `resting_price` less 41 increments is valid
    time_in_force: ClassVar[str] = "day"  #: of orders for which a case has no other
    fraction: ClassVar[str] = "0.123456789"  #: a quantity with all digits of the instrument
    unaffordable_qty: ClassVar[int] = 50_000  #: units that cost more than the account has
    off_tick: ClassVar[str] = "100.123"  #: a price that is rejected; it is below the market
    exact_price: ClassVar[str] = "100.01"  #: a price with all digits of the tick, which rests
    unknown_symbol: ClassVar[str] = "NOSUCHTHING"  #: a symbol that is valid and not listed
    #: An order id in the broker's format, of no order.
    unknown_id: ClassVar[str] = "00000000-0000-4000-8000-000000000000"
    rejects_no_change: ClassVar[bool] = True  #: a replace without a difference is rejected
    #: The status of an exit that waits: for the fill of its entry, or for its stop price.
    waiting: ClassVar[m.OrderStatus] = m.OrderStatus.HELD
    #: The days of November 2026, from the 23rd to the 30th, on which shares trade.
    session_days: ClassVar[tuple[int, ...]] = (23, 24, 25, 27, 30)

    @pytest.fixture
    def broker(self) -> Broker:
        """A broker on a new account with buying power and, preferably, small pages."""
        raise NotImplementedError("override the `broker` fixture")

    @pytest.fixture
    def venue(self) -> VenueDriver | None:
        """The driver of the venue behind the broker; None if there is none."""
        return None

    @pytest.fixture
    def restarted(self) -> Broker | None:
        """A second broker on the account of `broker`, as after a restart; None if there is none."""
        return None

    @pytest.fixture
    def driver(self, broker: Broker, venue: VenueDriver | None) -> VenueDriver:
        """The venue driver, for cases that need one; it may lack methods (`PartialDriver`)."""
        if venue is None:
            pytest.skip(NO_VENUE)
        return PartialDriver(venue)

    @pytest.fixture
    def listener(self, broker: Broker, driver: VenueDriver) -> Iterator[RecordingSink]:
        """A sink on the stream of the broker, for the duration of the case."""
        self.require(broker.capabilities.stream, "a stream")
        sink = RecordingSink()
        stream = broker.listen(sink)
        assert stream is not None
        with stream:
            driver.wait_for_events()
            yield sink

    # --------------------------------------------------------------- functions

    def require(self, declared: bool, what: str) -> None:
        """Skip the case if the broker does not declare *what*."""
        if not declared:
            pytest.skip(f"the broker does not declare {what}")

    def intent(self, *, client_order_id: str | None = None, **fields: Any) -> m.Intent:
        """Make a resting buy of one lot of `symbol`, with *fields* in place of the defaults."""
        terms = {"symbol": self.symbol, "side": "buy", "qty": self.units(1), **fields}
        terms.setdefault("time_in_force", self.time_in_force)
        terms.setdefault("limit_price", self.resting_price)
        if terms["limit_price"] is None:
            del terms["limit_price"]
        moment = datetime.now(UTC)
        return m.Intent(
            client_order_id=client_order_id
            or f"suite-{moment:%Y%m%d%H%M%S%f}-{next(_numbers):0>{_ID_LENGTH - 27}}",
            request=m.OrderRequest(**terms),
            at=m.timestamp(moment),
        )

    def place(self, broker: Broker, **fields: Any) -> m.OrderReport:
        """Place an order and return the report of the broker."""
        intent = self.intent(**fields)
        outcome = broker.submit(intent)
        assert isinstance(outcome, m.Accepted), outcome
        return self.report_of(broker, outcome, intent)

    def report_of(self, broker: Broker, outcome: m.Accepted, intent: m.Intent) -> m.OrderReport:
        """Return the report in *outcome*, or read it by the id in it, or by client order id."""
        require_types(outcome)
        if outcome.report is not None:
            has_clock = outcome.report.clock is not None
            assert has_clock or not broker.capabilities.clocked, (
                "`clocked` is declared, and a report has no clock: every one needs it"
            )
            return outcome.report
        if outcome.broker_order_id is not None:
            return self.read_order(broker, outcome.broker_order_id)
        if not broker.capabilities.find:
            raise AssertionError(
                "`Accepted` has neither a report nor a broker_order_id, and `find` is not declared"
            )
        return self.observed(broker.find(intent.client_order_id))

    def observed(self, answer: m.Observed[T] | m.NotObserved | m.Absent) -> T:
        """Return the value of a read that must be observed; each field has its type."""
        assert isinstance(answer, m.Observed), answer
        require_types(answer)
        return answer.value

    def read_order(self, broker: Broker, broker_order_id: str) -> m.OrderReport:
        """Read an order that must exist."""
        return self.observed(broker.order(broker_order_id))

    def read_pages(self, read: Callable[[m.Cursor | None], m.Read[Sequence[T]]]) -> list[T]:
        """Read the rows of all pages."""
        rows: list[T] = []
        page: m.Cursor | None = None
        for _ in range(_PAGES_MAX):
            answer = read(page)
            rows.extend(self.observed(answer))
            assert isinstance(answer, m.Observed)
            page = answer.next
            if page is None:
                return rows
        raise AssertionError(f"the pages do not end after {_PAGES_MAX}")

    def units(self, lots: int) -> Decimal:
        """Return the quantity of so many lots."""
        return lots * Decimal(self.lot)

    def price(self, steps: int) -> Decimal:
        """Return the price that many steps above `resting_price`, or below it."""
        return Decimal(self.resting_price) + steps * Decimal(self.price_step)

    @property
    def market_price(self) -> Decimal:
        """A price in the middle between `stop_price` and `high_price`."""
        return (Decimal(self.stop_price) + Decimal(self.high_price)) / 2

    def open_orders(self, broker: Broker) -> dict[str, m.OrderReport]:
        """Read all open orders, by broker order id."""
        rows = self.read_pages(lambda page: broker.orders(m.OrderQuery(m.OrderScope.OPEN), page))
        return {row.broker_order_id: row for row in rows}

    def executions_of(self, broker: Broker, broker_order_id: str) -> list[m.Execution]:
        """Read all executions of an order; skip the case without a history."""
        self.require(broker.capabilities.history, "history")
        return self.read_pages(lambda page: broker.executions_of(broker_order_id, EPOCH, page))

    def positions(self, broker: Broker) -> dict[str, Decimal]:
        """Read all positions: signed quantities by symbol."""
        return {row.symbol: row.qty for row in self.read_pages(broker.positions)}

    def pass_second(self, venue: VenueDriver | None) -> None:
        """Let a second pass at the venue: the unit of the coarsest clock."""
        if venue is None or not has_method(venue, "advance"):
            time.sleep(1.1)
        else:
            venue.advance(1)

    def wait_until(
        self, venue: VenueDriver | None, read: Callable[[], T], holds: Callable[[T], bool]
    ) -> T:
        """Repeat a read until it *holds* or the polls run out; return the last reply."""
        answer = read()
        for _ in range(_POLLS_MAX):
            if holds(answer):
                return answer
            if venue is None or not has_method(venue, "advance"):
                time.sleep(0.5)
            else:
                venue.advance(1)
            answer = read()
        return answer
