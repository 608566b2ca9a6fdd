"""
The venue driver: it controls the venue behind a broker while a suite uses the broker.

`VenueDriver` is the protocol that a suite needs; a driver may have only some of its methods.
`ExchangeDriver` controls our exchange, for the simulated broker and for adapters that connect to an
emulator.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Protocol

import pytest

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Account, Exchange, Ticket


class VenueDriver(Protocol):
    """
    Control of a venue.

    Order ids are the broker's.  Quantities and prices are > 0 unless noted, quantities in units
    of the base, prices in units of the quote currency.
    """

    def advance(self, seconds: float) -> None:
        """Let *seconds* (> 0) pass at the venue."""
        ...

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        """Set the market to *bid* and *ask*; marketable orders execute."""
        ...

    def halt(self, symbol: str) -> None:
        """Halt *symbol*: its orders execute by `fill` only."""
        ...

    def fill(self, broker_order_id: str, qty: str | None = None, price: str | None = None) -> None:
        """Execute *qty* (None: the leaves quantity) at *price* (None: the market price)."""
        ...

    def trade_by_hand(self, symbol: str, side: m.OrderSide, qty: str) -> str:
        """Place an external market order, as in the broker's own dashboard; return its id."""
        ...

    def fail(self, next: str, with_: str, *, seconds: float | None = None) -> None:  # noqa: A002
        """
        Inject the fault named *with_* into the next request or event named *next*.

        *seconds* is the duration of the fault (None: its default).
        """
        ...

    def bust_last(self, broker_order_id: str) -> None:
        """Bust the latest execution of the order."""
        ...

    def correct_last(self, broker_order_id: str, price: str) -> None:
        """Correct the price of the latest execution of the order."""
        ...

    def split(self, symbol: str, ratio: str) -> None:
        """Split *symbol*: one unit becomes *ratio* units."""
        ...

    def transfer(self, symbol: str, qty: str, price: str) -> None:
        """Transfer *qty* units (signed: > 0 into the account) without an order."""
        ...

    def block(self, *, is_blocked: bool = True) -> None:
        """Block the account for orders, or unblock it."""
        ...

    def wait_for_events(self) -> None:
        """Wait until every event sent so far has reached the sink."""
        ...


def has_method(driver: VenueDriver, name: str) -> bool:
    """Return whether *driver* has the method; the protocol's own empty body is none."""
    if isinstance(driver, PartialDriver):
        driver = driver.wrapped
    found = getattr(type(driver), name, None)
    return found is not None and found is not getattr(VenueDriver, name, None)


class PartialDriver:
    """A driver; a case that needs a method which *driver* lacks is skipped, with its name."""

    def __init__(self, driver: VenueDriver) -> None:
        self.wrapped = driver

    def __getattr__(self, name: str) -> Any:
        if name in vars(VenueDriver) and not has_method(self.wrapped, name):
            pytest.skip(f"the venue driver has no method `{name}`")
        return getattr(self.wrapped, name)


class ExchangeDriver:
    """The driver of an exchange and of one account of it, in simulated time."""

    def __init__(self, exchange: Exchange, account: Account, clock: ManualClock) -> None:
        self.exchange = exchange
        self._account = account
        self._clock = clock

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        self.exchange.quote(symbol, bid, ask)

    def halt(self, symbol: str) -> None:
        self.exchange.halt(symbol)

    def fill(self, broker_order_id: str, qty: str | None = None, price: str | None = None) -> None:
        self.exchange.fill(broker_order_id, qty, price)

    def trade_by_hand(self, symbol: str, side: m.OrderSide, qty: str) -> str:
        is_pair = "/" in symbol
        ticket = Ticket(
            symbol=symbol,
            side=side,
            type=m.OrderType.MARKET,
            time_in_force=m.TimeInForce.GTC if is_pair else m.TimeInForce.DAY,
            qty=Decimal(qty),
        )
        return self.exchange.trade_by_hand(self._account, ticket).id

    def fail(self, next: str, with_: str, *, seconds: float | None = None) -> None:  # noqa: A002
        self.exchange.faults.fail(next, with_, seconds=seconds)

    def bust_last(self, broker_order_id: str) -> None:
        self.exchange.bust(self._last(broker_order_id))

    def correct_last(self, broker_order_id: str, price: str) -> None:
        self.exchange.correct(self._last(broker_order_id), price=price)

    def split(self, symbol: str, ratio: str) -> None:
        self.exchange.split(symbol, ratio)

    def transfer(self, symbol: str, qty: str, price: str) -> None:
        self.exchange.transfer(self._account, symbol, qty, price)

    def block(self, *, is_blocked: bool = True) -> None:
        self.exchange.block(self._account, is_blocked=is_blocked)

    def wait_for_events(self) -> None:
        # Events are sent within one second, and delivery in this process is immediate.
        self._clock.advance(2)

    def _last(self, broker_order_id: str) -> str:
        return self._account.truth.fills(broker_order_id)[-1].exec_id
