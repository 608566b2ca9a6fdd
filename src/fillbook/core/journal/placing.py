"""
Where a row of the account's history takes its place among fills and balance adjustments.

A row with a time is placed by it.  A dated row has a day only, and brokers post it on that day or
later.  So a balance adjustment includes the dated rows that were in the record by then, and no
other one, whatever its date.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m

_DAY: Final = timedelta(days=1)
_MICROSECOND: Final = timedelta(microseconds=1)


def is_included(activity: m.Activity, adjusted_at: m.Timestamp) -> bool:
    """Return whether *activity* is a dated row that was read before a balance adjustment."""
    return activity.dated and activity.read_at is not None and activity.read_at <= adjusted_at


def placed(
    activity: m.Activity, adjusted_at: m.Timestamp | None, is_adopted: bool, *, by_ids: bool
) -> tuple[m.Timestamp, bool]:
    """
    Return the time of a row that the last balance adjustment, if any, did not know.

    *is_adopted*: its amount is a part of what was adopted without an explanation; the row
    explains it then, unless its day is later.  Return also whether it does.
    """
    at = activity.effective_at
    if adjusted_at is None or not activity.dated:
        return at, False
    adjusted = m.moment(adjusted_at)
    if is_adopted and m.moment(activity.at) - _DAY < adjusted:
        return adjusted_at, True  # a movement of that time is before the adjustment
    if by_ids and at <= adjusted_at:
        at = m.timestamp(adjusted + _MICROSECOND)
    return at, False


def is_part(amount: Decimal, whole: Decimal) -> bool:
    """Return whether *amount* may be a part of *whole*: of the same sign, and not larger."""
    return amount * whole > 0 and abs(amount) <= abs(whole)
