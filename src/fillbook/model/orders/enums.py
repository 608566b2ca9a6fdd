"""
The words of an order: side, type, time in force, class, status.

Status names are FIX's OrdStatus (tag 39); the last five are ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class OrderSide(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is OrderSide.BUY else -1


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    UNRECOGNISED = "unrecognised"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"
    UNRECOGNISED = "unrecognised"


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"
    UNRECOGNISED = "unrecognised"


class OrderStatus(StrEnum):
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
    DENIED = "denied"  #: ours: never sent
    UNPROVEN = "unproven"  #: ours: perhaps sent, no evidence yet
    ABSENT = "absent"  #: ours: concluded that the broker never had it
    UNRECOGNISED = "unrecognised"  #: ours: the broker has it, in a word we do not know; alive
    DISPUTED = "disputed"  #: ours: the evidence contradicts itself


#: Words that end an order at the broker, with or without fills (FILLED ends it too).
ENDINGS: Final = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
