"""
Drift: the differences between our record and the broker's account.

*ours* and *theirs* are the two sides of a comparison.  There is one class per kind, so that
mypy reports every `match` that lacks a new kind.  `core.reconcile.drift` produces every kind.
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
    """An order of ours has fills that our record lacked; filled quantities in base units, ≥ 0."""

    symbol: str
    client_order_id: str
    ours: Decimal
    theirs: Decimal


@frozen
class OrderStatusDiffers:
    """Our record and the broker report different statuses of an order of ours."""

    symbol: str
    client_order_id: str
    ours: OrderStatus
    theirs: OrderStatus


@frozen
class OrderTermsDiffer:
    """
    The broker reports another term of an order than our record has, and we did not request it.

    `field` is a field of `Terms`, and the values are text: quantities are in base units, prices
    per unit in quote currency; None: the order has no such term.
    """

    symbol: str
    client_order_id: str
    field: str
    ours: str | None
    theirs: str | None


@frozen
class UnknownToUs:
    """An external order: our record does not have it; base units, ≥ 0 (None: by notional)."""

    symbol: str
    broker_order_id: str
    side: OrderSide
    qty: Decimal | None
    filled_qty: Decimal
    status: OrderStatus


@frozen
class UnknownToBroker:
    """A live order of ours that was not found at the broker."""

    symbol: str
    client_order_id: str


@frozen
class ExternalTrade:
    """
    An external fill: of an order that is not ours.

    `qty` is in signed base units (a sale is negative), `price` per unit in quote currency;
    None: unknown.
    """

    symbol: str
    broker_order_id: str
    exec_id: str
    qty: Decimal
    price: Decimal | None
    at: Timestamp


@frozen
class HappenedWithoutTrade:
    """
    A split, transfer, assignment or fee that our record lacked.

    The fields are those of `Activity`: signed, None: not reported.
    """

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
    """A position of different quantity in our record and at the broker; signed base units."""

    symbol: str
    ours: Decimal
    theirs: Decimal


@frozen
class WrongCash:
    """
    A cash difference that no activity explains; signed, in `currency`.

    None: the currency of the account.
    """

    ours: Decimal
    theirs: Decimal
    currency: str | None = None


@frozen
class EndedUnitsDiffer:
    """
    A corporate action ended other units of a symbol than our record had at that time.

    The parts of the strategies that follow from it may be false, although the position agrees: a
    fill of that time is not known yet, or its time is not.  `difference` is theirs minus ours, in
    signed base units of the units that ended.
    """

    symbol: str
    difference: Decimal


PositionDrift = Phantom | Untracked | WrongQty
OrderDrift = MissedFill | OrderStatusDiffers | OrderTermsDiffer | UnknownToUs | UnknownToBroker
Drift = (
    PositionDrift | OrderDrift | ExternalTrade | HappenedWithoutTrade | WrongCash | EndedUnitsDiffer
)


@frozen
class Unsettled:
    """
    The position differences of the newest snapshot, not confirmed yet.

    `rows` are pairs of a symbol and theirs minus ours, in signed base units.
    """

    rows: tuple[tuple[str, Decimal], ...] = ()


class Confidence(StrEnum):
    """How certain a difference is."""

    EXPLAINED = "explained"  #: by fills, orders or activities, which are merged
    SETTLING = "settling"  #: in one snapshot, or during activity; the next snapshot decides
    CONFIRMED = "confirmed"  #: in two consecutive snapshots at least `account_lag` apart


@frozen
class Finding:
    """A drift, its confidence, and `because`: its explanation or what was ruled out."""

    drift: Drift
    confidence: Confidence
    because: str = ""
    notional: Decimal | None = None  #: ≥ 0, in quote currency; None: no price is known


class Verdict(StrEnum):
    """The result of a comparison."""

    IN_SYNC = "in_sync"  #: no difference is left
    DRIFT = "drift"  #: at least one difference is left
    NOT_OBSERVED = "not_observed"  #: a read failed, so the comparison is void
