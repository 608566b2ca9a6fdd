"""
The step of a plan that changes the price of an order.

The order keeps its cover meanwhile.  A refusal ends the step: later steps, or the next plan, do
what is left.  Other half: `desk.orders.replace`, which writes, sends and resolves the change.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from attrs import frozen

from fillbook import errors
from fillbook import model as m
from fillbook.core.checks.rounding import tick_of
from fillbook.core.orders import instructions
from fillbook.core.orders.lineage import evidence_of
from fillbook.core.plans.close import market_limit
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.orders.replace import Replacement
from fillbook.desk.record.recorder import Recorder


@frozen
class Waits:
    """The change has no outcome yet, or the order is to be filled."""


@frozen
class Ended:
    """The step is done; `why` is the refusal, or ``""``."""

    why: str = ""


class ReplaceStep:
    """Carries out changes of prices."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, market: Market, replacement: Replacement
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._market = market
        self._replacement = replacement

    def advance(self, plan: m.Plan, action: m.ReplaceOrder) -> Waits | Ended:
        """Do what is due for the change of *action*; return what became of it."""
        name = action.client_order_id
        with self._recorder.store.read() as reader:
            record = errors.present(reader.get(m.OrderRecord, name), f"order {name}")
            change = instructions.open_change(record, evidence_of(reader, record))
        if record.order.is_final:
            return Ended()
        given = _given(record, plan)
        if given is None:
            return self._instruct(plan, action, record)
        if change is not None and change.number == given.number:
            self._replacement.advance(name, for_caller=False)
            return Waits() if action.within_s is None else self._followed(action, given)
        if given.closed is not None and not given.done:
            return Ended(f"the change was refused: {given.closed}")
        return self._followed(action, given)

    def _instruct(
        self, plan: m.Plan, action: m.ReplaceOrder, record: m.OrderRecord
    ) -> Waits | Ended:
        limit = action.limit_price
        if action.collar is not None:
            limit = self._market_limit(action, action.collar, record.order)
            if limit is None:
                return Ended("no price of the market is known at which it could trade")
        change = m.Change(
            client_order_id=record.client_order_id, stop_price=action.stop_price, limit_price=limit
        )
        try:
            self._replacement.instruct(record.client_order_id, change, plan.authority, plan.plan_id)
        except errors.Denied as error:
            return Ended(f"the change was refused: {error.reason.message}")
        self._replacement.advance(record.client_order_id, for_caller=False)
        return Waits()

    def _market_limit(
        self, action: m.ReplaceOrder, collar: Decimal, order: m.Order
    ) -> Decimal | None:
        quote = self._market.quote(order.symbol)
        if quote is None:
            return None
        instrument = self._market.instrument(order.symbol)
        listed = instrument if isinstance(instrument, m.Instrument) else None
        capabilities = self._gateway.broker.capabilities
        price = quote.bid if order.side is m.OrderSide.SELL else quote.ask
        return market_limit(
            order.side, price, collar, action.beyond, tick_of(price, listed, capabilities)
        )

    def _followed(self, action: m.ReplaceOrder, given: m.Instruction) -> Waits | Ended:
        """Return what became of a change that was made."""
        if action.within_s is None:
            return Ended()
        end = m.moment(given.at) + timedelta(seconds=action.within_s)
        if m.moment(self._recorder.now()) < end:
            return Waits()
        return Ended(f"it was not filled within {action.within_s} s")


def _given(record: m.OrderRecord, plan: m.Plan) -> m.Instruction | None:
    """Return the change that *plan* has instructed; None: it has not yet."""
    return next(
        (
            x
            for x in reversed(record.instructions)
            if x.change is not None and x.authority is plan.authority and x.at >= plan.created_at
        ),
        None,
    )
