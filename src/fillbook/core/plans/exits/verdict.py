"""
The verdict on the exits of one protection, as a value: its cover, the steps, and why.

Other half: `core.plans.exits.comparison`, which decides.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.core.plans.exits.context import ExitContext
from fillbook.core.plans.exits.cover import ExitGroup


@frozen(kw_only=True)
class ExitVerdict:
    """
    What one protection needs.

    `protection` has its present cover.  `steps` make it right; none: nothing is to be done now.
    `needs_approval`: they are proposed.  `has_excess`: the exits may fill for more than the part.
    `ended` is why the protection ends; ``""``: it goes on.
    """

    protection: m.Protection
    steps: tuple[m.PlanStep, ...] = ()
    needs_approval: bool = False
    has_excess: bool = False
    ended: str = ""


def covered_as(
    protection: m.Protection,
    cover: m.CoverState,
    why: str,
    context: ExitContext,
    steps: tuple[m.PlanStep, ...] = (),
    *,
    needs_approval: bool = False,
) -> ExitVerdict:
    """Return the verdict that *protection* is *cover*, because of *why*."""
    found = evolve(protection, cover=cover, why=why)
    if found.is_covered is not protection.is_covered or found.since is None:
        found = evolve(found, since=_changed_at(protection, context))
    if cover is m.CoverState.COVERED:
        found = evolve(found, applied=True)
    return ExitVerdict(protection=found, steps=steps, needs_approval=needs_approval)


def _changed_at(protection: m.Protection, context: ExitContext) -> m.Timestamp:
    """Return since when the cover is another one: it was lost with the exit, before this pass."""
    ended = context.ended.get(protection.strategy)
    is_lost = protection.is_covered and protection.since is not None
    if is_lost and ended is not None and ended > (protection.since or ""):
        return ended
    return m.timestamp(context.now)


def cancels(groups: Iterable[ExitGroup]) -> tuple[m.PlanStep, ...]:
    """Return the steps that cancel *groups*, but for those that change already."""
    return tuple(m.PlanStep(action=m.CancelOrder(x.name)) for x in groups if not x.is_moving)
