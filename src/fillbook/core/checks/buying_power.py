"""The check that the available buying power covers what an order may cost (promise P7)."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks import risk
from fillbook.core.checks.context import CheckContext
from fillbook.model import Reason, ReasonCode


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
