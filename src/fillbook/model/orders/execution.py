"""
Executions and trade busts.

`Execution` and `TradeBust` are facts about one broker order id; they are added and never
removed.  FIX: Execution is an ExecutionReport (35=8) with LastQty 32 and LastPx 31,
`fixes` its ExecRefID 19 under ExecTransType correct, `TradeBust` one under bust.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.orders.enums import OrderSide
from fillbook.model.timestamp import Timestamp, moment


class ExecSource(StrEnum):
    """The source of an execution; the same fill may have a different id in each source."""

    HISTORY = "history"
    """The fill history."""
    STREAM = "stream"
    """The stream."""
    INFERRED = "inferred"
    """Ours: the broker's total includes it, no execution does yet."""


@frozen(kw_only=True)
class Execution:
    """One fill, as one source reports it."""

    source: ExecSource
    """Which source reports it."""
    exec_id: str
    """The broker's id of the execution (FIX ExecID, 17); the same on every read."""
    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""
    symbol: str
    """The symbol."""
    side: OrderSide
    """Buy or sell."""
    qty: Decimal
    """In base units, or in quote currency if `in_quote`, > 0."""
    price: Decimal | None
    """Per unit, in quote currency, > 0; None: unknown, for an inferred fill only."""
    at: Timestamp
    """The broker's time (UTC)."""
    cum_qty: Decimal | None = None
    """The order's filled total after the fill (FIX CumQty, 14); None: not reported."""
    fixes: str | None = None
    """The exec_id that this execution corrects; None: it is no correction."""
    fee: Decimal | None = None
    """What was paid, in `fee_currency`, > 0; None: unknown."""
    fee_currency: str | None = None
    """The currency of the fee; None: the quote currency."""
    in_quote: bool = False
    """`qty` is in quote currency."""
    fee_from: str | None = None
    """The position that paid a fee in a third currency; None: the cash in that currency."""

    @property
    def time(self) -> datetime:
        """The broker's time of the fill (UTC)."""
        return moment(self.at)


@frozen(kw_only=True)
class TradeBust:
    """An execution that the broker busted."""

    source: ExecSource
    """Which source reports it."""
    exec_id: str
    """The id of the busted execution."""
    broker_order_id: str
    """The broker's id of the order (FIX OrderID, 37)."""
    qty: Decimal | None = None
    """In base units, > 0; None: not reported."""
    at: Timestamp | None = None
    """The broker's time (UTC); None: not reported."""
