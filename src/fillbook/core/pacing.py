"""
Requests per minute as a value, by lane (design: one budget per account).

What was sent is counted by whole seconds of the monotonic clock.  It leaves within a second
of being counted, and a second counts for as long as what was counted in it may have left
in the last minute; so in no minute more is sent than the limit, whatever the sequence.
Each lane may fill the minute up to a level of its own, and what is above that level is kept
for the lanes before it.

`core.pacing` decides, `desk.link.pacing` keeps the budget in the store, where all who ask with
the same keys share it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m

#: What is counted in second s leaves before s + 2; from s + 62 on that is no minute ago.
WINDOW: Final = 62
#: Reads are held back for so long at most, whatever a broker's clock says,
HELD_MAX: Final = 60
#: and for so long if it was too much, and the broker does not say when to come back.
HELD_ELSE: Final = 5


class Lane(StrEnum):
    """What a request is for; the first goes before all others."""

    EXIT = "exit"  #: a cancel, or an order that only reduces
    SUBMIT = "submit"  #: an order, and what has to be known before it
    VERIFY = "verify"  #: what became of one order
    RECONCILE = "reconcile"  #: the whole account
    BACKFILL = "backfill"  #: what nobody waits for


#: Up to how many hundredths of the limit a lane may fill the minute.
LEVELS: Final[Mapping[Lane, int]] = {
    Lane.EXIT: 100,
    Lane.SUBMIT: 80,
    Lane.VERIFY: 65,
    Lane.RECONCILE: 50,
    Lane.BACKFILL: 30,
}


@frozen(kw_only=True)
class Budget:
    """
    What was sent in the last minute; every moment is a whole second of *timeline*.

    `sent` is (second, how many), oldest first.  `others` is what somebody else sent with
    our keys, by the broker's own count, until `others_until`.  `offset` is how many seconds
    the wall clock was ahead of *timeline* when this was written.
    """

    limit: int
    timeline: str = ""
    offset: int = 0
    sent: tuple[tuple[int, int], ...] = ()
    others: int = 0
    others_until: int = 0
    held_until: int = 0  #: the broker has had enough, of all lanes but EXIT


@frozen
class Pace:
    """How many requests left in the last minute, and how many may."""

    sent: int
    limit: int


def pace(budget: Budget, now: int) -> Pace:
    """How much of *budget* is used, by us and by others with our keys."""
    ours = sum(count for second, count in budget.sent if second + WINDOW > now)
    others = budget.others if budget.others_until > now else 0
    return Pace(ours + others, budget.limit)


def free_at(budget: Budget, lane: Lane, now: int) -> int:
    """From which second on a request of *lane* may leave; *now* or before: at once."""
    held = 0 if lane is Lane.EXIT else budget.held_until
    gone = [(second + WINDOW, count) for second, count in budget.sent]
    if lane is not Lane.EXIT:  # an exit takes its chance: others may have left something
        gone.append((budget.others_until, budget.others))
    level = -(-budget.limit * LEVELS[lane] // 100)
    used = sum(count for until, count in gone if until > now)
    free = now
    for until, count in sorted(gone):
        if used < level:
            break
        if until > now:
            used, free = used - count, until
    return max(free, held)


def spent(budget: Budget, now: int) -> Budget:
    """*budget* once one more request has left."""
    counts = {second: count for second, count in budget.sent if second + WINDOW > now}
    counts[now] = counts.get(now, 0) + 1
    return evolve(budget, sent=tuple(sorted(counts.items())))


def observed(budget: Budget, meter: m.RateLimit, resets: int, now: int) -> Budget:
    """
    *budget* once the broker has told its own count; it starts anew in second *resets*.

    What it counted beyond what we sent, others sent.  A reply that was overtaken tells of
    fewer, so the greater count stands until its own end.
    """
    resets = min(max(resets, now), now + WINDOW)
    ours = sum(count for second, count in budget.sent if second + WINDOW > now)
    others = max(0, budget.limit - meter.remaining - ours)
    if budget.others_until > now and budget.others >= others:
        return budget
    return evolve(budget, others=others, others_until=resets if others else 0)


def held(budget: Budget, until: int | None, now: int) -> Budget:
    """*budget* once the broker has said that it was too much; None: it did not say till when."""
    until = now + HELD_ELSE if until is None else min(max(until, now), now + HELD_MAX)
    return evolve(budget, held_until=max(budget.held_until, until))


def moved(budget: Budget, timeline: str, offset: int, now: int) -> Budget:
    """
    *budget* with its moments on another timeline, by the wall clock.

    That clock may have been set meanwhile.  So nothing is taken to lie ahead; and what seems
    to be long past is past, or a clock was set forward just between two processes' requests.
    """
    if budget.timeline == timeline:
        return evolve(budget, offset=offset)
    shift = budget.offset - offset
    counts: dict[int, int] = {}
    for second, count in budget.sent:
        here = min(second + shift, now)
        counts[here] = counts.get(here, 0) + count
    return Budget(
        limit=budget.limit,
        timeline=timeline,
        offset=offset,
        sent=tuple(sorted(counts.items())),
        others=budget.others,
        others_until=min(budget.others_until + shift, now + WINDOW),
        held_until=min(budget.held_until + shift, now + HELD_MAX),
    )
