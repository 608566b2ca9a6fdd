"""The term of the lease, in a cell that every process reads (other half: `desk.link.lease`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

from fillbook.clock import Clock

#: The cell that holds the lease.
CELL: Final = "lease"
#: The maximum error of the wall clock, which is used for the lease of another machine.
SLACK: Final = timedelta(seconds=60)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


@frozen(kw_only=True)
class Lease:
    """
    The holder, and the end of its term: `until_ms` of `timeline`, or `wall_ms` of the wall clock.

    `epoch` increases by one with each new holder; `process` identifies the holder's process.
    """

    holder: str
    epoch: int
    process: str
    timeline: str
    until_ms: int
    wall_ms: int


def remaining(known: Lease, clock: Clock) -> timedelta:
    """Return the remaining time of a lease; of one of another boot, with the slack."""
    if known.timeline == clock.timeline:
        return known.until_ms * _MS - clock.elapsed()
    return known.wall_ms * _MS - (clock.now() - _EPOCH) + SLACK
