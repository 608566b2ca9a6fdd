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
    """A split."""
    FEE = "fee"
    """A fee."""
    DIVIDEND = "dividend"
    """A dividend."""
    INTEREST = "interest"
    """Interest."""
    TRANSFER = "transfer"
    """Units that came or went without an order."""
    ASSIGNMENT = "assignment"
    """Of an option."""
    SYMBOL_CHANGE = "symbol_change"
    """A new symbol of the same instrument."""
    MERGER = "merger"
    """Units end, for other units, cash, or nothing: also other reorganizations."""
    SPIN_OFF = "spin_off"
    """Units that come beside those that are held."""
    OTHER = "other"
    """A kind of the broker that fillbook does not know."""


@frozen(kw_only=True)
class Activity:
    """
    One non-trade row of the account's history.

    Rows with the same `group_id` belong to one event: the units that it removes, those that it
    adds, and its cash.
    """

    activity_id: str
    """The broker's id of the row."""
    kind: ActivityKind
    """The kind of the activity."""
    at: Timestamp
    """The broker's time; if `dated`, the start or the end of that day."""
    symbol: str | None = None
    """The symbol; None: the row moves cash only."""
    qty: Decimal | None = None
    """
    The signed change of the position, in base units (of a split: what is added); None: not
    reported.
    """
    price: Decimal | None = None
    """
    Per unit, in `currency`; of a corporate action a market price or zero, no cost; None: not
    reported.
    """
    cash: Decimal | None = None
    """The signed change of cash, in `currency`; None: not reported."""
    ratio: Decimal | None = None
    """New units per old unit, > 0; None: not reported."""
    raw_kind: str = field(default="", converter=foreign)
    """The broker's own name of the kind."""
    description: str = field(default="", converter=foreign)
    """The broker's own text."""
    dated: bool = False
    """The broker reported a date without a time."""
    read_at: Timestamp | None = None
    """The broker's time when a dated row was first read; None: not known."""
    group_id: str | None = None
    """The id of the event to which the row belongs; None: the broker reports no group."""
    source: str | None = None
    """The symbol whose units entitle to those of another one (a spin-off); None: not reported."""
    in_opening: bool = False
    """The opening balance includes it."""
    currency: str | None = None
    """The currency; None: that of the account."""

    @property
    def effective_at(self) -> Timestamp:
        """When it counts: a dated row by the end of its day, but not later than it was read."""
        return self.at if self.read_at is None else min(self.at, self.read_at)
