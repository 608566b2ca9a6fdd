"""
Profit and loss: realized and unrealized, fees, dividends and interest, with what is unknown.

`core.pnl` computes it from the record.  Nothing is converted: each row has one currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.number import ZERO, exact
from fillbook.model.orders.enums import OrderSide
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp


class PnlBy(StrEnum):
    """What a row of a P&L is about."""

    SYMBOL = "symbol"
    STRATEGY = "strategy"
    DAY = "day"  #: the day of the broker's time, UTC


class CostMethod(StrEnum):
    """Which cost the units have that are sold first."""

    AVERAGE = "average"  #: that of all units of the strategy
    FIFO = "fifo"  #: that of its oldest units


class UnknownPart(StrEnum):
    """What is missing in a P&L; it is counted, and never taken as zero."""

    COST = "cost"  #: units were closed whose cost is unknown
    PRICE = "price"  #: units were closed at an unknown price
    FEE = "fee"  #: the fee of a fill that only a total of the broker shows
    ACTIVITY = "activity"  #: a row of cash whose kind fillbook does not know
    OPEN_COST = "open_cost"  #: units are open whose cost is unknown
    QUOTE = "quote"  #: units are open and have no quote


@frozen(kw_only=True)
class Pnl:
    """
    The P&L of one `key` (a symbol, a strategy or a day) in `currency`; None: the account's.

    A key of ``""`` is what belongs to no symbol or no strategy.  `realized` and `unrealized` are
    before fees; each is the sum of its known parts, and None if all of it is unknown.  `fees` > 0
    were paid; `dividends` and `interest` are signed.  `unknown` counts what is missing, by part.
    `quoted_at` is the time of the oldest quote in `unrealized`; None: there is none.
    """

    key: str
    currency: str | None = None
    realized: Decimal | None = ZERO
    unrealized: Decimal | None = ZERO
    fees: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    unknown: tuple[tuple[UnknownPart, int], ...] = ()
    quoted_at: Timestamp | None = None


@frozen(kw_only=True)
class Lot:
    """
    Units of one strategy that were opened together, and closed together if they are closed.

    `qty` is signed, `cost` ≥ 0 is what was paid for them (received, if short), `proceeds` ≥ 0 what
    they were closed for; None: unknown.  `closed_at` None: the lot is open.
    """

    symbol: str
    strategy: str
    qty: Decimal
    cost: Decimal | None
    opened_at: Timestamp
    proceeds: Decimal | None = None
    closed_at: Timestamp | None = None
    currency: str | None = None


@frozen(kw_only=True)
class PnlReport:
    """
    A P&L from `since` on (None: the whole record), one row a key and currency.

    `totals` are the sums of `rows`, one a currency.  `lots` are those that were closed since then,
    oldest first, and then the open ones; with average cost there are none.
    """

    _repr_html_ = html_of

    by: PnlBy
    cost: CostMethod
    since: Timestamp | None
    rows: tuple[Pnl, ...]
    totals: tuple[Pnl, ...]
    lots: tuple[Lot, ...] = ()


class PnlCause(StrEnum):
    """Why two figures of P&L differ; in the order in which the causes are taken apart."""

    MISSED_FILLS = "missed_fills"  #: fills that one side has and the other has not
    FEES = "fees"  #: fees that one side leaves out
    FILL_PRICE = "fill_price"  #: the price that was requested, against the executed one
    COST_METHOD = "cost_method"  #: average cost, against FIFO
    POOLED_COST = "pooled_cost"  #: one cost for all strategies, against one for each
    CORPORATE_ACTIONS = "corporate_actions"  #: splits, dividends, mergers, transfers
    OPEN_AT_CUTOFF = "open_at_cutoff"  #: units that were open at `since`, and their cost
    ROUNDING = "rounding"  #: figures or prices that were rounded
    UNEXPLAINED = "unexplained"


@frozen(kw_only=True)
class PnlDifference:
    """
    The difference between our figure and another one, and its causes.

    `ours` and `theirs` are signed.  `causes` are the parts that are not zero, signed; they sum
    exactly to `ours - theirs`.
    """

    ours: Decimal
    theirs: Decimal
    causes: tuple[tuple[PnlCause, Decimal], ...]

    @property
    @exact
    def difference(self) -> Decimal:
        """Our figure less theirs."""
        return self.ours - self.theirs

    @property
    def by_cause(self) -> Mapping[PnlCause, Decimal]:
        """Every cause with its part of the difference; 0: it has none."""
        return {cause: dict(self.causes).get(cause, ZERO) for cause in PnlCause}


@frozen(kw_only=True)
class PnlComparisonRow:
    """
    The figures of one symbol in `currency` (None: the account's).

    `bot` compares the realized P&L since the date, with fees, dividends and interest, with that of
    the bot; None: the bot gave none.  `broker` compares the unrealized P&L of the open units, at
    the broker's price, with that by the broker's average cost; None: the broker reports none.
    `unknown` counts what is missing in our figure, by part.
    """

    symbol: str
    currency: str | None = None
    bot: PnlDifference | None = None
    broker: PnlDifference | None = None
    unknown: tuple[tuple[UnknownPart, int], ...] = ()


@frozen(kw_only=True)
class PnlComparison:
    """The comparison of P&L from `since` on (None: the whole record), one row a symbol."""

    _repr_html_ = html_of

    since: Timestamp | None
    cost: CostMethod
    rows: tuple[PnlComparisonRow, ...]


@frozen(kw_only=True)
class Slippage:
    """
    What the execution of one order cost against the price at which it was decided.

    `qty` > 0 is what was filled, `executed` its average price per unit.  `requested` is the price
    that the bot had in mind: the reference or limit price of its request; `arrival` the middle of
    the market when the order was written; None: not known.  The costs are amounts in quote
    currency, > 0: worse than that price.
    """

    client_order_id: str
    symbol: str
    strategy: str | None
    side: OrderSide
    at: Timestamp
    qty: Decimal
    executed: Decimal
    requested: Decimal | None = None
    arrival: Decimal | None = None

    @property
    def cost(self) -> Decimal | None:
        """The cost against `requested`; None: that is not known."""
        return _cost(self, self.requested)

    @property
    def arrival_cost(self) -> Decimal | None:
        """The cost against `arrival`; None: that is not known."""
        return _cost(self, self.arrival)


@exact
def _cost(row: Slippage, price: Decimal | None) -> Decimal | None:
    return None if price is None else row.side.sign * (row.executed - price) * row.qty
