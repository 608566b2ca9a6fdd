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
    STREAM = "stream"
    INFERRED = "inferred"  #: ours: the broker's total includes it, no execution does yet


@frozen(kw_only=True)
class Execution:
    """
    One fill, as one source reports it.

    `qty` > 0 is in base units, or in quote currency if `in_quote`.  `price` is per unit in
    quote currency, > 0; None: unknown, for an inferred fill only.  `at` is the broker's time.
    `cum_qty` is the order's filled total after the fill; None: not reported.  `fixes` is the
    exec_id that this execution corrects; None: it is no correction.  `fee` > 0 was paid, in
    `fee_currency`; None: unknown.  `fee_from` is the symbol of the position that paid a fee in a
    currency that is neither base nor quote; None: the cash in that currency.
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
    fee_from: str | None = None

    @property
    def time(self) -> datetime:
        """The broker's time of the fill (UTC)."""
        return moment(self.at)


@frozen(kw_only=True)
class TradeBust:
    """An execution that the broker busted; `qty` > 0, None: not reported; `at` None: likewise."""

    source: ExecSource
    exec_id: str  #: of the busted execution
    broker_order_id: str
    qty: Decimal | None = None
    at: Timestamp | None = None
