"""
The lines of a rebalance: one symbol each, with the terms of its trades and its open orders.

Other halves: `core.plans.portfolio`, which reads them, `core.plans.rebalance_rounding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from attrs import define

from fillbook import model as m
from fillbook.model import ZERO

_R = m.LeftAloneReason
_ONE: Final = Decimal(1)

#: The bid and the ask of a symbol.
Market = tuple[Decimal, Decimal]


class Orders:
    """The open orders of a symbol, in their worst case."""

    __slots__ = ("_buys", "_sells", "cancels", "exits", "growth", "reason", "reserves")

    def __init__(self, held: m.HeldPosition, rules: m.RebalanceRules, *, is_traded: bool) -> None:
        self.reason: m.LeftAloneReason | None = None
        self.exits: tuple[str, ...] = ()
        self.cancels: Sequence[str] = ()
        self.reserves = self.growth = self._buys = self._sells = ZERO
        cancels = is_traded and rules.open_orders == "cancel"
        live = list(held.orders)
        if not held.is_confirmed:
            self.reason = _R.DIFFERENCE
        elif any(not x.is_confirmed for x in live):
            self.reason = _R.UNCONFIRMED_ORDER
        elif any(x.is_ours and not x.is_exit for x in live):
            self.reason = None if cancels else _R.OPEN_ORDERS
        if cancels and self.reason is None:
            self.cancels = [x.client_order_id for x in live if x.is_ours and not x.is_exit]
            live = [x for x in live if x.is_exit or not x.is_ours]
        self.exits = tuple(x.client_order_id for x in live if x.is_exit)
        self.reserves = sum((x.reserve for x in live), ZERO)
        openers = [x for x in live if not x.is_exit]
        self._buys = sum((x.leaves_qty for x in openers if x.side is m.OrderSide.BUY), ZERO)
        self._sells = sum((x.leaves_qty for x in openers if x.side is m.OrderSide.SELL), ZERO)
        worst = max(abs(held.qty + self._buys), abs(held.qty - self._sells))
        self.growth = max(ZERO, worst - abs(held.qty))

    def closable(self, own: Decimal) -> Decimal:
        """Return how much of *own* may be closed, ≥ 0: not what other orders may close."""
        return max(ZERO, abs(own) - (self._sells if own > 0 else self._buys))


NO_ORDERS: Final = Orders(m.HeldPosition(symbol="-", qty=ZERO), m.RebalanceRules(), is_traded=False)


@define(eq=False)
class Terms:
    """
    How a symbol is traded.  All symbols without an instrument, orders or limits share one.

    Trades are whole steps, at least `least` of them; `grow_step` and `grow_least` are those of
    trades away from zero.  `half_spread` is the cost of trading a base unit, and `worst` what a
    sale brings and a buy takes at worst; None: its value.  `limits` are the limit prices of both;
    None: market orders.
    """

    step: Decimal = _ONE
    least: Decimal = _ONE
    grow_step: Decimal = _ONE
    grow_least: Decimal = _ONE
    half_spread: Decimal = ZERO
    worst: Market | None = None
    limits: Market | None = None
    listed: m.Instrument | None = None
    orders: Orders = NO_ORDERS


PLAIN: Final = Terms()


@define(eq=False, weakref_slot=False)
class Line:
    """
    One symbol that the plan may trade: a mutable builder, inside one call of the planner.

    Quantities and values are signed; steps are whole numbers ≥ 0.  `unit` is the value of a base
    unit.  The result is `reduces` steps toward zero, and `grows` steps away from it.
    """

    symbol: str
    held: Decimal
    unit: Decimal
    terms: Terms
    grow_size: Decimal  #: the value of a step of growth
    grow_cash: Decimal  #: what it takes at worst; the proceeds of a short are not spent
    wanted: Decimal = ZERO  #: the target value
    wanted_steps: Decimal = ZERO  #: of growth, without a budget
    reduces: Decimal = ZERO
    grows: Decimal = ZERO
    grown: Decimal = ZERO  #: the value of these steps
    lack: Decimal = ZERO  #: the value that is still to be added then; negative: too much
    why: m.LeftAloneReason | None = None

    @property
    def bid(self) -> Decimal:
        worst = self.terms.worst
        return self.unit if worst is None else worst[0]

    @property
    def ask(self) -> Decimal:
        worst = self.terms.worst
        return self.unit if worst is None else worst[1]

    @property
    def gap(self) -> Decimal:
        """The value that is to be added, ≥ 0."""
        return self.grown + self.lack

    @property
    def shortfall(self) -> Decimal:
        """What the position after the plan lacks, as a value without sign; < 0: too much."""
        if self.gap:
            return self.lack
        left = abs(self.held) - self.reduces * self.terms.step
        return abs(self.wanted) - left * self.unit

    def grow(self, steps: Decimal, value: Decimal) -> None:
        """Add *steps* of growth, worth *value*."""
        self.grows += steps
        self.grown += value
        self.lack -= value
