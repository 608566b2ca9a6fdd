"""A desk on SQLite at a simulated exchange, and the reports of a busy account."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import Clock, ManualClock
from fillbook.desk.record.recorder import Recorder
from fillbook.stores.sqlite import SqliteStore
from fillbook.venue.exchange import Exchange, Ticket
from rows.timing import Round, timed

MONDAY_10 = datetime(2026, 3, 2, 15, tzinfo=UTC)
AT = m.timestamp(MONDAY_10)
UNLIMITED = 1_000_000  #: requests a minute: the rate limit is not what is measured
BOUND = m.Bound(m.AccountId("sim", "localhost", "a1"))


class Counting(SqliteStore):
    """A store that counts its statements and its write transactions."""

    statements = writes = 0

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.set_trace_callback(self._count)
        return connection

    def _count(self, statement: str) -> None:
        self.statements += 1
        self.writes += statement.startswith("BEGIN IMMEDIATE")

    def timed(self, work: Callable[[], object], count: int = 1) -> Round:
        """Time *work* with its counts, for each of *count*."""
        statements, writes = self.statements, self.writes
        found = timed(work, count)
        found["statements"] = round((self.statements - statements) / count, 1)
        found["writes"] = round((self.writes - writes) / count, 2)
        return found


class Bench:
    """A desk on SQLite at a simulated exchange, in simulated time."""

    def __init__(self, rate_limit: int = SimulatedBroker.capabilities.rate_limit) -> None:
        self.clock = ManualClock(MONDAY_10)
        self.exchange = Exchange(seed=7, clock=self.clock)
        self.exchange.quote("AAPL", "187.00", "187.02")
        self.account = self.exchange.open_account("paper", cash="1000000000")
        self.path = Path(tempfile.mkdtemp()) / "bot.db"
        self.store = Counting(self.path)
        can = evolve(SimulatedBroker.capabilities, rate_limit=rate_limit)
        limited = type("Limited", (SimulatedBroker,), {"capabilities": can})
        self.broker = limited(self.exchange, self.account)
        self.desk = self.open()
        self._keys = itertools.count()

    def open(self, clock: Clock | None = None) -> fb.Desk:
        """Open another desk on the store."""
        return fb.open(self.broker, self.store, clock=clock or self.clock, wait_s=0)

    def settle(self) -> None:
        """Let a minute pass, with its polls."""
        for _ in range(12):
            self.clock.advance(5)
            self.desk.tick()
        self.desk.sync()

    def resting(self, many: int) -> None:
        """Give the account *many* open orders of others on the symbol."""
        for _ in range(many):
            self.clock.advance(0.01)
            ticket = Ticket(
                symbol="AAPL",
                side=m.OrderSide.BUY,
                type=m.OrderType.LIMIT,
                time_in_force=m.TimeInForce.DAY,
                qty=Decimal(1),
                limit_price=Decimal(90),
            )
            self.exchange.trade_by_hand(self.account, ticket)

    def closed(self, many: int) -> None:
        """Give the record *many* orders that have filled: bought, and sold again."""
        recorder = Recorder(self.store, self.clock)
        entries = (
            reported(x, "filled", 100, 100, fills=1, name=f"done-{x}", sells=x % 2 == 1)
            for x in range(many)
        )
        while batch := list(itertools.islice(entries, 500)):
            recorder.record(*batch)

    def submit(self) -> m.Order:
        """Place a resting order."""
        self.clock.advance(1)
        return self.desk.buy("AAPL", qty=1, limit_price="100", key=f"k{next(self._keys)}")


def reported(
    number: int,
    status: str,
    cum: int,
    qty: int,
    *,
    fills: int = 0,
    name: str = "",
    second: int = 9,
    sells: bool = False,
) -> m.Reported:
    """Return a report on an order, with *fills* executions that make its total."""
    name = name or f"fb-{number}"
    at = m.timestamp(MONDAY_10 + timedelta(milliseconds=second))
    side = m.OrderSide.SELL if sells else m.OrderSide.BUY
    executions = tuple(
        m.Execution(
            source=m.ExecSource.STREAM,
            exec_id=f"{name}-{cum}-{x}",
            broker_order_id=f"b-{name}",
            symbol="AAPL",
            side=side,
            qty=Decimal(qty),
            price=Decimal("101.25"),
            at=at,
            cum_qty=Decimal(cum),
        )
        for x in range(fills)
    )
    terms = m.Terms(
        symbol="AAPL",
        side=side,
        type=m.OrderType.LIMIT,
        time_in_force=m.TimeInForce.DAY,
        qty=Decimal(100 if status == "filled" else 10**6),
        limit_price=Decimal("101.25"),
    )
    report = m.OrderReport(
        broker_order_id=f"b-{name}",
        client_order_id=name,
        terms=terms,
        status=m.OrderStatus(status),
        raw_status=status,
        filled_qty=Decimal(cum),
        avg_price=Decimal("101.25") if cum else None,
        clock=at,
        created_at=AT,
        executions=executions,
    )
    return m.Reported(report, m.ReportSource.STREAM)


def rounds(work: Callable[[], Round]) -> Iterator[Round]:
    """Yield once, and then a round of *work* for each request."""
    yield {}
    while True:
        yield work()
