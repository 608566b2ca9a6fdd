"""
Pacing: the request budget per minute and per second, by lane (one budget per account).

Requests are counted per whole second of the monotonic clock.  A request leaves within one second
after it is counted, and a second counts for as long as its requests may have left within the
last minute.  So no minute contains more requests than the limit, in whatever sequence; a limit
per second (the burst) is held the same way.  A process counts a block of requests in advance, and
gives back what it has not sent of it with the next block.  Each lane may use both up to its own
percentage; the rest is reserved for the lanes of higher priority.

`core.rate_limit` decides; `desk.link.rate_limit` holds the budget in the store, where all processes
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
#: A block of requests may leave for so long after it was counted.
LEASE_S: Final = 30
#: A minute has so many blocks.
BLOCKS_A_MINUTE: Final = 40
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
    with our credentials, by the broker's own count, valid until `others_until`.  `leased` is
    (second, count) of the blocks: each is counted as if it left in the last second that it may.
    `offset` is by how many seconds the wall clock was ahead of *timeline* when this was written.
    """

    limit: int
    timeline: str = ""
    offset: int = 0
    sent: tuple[tuple[int, int], ...] = ()
    others: int = 0
    others_until: int = 0
    held_until: int = 0  #: back-off: no lane but EXIT may send before
    burst: int | None = None
    leased: tuple[tuple[int, int], ...] = ()

    @property
    def counted(self) -> tuple[tuple[int, int], ...]:
        """Every (second, count) of requests that were or may be sent."""
        return (*self.sent, *self.leased)


@frozen
class Block:
    """
    Requests that one process has counted in advance: `count`, which may leave until second `until`.

    `lane` is the lowest that may use them, `sent` are the seconds in which some have left.
    """

    until: int
    count: int
    lane: Lane
    sent: tuple[int, ...] = ()


@frozen
class Pace:
    """The number of requests sent in the last minute, and the limit per minute."""

    sent: int
    limit: int


def pace(budget: Budget, now: int) -> Pace:
    """Return the used part of *budget*: our requests, and those of others with our credentials."""
    return Pace(_used(budget, Lane.SUBMIT, now), budget.limit)


def next_allowed_at(budget: Budget, lane: Lane, now: int) -> int:
    """Return the second from which a request of *lane* may leave; at or before *now*: at once."""
    held_until = 0 if lane is Lane.EXIT else budget.held_until
    expiries = [(second + WINDOW_S, count) for second, count in budget.counted]
    if lane is not Lane.EXIT:  # an exit ignores the count of others: it may be too high
        expiries.append((budget.others_until, budget.others))
    lane_limit = _lane_limit(budget, lane)
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
    return sum(count for second, count in budget.counted if second + BURST_WINDOW_S > at)


def count_request(budget: Budget, now: int) -> Budget:
    """Count one more request in *budget*."""
    return evolve(budget, sent=_with(budget.sent, now, 1, now))


def _with(
    known: tuple[tuple[int, int], ...], second: int, count: int, now: int
) -> tuple[tuple[int, int], ...]:
    """Add *count* to the requests of *second*; those that count no more are left out."""
    counts = {x: before for x, before in known if x + WINDOW_S > now}
    counts[second] = counts.get(second, 0) + count
    return tuple(sorted(x for x in counts.items() if x[1] > 0))


def lease(budget: Budget, lane: Lane, now: int) -> tuple[Budget, Block]:
    """
    Count a block of requests in *budget*; the first of them is of *lane*, which may send now.

    A block is of several requests only while less than half of the minute is used: until then
    no lane waits for requests that another process has counted and does not send.
    """
    most = budget.limit * LANE_LIMITS_PERCENT[Lane.RECONCILE] // 100
    count = budget.limit // BLOCKS_A_MINUTE if budget.burst is None else 1
    if count < 2 or _used(budget, lane, now) + count > most:
        return count_request(budget, now), Block(now, 0, lane)
    fits = (x for x in Lane if _used(budget, x, now) + count <= _lane_limit(budget, x))
    lowest = min(fits, key=LANE_LIMITS_PERCENT.__getitem__)
    until = now + LEASE_S
    leased = _with(budget.leased, until, count, now)
    return evolve(budget, leased=leased), Block(until, count, lowest, (now,))


def may_use(budget: Budget, block: Block, lane: Lane, now: int) -> bool:
    """Return whether a request of *lane* may leave now as one more of *block*."""
    is_held = lane is not Lane.EXIT and budget.held_until > now
    is_lane = LANE_LIMITS_PERCENT[lane] >= LANE_LIMITS_PERCENT[block.lane]
    return len(block.sent) < block.count and now <= block.until and is_lane and not is_held


def give_back(budget: Budget, block: Block, now: int) -> Budget:
    """Count in *budget* what was sent of *block*, and no more what was not."""
    if dict(budget.leased).get(block.until, 0) < block.count:
        return budget  # another clock has written it: it counts until it is over
    sent = budget.sent
    for second in block.sent:
        sent = _with(sent, second, 1, now)
    return evolve(budget, sent=sent, leased=_with(budget.leased, block.until, -block.count, now))


def _used(budget: Budget, lane: Lane, now: int) -> int:
    """Return the used part of the minute, as *lane* counts it."""
    others = 0 if lane is Lane.EXIT or budget.others_until <= now else budget.others
    return others + sum(count for second, count in budget.counted if second + WINDOW_S > now)


def _lane_limit(budget: Budget, lane: Lane) -> int:
    return -(-budget.limit * LANE_LIMITS_PERCENT[lane] // 100)


def apply_rate_limit(budget: Budget, rate_limit: m.RateLimit, resets_at: int, now: int) -> Budget:
    """
    Apply the broker's own count, which resets in second *resets_at*.

    Others sent the requests that the broker counted beyond ours.  A delayed reply reports a
    lower count, so the highest count applies until it expires.
    """
    resets_at = min(max(resets_at, now), now + WINDOW_S)
    ours = sum(count for second, count in budget.counted if second + WINDOW_S > now)
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
    later than *now* (or *now* plus the longest lease or wait), also on the same timeline.  A time
    that appears to be long past is taken as past; the only error left is a clock that was set
    forward between two processes' requests.
    """
    shift = 0 if budget.timeline == timeline else budget.offset - offset
    return Budget(
        limit=budget.limit,
        timeline=timeline,
        offset=offset,
        sent=_moved(budget.sent, shift, now, now),
        leased=_moved(budget.leased, shift, now + LEASE_S, now),
        others=budget.others,
        others_until=min(budget.others_until + shift, now + WINDOW_S),
        held_until=min(budget.held_until + shift, now + BACKOFF_MAX_S),
        burst=budget.burst,
    )


def _moved(
    known: tuple[tuple[int, int], ...], shift: int, latest: int, now: int
) -> tuple[tuple[int, int], ...]:
    """Move requests by *shift* seconds, to *latest* at most; leave out those that count no more."""
    counts: dict[int, int] = {}
    for before, count in known:
        second = min(before + shift, latest)
        if second + WINDOW_S > now:
            counts[second] = counts.get(second, 0) + count
    return tuple(sorted(x for x in counts.items() if x[1] > 0))
