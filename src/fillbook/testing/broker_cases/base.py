"""What all cases stand on: the fixtures to override, and a few words to ask with."""

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
from fillbook.testing.venue_driver import VenueDriver

T = TypeVar("T")

NO_VENUE: Final = "no `venue` fixture: only what reads, places and cancels is checked"
NEVER: Final = m.Timestamp("9999-01-01T00:00:00.000000000Z")
EVER: Final = m.Timestamp("1970-01-01T00:00:00.000000000Z")
_PAGES_MAX: Final = 1000
_TRIES: Final = 20
_numbers = itertools.count(1)


class Listener:
    """A sink that keeps all it hears."""

    def __init__(self) -> None:
        self.reports: list[m.OrderReport] = []
        self.connections = 0
        self.losses: list[str] = []
        self.again = threading.Event()  #: connected after it was lost

    def receive(self, reports: Sequence[m.OrderReport]) -> None:
        self.reports.extend(reports)

    def connected(self) -> None:
        self.connections += 1
        if self.losses:
            self.again.set()

    def lost(self, why: str) -> None:
        self.losses.append(why)

    def of(self, broker_order_id: str) -> list[m.OrderReport]:
        return [r for r in self.reports if r.broker_order_id == broker_order_id]

    def words(self, broker_order_id: str) -> list[m.OrderStatus]:
        return [r.status for r in self.of(broker_order_id)]

    def executions(self, broker_order_id: str) -> list[m.Execution]:
        return [e for r in self.of(broker_order_id) for e in r.executions]


class Cases:
    """
    Fixtures and questions.

    `symbol` is something whose price is between `resting_price` and `high_price`: a buy at
    the first rests, and exits of a bracket fit around the market (`stop_price` below it).
    """

    symbol: ClassVar[str] = "AAPL"
    other_symbol: ClassVar[str] = "MSFT"
    resting_price: ClassVar[str] = "100.25"
    stop_price: ClassVar[str] = "150"
    high_price: ClassVar[str] = "250"

    @pytest.fixture
    def broker(self) -> Broker:
        """A broker on a fresh account with some money and, best, small pages."""
        raise NotImplementedError("override the `broker` fixture")

    @pytest.fixture
    def venue(self) -> VenueDriver | None:
        """Who moves the world behind the broker; None if nobody can."""
        return None

    @pytest.fixture
    def restarted(self) -> Broker | None:
        """Another broker on the account of `broker`, as after a restart; None if there is none."""
        return None

    @pytest.fixture
    def puppeteer(self, broker: Broker, venue: VenueDriver | None) -> VenueDriver:
        """The venue, for cases that cannot be without."""
        if venue is None:
            pytest.skip(NO_VENUE)
        return venue

    @pytest.fixture
    def listener(self, broker: Broker, puppeteer: VenueDriver) -> Iterator[Listener]:
        """A sink on the broker's stream, for as long as the case runs."""
        self.need(broker.capabilities.stream, "a stream")
        sink = Listener()
        stream = broker.listen(sink)
        assert stream is not None
        with stream:
            puppeteer.heard()
            yield sink

    # --------------------------------------------------------------- questions

    def need(self, can: bool, what: str) -> None:
        """Skip the case, with a reason, if the broker does not declare it."""
        if not can:
            pytest.skip(f"the broker does not declare {what}")

    def intent(self, *, client_order_id: str | None = None, **wish: Any) -> m.Intent:
        """An order for one unit of `symbol` that rests, unless *wish* says otherwise."""
        fields = {"symbol": self.symbol, "side": "buy", "qty": 1, **wish}
        fields.setdefault("limit_price", self.resting_price)
        if fields["limit_price"] is None:
            del fields["limit_price"]
        moment = datetime.now(UTC)
        return m.Intent(
            client_order_id=client_order_id or f"suite-{moment:%Y%m%d%H%M%S%f}-{next(_numbers)}",
            request=m.OrderRequest(**fields),
            at=m.timestamp(moment),
        )

    def placed(self, broker: Broker, **wish: Any) -> m.OrderReport:
        """The broker's report on an order that it accepted."""
        intent = self.intent(**wish)
        outcome = broker.submit(intent)
        assert isinstance(outcome, m.Accepted), outcome
        return self.found(broker, outcome, intent)

    def found(self, broker: Broker, outcome: m.Accepted, intent: m.Intent) -> m.OrderReport:
        """The report in the answer, or by our id where the answer bears none."""
        if outcome.report is not None:
            return outcome.report
        return self.value(broker.find(intent.client_order_id))

    def value(self, answer: m.Observed[T] | m.NotObserved | m.Absent) -> T:
        """What was observed."""
        assert isinstance(answer, m.Observed), answer
        return answer.value

    def seen(self, broker: Broker, broker_order_id: str) -> m.OrderReport:
        return self.value(broker.order(broker_order_id))

    def all_of(self, read: Callable[[m.Cursor | None], m.Read[Sequence[T]]]) -> list[T]:
        """Every row of every page."""
        rows: list[T] = []
        page: m.Cursor | None = None
        for _ in range(_PAGES_MAX):
            answer = read(page)
            assert isinstance(answer, m.Observed), answer
            rows.extend(answer.value)
            page = answer.next
            if page is None:
                return rows
        raise AssertionError(f"the pages do not end after {_PAGES_MAX}")

    def open_orders(self, broker: Broker) -> dict[str, m.OrderReport]:
        rows = self.all_of(lambda page: broker.orders(m.OrderQuery(m.OrderScope.OPEN), page))
        return {row.broker_order_id: row for row in rows}

    def executions_of(self, broker: Broker, broker_order_id: str) -> list[m.Execution]:
        self.need(broker.capabilities.history, "history")
        return self.all_of(lambda page: broker.executions_of(broker_order_id, EVER, page))

    def held(self, broker: Broker) -> dict[str, Decimal]:
        return {row.symbol: row.qty for row in self.all_of(broker.positions)}

    def eventually(
        self, venue: VenueDriver | None, ask: Callable[[], T], holds: Callable[[T], bool]
    ) -> T:
        """The first answer for which it *holds*, asked again while a little time passes."""
        answer = ask()
        for _ in range(_TRIES):
            if holds(answer):
                return answer
            if venue is None:
                time.sleep(0.5)
            else:
                venue.advance(1)
            answer = ask()
        return answer
