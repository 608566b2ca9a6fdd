"""
The activity window: from which date a reconciliation reads the activities of the account.

Brokers date a row by its day and post it later, by hours or by years.  So every pass reads the last
day again, one pass a day the last ten, and the opening balance and a new difference read all.  The
cursor is stored, and it is independent of the fills.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.codec import dump, load_or_none
from fillbook.store import Store, Writer

_CELL: Final = "activities-read"
#: What every pass reads again, and what one pass a day reads again.
OVERLAP: Final = timedelta(days=1)
TRAILING: Final = timedelta(days=10)
#: The period of the trailing read.
TRAILING_PERIOD: Final = timedelta(days=1)
#: The beginning of the history of every account.
BEGINNING: Final = m.timestamp(datetime(1970, 1, 2, tzinfo=UTC))


@frozen
class ActivityCursor:
    """Until when the activities were read, and until when with the trailing days; broker's time."""

    until: m.Timestamp
    trailing: m.Timestamp


class ActivityWindow:
    """Keeps the cursor of the activities."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def since(self, now: datetime, day: date | None, *, everything: bool) -> m.Timestamp:
        """
        Return the time from which to read; *everything* if a new difference needs an explanation.

        *day* is the first day that the bot asked for.  A record whose opening balance was taken by
        an earlier release, which did not read all rows, is not read from the beginning.
        """
        begin = self._begin(now, everything=everything)
        if day is not None:
            begin = min(begin, m.timestamp(datetime.combine(day, time(), UTC)))
        return begin

    def _begin(self, now: datetime, *, everything: bool) -> m.Timestamp:
        cursor = load_or_none(ActivityCursor, self._store.cell(_CELL))
        with self._store.read() as reader:
            cash, standing = reader.get(m.Cash, "cash"), bool(reader.all(m.OpenDrift))
        if cash is None:
            return BEGINNING
        is_due = cursor is None or now - m.moment(cursor.trailing) >= TRAILING_PERIOD
        if cash.by_ids and (everything or (is_due and standing)):
            return BEGINNING
        if cursor is None or everything or is_due:
            last = now if cursor is None else min(now, m.moment(cursor.trailing))
            return m.timestamp(last - TRAILING)
        return m.timestamp(min(now, m.moment(cursor.until)) - OVERLAP)

    def save(self, writer: Writer, since: m.Timestamp, until: m.Timestamp) -> None:
        """Advance the cursor: the activities from *since* to *until* are in the record."""
        cursor = load_or_none(ActivityCursor, writer.cell(_CELL))
        is_trailing = m.moment(until) - m.moment(since) >= TRAILING
        trailing = until if cursor is None or is_trailing else cursor.trailing
        writer.set_cell(_CELL, dump(ActivityCursor(until, trailing)))
