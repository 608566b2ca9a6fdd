"""
Buying power: what a broker reserves for an order, and what is available.

Amounts are in the quote currency of an order, ≥ 0.  `core.reservation` computes all of them.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from fillbook.model.number import ZERO
from fillbook.model.timestamp import Timestamp


@frozen(kw_only=True)
class ReserveRule:
    """
    What a broker reserves for one unit of an open order, as factors on a price (1.04: 104 %).

    The defaults reserve more than most brokers.
    """

    market_collar: Decimal = Decimal("1.04")
    """On the ask, for a market buy; a factor."""
    short_collar: Decimal = Decimal("1.03")
    """On the ask, for a sale that opens a short; a factor."""
    stop_collars: tuple[tuple[Decimal, Decimal], ...] = ((ZERO, Decimal("1.04")),)
    """For a buy stop: pairs of a stop price and the factor from it on, highest first."""
    fee: Decimal = ZERO
    """The share of the order's value that is reserved for fees (0.01: 1 %)."""
    reads_fee: bool = False
    """The share is read with the account (`fee_rate`), and replaces `fee`."""
    notional_includes_fee: bool = False
    """An order by notional costs no more than its notional."""


@frozen(kw_only=True)
class Reservation:
    """The maximum that one order of ours can still cost."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    symbol: str
    """The symbol."""
    charge: Decimal
    """The reserve of the open quantity plus the cost of the fills, in `currency`, ≥ 0."""
    margin: bool
    """It is measured by `buying_power`; False: by `non_marginable`."""
    grown: int | None
    """The number of the entry that last increased it; None: the broker has not reported it yet."""
    grown_at: Timestamp | None
    """The time of that entry, by our clock (UTC); None: as `grown`."""
    is_open: bool
    """The order is not final, or units that it paid with are not posted."""
    currency: str | None = None
    """The currency; None: that of the account."""
    paid_from: str | None = None
    """It is in units of this position, which a fill takes at once; None: it is cash."""

    @property
    def key(self) -> str:
        """The key, in the order of growth; reservations without `grown` come last."""
        return f"{self.grown or NEVER:012d}/{self.client_order_id}"


#: A number above that of every entry.
NEVER = 10**12 - 1


@frozen
class Funds:
    """Available buying power: `buying_power` for marginable instruments, and for all others."""

    buying_power: Decimal
    non_marginable: Decimal


@frozen(kw_only=True)
class BuyingPower:
    """The buying power that is available to new orders."""

    available: Decimal
    """For marginable instruments (shares)."""
    non_marginable: Decimal
    """For all others (crypto)."""
    reported: Decimal
    """The broker's newest number."""
    reserved: Decimal
    """`reported - available`: orders that the number may not include yet, ≥ 0."""
    read_at: Timestamp
    """When the number was read, by our clock (UTC)."""
    lag_s: Decimal
    """The assumed lag of the broker's number, in seconds."""
