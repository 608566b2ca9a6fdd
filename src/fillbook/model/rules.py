"""A broker's order rules as data: valid combinations, ticks, auctions, the wash trade rule."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.orders.enums import OrderClass, OrderType, TimeInForce


class OrderSort(StrEnum):
    """The sort of an order, on which its valid types and times in force depend."""

    WHOLE = "whole units"
    FRACTION = "fractions or notionals"
    EXTENDED = "extended hours"
    COIN = "crypto"


@frozen
class Takes:
    """For orders of this sort the broker accepts every combination of these values."""

    sort: OrderSort
    types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    classes: frozenset[OrderClass] = frozenset({OrderClass.SIMPLE})


@frozen
class Auction:
    """
    The daily period in which the broker accepts no orders for an auction.

    From `shut` to `opens_again`, both measured from the regular opening (negative: before it).
    """

    time_in_force: TimeInForce
    shut: timedelta
    opens_again: timedelta


@frozen
class Tick:
    """The tick size `step` of prices ≥ `least`, both in quote currency, > 0."""

    least: Decimal
    step: Decimal


@frozen
class WashRule:
    """
    Which orders the broker rejects while an order of the opposite side works on the account.

    A pair with a type in `always` is always rejected.  A pair of types in `crossing` is
    rejected if the limit of the buy is at or above the limit of the sale.  All other types,
    and all classes but `simple`, are exempt.
    """

    always: frozenset[OrderType]
    crossing: frozenset[OrderType]
