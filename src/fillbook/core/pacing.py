"""
Pacing: the request budget per minute and per second, by lane (one budget per account).

Requests are counted per whole second of the monotonic clock.  A request leaves within one second
after it is counted, and a second counts for as long as its requests may have left within the
last minute.  So no minute contains more requests than the limit, in whatever sequence; a limit
per second (the burst) is held the same way.  Each lane may use both up to its own percentage; the
rest is reserved for the lanes of higher priority.

`core.pacing` decides; `desk.link.pacing` holds the budget in the store, where all processes
that use the same credentials share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m

#: Requests counted in second s leave before s + 2, so they count until s + 62.
WINDOW_S: Final = 62
#: The same for the burst: any second contains requests of at most three seconds' counts.
BURST_WINDOW_S: Final = 3
#: The maximum back-off in seconds, whatever time the broker gives.
BACKOFF_MAX_S: Final = 60
#: The back-off in seconds if the broker gives no time.
BACKOFF_DEFAULT_S: Final = 5


class Lane(StrEnum):
    """The purpose of a request, by priority: the first lane is served before all others."""

    EXIT = "exit"  #: a cancel, or an order that only reduces
    SUBMIT = "submit"  #: an order, and the reads that its checks need
    VERIFY = "verify"  #: the outcome of one order
    RECONCILE = "reconcile"  #: the whole account
    BACKFILL = "backfill"  #: history; no caller waits for it


#: The percentage of the limit up to which a lane may use the minute.
LANE_LIMITS_PERCENT: Final[Mapping[Lane, int]] = {
    Lane.EXIT: 100,
    Lane.SUBMIT: 80,
    Lane.VERIFY: 65,
    Lane.RECONCILE: 50,
    Lane.BACKFILL: 30,
}


@frozen(kw_only=True)
class Budget:
    """
    The requests of the last minute; every time is a whole second of *timeline*.

    `limit` is in requests per minute, `burst` in requests per second (None: no limit).  `sent` is
    (second, count), oldest first.  `others` is the number of requests that other processes sent
    with our credentials, by the broker's own count, valid until `others_until`.  `offset` is by
    how many seconds the wall clock was ahead of *timeline* when this was written.
    """

    limit: int
    timeline: str = ""
    offset: int = 0
    sent: tuple[tuple[int, int], ...] = ()
    others: int = 0
    others_until: int = 0
    held_until: int = 0  #: back-off: no lane but EXIT may send before
    burst: int | None = None


@frozen
class Pace:
    """The number of requests sent in the last minute, and the limit per minute."""

    sent: int
    limit: int


def pace(budget: Budget, now: int) -> Pace:
    """Return the used part of *budget*: our requests, and those of others with our credentials."""
    ours = sum(count for second, count in budget.sent if second + WINDOW_S > now)
    others = budget.others if budget.others_until > now else 0
    return Pace(ours + others, budget.limit)


def next_allowed_at(budget: Budget, lane: Lane, now: int) -> int:
    """Return the second from which a request of *lane* may leave; at or before *now*: at once."""
    held_until = 0 if lane is Lane.EXIT else budget.held_until
    expiries = [(second + WINDOW_S, count) for second, count in budget.sent]
    if lane is not Lane.EXIT:  # an exit ignores the count of others: it may be too high
        expiries.append((budget.others_until, budget.others))
    lane_limit = -(-budget.limit * LANE_LIMITS_PERCENT[lane] // 100)
    used = sum(count for until, count in expiries if until > now)
    allowed_at = now
    for until, count in sorted(expiries):
        if used < lane_limit:
            break
        if until > now:
            used, allowed_at = used - count, until
    return _burst_allowed_at(budget, lane, max(allowed_at, held_until))


def _burst_allowed_at(budget: Budget, lane: Lane, at: int) -> int:
    """Return the second, *at* or later, in which *lane* has a share of the burst."""
    if budget.burst is None:
        return at
    lane_limit = -(-budget.burst * LANE_LIMITS_PERCENT[lane] // 100)
    while _count_near(budget, at) >= lane_limit:
        at += 1
    return at


def _count_near(budget: Budget, at: int) -> int:
    """Return how many requests count towards the burst of the second *at*."""
    return sum(count for second, count in budget.sent if second + BURST_WINDOW_S > at)


def count_request(budget: Budget, now: int) -> Budget:
    """Count one more request in *budget*."""
    counts = {second: count for second, count in budget.sent if second + WINDOW_S > now}
    counts[now] = counts.get(now, 0) + 1
    return evolve(budget, sent=tuple(sorted(counts.items())))


def apply_rate_limit(budget: Budget, rate_limit: m.RateLimit, resets_at: int, now: int) -> Budget:
    """
    Apply the broker's own count, which resets in second *resets_at*.

    Others sent the requests that the broker counted beyond ours.  A delayed reply reports a
    lower count, so the highest count applies until it expires.
    """
    resets_at = min(max(resets_at, now), now + WINDOW_S)
    ours = sum(count for second, count in budget.sent if second + WINDOW_S > now)
    others = max(0, budget.limit - rate_limit.remaining - ours)
    if budget.others_until > now and budget.others >= others:
        return budget
    return evolve(budget, others=others, others_until=resets_at if others else 0)


def back_off(budget: Budget, until: int | None, now: int) -> Budget:
    """Apply a rate-limit rejection (HTTP 429); *until* None: the broker gave no time."""
    until = now + BACKOFF_DEFAULT_S if until is None else min(max(until, now), now + BACKOFF_MAX_S)
    return evolve(budget, held_until=max(budget.held_until, until))


def rebase(budget: Budget, timeline: str, offset: int, now: int) -> Budget:
    """
    Convert the times of *budget* to another monotonic timeline, by means of the wall clock.

    The wall clock may have been set meanwhile, or the budget damaged.  Therefore no time may be
    later than *now* (or *now* plus the longest wait), also on the same timeline.  A time that
    appears to be long past is taken as past; the only error left is a clock that was set forward
    between two processes' requests.
    """
    shift = 0 if budget.timeline == timeline else budget.offset - offset
    counts: dict[int, int] = {}
    for second, count in budget.sent:
        rebased = min(second + shift, now)
        counts[rebased] = counts.get(rebased, 0) + count
    return Budget(
        limit=budget.limit,
        timeline=timeline,
        offset=offset,
        sent=tuple(sorted(counts.items())),
        others=budget.others,
        others_until=min(budget.others_until + shift, now + WINDOW_S),
        held_until=min(budget.held_until + shift, now + BACKOFF_MAX_S),
        burst=budget.burst,
    )
