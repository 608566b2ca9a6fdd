"""Apply the entries about the account: activities, balance adjustments, cash, drifts."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import fees
from fillbook.core.journal import cash
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.placing import is_part, placed
from fillbook.core.journal.posting import post_movements
from fillbook.core.pairs import holding_of
from fillbook.model import ZERO

#: The activities that move units, with the kind of the movement; a split may be a ratio instead.
_MOVE_KINDS: Final[dict[m.ActivityKind, m.MoveKind]] = {
    m.ActivityKind.SPLIT: m.MoveKind.AMOUNT,
    m.ActivityKind.FEE: m.MoveKind.FEE,
    m.ActivityKind.TRANSFER: m.MoveKind.AMOUNT,
    m.ActivityKind.ASSIGNMENT: m.MoveKind.AMOUNT,
    m.ActivityKind.SYMBOL_CHANGE: m.MoveKind.AMOUNT,
    m.ActivityKind.OTHER: m.MoveKind.AMOUNT,
}


def apply_activity(draft: Draft, activity: m.Activity) -> None:
    """
    Apply a non-trade activity: its movement of units, and its cash.

    A dated row before the opening balance is in that balance; a fee pays what was due by then.
    """
    if draft.get(m.Activity, activity.activity_id) is not None:
        return
    draft.put(activity)
    opened = draft.get(m.Cash, "cash")
    if opened is None and activity.dated and not fees.is_recent(activity, draft.at):
        return
    movement = movement_of(activity)
    if movement is not None:
        movement = evolve(movement, symbol=holding_of(draft, movement.symbol))
    if movement is not None:
        held = draft.get(m.Position, movement.symbol) or m.Position(symbol=movement.symbol)
        at, _ = placed(
            activity,
            held.anchored_at,
            is_part(movement.qty, held.adopted),
            by_ids=opened is not None and opened.by_ids,
        )
        post_movements(draft, (), (evolve(movement, at=at),))
    cash.post_activity(draft, activity)


def movement_of(activity: m.Activity) -> m.Movement | None:
    """Return the movement of an activity; None: it moves no units."""
    if activity.symbol is None:
        return None
    if activity.kind is m.ActivityKind.SPLIT and activity.ratio is not None:
        kind, qty = m.MoveKind.RATIO, ZERO
    elif activity.kind in _MOVE_KINDS and activity.qty:
        kind, qty = _MOVE_KINDS[activity.kind], activity.qty
    else:
        return None
    return m.Movement(
        key=f"activity/{activity.activity_id}",
        symbol=activity.symbol,
        kind=kind,
        at=activity.at,
        qty=qty,
        price=None if kind is m.MoveKind.RATIO else activity.price,
        ratio=activity.ratio if kind is m.MoveKind.RATIO else None,
        reason=str(activity.kind),
        currency=activity.currency,
    )


def apply_balance_adjustment(draft: Draft, entry: m.BalanceAdjusted) -> None:
    """Apply a balance adjustment of a position."""
    movement = m.Movement(
        key=f"anchor/{entry.symbol}/{entry.at}",
        symbol=entry.symbol,
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
