"""
Moments: a `Timestamp` is UTC text with nine digits, so that text order is time order.

Brokers tell nanoseconds and Python's datetime holds microseconds; two reports of
one order may differ only beyond them.  So the record keeps the text, and shows a
datetime.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NewType

from fillbook.model.invalid import InvalidValue

Timestamp = NewType(
    "Timestamp", str
)  #: ``"2026-11-20T14:30:00.123456789Z"``, always UTC, always 9 digits

_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):?(\d{2}))"
)


def timestamp(value: str | datetime) -> Timestamp:
    """
    *value* (RFC 3339 text of any precision and offset, or an aware datetime) as a Stamp.

    Digits beyond nanoseconds are cut.  Raises: InvalidValue for naive or unreadable times.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidValue(f"{value!r} has no time zone; say which, e.g. tzinfo=UTC")
        return Timestamp(_text(value.astimezone(UTC)) + "000Z")
    found = _RFC3339.fullmatch(value)
    if found is None:
        raise InvalidValue(f"{value!r} is not a time with a zone, like 2026-11-20T14:30:00Z")
    day, clock, fraction, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}").replace(
            tzinfo=timezone(-offset if sign == "-" else offset)
        )
        text = _text(whole.astimezone(UTC))[:19]
    except (ValueError, OverflowError):
        raise InvalidValue(f"{value!r} is not a time that exists") from None
    return Timestamp(f"{text}.{(fraction or '')[:9].ljust(9, '0')}Z")


def _text(utc: datetime) -> str:
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds")  # strftime pads no year


def timestamp_or_none(value: str | datetime | None) -> Timestamp | None:
    """`timestamp`, but None stays None."""
    return None if value is None else timestamp(value)


def moment(value: Timestamp) -> datetime:
    """*value* as an aware UTC datetime, cut to microseconds."""
    return datetime.fromisoformat(value[:26] + "+00:00")
