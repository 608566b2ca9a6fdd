"""
The next step of a cancel, for each broker id (promise P2).

The record contains the instruction and its attempts; `Progress` is what this process has seen
since, by a monotonic clock.  A process that starts takes every attempt to have been made at its
start.  `next_step` is pure and total: whatever the reply, a cancel stays due.

| last attempt on the id | what is due |
|---|---|
| none | an attempt |
| not sent | another attempt, soon |
| no reply, or an ambiguous one | a read of the id; another attempt if it is live |
| accepted | nothing while `pending_cancel` is reported; another attempt if it works after `stuck` |
| rejected | a read; if the id is live, another attempt, at growing intervals |

Other half: `desk.orders.cancel`, which carries the steps out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, assert_never

from attrs import frozen

from fillbook import model as m

_A = m.AnswerKind


def _milliseconds(*milliseconds: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(milliseconds=x) for x in milliseconds)


#: The delays of the retries after an attempt that was not sent, or a read that failed.
RETRY_AFTER: Final = _milliseconds(250, 500, 1_000, 2_000, 5_000, 10_000)
#: The longest time for which another process may still wait for a reply.
IN_FLIGHT_MAX: Final = timedelta(seconds=15)
#: The delay of the attempt after a rejection: doubled each time, up to the maximum.
REFUSED_FIRST: Final = timedelta(seconds=10)
REFUSED_MAX: Final = timedelta(minutes=5)


@frozen(kw_only=True)
class Progress:
    """
    What this process knows of the attempts on one broker id; times are of the monotonic clock.

    `attempted_at` is the latest time at which the newest attempt may have left (when this process
    first saw it, for an attempt of another process or thread); `recorded` is the number of attempts
    in the record then.  `attempts` counts those of this process, `reads` the reads since the newest
    of them.  `read_at` is when the newest read began, `live_at` when the
    newest read began that reported the id as live; None: there was none.
    """

    attempted_at: timedelta
    recorded: int = 0
    is_own: bool = False  #: this process made the newest attempt, and it has returned
    attempts: int = 0
    reads: int = 0
    read_at: timedelta | None = None
    live_at: timedelta | None = None
    requested_at: timedelta | None = None  #: when the bot requested it again since then


@frozen
class Attempt:
    """Send a cancel of the id, at `at` or later."""

    at: timedelta


@frozen
class Read:
    """Read the id, at `at` or later."""

    at: timedelta


@frozen
class Wait:
    """Send and read nothing before `at`; polls continue."""

    at: timedelta


Step = Attempt | Read | Wait


def next_step(
    attempts: Sequence[m.Request],
    reported: m.OrderStatus | None,
    progress: Progress,
    *,
    stuck: timedelta,
) -> Step:
    """
    Return what is due about a live id, after *attempts* on it, oldest first.

    *reported* is the broker's status (None: only fills are known).  After *stuck*, an accepted
    cancel of an id that still works is attempted again.
    """
    if not attempts:
        return Attempt(timedelta())
    at, answer = progress.attempted_at, attempts[-1].answer
    in_flight = IN_FLIGHT_MAX if answer is None and not progress.is_own else timedelta()
    if progress.requested_at is not None and reported is not m.OrderStatus.PENDING_CANCEL:
        return _after_request(progress, max(progress.requested_at, at + in_flight))
    match answer:
        case _A.NOT_SENT:
            return Attempt(at + _pause(progress.attempts - 1))
        case None | _A.AMBIGUOUS:
            return _attempt_if_live(
                Attempt(at + max(in_flight, _pause(progress.attempts - 1))), progress
            )
        case _A.ACCEPTED:
            if reported is m.OrderStatus.PENDING_CANCEL:
                return Wait(at + stuck)
            return _attempt_if_live(Attempt(at + stuck), progress)
        case _A.REJECTED:
            interval = REFUSED_FIRST * 2 ** min(max(progress.attempts - 1, 0), 10)
            return _attempt_if_live(Attempt(at + min(interval, REFUSED_MAX)), progress)
        case _:
            assert_never(answer)


def seen(progress: Progress | None, recorded: int, now: timedelta) -> Progress:
    """Return the progress with *recorded* attempts; one that it does not know begins it anew."""
    if progress is not None and progress.recorded == recorded:
        return progress
    made = 0 if progress is None else progress.attempts
    return Progress(attempted_at=now, recorded=recorded, attempts=made)


def _attempt_if_live(attempt: Attempt, progress: Progress) -> Step:
    """Return *attempt* if the id was read as live since the newest attempt; else a read."""
    if progress.live_at is not None and progress.live_at >= progress.attempted_at:
        return attempt
    if progress.read_at is None or progress.read_at < progress.attempted_at:
        return Read(progress.attempted_at)
    return Read(progress.read_at + _pause(progress.reads - 1))


def _after_request(progress: Progress, at: timedelta) -> Step:
    """Return the step after the bot requested it again: an attempt once the id is read as live."""
    if progress.live_at is not None and progress.live_at >= at:
        return Attempt(at)
    if progress.read_at is None or progress.read_at < at:
        return Read(at)
    return Read(progress.read_at + _pause(progress.reads - 1))


def _pause(count: int) -> timedelta:
    return RETRY_AFTER[min(max(count, 0), len(RETRY_AFTER) - 1)]


def retry_of_change(
    attempts: Sequence[m.Request], progress: Progress, now: timedelta
) -> timedelta | None:
    """Return when a change that was not sent is retried; None: it may have been sent."""
    if any(r.answer is not _A.NOT_SENT for r in attempts):
        return None
    return max(now, progress.attempted_at + _pause(progress.attempts - 1)) if attempts else now
