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

    OURS = "ours"  #: fillbook, with this record
    LEG = "leg"  #: the broker, as an exit of an order of ours
    EXTERNAL = "external"  #: another program or a person on this account


@frozen(kw_only=True)
class Terms:
    """
    The terms of an order of ours, or of an external one.

    `qty` is in base units and `notional` in quote currency, both > 0.  Prices are in quote
    currency per unit; `trail_price` is a distance, `trail_percent` a percentage (1.5: 1.5 %).
    None: not part of the order, or not reported.
    """

    symbol: str
    side: OrderSide
    type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass = OrderClass.SIMPLE
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False


class Oddity(StrEnum):
    """The kind of an anomaly in an order's evidence; computed from the facts."""

    CONFLICTING_EXECUTION = "conflicting_execution"  #: one execution id with two contents
    CORRECTION_LOOP = "correction_loop"  #: corrections that refer to each other in a loop
    UNMATCHED_CORRECTION = "unmatched_correction"  #: of one source, without a match in the other
    SUPERSEDED_VOID = "superseded_void"  #: a bust of an execution that was already corrected
    OVERFILL = "overfill"  #: filled more than the order's quantity
    CUM_BELOW_EXECUTIONS = "cum_below_executions"  #: the broker's total is below its own executions
    FILLED_SHORT = "filled_short"  #: status FILLED, with less than the order's quantity
    ODD_EXECUTION = "odd_execution"  #: an execution of the other side, or at price 0
    REJECTED_WITH_FILLS = "rejected_with_fills"  #: status REJECTED, with fills
    FILL_AFTER_END = "fill_after_end"  #: an execution after the broker reported the order as final
    REOPENED = "reopened"  #: final, and later reported as working
    BUST_UNCONFIRMED = "bust_unconfirmed"  #: a filled order lost a fill; not in a report yet
    UNRECOGNISED_WORD = "unrecognised_word"  #: a value that fillbook does not know
    LANDED_LATE = "landed_late"  #: concluded absent, and later reported by the broker
    OTHER_BODY = "other_body"  #: the broker's order of our client order id has other terms
    NOT_FOUND_AFTER_SEEN = (
        "not_found_after_seen"  #: reported before, and not found by the last read
    )


@frozen(order=True)
class Anomaly:
    """One anomaly of one broker id; `detail` names its subject."""

    oddity: Oddity
    broker_order_id: str
    detail: str = ""


@frozen
class Proof:
    """The report that proves that an order is final: its source, its broker id, its time."""

    source: str  #: "by_id", "list", "stream", "reply", "history" or "denied" / "absent" (ours)
    broker_order_id: str | None
    at: Timestamp | None


@frozen(kw_only=True)
class Order:
    """
    An order, as the bot reads it: a pure function of its intent and its evidence.

    `filled_qty` (FIX CumQty, 14) ≥ 0 is in base units, `filled_value` ≥ 0 in quote currency;
    None: a price is unknown.  `leaves_qty` (LeavesQty, 151) ≥ 0 is what may still fill; None:
    an order by notional, which has `leaves_notional` in quote currency instead.  `avg_price`
    (AvgPx, 6) is per unit; None: no fills, or a price is unknown.  `fees` are in quote
    currency, > 0 was paid; None: unknown.  `is_final`: no more fills are expected.
    `is_complete`: an execution is known for every fill.  `broker_order_id` (OrderID, 37) None:
    not reported yet.  `parent` is the client order id of the order whose leg it is; None: it is
    no leg.  `created_at` None: unknown.  `reason` is why it was denied or rejected.  `pending`
    is our open cancel or replace: its outcome is unknown, or it has yet to be sent; None:
    there is none.  `proof` None: the order is not final.
    """

    _repr_html_ = html_of

    client_order_id: str
    broker_order_id: str | None
    origin: Origin
    terms: Terms
    status: OrderStatus
    filled_qty: Decimal
    filled_value: Decimal | None
    leaves_qty: Decimal | None
    leaves_notional: Decimal | None
    avg_price: Decimal | None
    fees: Decimal | None
    is_final: bool
    is_complete: bool
    strategy: str | None = None
    key: str | None = None
    parent: str | None = None
    created_at: Timestamp | None = None
    reason: str | None = None
    pending: str | None = None
    proof: Proof | None = None
    anomalies: tuple[Anomaly, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()  #: how it differs from what the bot requested

    @property
    def symbol(self) -> str:
        return self.terms.symbol

    @property
    def side(self) -> OrderSide:
        return self.terms.side

    @property
    def type(self) -> OrderType:
        return self.terms.type

    @property
    def time_in_force(self) -> TimeInForce:
        return self.terms.time_in_force

    @property
    def order_class(self) -> OrderClass:
        return self.terms.order_class

    @property
    def qty(self) -> Decimal | None:
        return self.terms.qty

    @property
    def notional(self) -> Decimal | None:
        return self.terms.notional

    @property
    def limit_price(self) -> Decimal | None:
        return self.terms.limit_price

    @property
    def stop_price(self) -> Decimal | None:
        return self.terms.stop_price


def may_fill(order: Order) -> bool:
    """Return whether the broker may still fill *order*."""
    return not order.is_final and (order.status in LIVE or order.status is OrderStatus.UNPROVEN)
