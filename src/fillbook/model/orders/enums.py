"""
The enums of an order: side, type, time in force, class, status.

Status names are FIX's OrdStatus (tag 39); the last five are our own.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class OrderSide(StrEnum):
    """FIX Side (54).  A short sale is a SELL."""

    BUY = "buy"
    """A buy."""
    SELL = "sell"
    """A sale, also a short one."""

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is OrderSide.BUY else -1

    @property
    def opposite(self) -> OrderSide:
        """The other side."""
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


class OrderType(StrEnum):
    """FIX OrdType (40)."""

    MARKET = "market"
    """At the market."""
    LIMIT = "limit"
    """At its limit price or better."""
    STOP = "stop"
    """At the market, once its stop price is reached."""
    STOP_LIMIT = "stop_limit"
    """At its limit price or better, once its stop price is reached."""
    TRAILING_STOP = "trailing_stop"
    """A stop that follows the price."""
    UNRECOGNISED = "unrecognised"
    """A type of the broker that fillbook does not know."""


class TimeInForce(StrEnum):
    """FIX TimeInForce (59)."""

    DAY = "day"
    """Until the close."""
    GTC = "gtc"
    """Good till cancel."""
    GTD = "gtd"
    """Good till date."""
    IOC = "ioc"
    """Immediate or cancel."""
    FOK = "fok"
    """Fill or kill."""
    OPG = "opg"
    """At the opening auction."""
    CLS = "cls"
    """At the closing auction."""
    DEFAULT = "default"
    """That of the broker for the instrument; of requests only."""
    UNRECOGNISED = "unrecognised"
    """A value of the broker that fillbook does not know."""


class OrderClass(StrEnum):
    """The class of an order: alone, or a group of linked orders."""

    SIMPLE = "simple"
    """One order."""
    BRACKET = "bracket"
    """An entry with a take profit and a stop loss."""
    OCO = "oco"
    """One cancels the other: take profit and stop loss of a position."""
    OTO = "oto"
    """One triggers the other: an entry with one exit."""
    UNRECOGNISED = "unrecognised"
    """A class of the broker that fillbook does not know."""


class OrderStatus(StrEnum):
    """FIX OrdStatus (39), and five statuses of our own."""

    PENDING_NEW = "pending_new"
    """The broker has the order, and has not accepted it yet."""
    ACCEPTED = "accepted"
    """The broker accepted it; it does not work yet."""
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    """Accepted for an auction."""
    PENDING_REVIEW = "pending_review"
    """The broker reviews it."""
    HELD = "held"
    """An exit that waits for its entry or its price."""
    NEW = "new"
    """It works."""
    PARTIALLY_FILLED = "partially_filled"
    """It works, and a part is filled."""
    FILLED = "filled"
    """Filled completely."""
    PENDING_CANCEL = "pending_cancel"
    """A cancel is on its way."""
    CANCELED = "canceled"
    """Canceled; it may have fills."""
    PENDING_REPLACE = "pending_replace"
    """A replace is on its way."""
    REPLACED = "replaced"
    """Another order of the chain has taken its place."""
    EXPIRED = "expired"
    """Its time in force has ended; it may have fills."""
    REJECTED = "rejected"
    """Rejected by the broker."""
    DONE_FOR_DAY = "done_for_day"
    """No more fills today."""
    CALCULATED = "calculated"
    """Filled, and its settlement is pending."""
    STOPPED = "stopped"
    """A trade is guaranteed, and has not happened yet."""
    SUSPENDED = "suspended"
    """It cannot trade at present."""
    DENIED = "denied"
    """Ours: denied by our own checks, never sent."""
    UNPROVEN = "unproven"
    """Ours: unconfirmed: no reply, outcome unknown."""
    ABSENT = "absent"
    """Ours: concluded that the broker never had it."""
    UNRECOGNISED = "unrecognised"
    """Ours: the broker's status is unknown to fillbook; live."""
    DISPUTED = "disputed"
    """Ours: the evidence contradicts itself."""


#: The final statuses that a broker may report with or without fills (FILLED is final too).
ENDINGS: Final = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
#: A cancel or a replace is pending at the broker: another status follows, also after a fill.
PENDING: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})
#: Statuses in which the broker may still fill the order.
LIVE: Final = frozenset(
    {
        OrderStatus.PENDING_NEW,
        OrderStatus.ACCEPTED,
        OrderStatus.ACCEPTED_FOR_BIDDING,
        OrderStatus.PENDING_REVIEW,
        OrderStatus.HELD,
        OrderStatus.NEW,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
        OrderStatus.PENDING_REPLACE,
        OrderStatus.REPLACED,  # its successor is not known yet
        OrderStatus.DONE_FOR_DAY,
        OrderStatus.CALCULATED,
        OrderStatus.STOPPED,
        OrderStatus.SUSPENDED,
        OrderStatus.UNRECOGNISED,
        OrderStatus.DISPUTED,
    }
)
