"""The term of the lease, in a cell that every process reads (other half: `desk.link.lease`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.desk.record.cells.process_identity import has_ended, pid_of

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

    `epoch` increases by one with each new holder; `process` identifies the holder's process, and
    `host` names its machine (``""``: an older release wrote it).
    """

    holder: str
    epoch: int
    process: str
    timeline: str
    until_ms: int
    wall_ms: int
    host: str = ""


def remaining(known: Lease, clock: Clock) -> timedelta:
    """Return the remaining time of a lease; of one of another boot, with the slack."""
    if known.timeline == clock.timeline:
        return known.until_ms * _MS - clock.elapsed()
    return known.wall_ms * _MS - (clock.now() - _EPOCH) + SLACK


def is_current(known: Lease, clock: Clock) -> bool:
    """Return whether the term of a lease has not ended, and its holder may still run."""
    return remaining(known, clock) > timedelta() and not has_ended(known.process)


def ends_at(known: Lease) -> m.Timestamp | None:
    """Return when a lease ends by the wall clock of its holder; None: it was released."""
    return m.timestamp(_EPOCH + known.wall_ms * _MS) if known.wall_ms else None


def holder_of(known: Lease) -> str:
    """Return the process that has a lease, for people."""
    return f"process {pid_of(known.process) or '?'} on {known.host or 'an unknown host'}"
