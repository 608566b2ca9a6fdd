"""The capabilities of a broker.  The desk denies requests that the broker does not support."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.reservation import ReserveRule
from fillbook.model.orders.enums import OrderClass, OrderType, TimeInForce
from fillbook.model.rules import Auction, Takes, Tick, WashRule


class ReplaceCum(StrEnum):
    """Whether the filled total of a replacing order starts at 0 or includes the earlier fills."""

    FRESH = "fresh"
    """Starts at 0."""
    CARRIED = "carried"
    """Includes the fills of the replaced order."""
    UNKNOWN = "unknown"
    """Not known."""


class ReplaceQty(StrEnum):
    """The meaning of the quantity of a replace, for an order with fills."""

    TOTAL = "total"  #: the total quantity, as FIX OrderQty (38)
    REMAINING = "remaining"  #: the quantity still to be filled, whatever fills meanwhile
    UNKNOWN = "unknown"


class ReplaceMakes(StrEnum):
    """What a replace makes of the order at the broker."""

    NEW_ID = "new_id"
    """A new order that replaces it, with the client order id of the change."""
    SAME_ID = "same_id"
    """The same order with other terms: both of its ids stay."""


@frozen(kw_only=True)
class Capabilities:
    """
    What a broker supports: declared by its adapter, verified by the broker suite.

    An adapter overrides the method of every capability that it declares.  `account_lag` is the
    maximum delay between the broker's orders, positions and account.  `late_landing` is the
    maximum time between a request and the appearance of its order.  `rate_limit` is in
    requests per minute.  `reserve_rule` is what the broker reserves for an open order.
    `takes` lists the valid combinations of order values; for a sort without a row every
    declared combination is valid.  `notional_step` is the increment of notionals in quote
    currency; None: any.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    order_classes: frozenset[OrderClass] = frozenset({OrderClass.SIMPLE})
    #: The time in force of an order that names none: of pairs, and of all other instruments.
    pair_time_in_force: TimeInForce = TimeInForce.GTC
    time_in_force: TimeInForce = TimeInForce.DAY
    notional: bool = False  #: orders by notional
    fractional: bool = False  #: fractions of a unit
    short: bool = False  #: short sales
    extended_hours: bool = False  #: orders for extended hours
    post_only: bool = False  #: limit orders that only add liquidity
    find: bool = False  #: `find` reads an order by client order id
    history: bool = False  #: `executions` lists fills
    activities: bool = False  #: `activities` lists fees, dividends, splits, transfers
    instruments: bool = False  #: `instruments` lists all
    instrument: bool = False  #: `instrument` reads one by symbol
    sessions: bool = False  #: `sessions` lists trading hours
    quotes: bool = False  #: `quote` reads bid and ask
    stream: bool = False  #: `listen` streams reports
    streams_fills: bool = True  #: with executions; else with totals only, and fills are read
    #: The streams that the broker accepts at once for one key; None: many.  Where it is 1, a
    #: desk that listens takes the stream from the bot: `Desk.start` then needs `listen=True`.
    streams_per_key: int | None = None
    replace: bool = False  #: `replace` changes an order; see `replace_makes`
    replace_makes: ReplaceMakes = ReplaceMakes.NEW_ID  #: NEW_ID needs `find`, for its outcome
    duplicate_check: bool = False  #: a client order id is accepted once, for ever
    #: The market values of the account include crypto; None: unknown.
    values_crypto: bool | None = None
    clocked: bool = False  #: every report has the broker's clock, which orders reports
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    replace_qty: ReplaceQty = ReplaceQty.UNKNOWN
    #: Crypto fee that is posted later in base units, as a share of the bought quantity, ≥ 0.
    base_fee: Decimal = Decimal(0)
    account_lag: timedelta = timedelta(seconds=10)
    late_landing: timedelta = timedelta(seconds=150)
    rate_limit: int = 200
    burst_limit: int | None = None  #: requests per second; None: only `rate_limit` bounds them
    reserve_rule: ReserveRule = field(factory=ReserveRule)
    nets_open_orders: bool = False  #: the reported buying power already excludes open orders
    takes: tuple[Takes, ...] = ()
    #: An OCO is one order, whose stop becomes a limit order this share beyond it; None: its exits
    #: are orders of their own.
    oco_stop_collar: Decimal | None = None
    auctions: tuple[Auction, ...] = ()
    ticks: tuple[Tick, ...] = ()  #: the highest `least` first; an instrument may have its own
    notional_step: Decimal | None = None
    wash_rule: WashRule | None = None  #: None: orders of both sides may work together
