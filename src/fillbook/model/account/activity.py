"""Non-trade activities of an account: fees, dividends, splits, transfers."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.text.foreign import foreign
from fillbook.model.timestamp import Timestamp


class ActivityKind(StrEnum):
    """The kind of a non-trade activity; trades are executions."""

    SPLIT = "split"
    FEE = "fee"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    TRANSFER = "transfer"
    ASSIGNMENT = "assignment"  #: of an option
    SYMBOL_CHANGE = "symbol_change"
    MERGER = "merger"  #: units end, for other units, cash, or nothing: also other reorganizations
    SPIN_OFF = "spin_off"  #: units that come beside those that are held
    OTHER = "other"  #: a kind of the broker that fillbook does not know


@frozen(kw_only=True)
class Activity:
    """
    One non-trade row of the account's history.

    `qty` is the signed change of the position in base units (a fee of 0.0002 BTC is -0.0002);
    for a split it is the quantity added, and `ratio` (> 0) is new units per old unit.  `price`
    is per unit, `cash` the signed change of cash, both in `currency` (None: the account's).  None:
    not reported; a row without `symbol` moves cash only.  `raw_kind` is the broker's own name of
    the kind.  The `price` of a row of a corporate action is a market price, or zero; it is no cost.

    Rows with the same `group_id` belong to one event: the units that it removes, those that it
    adds, and its cash; None: the broker reports no group.  `source` is the symbol whose units
    entitle to those of another `symbol` (a spin-off); None: not reported.

    A row is `dated` if the broker reported a date only: `at` is then the start or the end of that
    day.  `read_at` is the broker's time when such a row was first read; None: not known.
    """

    activity_id: str
    kind: ActivityKind
    at: Timestamp
    symbol: str | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    cash: Decimal | None = None
    ratio: Decimal | None = None
    raw_kind: str = field(default="", converter=foreign)
    description: str = field(default="", converter=foreign)
    dated: bool = False
    read_at: Timestamp | None = None
    group_id: str | None = None
    source: str | None = None
    in_opening: bool = False  #: the opening balance includes it
    currency: str | None = None

    @property
    def effective_at(self) -> Timestamp:
        """When it counts: a dated row by the end of its day, but not later than it was read."""
        return self.at if self.read_at is None else min(self.at, self.read_at)
