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
        f"{reason}; the sale counts as a short sale, because the positions were never read: "
        "call desk.sync() first; a sale that closes a position needs no buying power"
    )
    return evolve(reason, message=message)


def _buying_power_reason(request: m.OrderRequest, context: CheckContext) -> Reason | None:
    if context.reserve is None:
        return risk.no_price(request)
    if not context.reserve.opens:
        return None
    if context.reserve.fee is None and context.capabilities.reserve_rule.reads_fee:
        return Reason(
            ReasonCode.NO_FEE_RATE,
            "the broker reserves the fee with the order, and its rate was not read",
        )
    if context.funds is None:
        return Reason(
            ReasonCode.NO_FUNDS_READ,
            "the account could not be read, so its buying power is unknown",
        )
    funds = context.funds
    available = funds.buying_power if context.reserve.margin else funds.non_marginable
    needed = context.reserve_amount
    if needed <= available:
        return None
    return Reason(
        ReasonCode.BUYING_POWER,
        f"it may cost {_shown(needed, context.reserve)}, but only "
        f"{_shown(available, context.reserve)} of {_what(context.reserve)} is available",
        (("needed", needed), ("available", available)),
    )


def _what(reserve: m.Reserve) -> str:
    if reserve.paid_from is not None:
        return f"{reserve.paid_from} to pay with"
    return "buying power" if reserve.currency is None else f"buying power in {reserve.currency}"


def _shown(amount: Decimal, reserve: m.Reserve) -> str:
    is_own = reserve.currency is None and reserve.paid_from is None
    return f"{amount:,.2f}" if is_own else m.plain(amount)
