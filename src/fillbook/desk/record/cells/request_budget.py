"""The budget of requests, in a cell of the store (other half: `desk.link.rate_limit`)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from fillbook.clock import Clock
from fillbook.codec import load_or_none
from fillbook.core import rate_limit
from fillbook.core.rate_limit import Budget
from fillbook.store import Store

#: The cell that holds the budget.
CELL: Final = "budget"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def pace_of(store: Store, clock: Clock) -> rate_limit.Pace | None:
    """Return the pace of the requests of all desks on *store*; None before the first."""
    budget = load_or_none(Budget, store.cell(CELL))
    return None if budget is None else rate_limit.pace(*rebased(clock, budget))


def rebased(clock: Clock, budget: Budget) -> tuple[Budget, int]:
    """Convert *budget* to the timeline of *clock*; return it with the current second."""
    elapsed = clock.elapsed()
    now = elapsed // _SECOND
    offset = (clock.now() - _EPOCH - elapsed) // _SECOND
    return rate_limit.rebase(budget, clock.timeline, offset, now), now
