"""
Profit and loss: realized and unrealized, fees, dividends and interest, with what is unknown.

`core.pnl` computes it from the record.  Nothing is converted: each row has one currency.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.number import ZERO
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

    by: PnlBy
    cost: CostMethod
    since: Timestamp | None
    rows: tuple[Pnl, ...]
    totals: tuple[Pnl, ...]
    lots: tuple[Lot, ...] = ()
