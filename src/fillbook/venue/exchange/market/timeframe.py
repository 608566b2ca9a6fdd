"""
The intervals of bars, and where they begin.

A bar has the time at which its interval begins.  Days of shares begin at midnight in New York,
those of pairs at midnight in Chicago, as the bars of Alpaca do; weeks begin on Mondays.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

from fillbook.venue.exchange.market.sessions import new_york

_MIDNIGHT: Final = time()
_MINUTE: Final = timedelta(minutes=1)


class TimeUnit(StrEnum):
    """The unit of a timeframe."""

    MINUTE = "Min"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


@frozen
class Timeframe:
    """An interval of *amount* units."""

    amount: int
    unit: TimeUnit

    @property
    def is_daily(self) -> bool:
        """Whether the interval is of whole days."""
        return self.unit not in (TimeUnit.MINUTE, TimeUnit.HOUR)

    def start_of(self, at: datetime, zone: ZoneInfo) -> datetime:
        """Return the beginning of the interval that contains *at*, in UTC."""
        local = at.astimezone(zone)
        match self.unit:
            case TimeUnit.MINUTE | TimeUnit.HOUR:
                size = self.amount * (60 if self.unit is TimeUnit.HOUR else 1)
                past = (local.hour * 60 + local.minute) % size
                return at.astimezone(UTC).replace(second=0, microsecond=0) - past * _MINUTE
            case TimeUnit.DAY:
                day = local.date()
            case TimeUnit.WEEK:
                day = local.date() - timedelta(days=local.weekday())
            case TimeUnit.MONTH:
                month = (local.month - 1) // self.amount * self.amount + 1
                day = date(local.year, month, 1)
        return day_start(day, zone)


DAY: Final = Timeframe(1, TimeUnit.DAY)


@cache
def _chicago() -> ZoneInfo:
    return ZoneInfo("America/Chicago")


def day_zone(*, is_crypto: bool) -> ZoneInfo:
    """Return the time zone in which a day of trading begins."""
    return _chicago() if is_crypto else new_york()


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the midnight that begins *day* in *zone*, in UTC."""
    return datetime.combine(day, _MIDNIGHT, zone).astimezone(UTC)
