"""A day at the exchange, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.exchange import (
    Account,
    Event,
    Exchange,
    Faults,
    OrderFilter,
    OrderVersion,
    Refused,
    Ticket,
)

FRIDAY_10 = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 10:00 in New York
EVERY = OrderFilter(scope="all", oldest_first=True)


def D(value: str | int) -> Decimal:
    return Decimal(value)


def ticket(**wish: Any) -> Ticket:
    """A market buy of ten AAPL for the day, unless *wish* overrides it."""
    symbol = wish.get("symbol", "AAPL")
    kind = (
        m.OrderType.STOP_LIMIT
        if {"stop_price", "limit_price"} <= wish.keys()
        else m.OrderType.STOP
        if "stop_price" in wish
        else m.OrderType.LIMIT
        if "limit_price" in wish
        else m.OrderType.MARKET
    )
    fields: dict[str, Any] = {
        "symbol": symbol,
        "side": "buy",
        "type": kind,
        "time_in_force": "gtc" if "/" in symbol else "day",
        "qty": None if "notional" in wish else 10,
        **wish,
    }
    words = {
        "side": m.OrderSide,
        "type": m.OrderType,
        "time_in_force": m.TimeInForce,
        "order_class": m.OrderClass,
    }
    for name, value in fields.items():
        if name in words:
            fields[name] = words[name](value)
        elif isinstance(value, int | str) and name not in ("symbol", "client_order_id"):
            fields[name] = value if isinstance(value, bool) else Decimal(value)
    return Ticket(**fields)


class Day:
    """An exchange with a simulated clock and one account."""

    def __init__(
        self,
        at: datetime = FRIDAY_10,
        *,
        cash: int = 100_000,
        multiplier: int = 2,
        partial_rate: float = 0.0,
        seed: int = 7,
    ) -> None:
        self.clock = ManualClock(at)
        self.faults = Faults(seed=seed)
        self.exchange = Exchange(
            seed=seed, clock=self.clock, faults=self.faults, partial_rate=partial_rate
        )
        self.account: Account = self.exchange.open_account(cash=cash, multiplier=multiplier)
        self.truth = self.account.truth

    def submit(self, **wish: Any) -> OrderVersion:
        return self.account.submit(ticket(**wish))

    def worked(self, **wish: Any) -> OrderVersion:
        """The order after the exchange has routed it."""
        order = self.submit(**wish)
        self.pass_(1)
        return self.truth.order(order.id)

    def refusal(self, **wish: Any) -> Refused:
        """The reject of the exchange for an invalid order."""
        try:
            order = self.submit(**wish)
        except Refused as refused:
            return refused
        raise AssertionError(f"{order.id} was taken")

    def pass_(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def status(self, order_id: str) -> str:
        return self.truth.order(order_id).status

    def to(self, at: datetime) -> None:
        """Let time pass until *at*."""
        self.clock.advance((at - self.clock.now()).total_seconds())

    @contextmanager
    def heard(self) -> Iterator[list[Event]]:
        """All events meanwhile."""
        events: list[Event] = []
        with self.account.listen(events.append):
            yield events
            self.clock.advance(2)


def at(text: str) -> datetime:
    """*text* as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
