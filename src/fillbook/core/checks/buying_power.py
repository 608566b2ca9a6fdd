"""The check that the available buying power covers what an order may cost (promise P7)."""

from __future__ import annotations

from decimal import Decimal

from attrs import evolve

from fillbook import model as m
from fillbook.core.checks import risk
from fillbook.core.checks.context import CheckContext
from fillbook.core.checks.figures import account_currency, money
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
        "`fillbook sync` reads them; a sale that closes a position needs no buying power"
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
            "the broker reserves the fee with the order, and its rate was not read: try again",
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
        _insufficient(needed, available, context.reserve, account_currency(context)),
        (("needed", needed), ("available", available)),
    )


def _insufficient(needed: Decimal, available: Decimal, reserve: m.Reserve, own: str) -> str:
    is_own = reserve.currency is None and reserve.paid_from is None
    currency = reserve.currency or own
    most = money(needed, currency, is_own=is_own, up=True)
    left = money(available, currency, is_own=is_own)
    if reserve.paid_from is not None:
        return (
            f"insufficient {currency} to pay with: the order needs up to {most}, and the position "
            f"in {reserve.paid_from} has {left} available"
        )
    return (
        f"insufficient buying power: the order needs up to {most}, and {left} is available; see "
        "`fillbook buying-power`"
    )
