"""
Buying power: what a broker keeps back for an order, by its own rule, and what is promised.

Amounts are in quote currency and ≥ 0.  `core.reservation` alone reckons with them.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import frozen

from fillbook.model.number import ZERO
from fillbook.model.timestamp import Timestamp


@frozen(kw_only=True)
class ReserveRule:
    """
    What a broker keeps back for one unit of an open order, as factors on a price.

    The defaults are the more careful ones.  Alpaca's are at
    https://docs.alpaca.markets/docs/orders-at-alpaca, "buying power".
    """

    market_collar: Decimal = Decimal("1.04")  #: on the ask, for a market buy
    short_collar: Decimal = Decimal("1.03")  #: on the ask, for a sale that opens a short
    #: On the stop price of a buy, from which stop price on; the dearest stop first.
    stop_collars: tuple[tuple[Decimal, Decimal], ...] = ((ZERO, Decimal("1.04")),)
    fee: Decimal = ZERO  #: share of the order's value that is kept back for fees


@frozen(kw_only=True)
class Reservation:
    """
    What one order of ours can still cost.

    `charge` is the reserve of what is open and the cost of what filled.  `grown` is the
    number of the entry by which we learnt of its last increase, at `grown_at` by our clock;
    None while the broker has not shown the order.
    """

    client_order_id: str
    symbol: str
    charge: Decimal
    margin: bool
    grown: int | None
    grown_at: Timestamp | None
    is_open: bool

    @property
    def key(self) -> str:
        """In the order of growth; what the broker has not shown comes last."""
        return f"{self.grown or NEVER:012d}/{self.client_order_id}"


#: No entry has so great a number.
NEVER = 10**12 - 1


@frozen
class Funds:
    """Two numbers that an order may lower: for what can be bought on margin, and for the rest."""

    buying_power: Decimal
    non_marginable: Decimal


@frozen(kw_only=True)
class BuyingPower:
    """
    What new orders may still cost.

    `available` is for what can be bought on margin (shares), `non_marginable` for the rest
    (coins); `reported` is the broker's newest number, read at `read_at`, and `reserved` what is
    taken off it for orders that it may not know of yet.
    """

    available: Decimal
    non_marginable: Decimal
    reported: Decimal
    reserved: Decimal
    read_at: Timestamp
    lag_s: Decimal  #: how far behind the broker's number is taken to be
