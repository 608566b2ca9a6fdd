"""
The cash: a balance adjustment, the flows after it, and the fees that are posted later.

Of the fee of a sale only the maximum is known until its row is posted (`core.fees`).  A row that
pays the fee of a sale before the adjustment changes nothing, because the balance includes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core import fees
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.placing import is_included, is_part, placed
from fillbook.core.position import ADOPTED
from fillbook.model import EXACT, ZERO


def post_fills(draft: Draft, gone: Iterable[m.Movement], new: Iterable[m.Movement]) -> None:
    """Replace the flows of fills."""
    cash = draft.get(m.Cash, "cash")
    if cash is None:
        return  # the first adjustment adds the flows after it
    for movements, sign in ((gone, -1), (new, 1)):
        for x in movements:
            if x.kind is m.MoveKind.FILL:
                cash = _add_fill(cash, x, sign)
    draft.put(_settled(cash))


def post_activity(draft: Draft, activity: m.Activity) -> None:
    """Add the flow of an activity."""
    cash = draft.get(m.Cash, "cash")
    if cash is not None and activity.cash:
        draft.put(_settled(_add_activity(cash, activity)))


def adjust(draft: Draft, entry: m.CashAdjusted) -> None:
    """Apply a balance adjustment: the flows after it are added to it."""
    before = draft.get(m.Cash, "cash")
    expected = None if before is None else before.amount
    cash = m.Cash(
        currency=entry.currency, anchor=entry.amount, anchored_at=entry.at, by_ids=entry.by_ids
    )
    for movement in draft.before.all(m.Movement):
        if movement.kind is m.MoveKind.FILL:
            cash = _add_fill(cash, movement, 1)
    for activity in draft.before.all(m.Activity):
        if activity.cash and not is_included(activity, entry.at):
            cash = _add_activity(cash, activity)
    if entry.reason == ADOPTED and expected is not None:
        cash = evolve(cash, adopted=EXACT.subtract(entry.amount, expected))
    draft.put(_settled(cash))


def _add_fill(cash: m.Cash, movement: m.Movement, sign: int) -> m.Cash:
    cash = _add_flow(cash, movement.at, movement.cash, sign)
    is_sale = movement.qty < 0 and movement.cash is not None and movement.fee is None
    if not is_sale or not movement.fee_rate or cash.anchored_at is None:
        return cash
    if sign < 0:
        return evolve(cash, dues=tuple(x for x in cash.dues if x.key != movement.key))
    due = m.Fee(
        key=movement.key,
        symbol=movement.symbol,
        at=movement.at,
        amount=EXACT.multiply(abs(movement.cash or ZERO), movement.fee_rate),
        price=movement.price,
        absorbed_at=cash.anchored_at if movement.at <= cash.anchored_at else None,
    )
    oldest = m.timestamp(m.moment(cash.anchored_at) - fees.POSTED_WITHIN)
    return cash if movement.at <= oldest else evolve(cash, dues=fees.add(cash.dues, due))


def _add_activity(cash: m.Cash, activity: m.Activity) -> m.Cash:
    assert activity.cash is not None
    at, is_adopted = placed(
        activity, cash.anchored_at, is_part(activity.cash, cash.adopted), by_ids=cash.by_ids
    )
    if is_adopted:
        cash = evolve(cash, adopted=EXACT.subtract(cash.adopted, activity.cash))
    cash = _add_flow(cash, at, activity.cash, 1)
    if activity.kind is not m.ActivityKind.FEE or activity.cash > 0:
        return cash
    row = m.Fee(
        key=activity.activity_id,
        symbol=activity.symbol or "",
        at=at,
        amount=-activity.cash,
        price=activity.price,
    )
    return evolve(cash, posted=tuple(sorted((*cash.posted, row), key=lambda x: (x.at, x.key))))


def _add_flow(cash: m.Cash, at: m.Timestamp, amount: Decimal | None, sign: int) -> m.Cash:
    """Return *cash* with one more flow (*sign* -1: one less), if it is after the adjustment."""
    if cash.anchored_at is None or at <= cash.anchored_at:
        return cash
    if amount is None:
        return evolve(cash, unknown=cash.unknown + sign)
    return evolve(cash, flows=EXACT.add(cash.flows, amount * sign))


@m.exact
def _settled(cash: m.Cash) -> m.Cash:
    """Return *cash* with what its posted rows pay; rows that are too old are settled for good."""
    newest = max((x.at for x in (*cash.dues, *cash.posted)), default=None)
    if newest is None:
        return cash
    oldest = m.timestamp(m.moment(newest) - fees.POSTED_WITHIN)
    dues, kept, flows, absorbed, left = cash.dues, list[m.Fee](), cash.flows, ZERO, cash.dues
    for number, row in enumerate(cash.posted):
        paid, left = fees.pay(left, row)
        is_after = cash.anchored_at is not None and row.at > cash.anchored_at
        part = min(row.amount, fees.total(paid, absorbed=True)) if is_after else ZERO
        if row.at < oldest or number < len(cash.posted) - fees.KEPT_MAX:
            flows, dues = flows + part, left
        else:
            absorbed += part
            kept.append(row)
    # A row that is kept may pay a fee that is older than itself.
    still_paid = m.timestamp(m.moment(oldest) - fees.POSTED_WITHIN)
    return evolve(
        cash,
        flows=flows,
        dues=tuple(x for x in dues if x.at >= still_paid),
        posted=tuple(kept),
        absorbed=absorbed,
        fee_due=fees.total(fees.current(left, newest), absorbed=False),
    )
