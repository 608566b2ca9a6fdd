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
    SELL = "sell"

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
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    UNRECOGNISED = "unrecognised"  #: a type of the broker that fillbook does not know


class TimeInForce(StrEnum):
    """FIX TimeInForce (59)."""

    DAY = "day"
    GTC = "gtc"  #: good till cancel
    GTD = "gtd"  #: good till date
    IOC = "ioc"  #: immediate or cancel
    FOK = "fok"  #: fill or kill
    OPG = "opg"  #: at the opening auction
    CLS = "cls"  #: at the closing auction
    DEFAULT = "default"  #: that of the broker for the instrument; of requests only
    UNRECOGNISED = "unrecognised"  #: a value of the broker that fillbook does not know


class OrderClass(StrEnum):
    """The class of an order: alone, or a group of linked orders."""

    SIMPLE = "simple"
    BRACKET = "bracket"  #: an entry with a take profit and a stop loss
    OCO = "oco"  #: one cancels the other: take profit and stop loss of a position
    OTO = "oto"  #: one triggers the other: an entry with one exit
    UNRECOGNISED = "unrecognised"  #: a class of the broker that fillbook does not know


class OrderStatus(StrEnum):
    """FIX OrdStatus (39), and five statuses of our own."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    PENDING_REVIEW = "pending_review"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    PENDING_REPLACE = "pending_replace"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    DENIED = "denied"  #: ours: denied by our own checks, never sent
    UNPROVEN = "unproven"  #: ours: unconfirmed: no reply, outcome unknown
    ABSENT = "absent"  #: ours: concluded that the broker never had it
    UNRECOGNISED = "unrecognised"  #: ours: the broker's status is unknown to fillbook; live
    DISPUTED = "disputed"  #: ours: the evidence contradicts itself


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
