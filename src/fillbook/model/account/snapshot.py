"""The identity of an account, and the broker's snapshots of its money and positions."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from attrs import field, frozen

from fillbook.model.account.pair import Amount

#: This machine, by each of its names, with or without a port.
_LOOPBACK: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]|::1)(:\d+)?", re.IGNORECASE)


def is_loopback(host: str) -> bool:
    """Return whether *host*, with or without a port, is this machine: an emulator runs there."""
    return _LOOPBACK.fullmatch(host) is not None


def _compared_host(host: str) -> str:
    """Return *host* for comparisons: each name of this machine is the same."""
    local = _LOOPBACK.fullmatch(host)
    if local is None:
        return host
    return "127.0.0.1" + ("" if local[2] in (None, ":80", ":443") else local[2])


@frozen
class AccountId:
    """The identity of an account; a record is bound to exactly one account."""

    broker: str
    """The name of the broker: `Broker.name`."""
    host: str = field(eq=_compared_host)
    """
    The exact host of the API; only it distinguishes paper from live.

    The names of this machine, where an emulator runs, are compared as one.
    """
    number: str
    """The broker's account number."""

    def __str__(self) -> str:
        return f"{self.broker}:{self.host}:{self.number}"


@frozen
class AccountSnapshot:
    """The broker's report on the account's money, in `currency`; None: not reported."""

    account: AccountId
    """The identity of the account."""
    currency: str
    """The currency of its money."""
    cash: Decimal
    """Negative: borrowed on margin."""
    equity: Decimal
    """The value of the account; None: not reported."""
    buying_power: Decimal
    """For marginable instruments."""
    non_marginable_buying_power: Decimal | None = None
    """For instruments without margin (crypto); None: not reported."""
    multiplier: Decimal = Decimal(1)
    """Of the margin account (1: cash account)."""
    long_market_value: Decimal | None = None
    """≥ 0."""
    short_market_value: Decimal | None = None
    """≤ 0."""
    blocked: tuple[str, ...] = ()
    """Why the broker rejects every order, in its own words."""
    restricted: tuple[str, ...] = ()
    """Other restrictions, under which orders are accepted."""
    other_cash: tuple[Amount, ...] = ()
    """Cash in other currencies."""
    other_buying_power: tuple[Amount, ...] = ()
    """Buying power in other currencies."""
    fee_rate: Decimal | None = None
    """Of an order that takes liquidity, as a share of its value."""
    maker_fee_rate: Decimal | None = None
    """Of a post-only order, as a share of its value."""


@frozen
class PositionSnapshot:
    """The broker's report on the position of one symbol."""

    symbol: str
    """The symbol."""
    qty: Decimal
    """In signed base units: negative is short."""
    qty_available: Decimal | None = None
    """Not held by open orders; None: not reported."""
    avg_price: Decimal | None = None
    """Average cost per unit; None: not reported."""
    market_value: Decimal | None = None
    """In quote currency, signed as `qty`; None: not reported."""
    price: Decimal | None = None
    """Per unit, of `market_value`; None: not reported."""
