"""The capabilities of a broker.  The desk denies requests that the broker does not support."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.instrument import AssetClass
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

    TOTAL = "total"
    """The total quantity, as FIX OrderQty (38)."""
    REMAINING = "remaining"
    """The quantity still to be filled, whatever fills meanwhile."""
    UNKNOWN = "unknown"
    """Not known."""


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

    An adapter overrides the method of every capability that it declares.
    """

    order_types: frozenset[OrderType]
    """The order types that it accepts."""
    times_in_force: frozenset[TimeInForce]
    """The times in force that it accepts."""
    order_classes: frozenset[OrderClass] = frozenset({OrderClass.SIMPLE})
    """The order classes that it accepts."""
    pair_time_in_force: TimeInForce = TimeInForce.GTC
    """The time in force of an order of a pair that names none."""
    time_in_force: TimeInForce = TimeInForce.DAY
    """The time in force of an order of another instrument that names none."""
    notional: bool = False
    """Orders by notional."""
    fractional: bool = False
    """Fractions of a unit."""
    short: bool = False
    """Short sales."""
    extended_hours: bool = False
    """Orders for extended hours."""
    post_only: bool = False
    """Limit orders that only add liquidity."""
    find: bool = False
    """`find` reads an order by client order id."""
    history: bool = False
    """`executions` lists fills."""
    activities: bool = False
    """`activities` lists fees, dividends, splits, transfers."""
    instruments: bool = False
    """`instruments` lists all."""
    instrument: bool = False
    """`instrument` reads one by symbol."""
    sessions: bool = False
    """`sessions` lists trading hours."""
    quotes: bool = False
    """`quotes` reads bid and ask."""
    stream: bool = False
    """`listen` streams reports."""
    streams_fills: bool = True
    """With executions; else with totals only, and fills are read."""
    streams_per_key: int | None = None
    """The streams at once for one key; 1: `Desk.start` needs `listen=True`; None: many."""
    replace: bool = False
    """`replace` changes an order; see `replace_makes`."""
    replace_makes: ReplaceMakes = ReplaceMakes.NEW_ID
    """NEW_ID needs `find`, for its outcome."""
    duplicate_check: bool = False
    """A client order id is accepted once, for ever."""
    values_crypto: bool | None = None
    """The market values of the account include crypto; None: unknown."""
    clocked: bool = False
    """Every report has the broker's clock, which orders reports."""
    replace_cum: ReplaceCum = ReplaceCum.UNKNOWN
    """Whether the filled total of a replacing order includes the earlier fills."""
    replace_qty: ReplaceQty = ReplaceQty.UNKNOWN
    """What the quantity of a replace means, for an order with fills."""
    base_fee: Decimal = Decimal(0)
    """Crypto fee that is posted later in base units, as a share of the bought quantity, ≥ 0."""
    account_lag: timedelta = timedelta(seconds=10)
    """The maximum delay between the broker's orders, positions and account."""
    late_landing: timedelta = timedelta(seconds=150)
    """The maximum time between a request and the appearance of its order."""
    rate_limit: int = 200
    """Requests per minute."""
    burst_limit: int | None = None
    """Requests per second; None: only `rate_limit` bounds them."""
    reserve_rule: ReserveRule = field(factory=ReserveRule)
    """What the broker reserves for an open order."""
    nets_open_orders: bool = False
    """The reported buying power already excludes open orders."""
    takes: tuple[Takes, ...] = ()
    """The valid combinations of order values; for a sort without a row all are valid."""
    oco_stop_collar: Decimal | None = None
    """An OCO is one order, whose stop becomes a limit this share beyond it; None: it is not."""
    auctions: tuple[Auction, ...] = ()
    """When no orders for an auction are accepted."""
    ticks: tuple[Tick, ...] = ()
    """The highest `least` first; an instrument may have its own."""
    notional_step: Decimal | None = None
    """The increment of notionals, in quote currency; None: any."""
    wash_rule: WashRule | None = None
    """None: orders of both sides may work together."""
    closing_intent: frozenset[AssetClass] = frozenset()
    """
    The asset classes of whose orders `submit` says that they may only close (`Intent.closes`), so
    that the broker rejects one that would open a position.
    """
