"""What an order would do to the account if it filled at once and whole."""

from __future__ import annotations

from decimal import Decimal

from fillbook import model as m
from fillbook.core.checks.context import CheckContext
from fillbook.model import ZERO


@m.exact
def impact(request: m.OrderRequest, world: CheckContext) -> m.Impact:
    """The impact of *request* in its world; None for what cannot be said."""
    price, qty = world.price(request), world.qty(request)
    before = None if world.position is None else world.position.qty
    after = None if before is None or qty is None else before + request.side.sign * qty
    known = world.reserve is not None
    return m.Impact(
        price=price,
        notional=world.worth(request),
        reserve=world.need if known else None,
        buying_power=_left(world),
        position=after,
        exposure=None if after is None or price is None else abs(after) * price,
        fees=_fees(request, world),
        pnl=_pnl(request, world, price, qty),
    )


def _left(world: CheckContext) -> Decimal | None:
    if world.funds is None or world.reserve is None:
        return None
    funds = world.funds
    return (funds.buying_power if world.reserve.margin else funds.non_marginable) - world.need


def _fees(request: m.OrderRequest, world: CheckContext) -> Decimal | None:
    """The most that a fee on coins takes; what shares cost is not told beforehand."""
    worth = world.worth(request)
    if worth is None or not world.is_coin(request):
        return None
    return worth * world.can.base_fee


def _pnl(
    request: m.OrderRequest, world: CheckContext, price: Decimal | None, qty: Decimal | None
) -> Decimal | None:
    """Realised by what it closes, by average cost; 0 where it closes nothing."""
    if world.position is None:
        return None
    held, cost = world.held(request.side), world.position.avg_price
    if not held:
        return ZERO
    if qty is None or price is None or cost is None:
        return None
    return (cost - price) * request.side.sign * min(qty, held)
