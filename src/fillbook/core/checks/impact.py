"""The impact of an order: what it would do to the account if it filled completely now."""

from __future__ import annotations

from decimal import Decimal

from fillbook import model as m
from fillbook.core.checks.context import CheckContext
from fillbook.model import ZERO


@m.exact
def impact(request: m.OrderRequest, context: CheckContext, currency: str | None = None) -> m.Impact:
    """
    Compute the impact of *request*; a figure that cannot be computed is None.

    *currency* is the quote currency; None: that of the account.
    """
    price, qty = context.price(request), context.qty(request)
    before = None if context.position is None else context.position.qty
    after = None if before is None or qty is None else before + request.side.sign * qty
    has_reserve = context.reserve is not None
    return m.Impact(
        price=price,
        notional=context.worth(request),
        reserve=context.reserve_amount if has_reserve else None,
        buying_power=_buying_power_after(context),
        position=after,
        exposure=None if after is None or price is None else abs(after) * price,
        fees=_fees_max(request, context),
        pnl=_realized_pnl(request, context, price, qty),
        currency=currency,
    )


def _buying_power_after(context: CheckContext) -> Decimal | None:
    if context.funds is None or context.reserve is None:
        return None
    funds = context.funds
    available = funds.buying_power if context.reserve.margin else funds.non_marginable
    return available - context.reserve_amount


def _fees_max(request: m.OrderRequest, context: CheckContext) -> Decimal | None:
    """Return the maximum crypto fee, in quote currency; None: unknown, as for all shares."""
    worth = context.worth(request)
    if worth is None or not context.is_crypto(request):
        return None
    return worth * context.capabilities.base_fee


def _realized_pnl(
    request: m.OrderRequest, context: CheckContext, price: Decimal | None, qty: Decimal | None
) -> Decimal | None:
    """Return the P&L of the quantity that it closes, at average cost; 0: it closes nothing."""
    if context.position is None:
        return None
    held, cost = context.held(request.side), context.position.avg_price
    if not held:
        return ZERO
    if qty is None or price is None or cost is None:
        return None
    return (cost - price) * request.side.sign * min(qty, held)
