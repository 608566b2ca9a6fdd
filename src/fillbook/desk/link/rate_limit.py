"""
The pacer: one budget of requests for all desks on a store (other half: `core.rate_limit`).

Every request takes its share before it is sent, from a block of shares that this process has taken
from the budget.  The budget is a cell of the store, which is compared and set, so that no two
processes take the same share.  Cancels, orders and the reads
that they need wait a few seconds for their share, long histories up to 90 seconds; any other read
fails at once with the time of the next share.  For a share of the burst every request waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.codec import dump, load_or_none
from fillbook.core import rate_limit as limits
from fillbook.core.rate_limit import Block, Budget, Lane
from fillbook.desk.record.cells.request_budget import CELL, rebased
from fillbook.errors import StoreUnavailable
from fillbook.store import Store

log: logging.Logger = logging.getLogger("fillbook")

#: The maximum wait for a share, by lane; the other lanes do not wait.
WAIT_MAX: Final = {
    Lane.EXIT: timedelta(seconds=5),
    Lane.SUBMIT: timedelta(seconds=5),
    Lane.BACKFILL: timedelta(seconds=90),
}
#: The maximum wait of the pages after the first: a list may need more than one minute's share.
NEXT_PAGE_WAIT_MAX: Final = timedelta(seconds=90)
#: The maximum wait for a share of the burst, whatever the lane.
BURST_WAIT_MAX: Final = timedelta(seconds=limits.BURST_WINDOW_S)
_SECOND: Final = timedelta(seconds=1)


class Pacer:
    """Counts requests, and delays each until its lane has a share."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limit: int,
        closing: threading.Event,
        burst: int | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._closing = closing
        self._budget = Budget(limit=limit, timeline=clock.timeline, burst=burst)
        self._block: Block | None = None  #: what was counted, and is not sent yet
        self._lock = threading.Lock()

    def take(self, lane: Lane, *, is_next_page: bool = False, wait: bool = True) -> datetime | None:
        """
        Take a share for one request of *lane*; return None, or when the next is free (UTC).

        Wait at most `WAIT_MAX` of the lane, longer if *is_next_page*; without *wait*, not at all.
        """
        wait_max = NEXT_PAGE_WAIT_MAX if is_next_page else WAIT_MAX.get(lane, timedelta())
        if self._budget.burst is not None:
            wait_max = max(wait_max, BURST_WAIT_MAX)
        wait_max = wait_max if wait else timedelta()
        end = self._clock.elapsed() + wait_max
        while True:
            counted = self._clock.elapsed()
            allowed_at = self._try_take(lane)
            now = self._clock.elapsed()
            if allowed_at is None and now - counted < _SECOND:
                return None
            if allowed_at is None:  # this process was stopped meanwhile: its share may be outdated
                continue
            if allowed_at * _SECOND > end or self._closing.is_set():
                return self._clock.now() + max(allowed_at * _SECOND - now, timedelta())
            self._clock.wait(self._closing, max(0.01, (allowed_at * _SECOND - now).total_seconds()))

    def why_not_before(self, retry_at: datetime, lane: Lane) -> str:
        """Return why a request of *lane* may not be sent before *retry_at*, for people."""
        budget, now = self._on_own_clock(self._budget)
        share = -(-budget.limit * limits.LANE_LIMITS_PERCENT[lane] // 100)
        if budget.held_until > now and lane is not Lane.EXIT:
            why = "the broker reported that its rate limit is exceeded"
        elif share >= budget.limit:
            why = f"the rate limit of {budget.limit} requests a minute is used up"
        else:
            why = (
                f"{share} of {budget.limit} requests a minute are used, and the rest is reserved "
                f"for {'cancels and exits' if lane is Lane.SUBMIT else 'orders, cancels and exits'}"
            )
        seconds = max(1, -((self._clock.now() - retry_at) // _SECOND))
        latest = max((second for second, _ in budget.counted), default=now - limits.WINDOW_S)
        all_s = max(seconds, latest + limits.WINDOW_S - now)
        next_one = f"the next in {seconds} s, at {m.timestamp(retry_at)[11:19]} UTC"
        return f"{why}: {next_one}, and all of them in {all_s} s"

    def apply_reply(self, answer: m.Read[object] | m.Absent | m.Outcome) -> None:
        """Apply the rate limit that the broker reported, and back off if it was exceeded."""
        rate_limit = answer.rate_limit
        if rate_limit is not None:
            resets = self._second_of(rate_limit.resets_at)
            self._change(lambda b, now: limits.apply_rate_limit(b, rate_limit, resets, now))
        if getattr(answer, "why", None) is m.Failure.RATE_LIMITED:
            retry_at = getattr(answer, "retry_at", None)
            until = None if retry_at is None else self._second_of(retry_at)
            self._change(lambda budget, now: limits.back_off(budget, until, now))

    def _second_of(self, moment: datetime) -> int:
        """Convert *moment* of the wall clock to a second of the monotonic clock, rounded up."""
        return -(-(self._clock.elapsed() + moment - self._clock.now()) // _SECOND)

    def _try_take(self, lane: Lane) -> int | None:
        """Take a share and return None, or return the second from which one is free."""
        allowed_at = None
        block: Block | None = None

        def count(budget: Budget, now: int) -> Budget:
            nonlocal allowed_at, block
            allowed_at, block = now, self._block
            if block is not None:
                if limits.may_use(budget, block, lane, now):
                    block = evolve(block, sent=(*block.sent, now))
                    return budget
                budget, block = limits.give_back(budget, block, now), None
            allowed_at = limits.next_allowed_at(budget, lane, now)
            if allowed_at <= now:
                budget, block = limits.lease(budget, lane, now)
            return budget

        with self._lock:
            now = self._change(count)
            self._block = block
        return None if allowed_at is None or allowed_at <= now else allowed_at

    def _change(self, change: Callable[[Budget, int], Budget]) -> int:
        """
        Change the current budget; return the second of the change.

        The budget is no part of the record: if the store cannot be written, this process counts
        its own requests only, and a cancel is still sent.
        """
        try:
            while True:
                text = self._store.cell(CELL)
                before, now = self._on_own_clock(load_or_none(Budget, text) or self._budget)
                after = change(before, now)
                if after == before or self._store.swap(CELL, text, dump(after)):
                    self._budget = after
                    return now
        except StoreUnavailable as error:
            log.warning(
                "the store is unavailable, so the rate limit is not shared with other desks: %s",
                error,
            )
            before, now = self._on_own_clock(self._budget)
            self._budget = change(before, now)
            return now

    def _on_own_clock(self, budget: Budget) -> tuple[Budget, int]:
        # The limits that our adapter declares.
        budget = evolve(budget, limit=self._budget.limit, burst=self._budget.burst)
        return rebased(self._clock, budget)
