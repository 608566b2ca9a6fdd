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

    market_collar: Decimal = Decimal("1.04")  #: on the ask, for a market buy
    short_collar: Decimal = Decimal("1.03")  #: on the ask, for a sale that opens a short
    #: For a buy stop: pairs of (least stop price, factor on the stop price), highest first.
    stop_collars: tuple[tuple[Decimal, Decimal], ...] = ((ZERO, Decimal("1.04")),)
    fee: Decimal = ZERO  #: the share of the order's value that is reserved for fees (0.01: 1 %)
    #: The reservation includes the fee at the rate that the account reports, in place of `fee`;
    #: see `AccountSnapshot.fee_rate`.
    reads_fee: bool = False
    notional_includes_fee: bool = False  #: an order by notional costs no more than its notional


@frozen(kw_only=True)
class Reservation:
    """
    The maximum that one order of ours can still cost.

    `charge` is the reserve of the open quantity plus the cost of the fills, in `currency` (None:
    that of the account).  `paid_from`: it is in units of that position, which a fill takes at once,
    so that only what is not posted is reserved; None: it is cash.  `margin`: it is
    measured by `buying_power`; else by `non_marginable`.  `grown` is the number of the entry
    that last increased it, `grown_at` the time of that entry by our clock (UTC); None: the
    broker has not reported the order yet, or the outcome of a replace is unknown.  `is_open`:
    the order is not final, or units that it paid with are not posted.
    """

    client_order_id: str
    symbol: str
    charge: Decimal
    margin: bool
    grown: int | None
    grown_at: Timestamp | None
    is_open: bool
    currency: str | None = None
    paid_from: str | None = None

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
    """
    The buying power that is available to new orders.

    `available` applies to marginable instruments (shares), `non_marginable` to all others
    (crypto).  `reported` is the broker's newest number, read at `read_at` by our clock (UTC).
    `reserved` is ``reported - available``: orders that the number may not include yet.
    """

    available: Decimal
    non_marginable: Decimal
    reported: Decimal
    reserved: Decimal
    read_at: Timestamp
    lag_s: Decimal  #: the assumed lag of the broker's number, in seconds
