"""What a broker can do, as one value.  The desk refuses early what is not in it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.reservation import ReserveRule
from fillbook.model.orders.enums import OrderClass, OrderType, TimeInForce
from fillbook.model.rules import Auction, Takes, Tick, WashRule


class ReplaceCum(StrEnum):
    """Whether the total of a replacing order starts anew or carries the old one's fills."""

    FRESH = "fresh"
    CARRIED = "carried"
    UNKNOWN = "unknown"


class ReplaceQty(StrEnum):
    """What the quantity of a replace means for an order that has fills."""

    TOTAL = "total"  #: what is to be filled in all
    REMAINING = "remaining"  #: what is to be filled from then on, whatever fills meanwhile
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Capabilities:
    """
    Declared by an adapter, checked by the suite: declared means overridden.

    `account_lag` is how far orders, positions and account may be apart.  `clocked`: every
    report bears the broker's own clock, which then orders reports.  `late_landing` is how
    long after its request an order may still appear.  `rate_limit` is in requests a minute.
    What goes together is in `takes`: of a sort that no row is of, everything declared does.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    order_classes: frozenset[OrderClass] = frozenset({OrderClass.SIMPLE})
    notional: bool = False
    fractional: bool = False
    short: bool = False
    extended_hours: bool = False
    find: bool = False  #: `find` looks an order up by client order id
    history: bool = False  #: `executions` lists fills
    activities: bool = False
    instruments: bool = False
    instrument: bool = False  #: `instrument` looks one up
    sessions: bool = False
    quotes: bool = False
    stream: bool = False  #: `listen` streams reports
    replace: bool = False  #: what became of it is asked by `find`
    duplicate_check: bool = False  #: a client order id is taken once and for ever
    clocked: bool = False
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    replace_qty: ReplaceQty = ReplaceQty.UNKNOWN
    base_fee: Decimal = Decimal(0)  #: share of a bought quantity of coins a fee may take later
    account_lag: timedelta = timedelta(seconds=10)
    late_landing: timedelta = timedelta(seconds=150)
    rate_limit: int = 200
    reserve_rule: ReserveRule = field(factory=ReserveRule)  #: what an open order keeps back
    nets_open_orders: bool = False  #: the account's buying power is told without that
    takes: tuple[Takes, ...] = ()
    auctions: tuple[Auction, ...] = ()
    ticks: tuple[Tick, ...] = ()  #: the highest first; an instrument may tell its own step
    notional_step: Decimal | None = None
    wash_rule: WashRule | None = None  #: None: orders of both sides may rest together
