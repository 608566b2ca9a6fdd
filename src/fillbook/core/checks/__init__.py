"""
Checks before an order, in order; the first that fails names the result.

After the last one the order *will* be sent.  A check is a function of the request and the
`CheckContext`, and returns a `Reason` or None; a bot adds its own: ``CHECKS + (no_fridays,)``.
An order that only reduces in the worst case waits for no cash, no symbol lock and no stream.

What the broker takes is checked in `core.checks.broker_rules`, what an order would do in
`core.checks.risk`.
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

_UNSETTLED: Final = frozenset({m.OrderStatus.UNPROVEN, m.OrderStatus.DISPUTED})


def not_halted(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """The kill switch."""
    if world.halted is None:
        return None
    return Reason(
        ReasonCode.HALTED,
        f"halted: {world.halted}; desk.lift() or `fillbook halt --lift` lets orders go again",
        (("why", world.halted),),
    )


def not_blocked(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """The broker's own word on the account."""
    if world.account is None or not world.account.blocked:
        return None
    words = ", ".join(world.account.blocked)
    return Reason(ReasonCode.ACCOUNT_BLOCKED, f"the account is blocked: {words}", (("why", words),))


def unlocked(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """A symbol is closed for new risk while an order on it is unproven, or a drift stands."""
    if world.reduces(request):
        return None
    for order in world.of(request.symbol):
        if order.status in _UNSETTLED:
            return Reason(
                ReasonCode.SYMBOL_LOCKED,
                f"{request.symbol} is closed for new risk: order {order.client_order_id} is "
                f"{order.status}; it opens once the broker has answered",
                (("order", order.client_order_id),),
            )
    for drift in world.drifts:
        if getattr(drift.drift, "symbol", None) == request.symbol:
            return Reason(
                ReasonCode.SYMBOL_LOCKED,
                f"{request.symbol} is closed for new risk since {drift.since}: our record and "
                "the broker differ; see `fillbook check`, and `fillbook sync --adopt` if the "
                "broker is right",
                (("since", drift.since),),
            )
    return None


def in_sync(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """After a gap in the stream new risk waits until what was missed has been read."""
    if world.in_sync or world.reduces(request):
        return None
    return Reason(
        ReasonCode.NOT_IN_SYNC,
        "the stream was interrupted, and what was missed has not been read yet; try again soon",
    )


def affordable(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    """What it may cost, against what is left to promise (promise P7)."""
    if world.reduces(request):
        return None
    reason = _unaffordable(request, world)
    if reason is None or request.side is m.OrderSide.BUY or world.position is not None:
        return reason
    words = (
        f"{reason}; it counts as a short sale, since what is held was never read: "
        "desk.sync() does that, and a sale of what is held costs nothing"
    )
    return evolve(reason, message=words)


def _unaffordable(request: m.OrderRequest, world: CheckContext) -> Reason | None:
    if world.reserve is None:
        return risk.no_price(request)
    if not world.reserve.opens:
        return None
    if world.funds is None:
        return Reason(
            ReasonCode.NO_FUNDS_READ,
            "the account could not be read, so nothing can be said of its buying power",
        )
    funds = world.funds
    left = funds.buying_power if world.reserve.margin else funds.non_marginable
    if world.need <= left:
        return None
    return Reason(
        ReasonCode.BUYING_POWER,
        f"it may cost {_money(world.need)}, and {_money(left)} of buying power is left to promise",
        (("needed", world.need), ("available", left)),
    )


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


#: Every check, in order.
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

#: What is about a new order, and not about one that is changed.
OF_NEW_ORDERS: Final = frozenset(
    {
        broker_rules.market_open,
        broker_rules.supported,
        risk.duplicate,
        risk.day_notional,
        risk.orders_per_minute,
    }
)
#: What a change has to pass only if it may cost more, or fill more, than before.
OF_NEW_RISK: Final = frozenset({unlocked, in_sync, affordable})


def of_change(checks: Sequence[Check], *, adds: bool) -> tuple[Check, ...]:
    """Those of *checks* that are about a change of an order, which *adds* to it or not."""
    left_out = OF_NEW_ORDERS if adds else OF_NEW_ORDERS | OF_NEW_RISK
    return tuple(check for check in checks if check not in left_out)


def run(
    request: m.OrderRequest,
    world: CheckContext,
    checks: Sequence[Check],
    raised: Callable[[str, Exception], None],
) -> Iterator[m.Checked]:
    """
    What each of *checks* says, in order.

    One that raises denies, since what cannot be checked is not sent; *raised* is told.
    """
    for check in checks:
        name = getattr(check, "__name__", type(check).__name__)
        try:
            reason = check(request, world)
            if reason is not None and not isinstance(reason, Reason):
                raise TypeError(f"it returned {reason!r}, which is no Reason")
        except Exception as error:
            raised(name, error)
            words = f"the check {name} raised {type(error).__name__}: {error}"
            reason = Reason(ReasonCode.CHECK_FAILED, words, (("check", name),))
        yield m.Checked(name, reason)


def refuse(
    request: m.OrderRequest,
    world: CheckContext,
    checks: Sequence[Check] = CHECKS,
    raised: Callable[[str, Exception], None] = lambda name, error: None,
) -> Reason | None:
    """The reason of the first check that does not let *request* pass; None: it may be sent."""
    found = (x.reason for x in run(request, world, checks, raised))
    return next((reason for reason in found if reason is not None), None)
