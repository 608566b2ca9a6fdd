"""
Times: a `Timestamp` is UTC text with nine fractional digits, so that text order is time order.

Brokers report nanoseconds, and a Python datetime holds microseconds.  Two reports on one order
may differ in nanoseconds only.  So the record stores the text, and shows a datetime.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NewType

from fillbook.errors import InvalidValue

Timestamp = NewType(
    "Timestamp", str
)  #: ``"2026-11-20T14:30:00.123456789Z"``, always UTC, always 9 digits

_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):?(\d{2}))",
    re.ASCII,
)


#: A `Timestamp`, but for days and hours that do not exist.
_STORED: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{9}Z", re.ASCII)


def timestamp(value: str | datetime) -> Timestamp:
    """
    Convert *value*, RFC 3339 text of any precision and offset or an aware datetime.

    Digits beyond nanoseconds are truncated.

    Raises: InvalidValue for naive or unreadable times.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidValue(f"{value!r} has no time zone; give one, e.g. tzinfo=UTC")
        return Timestamp(_text(value.astimezone(UTC)) + "000Z")
    match = _STORED.fullmatch(value) or _RFC3339.fullmatch(value)
    if match is None:
        raise InvalidValue(f"{value!r} is not a time with a zone such as 2026-11-20T14:30:00Z")
    try:
        if match.re is _STORED:
            datetime.fromisoformat(value[:19])
            return Timestamp(value)
        day, clock, fraction, sign, hours, minutes = match.groups()
        text = f"{day}T{clock}"
        local = datetime.fromisoformat(text)
        if sign is not None:
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            local = local.replace(tzinfo=timezone(-offset if sign == "-" else offset))
            text = _text(local.astimezone(UTC))[:19]
    except (ValueError, OverflowError):
        raise InvalidValue(f"{value!r} is not a valid time") from None
    return Timestamp(f"{text}.{(fraction or '')[:9].ljust(9, '0')}Z")


def _text(utc: datetime) -> str:
    return utc.replace(tzinfo=None).isoformat(timespec="microseconds")  # strftime pads no year


def timestamp_or_none(value: str | datetime | None) -> Timestamp | None:
    """Convert *value* as `timestamp` does; None stays None."""
    return None if value is None else timestamp(value)


def moment(value: Timestamp) -> datetime:
    """Convert *value* to an aware UTC datetime, truncated to microseconds."""
    return datetime.fromisoformat(value[:26] + "+00:00")
