"""
The pacer: one budget of requests for all who share a store (other half: `core.pacing`).

Every request takes its share before it leaves, compared and set in a cell of the store,
so that no two take the same one.  A cancel, an order and what has to be known for it wait
a few seconds for theirs, a long history as long as it takes; every other read is told at
once when to come back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.codec import dump, load_or_none
from fillbook.core import pacing
from fillbook.core.pacing import Budget, Lane
from fillbook.errors import StoreUnavailable
from fillbook.store import Store

log = logging.getLogger("fillbook")

#: The cell that holds the budget.
CELL: Final = "budget"
#: For how long a request of these lanes waits for its share; the others do not wait.
PATIENCE: Final = {
    Lane.EXIT: timedelta(seconds=5),
    Lane.SUBMIT: timedelta(seconds=5),
    Lane.BACKFILL: timedelta(seconds=90),
}
#: For how long what goes on with a list waits: it may take more than a minute's share.
GOING_ON: Final = timedelta(seconds=90)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class Pacer:
    """Lets requests go, each when its lane has room."""

    def __init__(self, store: Store, clock: Clock, limit: int, closing: threading.Event) -> None:
        self._store = store
        self._clock = clock
        self._closing = closing
        self._mine = Budget(limit=limit, timeline=clock.timeline)

    def take(self, lane: Lane, *, patient: bool = False, wait: bool = True) -> datetime | None:
        """
        Count one request of *lane*; or when to come back (UTC).

        It waits as long as its lane does, longer if it is *patient*, and not at all unless *wait*.
        """
        patience = GOING_ON if patient else PATIENCE.get(lane, timedelta())
        patience = patience if wait else timedelta()
        end = self._clock.elapsed() + patience
        while True:
            counted = self._clock.elapsed()
            free = self._try(lane)
            now = self._clock.elapsed()
            if free is None and now - counted < _SECOND:
                return None
            if free is None:  # this process was stopped meanwhile: what it counted may be past
                continue
            if free * _SECOND > end or self._closing.is_set():
                return self._clock.now() + max(free * _SECOND - now, timedelta())
            self._clock.wait(self._closing, max(0.01, (free * _SECOND - now).total_seconds()))

    def heard(self, answer: m.Read[object] | m.Absent | m.Outcome) -> None:
        """What the broker said of its own count, and whether it was too much."""
        rate_limit = answer.rate_limit
        if rate_limit is not None:
            resets = self._second_of(rate_limit.resets_at)
            self._change(lambda b, now: pacing.apply_rate_limit(b, rate_limit, resets, now))
        if getattr(answer, "why", None) is m.Failure.RATE_LIMITED:
            retry_at = getattr(answer, "retry_at", None)
            until = None if retry_at is None else self._second_of(retry_at)
            self._change(lambda budget, now: pacing.back_off(budget, until, now))

    def _second_of(self, moment: datetime) -> int:
        """The second in which *moment* has passed, by the difference of the wall clock."""
        return -(-(self._clock.elapsed() + moment - self._clock.now()) // _SECOND)

    def _try(self, lane: Lane) -> int | None:
        """Take a share if there is one; else from which second on there will be."""
        free = None

        def taken(budget: Budget, now: int) -> Budget:
            nonlocal free
            free = pacing.next_allowed_at(budget, lane, now)
            return pacing.count_request(budget, now) if free <= now else budget

        now = self._change(taken)
        return None if free is None or free <= now else free

    def _change(self, change: Callable[[Budget, int], Budget]) -> int:
        """
        Change the budget as it is now; the second in which that was.

        The budget is no part of the record: where the store cannot be written, this process
        counts for itself, and a cancel still leaves.
        """
        try:
            while True:
                word = self._store.cell(CELL)
                before, now = self._here(load_or_none(Budget, word) or self._mine)
                after = change(before, now)
                if after == before or self._store.swap(CELL, word, dump(after)):
                    self._mine = after
                    return now
        except StoreUnavailable as error:
            log.warning("the budget of requests is not shared for now: %s", error)
            before, now = self._here(self._mine)
            self._mine = change(before, now)
            return now

    def _here(self, budget: Budget) -> tuple[Budget, int]:
        budget = evolve(budget, limit=self._mine.limit)  # as our own adapter declares it
        return _on(self._clock, budget)


def pace_of(store: Store, clock: Clock) -> pacing.Pace | None:
    """How many requests those who share *store* have sent; None before the first."""
    budget = load_or_none(Budget, store.cell(CELL))
    return None if budget is None else pacing.pace(*_on(clock, budget))


def _on(clock: Clock, budget: Budget) -> tuple[Budget, int]:
    """*budget* on this clock's timeline, and the second that it is."""
    elapsed = clock.elapsed()
    now = elapsed // _SECOND
    offset = (clock.now() - _EPOCH - elapsed) // _SECOND
    return pacing.rebase(budget, clock.timeline, offset, now), now
