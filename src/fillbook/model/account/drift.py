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
    """The symbol."""
    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    ours: Decimal
    """The filled quantity in our record, in base units, ≥ 0."""
    theirs: Decimal
    """The filled quantity at the broker, in base units, ≥ 0."""


@frozen
class OrderStatusDiffers:
    """Our record and the broker report different statuses of an order of ours."""

    symbol: str
    """The symbol."""
    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    ours: OrderStatus
    """The status in our record."""
    theirs: OrderStatus
    """The status at the broker."""


@frozen
class OrderTermsDiffer:
    """The broker reports another term than our record has, and we did not request it."""

    symbol: str
    """The symbol."""
    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    field: str
    """The field of `Terms`."""
    ours: str | None
    """The value in our record, as text; None: the order has no such term."""
    theirs: str | None
    """The value at the broker, as text; None: the order has no such term."""


@frozen
class UnknownToUs:
    """An external order: our record does not have it."""

    symbol: str
    """The symbol."""
    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""
    side: OrderSide
    """Buy or sell."""
    qty: Decimal | None
    """Its quantity in base units, > 0; None: it is by notional."""
    filled_qty: Decimal
    """Its filled total in base units, ≥ 0."""
    status: OrderStatus
    """Its status at the broker."""


@frozen
class UnknownToBroker:
    """A live order of ours that was not found at the broker."""

    symbol: str
    """The symbol."""
    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""


@frozen
class ExternalTrade:
    """An external fill: of an order that is not ours."""

    symbol: str
    """The symbol."""
    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""
    exec_id: str
    """The broker's id of the execution (FIX ExecID, 17)."""
    qty: Decimal
    """In signed base units; a sale is negative."""
    price: Decimal | None
    """Per unit, in quote currency; None: unknown."""
    at: Timestamp
    """The time (UTC)."""


@frozen
class HappenedWithoutTrade:
    """A split, transfer, assignment or fee that our record lacked."""

    symbol: str | None
    """The symbol; None: it moves cash only."""
    kind: ActivityKind
    """The kind of the activity."""
    qty: Decimal | None
    """The signed change of the position, in base units; None: not reported."""
    ratio: Decimal | None
    """New units per old unit, > 0; None: not reported."""
    cash: Decimal | None
    """The signed change of cash; None: not reported."""
    at: Timestamp
    """The time (UTC)."""


@frozen
class Phantom:
    """A position in our record that the broker does not have; signed base units."""

    symbol: str
    """The symbol."""
    ours: Decimal
    """The position in our record, in signed base units."""


@frozen
class Untracked:
    """A position at the broker that our record does not have; signed base units."""

    symbol: str
    """The symbol."""
    theirs: Decimal
    """The position at the broker, in signed base units."""


@frozen
class WrongQty:
    """A position of different quantity in our record and at the broker; signed base units."""

    symbol: str
    """The symbol."""
    ours: Decimal
    """The position in our record, in signed base units."""
    theirs: Decimal
    """The position at the broker, in signed base units."""


@frozen
class WrongCash:
    """A cash difference that no activity explains."""

    ours: Decimal
    """The cash in our record, signed."""
    theirs: Decimal
    """The cash at the broker, signed."""
    currency: str | None = None
    """The currency; None: that of the account."""


@frozen
class EndedUnitsDiffer:
    """
    A corporate action ended other units of a symbol than our record had at that time.

    The parts of the strategies that follow from it may be false, although the position agrees: a
    fill of that time is not known yet, or its time is not.  `difference` is theirs minus ours, in
    signed base units of the units that ended.
    """

    symbol: str
    """The symbol."""
    difference: Decimal
    """Theirs minus ours, in signed base units of the units that ended."""


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

    EXPLAINED = "explained"
    """By fills, orders or activities, which are merged."""
    SETTLING = "settling"
    """In one snapshot, or during activity; the next snapshot decides."""
    CONFIRMED = "confirmed"
    """In two consecutive snapshots at least `account_lag` apart."""


@frozen
class Finding:
    """A drift, its confidence, and `because`: its explanation or what was ruled out."""

    drift: Drift
    """The difference."""
    confidence: Confidence
    """Whether it is explained, confirmed or only seen once."""
    because: str = ""
    """Its explanation, or what was ruled out."""
    notional: Decimal | None = None
    """≥ 0, in quote currency; None: no price is known."""


class Verdict(StrEnum):
    """The result of a comparison."""

    IN_SYNC = "in_sync"
    """No difference is left."""
    DRIFT = "drift"
    """At least one difference is left."""
    NOT_OBSERVED = "not_observed"
    """A read failed, so the comparison is void."""
