"""
Pre-trade checks, in order; the first check that fails gives the reason of the denial.

An order that passes all checks *will* be sent.  A check is a function of the request and the
`CheckContext`, and returns a `Reason` or None.  A bot adds its own checks:
``CHECKS + (no_fridays,)``.  An order that only reduces the position, even in the worst case,
passes the checks of buying power, symbol locks, stream gaps and incomplete snapshots.

`core.checks.locks` checks the locks, `core.checks.broker_rules` what the broker accepts,
`core.checks.risk` what an order would do to the account and `core.checks.buying_power` what it
may cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from fillbook import model as m
from fillbook.core.checks import broker_rules, buying_power, locks, risk
from fillbook.core.checks.context import CheckContext
from fillbook.model import Reason, ReasonCode

Check = Callable[[m.OrderRequest, CheckContext], Reason | None]

#: All checks, in the order in which they run.
CHECKS: Final[tuple[Check, ...]] = (
    locks.not_halted,
    locks.not_blocked,
    broker_rules.market_open,
    broker_rules.supported,
    broker_rules.tradable,
    broker_rules.sized,
    broker_rules.priced,
    risk.position,
    risk.strategy_position,
    risk.wash,
    risk.duplicate,
    risk.order_notional,
    risk.symbol_notional,
    risk.day_notional,
    risk.orders_per_minute,
    risk.position_limit,
    risk.price_collar,
    locks.unlocked,
    locks.no_plan,
    locks.no_cooldown,
    locks.in_sync,
    buying_power.affordable,
)

#: The checks that apply to new orders only, not to a replace.
NEW_ORDER_CHECKS: Final = frozenset(
    {
        broker_rules.market_open,
        broker_rules.supported,
        locks.no_plan,
        risk.duplicate,
        risk.day_notional,
        risk.orders_per_minute,
    }
)
#: The checks that a replace has to pass only if it adds cost or quantity.
NEW_RISK_CHECKS: Final = frozenset(
    {locks.unlocked, locks.no_cooldown, locks.in_sync, buying_power.affordable}
)


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
        yield m.Checked(_name_of(check), _reason_by(check, request, context, on_error))


def _reason_by(
    check: Check,
    request: m.OrderRequest,
    context: CheckContext,
    on_error: Callable[[str, Exception], None],
) -> Reason | None:
    try:
        reason = check(request, context)
        if reason is not None and not isinstance(reason, Reason):
            raise TypeError(f"it returned {reason!r}, which is not a Reason")
    except Exception as error:
        name = _name_of(check)
        on_error(name, error)
        message = f"the check {name} raised {type(error).__name__}: {error}"
        return Reason(ReasonCode.CHECK_FAILED, message, (("check", name),))
    return reason


def _name_of(check: Check) -> str:
    return getattr(check, "__name__", type(check).__name__)


def denial_reason(
    request: m.OrderRequest,
    context: CheckContext,
    checks: Sequence[Check] = CHECKS,
    on_error: Callable[[str, Exception], None] = lambda name, error: None,
) -> Reason | None:
    """Return the reason of the first check that denies *request*; None: it may be sent."""
    for check in checks:
        reason = _reason_by(check, request, context, on_error)
        if reason is not None:
            return reason
    return None
