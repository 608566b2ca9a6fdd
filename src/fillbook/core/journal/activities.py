"""Apply the entries about the account: activities, balance adjustments, cash, drifts."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import pairs, symbol_names
from fillbook.core.holdings import fees
from fillbook.core.journal import cash, corporate_actions
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.evidence_posting import post_movements
from fillbook.core.journal.placing import is_part, placed
from fillbook.model.account.activity import group_of

#: The activities that move units and are no corporate actions, with the kind of the movement.
_MOVE_KINDS: Final[dict[m.ActivityKind, m.MoveKind]] = {
    m.ActivityKind.FEE: m.MoveKind.FEE,
    m.ActivityKind.TRANSFER: m.MoveKind.AMOUNT,
    m.ActivityKind.ASSIGNMENT: m.MoveKind.AMOUNT,
    m.ActivityKind.INTEREST: m.MoveKind.AMOUNT,
    m.ActivityKind.OTHER: m.MoveKind.AMOUNT,
}


def apply_activity(draft: Draft, activity: m.Activity) -> None:
    """
    Apply a non-trade activity: its movement of units, and its cash.

    A dated row before the opening balance is in that balance; a fee pays what was due by then.
    """
    if draft.get(m.Activity, activity.activity_id) is not None:
        return
    opened = draft.get(m.Cash, "cash")
    in_opening = opened is None and activity.dated and not fees.is_recent(activity, draft.at)
    draft.put(evolve(activity, in_opening=in_opening))
    group = group_of(activity)
    if group is not None:
        corporate_actions.post(draft, group)
    if in_opening:
        return
    movement = movement_of(activity) if group is None else None
    if movement is not None:
        named = symbol_names.resolve(draft, movement.symbol, activity.at)
        symbol = pairs.holding_of(draft, named)
        movement = evolve(movement, symbol=symbol)
        held = draft.get(m.Position, symbol) or m.Position(symbol=symbol)
        at, _ = placed(
            activity,
            held.anchored_at,
            is_part(movement.qty, held.adopted),
            by_ids=opened is not None and opened.by_ids,
        )
        post_movements(draft, (), (evolve(movement, at=at),))
    cash.post_activity(draft, activity)


def movement_of(activity: m.Activity) -> m.Movement | None:
    """Return the movement of an activity that is no corporate action; None: it moves no units."""
    if activity.symbol is None or activity.kind not in _MOVE_KINDS or not activity.qty:
        return None
    return m.Movement(
        key=f"activity/{activity.activity_id}",
        symbol=activity.symbol,
        kind=_MOVE_KINDS[activity.kind],
        at=activity.at,
        qty=activity.qty,
        price=activity.price,
        reason=str(activity.kind),
        currency=activity.currency,
    )


def apply_balance_adjustment(draft: Draft, entry: m.BalanceAdjusted) -> None:
    """Apply a balance adjustment of a position."""
    symbol = symbol_names.resolve(draft, entry.symbol, entry.at)
    movement = m.Movement(
        key=f"anchor/{entry.symbol}/{entry.at}",
        symbol=symbol,
        kind=m.MoveKind.ANCHOR,
        at=entry.at,
        qty=entry.qty,
        price=entry.avg_price,
        reason=entry.reason,
    )
    post_movements(draft, (), (movement,))


def apply_drift(draft: Draft, entry: m.DriftFound | m.DriftCleared) -> None:
    """Open or close a confirmed drift, and lock or unlock its symbol."""
    known = draft.get(m.OpenDrift, entry.key)
    if isinstance(entry, m.DriftFound):
        since = draft.at if known is None else known.since
        draft.put(m.OpenDrift(entry.key, entry.drift, since, entry.notional))
        drift, locked = entry.drift, True
    elif known is None:
        return
    else:
        draft.drop(m.OpenDrift, entry.key)
        drift, locked = known.drift, False
    symbol = getattr(drift, "symbol", None)
    draft.emit(m.EventKind.DRIFT, symbol=symbol, drift=drift)
    if symbol is not None:
        draft.emit(m.EventKind.LOCK, symbol=symbol, drift=drift, locked=locked)
