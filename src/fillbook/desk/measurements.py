"""
What a desk measures of its requests, writes and snapshots: counts, and histograms of seconds.

The one observer of a desk: the gateway, the recorder and the reconciler tell it, from any thread.
The desk that ticks stores the figures (`desk.record.desk_report`), so that another process can
serve them as metrics.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate
from typing import Final

from attrs import frozen

from fillbook.clock import Clock

#: The upper bounds of the buckets of a histogram, in milliseconds.
BOUNDS_MS: Final = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000)
_US: Final = timedelta(microseconds=1)


@frozen
class Histogram:
    """
    Durations by bucket: `counts` has one number per bound of `BOUNDS_MS`, and one for the rest.

    `total_us` is the sum of the durations, in microseconds.
    """

    name: str
    counts: tuple[int, ...]
    total_us: int

    def cumulated(self) -> list[int]:
        """Return how many durations were at most each bound, and at last all of them."""
        return list(accumulate(self.counts))


@frozen
class Count:
    """A count of the requests of one lane."""

    lane: str
    count: int


class Measurements:
    """Counts and durations since the desk was opened; safe from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._durations: dict[str, Counter[int]] = {}
        self._totals: Counter[str] = Counter()

    def request(self, lane: str) -> None:
        """Count a request of *lane*."""
        with self._lock:
            self._requests[lane] += 1

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure the duration of the block under *name*, also if it raises."""
        begun = self._clock.elapsed()
        try:
            yield
        finally:
            self.observe(name, self._clock.elapsed() - begun)

    def observe(self, name: str, duration: timedelta) -> None:
        """Add a duration to the histogram *name*."""
        spent = duration // _US
        bucket = next((i for i, ms in enumerate(BOUNDS_MS) if spent <= ms * 1_000), len(BOUNDS_MS))
        with self._lock:
            self._durations.setdefault(name, Counter())[bucket] += 1
            self._totals[name] += spent

    def requests(self) -> tuple[Count, ...]:
        """Return the requests by lane."""
        with self._lock:
            return tuple(Count(lane, count) for lane, count in sorted(self._requests.items()))

    def histograms(self) -> tuple[Histogram, ...]:
        """Return the histograms, by name."""
        with self._lock:
            return tuple(
                Histogram(
                    name,
                    tuple(counts[i] for i in range(len(BOUNDS_MS) + 1)),
                    self._totals[name],
                )
                for name, counts in sorted(self._durations.items())
            )
