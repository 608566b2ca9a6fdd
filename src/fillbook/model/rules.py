"""A broker's rules for orders, as data: what goes together, ticks, auctions, the wash rule."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.orders.enums import OrderClass, OrderType, TimeInForce


class OrderSort(StrEnum):
    """What an order is of, as far as its type and time in force go by it."""

    WHOLE = "whole units"
    FRACTION = "fractions or notionals"
    EXTENDED = "extended hours"
    COIN = "crypto"


@frozen
class Takes:
    """Of orders of that sort, every one of these types, times in force and classes is taken."""

    sort: OrderSort
    types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    classes: frozenset[OrderClass] = frozenset({OrderClass.SIMPLE})


@frozen
class Auction:
    """When orders for an auction are not taken, as lengths from the day's regular opening."""

    time_in_force: TimeInForce
    shut: timedelta
    opens_again: timedelta


@frozen
class Tick:
    """The step of prices that are at least so high."""

    least: Decimal
    step: Decimal


@frozen
class WashRule:
    """
    Which orders of opposite sides are refused while another of the account rests.

    One of a type in `always` never goes with another; two of types in `crossing` only if the
    buy's limit is at or above the sale's.  Other types and classes than `simple` are exempt.
    """

    always: frozenset[OrderType]
    crossing: frozenset[OrderType]
