"""
What is due about the end of an order, one broker id at a time (promise P2).

The record says what was instructed and what was attempted; `Progress` says what this process has
seen since, by a clock that never jumps.  A process that starts takes every attempt to have been
made just then.  `next_step` is pure and total: whatever was answered, an end stays due.

| last attempt on the id | what is due |
|---|---|
| none | an attempt |
| not sent | another attempt, soon |
| no reply yet, or none that says anything | a read of the id; another attempt if it is alive |
| accepted | nothing while `pending_cancel` is shown; another attempt if it works on after `stuck` |
| rejected | a read; if it is alive, another attempt at growing intervals |

Other half: `desk.orders.cancel`, which carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, assert_never

from attrs import frozen

from fillbook import model as m

_A = m.AnswerKind


def _lengths(*milliseconds: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(milliseconds=x) for x in milliseconds)


#: How long after an attempt that was not sent, or a read that failed, the next follows.
RETRY_AFTER: Final = _lengths(250, 500, 1_000, 2_000, 5_000, 10_000)
#: A reply that another process waits for may be under way for so long.
IN_FLIGHT_MAX: Final = timedelta(seconds=15)
#: How long after a refusal the next attempt follows: doubled each time, up to the greatest.
REFUSED_FIRST: Final = timedelta(seconds=10)
REFUSED_MAX: Final = timedelta(minutes=5)


@frozen(kw_only=True)
class Progress:
    """
    What this process knows of the attempts on one broker id, in lengths of the monotonic clock.

    `attempted_at` is when the newest attempt may have left at the latest (the start of this
    process for one that it did not make); `attempts` counts those of this process, `reads` the
    reads since the newest of them, `read_at` is when the newest read began, and `alive_at` when
    the newest began that showed the id alive; None: there was none.
    """

    attempted_at: timedelta
    mine: bool = False  #: this process made the newest attempt
    attempts: int = 0
    reads: int = 0
    read_at: timedelta | None = None
    alive_at: timedelta | None = None
    urged_at: timedelta | None = None  #: the bot asked again since the newest attempt


@frozen
class Attempt:
    """Send a cancel of the id, once `at` has come."""

    at: timedelta


@frozen
class Look:
    """Read the id, once `at` has come."""

    at: timedelta


@frozen
class Wait:
    """Nothing to send or read before `at`; polls go on."""

    at: timedelta


Step = Attempt | Look | Wait


def next_step(
    attempts: Sequence[m.Request],
    shown: m.OrderStatus | None,
    progress: Progress,
    *,
    stuck: timedelta,
) -> Step:
    """
    What is due about an id that is alive, after *attempts* on it, oldest first.

    *shown* is the status that the broker reports (None: only fills are known); after *stuck* an
    accepted cancel of an id that works on as before is attempted again.
    """
    if not attempts:
        return Attempt(timedelta())
    at = progress.attempted_at
    if progress.urged_at is not None and shown is not m.OrderStatus.PENDING_CANCEL:
        return _urged(progress, progress.urged_at)
    match attempts[-1].answer:
        case _A.NOT_SENT:
            return Attempt(at + _pause(progress.attempts - 1))
        case None | _A.AMBIGUOUS:
            foreign = attempts[-1].answer is None and not progress.mine
            first = IN_FLIGHT_MAX if foreign else timedelta()
            return _read_then(Attempt(at + max(first, _pause(progress.attempts - 1))), progress)
        case _A.ACCEPTED:
            if shown is m.OrderStatus.PENDING_CANCEL:
                return Wait(at + stuck)
            return _read_then(Attempt(at + stuck), progress)
        case _A.REJECTED:
            doubled = REFUSED_FIRST * 2 ** min(max(progress.attempts - 1, 0), 10)
            return _read_then(Attempt(at + min(doubled, REFUSED_MAX)), progress)
        case unknown:
            assert_never(unknown)


def _read_then(again: Attempt, progress: Progress) -> Step:
    """*again*, if the id was read alive since the newest attempt; else a read."""
    if progress.alive_at is not None and progress.alive_at >= progress.attempted_at:
        return again
    if progress.read_at is None or progress.read_at < progress.attempted_at:
        return Look(progress.attempted_at)
    return Look(progress.read_at + _pause(progress.reads - 1))


def _urged(progress: Progress, at: timedelta) -> Step:
    """The bot asked again: an attempt as soon as the id was read alive since."""
    if progress.alive_at is not None and progress.alive_at >= at:
        return Attempt(at)
    if progress.read_at is None or progress.read_at < at:
        return Look(at)
    return Look(progress.read_at + _pause(progress.reads - 1))


def _pause(count: int) -> timedelta:
    return RETRY_AFTER[min(max(count, 0), len(RETRY_AFTER) - 1)]


def retry_of_change(
    attempts: Sequence[m.Request], progress: Progress, now: timedelta
) -> timedelta | None:
    """When a change that was not sent is attempted again; None once it may have been sent."""
    if any(r.answer is not _A.NOT_SENT for r in attempts):
        return None
    return max(now, progress.attempted_at + _pause(progress.attempts - 1)) if attempts else now
