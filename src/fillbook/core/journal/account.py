"""What happens to the account, taken into the record: activities, anchors, cash, drifts."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.posting import book_moves, plus_fill, plus_flow
from fillbook.model import ZERO

#: Which activities move units, and how they are folded; a split with its ratio is one.
_MOVES: Final[dict[m.ActivityKind, m.MoveKind]] = {
    m.ActivityKind.SPLIT: m.MoveKind.AMOUNT,
    m.ActivityKind.FEE: m.MoveKind.FEE,
    m.ActivityKind.TRANSFER: m.MoveKind.AMOUNT,
    m.ActivityKind.ASSIGNMENT: m.MoveKind.AMOUNT,
    m.ActivityKind.SYMBOL_CHANGE: m.MoveKind.AMOUNT,
    m.ActivityKind.OTHER: m.MoveKind.AMOUNT,
}


def take_activity(draft: Draft, activity: m.Activity) -> None:
    if draft.get(m.Activity, activity.activity_id) is not None:
        return
    draft.put(activity)
    move = movement_of(activity)
    if move is not None:
        book_moves(draft, move.symbol, (), (move,))
    cash = draft.get(m.Cash, "cash")
    if cash is not None and activity.cash:
        cash = plus_flow(cash, activity.at, activity.cash)
        if activity.kind is m.ActivityKind.FEE:
            cash = evolve(cash, fee_due=ZERO)  # a day's fees are posted together
        draft.put(cash)


def movement_of(activity: m.Activity) -> m.Movement | None:
    """What an activity moves; None if it moves no units."""
    if activity.symbol is None:
        return None
    if activity.kind is m.ActivityKind.SPLIT and activity.ratio is not None:
        kind, qty = m.MoveKind.RATIO, ZERO
    elif activity.kind in _MOVES and activity.qty:
        kind, qty = _MOVES[activity.kind], activity.qty
    else:
        return None
    return m.Movement(
        key=f"activity/{activity.activity_id}",
        symbol=activity.symbol,
        kind=kind,
        at=activity.at,
        qty=qty,
        price=activity.price if kind is m.MoveKind.AMOUNT else None,
        ratio=activity.ratio if kind is m.MoveKind.RATIO else None,
        reason=str(activity.kind),
    )


def take_anchor(draft: Draft, entry: m.BalanceAdjusted) -> None:
    move = m.Movement(
        key=f"anchor/{entry.symbol}/{entry.at}",
        symbol=entry.symbol,
        kind=m.MoveKind.ANCHOR,
        at=entry.at,
        qty=entry.qty,
        price=entry.avg_price,
        reason=entry.reason,
    )
    book_moves(draft, entry.symbol, (), (move,))


def take_cash_anchor(draft: Draft, entry: m.CashAdjusted) -> None:
    cash = m.Cash(currency=entry.currency, anchor=entry.amount, anchored_at=entry.at)
    for move in draft.before.all(m.Movement):
        if move.kind is m.MoveKind.FILL:
            cash = plus_fill(cash, move)
    for activity in draft.before.all(m.Activity):
        if activity.cash:
            cash = plus_flow(cash, activity.at, activity.cash)
    draft.put(cash)


def take_drift(draft: Draft, entry: m.DriftFound | m.DriftCleared) -> None:
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
    draft.tell(m.EventKind.DRIFT, symbol=symbol, drift=drift)
    if symbol is not None:
        draft.tell(m.EventKind.LOCK, symbol=symbol, drift=drift, locked=locked)
