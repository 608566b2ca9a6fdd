"""
Repair: what would set the account and the record right, for each kind of difference.

Only confirmed differences are repaired, and never on a symbol about which something else is open:
the evidence may still explain them.  What is automatic is bounded by limits that are counted in the
plans of the record, so that they hold over desks and restarts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.model import ZERO

#: The window of the limits of a day.
DAY: Final = timedelta(days=1)
#: After a repair was carried out, the same difference is not repaired again within this time.
AGAIN_AFTER: Final = timedelta(hours=1)

_K, _R = m.RepairKind, m.Repair


@frozen
class Proposal:
    """One repair: its occasion, its steps, and what it is for."""

    kind: m.RepairKind
    occasion: str
    symbol: str | None
    steps: tuple[m.PlanStep, ...]
    why: str
    notional: Decimal | None = None  #: ≥ 0, of what it corrects; None: no price is known


def kind_of(drift: m.Drift) -> m.RepairKind | None:
    """Return the kind of a confirmed difference; None: evidence explains it, nothing repairs it."""
    match drift:
        case m.Untracked():
            return _K.UNTRACKED
        case m.Phantom():
            return _K.PHANTOM
        case m.WrongQty():
            return _K.WRONG_QTY
        case m.WrongCash():
            return _K.WRONG_CASH
        case _:
            return None


@m.exact
def of_difference(found: m.OpenDrift, policy: m.RepairPolicy) -> Proposal | None:
    """Return the repair of one confirmed difference by *policy*; None: there is none."""
    drift = found.drift
    kind = kind_of(drift)
    if kind is None:
        return None
    repair = policy.rule(kind).repair
    symbol = getattr(drift, "symbol", None)
    about = symbol or "cash"
    ours, theirs = _figures(drift)
    adopts = m.AdoptBalance(symbol, ours, theirs, getattr(drift, "currency", None))
    steps = [m.PlanStep(action=adopts)]
    match repair:
        case _R.ADOPT:
            why = f"{about}: the record takes {m.plain(theirs)} instead of {m.plain(ours)}"
        case _R.CLOSE | _R.TRADE:
            # The record takes what is there first, so that the order is checked against it.
            request = _trade(about, ours, theirs, reduces=repair is _R.CLOSE)
            steps.append(m.PlanStep(action=m.PlaceOrder(request, fills=True), stage=1))
            why = f"{about}: the account is traded from {m.plain(theirs)} to {m.plain(ours)}"
        case _R.HALT:
            why = f"{about} differs: the record has {m.plain(ours)}, the broker {m.plain(theirs)}"
            steps = [m.PlanStep(action=m.HaltTrading(why))]
        case _:
            return None
    occasion = f"repair/{found.key}/{found.since}"
    return Proposal(kind, occasion, symbol, tuple(steps), why, found.notional)


def _figures(drift: m.Drift) -> tuple[Decimal, Decimal]:
    """Return our and the broker's figure of a difference."""
    return getattr(drift, "ours", ZERO), getattr(drift, "theirs", ZERO)


def _trade(symbol: str, ours: Decimal, theirs: Decimal, *, reduces: bool) -> m.OrderRequest:
    side = m.OrderSide.BUY if ours > theirs else m.OrderSide.SELL
    return m.OrderRequest(symbol=symbol, side=side, qty=abs(ours - theirs), reduce_only=reduces)


def of_order(record: m.OrderRecord, policy: m.RepairPolicy) -> Proposal | None:
    """Return the repair of an order that should not be as it is; None: there is none."""
    order = record.order
    kind = order_kind(order)
    if kind is None:
        return None
    match policy.rule(kind).repair:
        case _R.CANCEL:
            action: m.Action = m.CancelOrder(order.client_order_id)
            why = f"cancel order {order.client_order_id}"
        case _R.END:
            action = m.EndOrder(order.client_order_id)
            why = f"end order {order.client_order_id} in the record"
        case _:
            return None
    reasons = {
        _K.UNKNOWN_ORDER: "the broker does not find it",
        _K.LANDED_LATE: "it was accepted after it was abandoned",
        _K.EXTERNAL_ORDER: "fillbook did not place it",
    }
    occasion = f"repair/order/{order.client_order_id}/{kind}"
    steps = (m.PlanStep(action=action),)
    return Proposal(kind, occasion, order.symbol, steps, f"{why}: {reasons[kind]}")


def order_kind(order: m.Order) -> m.RepairKind | None:
    """Return the kind of difference that a live order is; None: it is none."""
    if order.is_final or order.pending == m.Command.CANCEL:
        return None
    oddities = {x.oddity for x in order.anomalies}
    if m.Oddity.NOT_FOUND_AFTER_SEEN in oddities:
        return _K.UNKNOWN_ORDER
    if m.Oddity.LANDED_LATE in oddities:
        return _K.LANDED_LATE
    if order.origin is m.Origin.EXTERNAL and order.broker_order_id is not None:
        return _K.EXTERNAL_ORDER
    return None


#: The statuses of orders whose outcome may still explain a difference.
_OPEN_QUESTIONS: Final = frozenset(
    {m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED, m.OrderStatus.UNRECOGNISED}
)


def open_question(orders: Iterable[m.Order]) -> str:
    """Return what is open about a symbol, so that nothing is repaired; ``""``: nothing."""
    for order in orders:
        is_foreign = order.origin is m.Origin.EXTERNAL and order.client_order_id.startswith(
            m.ID_PREFIX
        )
        if order.status in _OPEN_QUESTIONS or (not order.is_complete and order.is_final):
            return f"order {order.client_order_id} is {order.status} and not complete"
        if is_foreign:
            return f"order {order.client_order_id} is of another record of this account"
    return ""


@m.exact
def is_within_limits(
    proposal: Proposal, rule: m.RepairRule, plans: Iterable[m.Plan], now: m.Timestamp
) -> bool:
    """
    Return whether an automatic repair is within its limits.

    *plans* are those of all repairs that were made without an approval.  An unknown notional is
    above every limit.
    """
    since = m.moment(now) - DAY
    made = [x for x in plans if m.moment(x.created_at) > since]
    if rule.day_repairs_max is not None and len(made) >= rule.day_repairs_max:
        return False
    if rule.notional_max is not None and not _is_at_most(proposal.notional, rule.notional_max):
        return False
    if rule.day_notional_max is None:
        return True
    spent = [x.impact.notional for x in made]
    if None in spent or proposal.notional is None:
        return False
    total = sum((x for x in spent if x is not None), proposal.notional)
    return total <= rule.day_notional_max


def _is_at_most(value: Decimal | None, limit: Decimal) -> bool:
    return value is not None and value <= limit


def was_tried(plans: Iterable[m.Plan], now: m.Timestamp) -> bool:
    """Return whether a repair for the same occasion was carried out within the hour."""
    since = m.moment(now) - AGAIN_AFTER
    ended = (m.PlanState.DONE, m.PlanState.STOPPED)
    return any(
        x.state in ended and x.moved_at is not None and m.moment(x.moved_at) > since for x in plans
    )
