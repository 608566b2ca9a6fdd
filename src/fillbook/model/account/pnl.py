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
    """One row a symbol."""
    STRATEGY = "strategy"
    """One row a strategy."""
    DAY = "day"
    """The day of the broker's time, UTC."""


class CostMethod(StrEnum):
    """Which cost the units have that are sold first."""

    AVERAGE = "average"
    """That of all units of the strategy."""
    FIFO = "fifo"
    """That of its oldest units."""


class UnknownPart(StrEnum):
    """What is missing in a P&L; it is counted, and never taken as zero."""

    COST = "cost"
    """Units were closed whose cost is unknown."""
    PRICE = "price"
    """Units were closed at an unknown price."""
    FEE = "fee"
    """The fee of a fill that only a total of the broker shows."""
    ACTIVITY = "activity"
    """A row of cash whose kind fillbook does not know."""
    OPEN_COST = "open_cost"
    """Units are open whose cost is unknown."""
    QUOTE = "quote"
    """Units are open and have no quote."""


@frozen(kw_only=True)
class Pnl:
    """The P&L of one symbol, strategy or day."""

    key: str
    """The symbol, the strategy or the day; `""`: what belongs to none."""
    currency: str | None = None
    """The currency; None: that of the account."""
    realized: Decimal | None = ZERO
    """Before fees, the sum of its known parts, signed; None: all of it is unknown."""
    unrealized: Decimal | None = ZERO
    """Before fees, the sum of its known parts, signed; None: all of it is unknown."""
    fees: Decimal = ZERO
    """What was paid, > 0."""
    dividends: Decimal = ZERO
    """Signed."""
    interest: Decimal = ZERO
    """Signed."""
    unknown: tuple[tuple[UnknownPart, int], ...] = ()
    """How many of each part are missing."""
    quoted_at: Timestamp | None = None
    """The time of the oldest quote in `unrealized` (UTC); None: there is none."""


@frozen(kw_only=True)
class Lot:
    """Units of one strategy that were opened together, and closed together if they are closed."""

    symbol: str
    """The symbol."""
    strategy: str
    """The strategy; `""`: unattributed."""
    qty: Decimal
    """In signed base units."""
    cost: Decimal | None
    """What was paid for them (received, if short), ≥ 0; None: unknown."""
    opened_at: Timestamp
    """When they were opened (UTC)."""
    proceeds: Decimal | None = None
    """What they were closed for, ≥ 0; None: unknown."""
    closed_at: Timestamp | None = None
    """When they were closed (UTC); None: the lot is open."""
    currency: str | None = None
    """The currency; None: that of the account."""


@frozen(kw_only=True)
class PnlReport:
    """A P&L, one row a key and currency."""

    _repr_html_ = html_of

    by: PnlBy
    """What a row is about."""
    cost: CostMethod
    """The cost method."""
    since: Timestamp | None
    """The first time that counts (UTC); None: the whole record."""
    rows: tuple[Pnl, ...]
    """The rows."""
    totals: tuple[Pnl, ...]
    """The sums of `rows`, one a currency."""
    lots: tuple[Lot, ...] = ()
    """Those closed since then, oldest first, then the open ones; none with average cost."""


class PnlCause(StrEnum):
    """Why two figures of P&L differ; in the order in which the causes are taken apart."""

    MISSED_FILLS = "missed_fills"
    """Fills that one side has and the other has not."""
    FEES = "fees"
    """Fees that one side leaves out."""
    FILL_PRICE = "fill_price"
    """The price that was requested, against the executed one."""
    COST_METHOD = "cost_method"
    """Average cost, against FIFO."""
    POOLED_COST = "pooled_cost"
    """One cost for all strategies, against one for each."""
    CORPORATE_ACTIONS = "corporate_actions"
    """Splits, dividends, mergers, transfers."""
    OPEN_AT_CUTOFF = "open_at_cutoff"
    """Units that were open at `since`, and their cost."""
    ROUNDING = "rounding"
    """Figures or prices that were rounded."""
    UNEXPLAINED = "unexplained"
    """What no cause explains."""


@frozen(kw_only=True)
class PnlDifference:
    """The difference between our figure and another one, and its causes."""

    ours: Decimal
    """Our figure, signed."""
    theirs: Decimal
    """The other figure, signed."""
    causes: tuple[tuple[PnlCause, Decimal], ...]
    """The parts that are not zero, signed; they sum exactly to `ours - theirs`."""

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
    """The figures of one symbol."""

    symbol: str
    """The symbol."""
    currency: str | None = None
    """The currency; None: that of the account."""
    bot: PnlDifference | None = None
    """The realized P&L with fees and income, against the bot's; None: the bot gave none."""
    broker: PnlDifference | None = None
    """The unrealized P&L at the broker's price, against the broker's; None: it reports none."""
    unknown: tuple[tuple[UnknownPart, int], ...] = ()
    """How many of each part are missing in our figure."""


@frozen(kw_only=True)
class PnlComparison:
    """The comparison of P&L, one row a symbol."""

    _repr_html_ = html_of

    since: Timestamp | None
    """The first time that counts (UTC); None: the whole record."""
    cost: CostMethod
    """The cost method."""
    rows: tuple[PnlComparisonRow, ...]
    """The rows."""


@frozen(kw_only=True)
class Slippage:
    """What the execution of one order cost against the price at which it was decided."""

    client_order_id: str
    """The client order id of the order (FIX ClOrdID, 11)."""
    symbol: str
    """The symbol."""
    strategy: str | None
    """The strategy; None: unattributed."""
    side: OrderSide
    """Buy or sell."""
    at: Timestamp
    """When the order was written (UTC)."""
    qty: Decimal
    """What was filled, in base units, > 0."""
    executed: Decimal
    """Its average price per unit, in quote currency."""
    requested: Decimal | None = None
    """The reference or limit price of the request; None: not known."""
    arrival: Decimal | None = None
    """The middle of the market when the order was written; None: not known."""

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
