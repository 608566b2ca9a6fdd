"""
The steps of one order of a plan: with the exits that it needs away, and their way back.

Rebalancing and catching up use them.  Other half: `core.plans.close`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.checks.risk import may_match
from fillbook.core.plans.close import steps_around
from fillbook.desk.plans.close import resting_exits
from fillbook.model import ZERO
from fillbook.store import Reader


def trade_steps(
    reader: Reader,
    order: m.PlaceOrder,
    can: m.Capabilities,
    cancels: Sequence[str] = (),
) -> tuple[m.PlanStep, ...]:
    """
    Return the steps of one order: it, and before and after it the exits that are in its way.

    An order that reduces needs the units that exits hold; another one only exits that it could
    match.  *cancels* are the orders that the plan cancels anyway.
    """
    request = order.request
    side = request.side if request.reduce_only else request.side.opposite
    held = abs(part_of(reader, request.symbol, request.strategy or ""))
    found = resting_exits(reader, request.symbol, side, request.strategy or "", can)
    if request.reduce_only:
        return found.steps_of_close(order, held, cancels)
    groups = [x for x in found.groups if x.name not in cancels]
    matching = [x for x in groups if _matches(reader, request, x.name, can.wash_rule)]
    left = sum((x.leaves for x in matching), ZERO)
    return steps_around(order, matching, found.again, left, found.is_taken)


def _matches(reader: Reader, request: m.OrderRequest, name: str, rule: m.WashRule | None) -> bool:
    """Whether an exit could match *request*, so that the broker would refuse the request."""
    record = reader.get(m.OrderRecord, name)
    return rule is not None and record is not None and may_match(request, record.order, rule)


def part_of(reader: Reader, symbol: str, strategy: str) -> Decimal:
    """Return the part of a position that belongs to *strategy* (``""``: to none), signed."""
    held = pairs.holding_of(reader, symbol)
    position = reader.get(m.Position, held) or m.Position(symbol=held)
    return dict(position.by_strategy).get(strategy, m.Holding()).qty
