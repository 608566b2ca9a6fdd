"""
Executions, and what else a broker tells of an order.

`Execution` and `TradeBust` are facts about one broker order id; they are only ever
added.  FIX: Execution is an ExecutionReport (35=8) with LastQty 32 and LastPx 31,
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
    """Who told of an execution; the same fill may bear different ids in each."""

    HISTORY = "history"
    STREAM = "stream"
    INFERRED = "inferred"  #: ours: the broker's total says so, no execution does yet


@frozen(kw_only=True)
class Execution:
    """
    One fill, as one source told it.

    `qty` > 0 in units of the base (of the quote currency if `in_quote`), `price` per unit
    (None only when inferred and unknown; never 0).  `cum_qty` is the order's total after
    it, None where rows have none.  `fixes` is the exec_id that this one corrects.  `fee`
    > 0 was paid, in `fee_currency`; None is unknown.
    """

    source: ExecSource
    exec_id: str
    broker_order_id: str
    symbol: str
    side: OrderSide
    qty: Decimal
    price: Decimal | None
    at: Timestamp
    cum_qty: Decimal | None = None
    fixes: str | None = None
    fee: Decimal | None = None
    fee_currency: str | None = None
    in_quote: bool = False

    @property
    def time(self) -> datetime:
        """When it happened (UTC)."""
        return moment(self.at)


@frozen(kw_only=True)
class TradeBust:
    """An execution that the broker took back; `qty` > 0 if told, None if not."""

    source: ExecSource
    exec_id: str  #: of the execution that is void
    broker_order_id: str
    qty: Decimal | None = None
    at: Timestamp | None = None
