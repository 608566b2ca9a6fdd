"""The order, as the bot reads it: one flat value, computed from the intent and all evidence."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.orders.enums import (
    LIVE,
    OrderClass,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from fillbook.model.orders.intent import Adjustment
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp


class Origin(StrEnum):
    """Who placed the order."""

    OURS = "ours"
    """Fillbook, with this record."""
    LEG = "leg"
    """The broker, as an exit of an order of ours."""
    EXTERNAL = "external"
    """Another program or a person on this account."""


@frozen(kw_only=True)
class Terms:
    """The terms of an order of ours, or of an external one."""

    symbol: str
    """The symbol."""
    side: OrderSide
    """Buy or sell."""
    type: OrderType
    """FIX OrdType (40)."""
    time_in_force: TimeInForce
    """FIX TimeInForce (59)."""
    order_class: OrderClass = OrderClass.SIMPLE
    """Alone, or a group of linked orders."""
    qty: Decimal | None = None
    """FIX OrderQty (38), in base units, > 0; None: by notional, or not reported."""
    notional: Decimal | None = None
    """In quote currency, > 0; None: by quantity."""
    limit_price: Decimal | None = None
    """Per unit, in quote currency; None: not part of the order."""
    stop_price: Decimal | None = None
    """Per unit, in quote currency; None: not part of the order."""
    trail_price: Decimal | None = None
    """A distance per unit, in quote currency; None: not part of the order."""
    trail_percent: Decimal | None = None
    """A distance as a percentage (1.5: 1.5 %); None: not part of the order."""
    extended_hours: bool = False
    """It may trade in extended hours."""


class Oddity(StrEnum):
    """The kind of an anomaly in an order's evidence; computed from the facts."""

    CONFLICTING_EXECUTION = "conflicting_execution"
    """One execution id with two contents."""
    CORRECTION_LOOP = "correction_loop"
    """Corrections that refer to each other in a loop."""
    UNMATCHED_CORRECTION = "unmatched_correction"
    """Of one source, without a match in the other."""
    AVERAGE_DIFFERS = "average_differs"
    """The reported average price is not that of the executions."""
    SUPERSEDED_BUST = "superseded_void"
    """A bust of an execution that was already corrected."""
    OVERFILL = "overfill"
    """Filled more than the order's quantity."""
    CUM_BELOW_EXECUTIONS = "cum_below_executions"
    """The broker's total is below its own executions."""
    FILLED_SHORT = "filled_short"
    """Status FILLED, with less than the order's quantity."""
    ODD_EXECUTION = "odd_execution"
    """An execution of the other side, or at price 0."""
    REJECTED_WITH_FILLS = "rejected_with_fills"
    """Status REJECTED, with fills."""
    FILL_AFTER_END = "fill_after_end"
    """An execution after the broker reported the order as final."""
    REOPENED = "reopened"
    """Final, and later reported as working."""
    BUST_UNCONFIRMED = "bust_unconfirmed"
    """A filled order lost a fill; not in a report yet."""
    UNRECOGNISED_WORD = "unrecognised_word"
    """A value that fillbook does not know."""
    LANDED_LATE = "landed_late"
    """Concluded absent, and later reported by the broker."""
    OTHER_BODY = "other_body"
    """The broker's order of our client order id has other terms."""
    NOT_FOUND_AFTER_SEEN = "not_found_after_seen"
    """Reported before, and not found by the last read."""


@frozen(order=True)
class Anomaly:
    """One anomaly of one broker id."""

    oddity: Oddity
    """The kind."""
    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""
    detail: str = ""
    """Its subject; `""`: none."""


@frozen
class Proof:
    """The report that proves that an order is final."""

    source: str
    """
    Where it comes from: "by_id", "list", "stream", "reply", "history"; ours: "denied", "absent".
    """
    broker_order_id: str | None
    """The broker's id that it is about; None: the broker has none."""
    at: Timestamp | None
    """The time of the report (UTC); None: not known."""


@frozen(kw_only=True)
class Order:
    """An order, as the bot reads it: a pure function of its intent and its evidence."""

    _repr_html_ = html_of

    client_order_id: str
    """FIX ClOrdID (11): unique per account, for ever."""
    broker_order_id: str | None
    """FIX OrderID (37); None: not reported yet."""
    origin: Origin
    """Whether fillbook placed it, the bot sent it, or it is external."""
    terms: Terms
    """Its terms, as they are in force."""
    status: OrderStatus
    """FIX OrdStatus (39), and five of our own."""
    filled_qty: Decimal
    """FIX CumQty (14), in base units, ≥ 0."""
    filled_value: Decimal | None
    """The value of the fills, in quote currency, ≥ 0; None: a price is unknown."""
    leaves_qty: Decimal | None
    """FIX LeavesQty (151): what may still fill, in base units, ≥ 0; None: by notional."""
    leaves_notional: Decimal | None
    """What may still fill of an order by notional, in quote currency; None: by quantity."""
    avg_price: Decimal | None
    """FIX AvgPx (6), per unit, in quote currency; None: no fills, or a price is unknown."""
    fees: Decimal | None
    """What was paid, in quote currency, > 0; None: unknown."""
    is_final: bool
    """No more fills are expected."""
    is_complete: bool
    """An execution is known for every fill."""
    strategy: str | None = None
    """The strategy that placed it; None: unattributed."""
    key: str | None = None
    """The bot's idempotency key; None: it gave none."""
    parent: str | None = None
    """The client order id of the order whose leg it is; None: it is no leg."""
    created_at: Timestamp | None = None
    """When it was made (UTC); None: unknown."""
    reason: str | None = None
    """Why it was denied or rejected; None: it was not."""
    pending: str | None = None
    """
    Our open `"cancel"` or `"replace"`, whose outcome is unknown or which is to be sent; None: none.
    """
    proof: Proof | None = None
    """The report that proves its end; None: it is not final."""
    anomalies: tuple[Anomaly, ...] = ()
    """What is odd in its evidence."""
    adjustments: tuple[Adjustment, ...] = ()
    """How it differs from what the bot requested."""

    @property
    def symbol(self) -> str:
        """The symbol."""
        return self.terms.symbol

    @property
    def side(self) -> OrderSide:
        """Buy or sell."""
        return self.terms.side

    @property
    def type(self) -> OrderType:
        """FIX OrdType (40)."""
        return self.terms.type

    @property
    def time_in_force(self) -> TimeInForce:
        """FIX TimeInForce (59)."""
        return self.terms.time_in_force

    @property
    def order_class(self) -> OrderClass:
        """Alone, or a group of linked orders."""
        return self.terms.order_class

    @property
    def qty(self) -> Decimal | None:
        """FIX OrderQty (38), in base units, > 0; None: by notional."""
        return self.terms.qty

    @property
    def notional(self) -> Decimal | None:
        """In quote currency, > 0; None: by quantity."""
        return self.terms.notional

    @property
    def limit_price(self) -> Decimal | None:
        """Per unit, in quote currency; None: not part of the order."""
        return self.terms.limit_price

    @property
    def stop_price(self) -> Decimal | None:
        """Per unit, in quote currency; None: not part of the order."""
        return self.terms.stop_price


def may_fill(order: Order) -> bool:
    """Return whether the broker may still fill *order*."""
    return not order.is_final and (order.status in LIVE or order.status is OrderStatus.UNPROVEN)
