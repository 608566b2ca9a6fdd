"""
Drift: where our record and the broker's picture differ.

*ours* and *theirs* are the two sides of a comparison.  One class a kind, so that a
new kind breaks every `match` that forgot it; there is none without a producer in
`core.reconcile.drift`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.account.activity import ActivityKind
from fillbook.model.orders.enums import OrderSide, OrderStatus
from fillbook.model.timestamp import Timestamp


@frozen
class MissedFill:
    """An order of ours filled further than our record knew; quantities in base units."""

    symbol: str
    client_order_id: str
    ours: Decimal
    theirs: Decimal


@frozen
class OrderStatusDiffers:
    """Our record and the broker use different words for an order of ours."""

    symbol: str
    client_order_id: str
    ours: OrderStatus
    theirs: OrderStatus


@frozen
class UnknownToUs:
    """An order on the account that our record does not know."""

    symbol: str
    broker_order_id: str
    side: OrderSide
    qty: Decimal | None
    filled_qty: Decimal
    status: OrderStatus


@frozen
class UnknownToBroker:
    """A live order of ours that the broker says it does not have."""

    symbol: str
    client_order_id: str


@frozen
class ExternalTrade:
    """A fill of an order that our record does not know; signed by its side."""

    symbol: str
    broker_order_id: str
    exec_id: str
    qty: Decimal
    price: Decimal | None
    at: Timestamp


@frozen
class HappenedWithoutTrade:
    """A split, transfer, assignment or fee that our record has not booked."""

    symbol: str | None
    kind: ActivityKind
    qty: Decimal | None
    ratio: Decimal | None
    cash: Decimal | None
    at: Timestamp


@frozen
class Phantom:
    """A position in our record that the broker does not have; signed base units."""

    symbol: str
    ours: Decimal


@frozen
class Untracked:
    """A position at the broker that our record does not have; signed base units."""

    symbol: str
    theirs: Decimal


@frozen
class WrongQty:
    """A position in both, of different size; signed base units."""

    symbol: str
    ours: Decimal
    theirs: Decimal


@frozen
class WrongCash:
    """Cash that fills, fees and transfers do not explain, in the account's currency."""

    ours: Decimal
    theirs: Decimal


PositionDrift = Phantom | Untracked | WrongQty
OrderDrift = MissedFill | OrderStatusDiffers | UnknownToUs | UnknownToBroker
Drift = PositionDrift | OrderDrift | ExternalTrade | HappenedWithoutTrade | WrongCash


@frozen
class Unsettled:
    """
    The positions that differed in the newest snapshot, not confirmed yet.

    `rows` pairs a symbol with theirs less ours, signed, in units of the base.
    """

    rows: tuple[tuple[str, Decimal], ...] = ()


class Confidence(StrEnum):
    """How far a difference can be believed."""

    EXPLAINED = "explained"  #: fills, orders and activities account for it
    SETTLING = "settling"  #: seen once, or while something moved; another look decides
    CONFIRMED = "confirmed"  #: two looks, a lag apart, nothing moving between: acted on


@frozen
class Finding:
    """A drift, how sure it is, and what was ruled out or what explains it."""

    drift: Drift
    confidence: Confidence
    because: str = ""
    notional: Decimal | None = None  #: ≥ 0 in quote currency; None without a price


class Verdict(StrEnum):
    """What a comparison comes to."""

    IN_SYNC = "in_sync"
    DRIFT = "drift"
    NOT_OBSERVED = "not_observed"
