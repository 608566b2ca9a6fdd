"""
Polling: how often open orders are polled, by the health of the stream.

A stream is confirmed when it reports an event, and when a poll finds no event that the stream
did not report.  Polls of a confirmed stream are only a safety net.  Polls are faster while the
stream is silent, late, rejected or reconnecting.  So a failure of the stream costs latency only.

The record is *behind* after a gap in the stream, until the open orders, the orders that left
the list and the fills have been read.  New risk waits for that; exits and cancels do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen


class StreamState(StrEnum):
    """The state of the stream."""

    NONE = "none"  #: not subscribed, or the broker has no stream
    CONNECTING = "connecting"  #: subscribing or disconnected; not confirmed
    GAP = "gap"  #: connected; the events missed before have not been read yet
    LIVE = "live"


#: The poll period while the stream is suspect.
FAST_POLL: Final = timedelta(seconds=10)
#: The poll period of open orders, by state, while the stream is not suspect.
POLL_PERIODS: Final[Mapping[StreamState, timedelta]] = {
    StreamState.NONE: timedelta(seconds=15),
    StreamState.CONNECTING: FAST_POLL,
    StreamState.GAP: FAST_POLL,
    StreamState.LIVE: timedelta(seconds=25),
}
#: The minimum period between two resyncs, so that a flapping connection causes no storm.
RESYNC_PERIOD: Final = timedelta(seconds=15)
#: A stream that was not confirmed for this long is silent, and therefore suspect.
SILENCE_MAX: Final = timedelta(seconds=60)


@frozen(kw_only=True)
class StreamHealth:
    """
    The health of the stream; times are of the monotonic clock.

    `is_behind`: events may be missing from the record.  `confirmed_at` is the last
    confirmation.  `gaps` counts the gaps in the stream, so that a resync that began before the
    latest gap does not end it.
    """

    state: StreamState = StreamState.NONE
    is_behind: bool = False
    is_late: bool = False  #: a poll found an event that the stream had not reported
    confirmed_at: timedelta = timedelta()
    gaps: int = 0


def subscribing(health: StreamHealth) -> StreamHealth:
    """Begin to subscribe."""
    return evolve(health, state=StreamState.CONNECTING, is_behind=True, gaps=health.gaps + 1)


def connected(health: StreamHealth, now: timedelta) -> StreamHealth:
    """Confirm the subscription; events from before it may be missing."""
    state, gaps = StreamState.GAP, health.gaps + 1
    return evolve(health, state=state, is_behind=True, confirmed_at=now, gaps=gaps)


def disconnected(health: StreamHealth) -> StreamHealth:
    """Record a disconnect; repeated failures to connect count as one gap."""
    return health if health.state is StreamState.CONNECTING else subscribing(health)


def received(health: StreamHealth, now: timedelta) -> StreamHealth:
    """Record an event received from the stream."""
    return evolve(health, is_late=False, confirmed_at=now)


def polled(health: StreamHealth, found_unreported: bool, now: timedelta) -> StreamHealth:
    """Record a poll; *found_unreported*: it found a fill or an end the stream did not report."""
    if found_unreported:
        return evolve(health, is_late=health.state is not StreamState.NONE)
    return health if health.is_late else evolve(health, confirmed_at=now)


def resynced(health: StreamHealth, gaps: int) -> StreamHealth:
    """Record a complete resync that began when `gaps` had the value *gaps*."""
    if gaps != health.gaps:
        return health
    in_gap = health.state is StreamState.GAP
    return evolve(health, is_behind=False, state=StreamState.LIVE if in_gap else health.state)


def poll_after(health: StreamHealth, now: timedelta) -> timedelta:
    """Return the time from one poll to the next."""
    if health.is_behind:
        return RESYNC_PERIOD
    is_suspect = health.is_late or now - health.confirmed_at >= SILENCE_MAX
    is_subscribed = health.state is not StreamState.NONE
    return FAST_POLL if is_subscribed and is_suspect else POLL_PERIODS[health.state]
