"""
The cover of positions by the record as it is now.

A protection is stored with the cover of the last pass of the desk that ticks.  Orders that another
process recorded since then are compared here, each time the protections are read, so that an exit
that has ended is never shown as cover.  Nothing is written, and neither the broker nor a quote is
read.  Other half: `desk.plans.exits`, which makes the passes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.checks.risk import period_of
from fillbook.core.plans.exits import comparison
from fillbook.desk.record.cells.last_complete_snapshot import LastComplete
from fillbook.desk.record.exit_reader import exit_context, members_of
from fillbook.store import Reader, Store

_C = m.CoverState
#: No capability decides whether the orders of a record cover a position.
_ANY_BROKER: Final = m.Capabilities(order_types=frozenset(), times_in_force=frozenset())
_AGE_MAX: Final = period_of(m.Limits().snapshot_age_max_s)
_LACKING: Final = frozenset({_C.NAKED, _C.PARTLY})
#: What a pass found by quotes, or by a plan that waits: it explains a missing exit.
_EXPLAINED: Final = frozenset({_C.AT_OPEN, _C.PROPOSED})


def present_protections(store: Store, clock: Clock) -> list[m.Protection]:
    """Return the protections that have not ended, by symbol and strategy, with their cover now."""
    age = LastComplete(store, clock).age
    with store.read() as reader:
        stored = reader.all(m.Protection)
        found: dict[str, m.Protection] = {}
        for symbol in dict.fromkeys(x.symbol for x in stored):
            found |= cover_of_symbol(reader, symbol, clock.now(), age)
    return [found[x.key] for x in stored if x.key in found]


def cover_of_symbol(
    reader: Reader, symbol: str, now: datetime, age: timedelta | None = None
) -> dict[str, m.Protection]:
    """
    Return the protections of one symbol that have not ended, by key, with their cover now.

    *age* is that of the last complete snapshot; None: it does not matter.
    """
    context = exit_context(reader, symbol, now, _ANY_BROKER)
    verdicts = comparison.compare(context)
    found = {}
    for stored, verdict in zip(context.protections, verdicts, strict=True):
        # A pass that had no recent snapshot confirmed nothing, and neither does the record.
        is_unread = stored.cover is _C.UNKNOWN and age is not None and age > _AGE_MAX
        if not verdict.ended:
            present = stored if is_unread else _explained(stored, verdict.protection)
            found[stored.key] = _dated(reader, stored, present)
    return found


def _explained(stored: m.Protection, present: m.Protection) -> m.Protection:
    """Return *stored* with its present cover; what the pass knew of the reason stays."""
    is_same = stored.cover is present.cover and stored.why.startswith(present.why)
    if is_same or (stored.cover in _EXPLAINED and present.cover in _LACKING):
        return stored
    return evolve(stored, cover=present.cover, why=present.why)


def _dated(reader: Reader, stored: m.Protection, present: m.Protection) -> m.Protection:
    """Return *present*; if its cover changed since the pass, with the time of the change."""
    if present.is_covered is stored.is_covered:
        return present
    changed = [x.seen_at for x in members_of(reader, stored) if x.seen_at is not None]
    latest = max(changed, default=None)
    is_later = latest is not None and (stored.since is None or latest > stored.since)
    return evolve(present, since=latest if is_later else None)
