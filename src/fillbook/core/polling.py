"""
How often open orders are polled, by what the stream has proved.

A stream proves itself when it tells something, and when a poll finds nothing that it had
not told.  As long as it does, polls are a safety net; when it is silent, late, refused or
reconnecting they quicken, so that a stream costs latency only, whatever it does.

What was missed is *behind* until the open orders have been listed since, with what left
the list and the fills; new risk waits for that, exits and cancels do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen


class StreamState(StrEnum):
    """What is known of the stream."""

    NONE = "none"  #: nobody listens, or the broker has none
    CONNECTING = "connecting"  #: begun or lost, and not confirmed
    GAP = "gap"  #: confirmed, and what it missed before was not yet read
    LIVE = "live"


QUICK: Final = timedelta(seconds=10)
#: How often open orders are polled, as long as nothing is amiss.
PERIODS: Final[Mapping[StreamState, timedelta]] = {
    StreamState.NONE: timedelta(seconds=15),
    StreamState.CONNECTING: QUICK,
    StreamState.GAP: QUICK,
    StreamState.LIVE: timedelta(seconds=25),
}
#: How often at most what was missed is read: a connection that comes and goes is no storm.
RESYNC_EVERY: Final = timedelta(seconds=15)
#: A stream that has proved nothing for so long is silent.
SILENT_AFTER: Final = timedelta(seconds=60)


@frozen(kw_only=True)
class Pulse:
    """
    The stream as it is now; moments are of the monotonic clock.

    `missed` counts how often something may have been missed, so that a reading that was
    begun before the last time does not count.
    """

    state: StreamState = StreamState.NONE
    behind: bool = False
    late: bool = False  #: a poll has found what the stream had not told
    proven_at: timedelta = timedelta()
    missed: int = 0


def begun(pulse: Pulse) -> Pulse:
    """Somebody has begun to listen."""
    return evolve(pulse, state=StreamState.CONNECTING, behind=True, missed=pulse.missed + 1)


def connected(pulse: Pulse, now: timedelta) -> Pulse:
    """The subscription is confirmed; whatever was told before that was missed."""
    return evolve(pulse, state=StreamState.GAP, behind=True, proven_at=now, missed=pulse.missed + 1)


def lost(pulse: Pulse) -> Pulse:
    """The stream is not heard any more; being refused again and again is one loss."""
    return pulse if pulse.state is StreamState.CONNECTING else begun(pulse)


def heard(pulse: Pulse, now: timedelta) -> Pulse:
    """The stream has told something."""
    return evolve(pulse, late=False, proven_at=now)


def polled(pulse: Pulse, news: bool, now: timedelta) -> Pulse:
    """A poll has been merged; *news*: it told of a fill or an end that nobody had told before."""
    if news:
        return evolve(pulse, late=pulse.state is not StreamState.NONE)
    return pulse if pulse.late else evolve(pulse, proven_at=now)


def resynced(pulse: Pulse, missed: int) -> Pulse:
    """Everything was read, by a reading that began when `missed` was that."""
    if missed != pulse.missed:
        return pulse
    live = pulse.state is StreamState.GAP
    return evolve(pulse, behind=False, state=StreamState.LIVE if live else pulse.state)


def poll_after(pulse: Pulse, now: timedelta) -> timedelta:
    """How long after one poll the next is due."""
    if pulse.behind:
        return RESYNC_EVERY
    amiss = pulse.late or now - pulse.proven_at >= SILENT_AFTER
    listens = pulse.state is not StreamState.NONE
    return QUICK if listens and amiss else PERIODS[pulse.state]
