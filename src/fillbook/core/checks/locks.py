"""Checks of locks: a halt, a blocked account, a locked symbol, a gap in the reports."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core.checks.context import CheckContext
from fillbook.core.checks.risk import period_of
from fillbook.model import Reason, ReasonCode

#: What a running plan denies is worth a retry after this time: its steps are due at least so often.
PLAN_RETRY: Final = timedelta(seconds=10)


def not_halted(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny every order while the kill switch is set, except the exits that a plan places."""
    is_exit = context.plan is not None and request.reduce_only and context.reduces(request)
    if context.halted is None or is_exit:
        return None
    return Reason(
        ReasonCode.HALTED,
        f"trading is halted: {context.halted}. To resume, use desk.resume() or "
        "`fillbook halt --resume`",
        (("why", context.halted),),
    )


def not_blocked(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny every order while the broker reports that the account is blocked."""
    if context.account is None or not context.account.blocked:
        return None
    why = ", ".join(context.account.blocked)
    message = f"the broker has blocked the account ({why}): ask the broker"
    return Reason(ReasonCode.ACCOUNT_BLOCKED, message, (("why", why),))


def unlocked(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny new risk on a symbol with an unconfirmed or disputed order, or a confirmed drift."""
    if context.reduces(request):
        return None
    symbols = dict.fromkeys((request.symbol, *context.held_by))
    for order in itertools.chain.from_iterable(map(context.orders.unclear, symbols)):
        why = _lock_of(order)
        if why is not None:
            return Reason(
                ReasonCode.SYMBOL_LOCKED,
                f"{order.symbol} is locked: order {order.client_order_id} {why}",
                (("order", order.client_order_id),),
            )
    pair = context.pair
    positions = {request.symbol, *(() if pair is None else (pair.holding, pair.paid_from))}
    for drift in context.drifts:
        symbol = getattr(drift.drift, "symbol", None)
        if symbol is not None and symbol in positions:
            return Reason(
                ReasonCode.SYMBOL_LOCKED,
                f"{symbol} is locked since {drift.since}, because the record and the "
                "broker differ: only reducing orders are sent; see `fillbook check`, and use "
                "`fillbook sync --adopt` if the broker is right",
                (("since", drift.since),),
            )
    return None


def _lock_of(order: m.Order) -> str | None:
    """Return why an order locks its symbol, and what ends that; None: it does not."""
    name, until = order.client_order_id, "until that is resolved, only reducing orders are sent"
    if not order.is_final and any(x.oddity is m.Oddity.OTHER_BODY for x in order.anomalies):
        return (
            f"is {order.status}, and the broker's order of this client order id has other terms; "
            f"{until}. Cancel it, or let it end"
        )
    if order.status is m.OrderStatus.UNPROVEN:
        return (
            "has no confirmed outcome yet; until it has, only reducing orders are sent. See "
            f"`fillbook order {name}`"
        )
    if order.status is m.OrderStatus.DISPUTED:
        return (
            f"is disputed, because its evidence contradicts itself; {until}. Check it at the "
            f"broker, and see `fillbook order {name}`"
        )
    is_missing = any(
        x.oddity is m.Oddity.NOT_FOUND_AFTER_SEEN and x.broker_order_id == order.broker_order_id
        for x in order.anomalies
    )
    if is_missing and not order.is_final:
        return (
            f"is no longer found at the broker, which reported it before; {until}. If the broker "
            f'confirms that it does not exist: desk.resolve("{name}", "absent")'
        )
    return None


def no_plan(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny new risk on a symbol on which a plan runs."""
    if context.reduces(request):
        return None
    for plan in context.plans:
        is_running = plan.state in (m.PlanState.RUNNING, m.PlanState.PAUSED)
        if is_running and plan.plan_id != context.plan and request.symbol in plan.symbols:
            return Reason(
                ReasonCode.PLAN_RUNNING,
                f"plan {plan.plan_id} is {plan.state} on {request.symbol} ({plan.why}): until it "
                "ends, only reducing orders are sent; see `fillbook plans`",
                (("plan", plan.plan_id),),
                retry_at=m.timestamp(context.now + PLAN_RETRY),
            )
    return None


def no_cooldown(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny new risk of a strategy for some time after a stop of its position was filled."""
    found = context.cooldown
    if found is None or context.reduces(request) or context.now >= m.moment(found.until):
        return None
    whose = f" of strategy {found.strategy}" if found.strategy else ""
    return Reason(
        ReasonCode.COOLDOWN,
        f"the stop {found.order} of {found.symbol}{whose} was filled: until {found.until[:19]}Z "
        "only reducing orders are sent; `fillbook unprotect` ends the cooldown",
        (("order", found.order),),
        retry_at=found.until,
    )


def in_sync(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny new risk while events may be missing, or while the last complete snapshot is too old."""
    age, limit = context.snapshot_age, context.limits.snapshot_age_max_s
    is_current = age is None or age <= period_of(limit)
    if (context.in_sync and is_current) or context.reduces(request):
        return None
    if age is None or is_current:
        return Reason(
            ReasonCode.NOT_IN_SYNC,
            "the stream was interrupted, and the missed events have not been read yet: only "
            "reducing orders are sent until they are; try again in a few seconds",
        )
    seconds = Decimal(int(age.total_seconds()))
    return Reason(
        ReasonCode.NOT_IN_SYNC,
        f"the last complete snapshot of the account is {seconds} s old, and the limit is "
        f"{m.plain(limit)} s: only reducing orders are sent; `fillbook sync` says what is missing",
        (("age_s", seconds), ("most", limit)),
    )
