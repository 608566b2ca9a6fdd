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
    """Whole units of an instrument that is not crypto."""
    FRACTION = "fractions or notionals"
    """A quantity with a fraction, or a notional."""
    EXTENDED = "extended hours"
    """An order for extended hours."""
    COIN = "crypto"
    """An order of a crypto pair."""


@frozen
class Takes:
    """For orders of this sort the broker accepts every combination of these values."""

    sort: OrderSort
    """The sort of orders."""
    types: frozenset[OrderType]
    """The order types."""
    times_in_force: frozenset[TimeInForce]
    """The times in force."""
    classes: frozenset[OrderClass] = frozenset({OrderClass.SIMPLE})
    """The order classes."""


@frozen
class Auction:
    """The daily period in which the broker accepts no orders for an auction."""

    time_in_force: TimeInForce
    """The time in force of such orders."""
    shut: timedelta
    """Its beginning, from the regular opening; negative: before it."""
    opens_again: timedelta
    """Its end, from the regular opening."""


@frozen
class Tick:
    """The tick size of prices from a price on."""

    least: Decimal
    """The price from which it applies, in quote currency, > 0."""
    step: Decimal
    """The tick size, in quote currency, > 0."""


@frozen
class WashRule:
    """
    Which orders the broker rejects while an order of the opposite side works on the account.

    All other types, and all classes but `simple`, are exempt.
    """

    always: frozenset[OrderType]
    """A pair with one of these types is always rejected."""
    crossing: frozenset[OrderType]
    """A pair of these types is rejected if the limit of the buy is at or above that of the sale."""
