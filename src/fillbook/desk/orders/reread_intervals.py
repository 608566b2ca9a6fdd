"""
Retries of reads that found nothing new: at growing intervals, and few of them in all.

An order whose fills the history never shows, or that the list never shows, is read at once, then
after `INTERVALS`.  A read of an order that has changed since is no retry.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock

#: The intervals between the reads of one order; the last one repeats.
INTERVALS: Final = tuple(timedelta(seconds=x) for x in (15, 30, 60, 120, 240, 480, 900))
#: The minimum time from one retry to the next for each request of it: five requests a minute.
SPACING: Final = timedelta(seconds=12)


@frozen
class _Tried:
    """The last read of an order: what was known of it then, and the number of reads since."""

    order: m.Order
    at: timedelta
    count: int


class Retries:
    """Selects the orders that are due to be read, for several purposes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tried: dict[str, dict[str, _Tried]] = {}
        self._free_at = timedelta()

    def due(self, purpose: str, records: Iterable[m.OrderRecord]) -> list[m.OrderRecord]:
        """
        Return those of *records* that are due: the new ones, and one retry if the rate allows it.

        *records* are all that need a read for *purpose*; others are forgotten.
        """
        now, records = self._clock.elapsed(), list(records)
        names = {x.client_order_id for x in records}
        tried = {k: x for k, x in self._tried.get(purpose, {}).items() if k in names}
        self._tried[purpose] = tried
        new: list[m.OrderRecord] = []
        again: list[tuple[timedelta, m.OrderRecord]] = []
        for record in records:
            last = tried.get(record.client_order_id)
            if last is None or last.order != record.order:
                new.append(record)
            elif now - last.at >= _interval(last):
                again.append((last.at, record))
        if again and now >= self._free_at:
            new.append(min(again, key=lambda pair: pair[0])[1])
        return new

    def read(self, purpose: str, records: Iterable[m.OrderRecord]) -> None:
        """Note that *records* are read now."""
        tried, now = self._tried.setdefault(purpose, {}), self._clock.elapsed()
        for record in records:
            last = tried.get(record.client_order_id)
            is_retry = last is not None and last.order == record.order
            count = last.count + 1 if last is not None and is_retry else 0
            tried[record.client_order_id] = _Tried(record.order, now, count)
            if is_retry:
                self._free_at = now + SPACING * (len(record.ids) + 1)


def _interval(last: _Tried) -> timedelta:
    return INTERVALS[min(last.count, len(INTERVALS) - 1)]
