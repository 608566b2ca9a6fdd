"""
Whoever moves the world behind a broker while a suite looks at it through the broker.

`VenueDriver` is the protocol that a suite needs; `ExchangeDriver` moves our own exchange,
and so serves the simulated broker and whatever speaks to an emulator over it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Account, Exchange, Ticket


class VenueDriver(Protocol):
    """Order ids and execution ids are the broker's; quantities > 0 in units of the base."""

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass at the venue."""
        ...

    def quote(self, symbol: str, bid: str, ask: str) -> None:
        """Set the market; what can trade at it does."""
        ...

    def halt(self, symbol: str) -> None:
        """Nothing of *symbol* trades by itself any more."""
        ...

    def fill(self, broker_order_id: str, qty: str | None = None, price: str | None = None) -> None:
        """Execute *qty* (None: the rest) at *price* (None: the market's)."""
        ...

    def trade_by_hand(self, symbol: str, side: m.OrderSide, qty: str) -> str:
        """A market order out of the broker's own screen; its id."""
        ...

    def fail(self, next: str, with_: str, *, seconds: float | None = None) -> None:  # noqa: A002
        """Have the *next* request or event of that name fail *with_* the fault of that name."""
        ...

    def bust_last(self, broker_order_id: str) -> None:
        """Take the latest execution of the order back."""
        ...

    def correct_last(self, broker_order_id: str, price: str) -> None:
        """Correct the price of the latest execution of the order."""
        ...

    def split(self, symbol: str, ratio: str) -> None:
        """Make *ratio* units of one."""
        ...

    def transfer(self, symbol: str, qty: str, price: str) -> None:
        """Have units (signed) come or go without an order."""
        ...

    def block(self, *, is_blocked: bool = True) -> None:
        """Have the broker take no order of the account any more, or take them again."""
        ...

    def heard(self) -> None:
        """Return once all that was said until now has been heard."""
        ...


class ExchangeDriver:
    """Moves an exchange and one account of it, in made-up time."""

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

    def heard(self) -> None:
        # Events are sent within the second, and in this process hearing is immediate.
        self._clock.advance(2)

    def _last(self, broker_order_id: str) -> str:
        return self._account.truth.fills(broker_order_id)[-1].exec_id
