"""
Pre-trade checks, in order; the first check that fails gives the reason of the denial.

An order that passes all checks *will* be sent.  A check is a function of the request and the
`CheckContext`, and returns a `Reason` or None.  A bot adds its own checks:
``CHECKS + (no_fridays,)``.  An order that only reduces the position, even in the worst case,
passes the checks of buying power, symbol locks and stream gaps.

`core.checks.broker_rules` checks what the broker accepts, `core.checks.risk` what an order
would do to the account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks import broker_rules, risk
from fillbook.core.checks.context import CheckContext
from fillbook.model import Reason, ReasonCode

Check = Callable[[m.OrderRequest, CheckContext], Reason | None]

#: An order in such a status locks its symbol for new risk.
_LOCKING_STATUSES: Final = frozenset({m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED})


def not_halted(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny every order while the kill switch is set."""
    if context.halted is None:
        return None
    return Reason(
        ReasonCode.HALTED,
        f"halted: {context.halted}; desk.resume() or `fillbook halt --resume` permits orders again",
        (("why", context.halted),),
    )


def not_blocked(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny every order while the broker reports that the account is blocked."""
    if context.account is None or not context.account.blocked:
        return None
    why = ", ".join(context.account.blocked)
    return Reason(ReasonCode.ACCOUNT_BLOCKED, f"the account is blocked: {why}", (("why", why),))


def unlocked(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny new risk on a symbol with an unconfirmed or disputed order, or a confirmed drift."""
    if context.reduces(request):
        return None
    for order in context.orders_on(request.symbol):
        if order.status in _LOCKING_STATUSES:
            return Reason(
                ReasonCode.SYMBOL_LOCKED,
                f"{request.symbol} is closed for new risk: order {order.client_order_id} is "
                f"{order.status}; it opens once the broker has answered",
                (("order", order.client_order_id),),
            )
    for drift in context.drifts:
        if getattr(drift.drift, "symbol", None) == request.symbol:
            return Reason(
                ReasonCode.SYMBOL_LOCKED,
                f"{request.symbol} is closed for new risk since {drift.since}: our record and "
                "the broker differ; see `fillbook check`, and `fillbook sync --adopt` if the "
                "broker is right",
                (("since", drift.since),),
            )
    return None


def in_sync(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny new risk after a gap in the stream, until the missed events have been read."""
    if context.in_sync or context.reduces(request):
        return None
    return Reason(
        ReasonCode.NOT_IN_SYNC,
        "the stream was interrupted, and what was missed has not been read yet; try again soon",
    )


def affordable(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    """Deny an order that may cost more than the available buying power (promise P7)."""
    if context.reduces(request):
        return None
    reason = _buying_power_reason(request, context)
    if reason is None or request.side is m.OrderSide.BUY or context.position is not None:
        return reason
    message = (
        f"{reason}; it counts as a short sale, since what is held was never read: "
        "desk.sync() does that, and a sale of what is held costs nothing"
    )
    return evolve(reason, message=message)


def _buying_power_reason(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    if context.reserve is None:
        return risk.no_price(request)
    if not context.reserve.opens:
        return None
    if context.funds is None:
        return Reason(
            ReasonCode.NO_FUNDS_READ,
            "the account could not be read, so nothing can be said of its buying power",
        )
    funds = context.funds
    available = funds.buying_power if context.reserve.margin else funds.non_marginable
    needed = context.reserve_amount
    if needed <= available:
        return None
    return Reason(
        ReasonCode.BUYING_POWER,
        f"it may cost {_money(needed)}, and {_money(available)} of buying power is left to promise",
        (("needed", needed), ("available", available)),
    )


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


#: All checks, in the order in which they run.
CHECKS: Final[tuple[Check, ...]] = (
    not_halted,
    not_blocked,
    broker_rules.market_open,
    broker_rules.supported,
    broker_rules.tradable,
    broker_rules.sized,
    broker_rules.priced,
    risk.position,
    risk.wash,
    risk.duplicate,
    risk.order_notional,
    risk.symbol_notional,
    risk.day_notional,
    risk.orders_per_minute,
    risk.position_limit,
    risk.price_collar,
    unlocked,
    in_sync,
    affordable,
)

#: The checks that apply to new orders only, not to a replace.
NEW_ORDER_CHECKS: Final = frozenset(
    {
        broker_rules.market_open,
        broker_rules.supported,
        risk.duplicate,
        risk.day_notional,
        risk.orders_per_minute,
    }
)
#: The checks that a replace has to pass only if it adds cost or quantity.
NEW_RISK_CHECKS: Final = frozenset({unlocked, in_sync, affordable})


def for_change(checks: Sequence[Check], *, adds: bool) -> tuple[Check, ...]:
    """Select from *checks* those that apply to a replace; *adds*: it adds cost or quantity."""
    excluded = NEW_ORDER_CHECKS if adds else NEW_ORDER_CHECKS | NEW_RISK_CHECKS
    return tuple(check for check in checks if check not in excluded)


def run(
    request: m.OrderRequest,
    context: CheckContext,
    checks: Sequence[Check],
    on_error: Callable[[str, Exception], None],
) -> Iterator[m.Checked]:
    """
    Run every check, in order, and yield its result.

    A check that raises denies the order, because an order that cannot be checked is not sent;
    *on_error* is called with the name of the check and the exception.
    """
    for check in checks:
        name = getattr(check, "__name__", type(check).__name__)
        try:
            reason = check(request, context)
            if reason is not None and not isinstance(reason, Reason):
                raise TypeError(f"it returned {reason!r}, which is no Reason")
        except Exception as error:
            on_error(name, error)
            message = f"the check {name} raised {type(error).__name__}: {error}"
            reason = Reason(ReasonCode.CHECK_FAILED, message, (("check", name),))
        yield m.Checked(name, reason)


def denial_reason(
    request: m.OrderRequest,
    context: CheckContext,
    checks: Sequence[Check] = CHECKS,
    on_error: Callable[[str, Exception], None] = lambda name, error: None,
) -> Reason | None:
    """Return the reason of the first check that denies *request*; None: it may be sent."""
    reasons = (x.reason for x in run(request, context, checks, on_error))
    return next((reason for reason in reasons if reason is not None), None)
