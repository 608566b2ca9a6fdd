"""
The trading calendar of the stock exchange, New York time: sessions, overnight, holidays.

Holidays follow the NYSE's rules (https://www.nyse.com/markets/hours-calendars): a holiday on
a Saturday is observed on Friday, except New Year's Day, and one on a Sunday on Monday.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fillbook import model as m
from fillbook.errors import ExtraMissing

_DAY: Final = timedelta(days=1)
_GTC_DAYS: Final = 90
_GTC_TIME: Final = time(16, 15)
_OVERNIGHT_ENDS, _OVERNIGHT_BEGINS = time(4), time(20)

#: Month, weekday (Monday 0) and its number in the month (-1: the last).
_WEEKDAY_HOLIDAYS: Final = ((1, 0, 3), (2, 0, 3), (5, 0, -1), (9, 0, 1), (11, 3, 4))
_DATED_HOLIDAYS: Final = ((6, 19), (7, 4), (12, 25))


@cache
def new_york() -> ZoneInfo:
    """
    Return the time zone of the exchange.

    Raises: ExtraMissing on a machine without time zone data.
    """
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        raise ExtraMissing("there is no time zone database: pip install tzdata") from None


@cache
def session(day: date) -> m.Session | None:
    """Return the session of *day*; None if the exchange is closed."""
    if day.weekday() >= 5 or day in _holidays(day.year):
        return None
    closes, late = time(16), _OVERNIGHT_BEGINS
    if _is_half(day):
        closes, late = time(13), time(17)
    return m.Session(day, *(_utc(day, at) for at in (time(9, 30), closes, _OVERNIGHT_ENDS, late)))


def sessions(first: date, last: date) -> Iterator[m.Session]:
    """Yield the sessions from *first* to *last*, both included."""
    for n in range((last - first).days + 1):
        if found := session(first + n * _DAY):
            yield found


def current_or_next(now: datetime) -> m.Session:
    """Return the session that is open at *now*, extended hours included, or the next."""
    day = now.astimezone(new_york()).date()
    while (found := session(day)) is None or found.extended_closes <= now:
        day += _DAY
    return found


def is_regular(now: datetime) -> bool:
    current = current_or_next(now)
    return current.opens <= now < current.closes


def is_extended(now: datetime) -> bool:
    """Whether a session is open, regular or extended."""
    return current_or_next(now).extended_opens <= now


def is_overnight(now: datetime) -> bool:
    """Whether an overnight session is open: from 20:00 to 4:00 before a session."""
    local = now.astimezone(new_york())
    if _OVERNIGHT_ENDS <= local.time() < _OVERNIGHT_BEGINS:
        return False
    return session(local.date() + _DAY * (local.time() >= _OVERNIGHT_BEGINS)) is not None


def next_overnight_open(now: datetime) -> datetime:
    """Return the next opening of an overnight session."""
    day = now.astimezone(new_york()).date()
    while session(day + _DAY) is None or _utc(day, _OVERNIGHT_BEGINS) <= now:
        day += _DAY
    return _utc(day, _OVERNIGHT_BEGINS)


def day_order_ends(now: datetime, *, extended: bool) -> datetime:
    """Return the close at which a day order that is placed at *now* expires."""
    current = current_or_next(now)
    if extended:
        return current.extended_closes
    return (
        current.closes if now < current.closes else current_or_next(current.extended_closes).closes
    )


def next_opening(now: datetime, *, extended: bool, overnight: bool = False) -> datetime:
    """Return the next opening after *now* of the sessions in which an order may trade."""
    current = current_or_next(now)
    if overnight:
        return min(current.extended_opens, next_overnight_open(now))
    if extended:
        return current.extended_opens
    return current.opens if now < current.opens else current_or_next(current.extended_closes).opens


def gtc_ends(now: datetime) -> datetime:
    """Return when an order good till canceled, placed at *now*, is canceled by age."""
    day = now.astimezone(new_york()).date() + _GTC_DAYS * _DAY
    return _utc(day, _GTC_TIME)


def _utc(day: date, at: time) -> datetime:
    return datetime.combine(day, at, new_york()).astimezone(UTC)


@cache
def _holidays(year: int) -> frozenset[date]:
    days = {_nth(year, *rule) for rule in _WEEKDAY_HOLIDAYS}
    days |= {_observed(date(year, month, day)) for month, day in _DATED_HOLIDAYS}
    days.add(_easter(year) - 2 * _DAY)
    new_year = date(year, 1, 1)
    if new_year.weekday() != 5:  # on a Saturday it is not observed
        days.add(_observed(new_year))
    return frozenset(days)


def _is_half(day: date) -> bool:
    """Whether *day* closes early: the day after Thanksgiving, Christmas Eve, the third of July."""
    return day == _nth(day.year, 11, 3, 4) + _DAY or (day.month, day.day) in ((12, 24), (7, 3))


def _observed(day: date) -> date:
    return day + {5: -_DAY, 6: _DAY}.get(day.weekday(), timedelta())


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    days = [
        day
        for day in (date(year, month, 1) + k * _DAY for k in range(31))
        if day.month == month and day.weekday() == weekday
    ]
    return days[n - 1 if n > 0 else n]


def _easter(year: int) -> date:
    """Return Western Easter, by the anonymous Gregorian computus."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)
