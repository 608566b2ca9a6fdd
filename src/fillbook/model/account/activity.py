"""What moves an account without an order of ours: fees, dividends, splits, transfers."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.timestamp import Timestamp


class ActivityKind(StrEnum):
    """What moved an account without an order of ours; trades are executions instead."""

    SPLIT = "split"
    FEE = "fee"
    DIVIDEND = "dividend"
    TRANSFER = "transfer"
    ASSIGNMENT = "assignment"
    SYMBOL_CHANGE = "symbol_change"
    OTHER = "other"


@frozen(kw_only=True)
class Activity:
    """
    One row of the account's history that is no trade.

    `qty` is the signed change of the position in units of the base (a fee of 0.0002 BTC is
    -0.0002); for a split it is what was added, and `ratio` (> 0) new units per old one.
    `cash` is the signed change in quote currency.  None = not told.
    """

    activity_id: str
    kind: ActivityKind
    at: Timestamp
    symbol: str | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    cash: Decimal | None = None
    ratio: Decimal | None = None
    raw_kind: str = ""
    description: str = ""
