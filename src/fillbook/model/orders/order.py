"""An order as a bot sees it: flat, made from the intent and all evidence."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.orders.enums import OrderClass, OrderSide, OrderStatus, OrderType, TimeInForce
from fillbook.model.orders.intent import Adjustment
from fillbook.model.timestamp import Timestamp


class Origin(StrEnum):
    """Who asked for the order."""

    OURS = "ours"  #: through this record
    LEG = "leg"  #: made by the broker for an order of ours
    EXTERNAL = "external"  #: somebody else on this account


@frozen(kw_only=True)
class Terms:
    """What an order asks for, by whoever placed it; None where the broker did not tell."""

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
    """What is odd about an order's evidence; each is computed from the facts."""

    CONFLICTING_EXECUTION = "conflicting_execution"  #: one id, two contents
    CORRECTION_LOOP = "correction_loop"  #: corrections that correct each other
    UNMATCHED_CORRECTION = "unmatched_correction"  #: told by one source, not placed in the other
    SUPERSEDED_VOID = "superseded_void"  #: a bust of an execution that was already corrected
    OVERFILL = "overfill"  #: filled beyond the order's quantity
    CUM_BELOW_EXECUTIONS = "cum_below_executions"  #: the broker's total is below its own fills
    REJECTED_WITH_FILLS = "rejected_with_fills"
    FILL_AFTER_END = "fill_after_end"  #: an execution after the broker called the order ended
    REOPENED = "reopened"  #: ended, and seen working later
    BUST_UNCONFIRMED = "bust_unconfirmed"  #: a filled order lost a fill; its next word is awaited
    UNRECOGNISED_WORD = "unrecognised_word"
    LANDED_LATE = "landed_late"  #: concluded absent, and then seen
    OTHER_BODY = "other_body"  #: the broker's order of our id is another than we asked for
    NOT_FOUND_AFTER_SEEN = "not_found_after_seen"  #: the broker denies what it showed before


@frozen(order=True)
class Anomaly:
    """One oddity, on one broker id; `detail` names what it is about."""

    oddity: Oddity
    broker_order_id: str
    detail: str = ""


@frozen
class Proof:
    """What says that an order has ended: which kind of report, of which id, of when."""

    source: str  #: "by_id", "list", "stream", "reply", "history" or "denied" / "absent" (ours)
    broker_order_id: str | None
    at: Timestamp | None


@frozen(kw_only=True)
class Order:
    """
    An order as a bot sees it: flat, and a pure function of intent and evidence.

    `filled_qty` ≥ 0 in units of the base; `leaves_qty` what may still fill (None for
    orders by notional, which have `leaves_notional`); `avg_price` per unit, None without
    fills or while one price is unknown; `fees` in quote currency, None while unknown.
    `is_final`: no more fills are to be expected.  `is_complete`: every fill is known by
    its own execution.  `pending` is our own cancel or replace of which it is not known what
    became, or the cancel that is still to be sent for what replaced the order.
    """

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
    adjustments: tuple[Adjustment, ...] = ()  #: how it differs from what was asked

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
