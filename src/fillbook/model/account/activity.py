"""Non-trade activities of an account: fees, dividends, splits, transfers."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final

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


_K = ActivityKind
#: The kinds whose rows are followed as a group.
_KINDS: Final = frozenset({_K.SPLIT, _K.SYMBOL_CHANGE, _K.MERGER, _K.SPIN_OFF, _K.DIVIDEND})
#: The kinds that belong to a corporate action only if they bear its group.
_IN_GROUPS: Final = frozenset({_K.ASSIGNMENT, _K.OTHER})
#: The kinds whose rows without a group are of one event only if they bear the same symbol.
_BY_SYMBOL: Final = frozenset({_K.SPLIT, _K.SPIN_OFF, _K.DIVIDEND})
#: Rows without a group that bear a time are of one event if they bear the same second.
_SECOND: Final = len("2026-03-02T15:00:00")


def group_of(activity: Activity) -> str | None:
    """Return the name of the group of a row; None: it is no part of a corporate action."""
    grouped = activity.kind in _IN_GROUPS and activity.group_id is not None
    if activity.symbol is None or not (activity.kind in _KINDS or grouped):
        return None
    if activity.kind is _K.DIVIDEND and not activity.qty and activity.group_id is None:
        return None  # cash for the units that are held
    if activity.group_id is not None:
        return activity.group_id.replace("/", ":")
    at = activity.at if activity.dated else activity.at[:_SECOND]
    symbol = activity.symbol if activity.kind in _BY_SYMBOL else ""
    return f"{activity.kind}:{at}:{symbol}".replace("/", ":")
