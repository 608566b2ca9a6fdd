"""
Positions: the fold of movements in the order of the broker's time.

A movement is a fill, an amount (a transfer), a fee in units, a balance adjustment (the quantity
that the account held at a time, not a change of it), or a part of a corporate action: the units of
a symbol are restated (a split), removed, or received for those of another symbol.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import evolve, field, frozen

from fillbook.model.account.pair import Amount
from fillbook.model.number import ZERO, exact
from fillbook.model.orders.enums import OrderSide
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp


class MoveKind(StrEnum):
    """The kind of a movement; its values sort the movements of one time in fold order."""

    RATIO = "a-ratio"
    """A split: new units for the old ones of the same symbol."""
    RECEIVED = "a-received"
    """Units that are received for those of another symbol."""
    REMOVED = "a-removed"
    """Units that end, for those of another symbol, for cash or for nothing."""
    FILL = "b-fill"
    """A fill."""
    PAYMENT = "b-payment"
    """Units that a fill of another instrument, or its fee, was paid in."""
    AMOUNT = "c-amount"
    """Units that moved without a trade (transfer, assignment)."""
    FEE = "d-fee"
    """Units charged as a fee, posted after its fills."""
    ANCHOR = "e-anchor"
    """A balance adjustment."""


@frozen(kw_only=True)
class Movement:
    """
    One movement of one symbol.

    Of a corporate action, `cash` is what it pays for units, `qty` are the units added (of RATIO:
    after the ratio), and `from_qty` those for which they come; of RATIO both are amounts without
    sign, and 0 is not reported.  `core.holdings.restated_units` defines the quantities.
    """

    key: str
    """Unique; of a fill its source, broker order id and exec id."""
    symbol: str
    """The symbol."""
    kind: MoveKind
    """The kind of the movement."""
    at: Timestamp
    """When it happened, by the broker (UTC)."""
    cum: Decimal = ZERO
    """The order's filled total after a fill, in base units; 0: not reported."""
    qty: Decimal = ZERO
    """In signed base units: the change, or the balance that an adjustment sets."""
    price: Decimal | None = None
    """Per unit, in quote currency (of an adjustment: the average cost); None: unknown."""
    cash: Decimal | None = None
    """The signed change of cash, in quote currency; None: unknown."""
    ratio: Decimal | None = None
    """New units per old unit, > 0; None: not reported."""
    fee: Decimal | None = None
    """What was paid, in quote currency, > 0; None: unknown."""
    fee_rate: Decimal = ZERO
    """The share of a bought quantity that a later fee may take, ≥ 0."""
    strategy: str | None = None
    """The strategy; None: unattributed."""
    owner: str | None = None
    """The client order id of its order; None: it has no order."""
    reason: str = ""
    """Why an adjustment was made; `""`: it is none."""
    from_qty: Decimal = ZERO
    """The units for which those of a corporate action come, in signed base units."""
    follows_cost: bool = False
    """The cost of the units that end goes to the units received."""
    parts: tuple[tuple[str, Holding], ...] = ()
    """What each strategy receives."""
    unmatched: Decimal = ZERO
    """Of received units, what ended less what was held of it, in signed base units."""
    currency: str | None = None
    """The quote currency; None: that of the account."""
    other_fee: Amount | None = None
    """What was paid in a currency that is neither base nor quote; None: no such fee."""
    fee_from: str | None = None
    """The symbol of the position that paid `other_fee`; None: cash."""

    @property
    def order(self) -> tuple[Timestamp, MoveKind, Decimal, str]:
        """The sort key of the fold."""
        return (self.at, self.kind, self.cum, self.key)


@frozen
class Holding:
    """
    A quantity with its cost and its open round trip.

    A figure is None once a part of it is unknown: a part in another currency is, because nothing is
    converted.
    """

    qty: Decimal = ZERO
    """In signed base units."""
    cost: Decimal | None = ZERO
    """The cost of the open quantity (the proceeds, if short), in `currency`, ≥ 0; None: unknown."""
    realized: Decimal | None = ZERO
    """The realized P&L before fees, in `currency`; None: unknown."""
    fees: Decimal = ZERO
    """The sum of the known fees, in `currency`, > 0 was paid."""
    opened_at: Timestamp | None = None
    """When the open round trip began (UTC); None: it is flat."""
    opened_by: str | None = None
    """The opening fill, as order@total, or the opening movement; None: it is flat."""
    entered: Decimal = ZERO
    """The total entry quantity of the open round trip, in base units, ≥ 0."""
    entry_value: Decimal | None = ZERO
    """The value of its entry fills, in `currency`, ≥ 0; None: unknown."""
    exit_value: Decimal | None = ZERO
    """The value of its exit fills, in `currency`, ≥ 0; None: unknown."""
    currency: str | None = None
    """The currency; None: that of the account."""
    other_fees: tuple[Amount, ...] = ()
    """The fees in other currencies."""

    @property
    @exact
    def avg_price(self) -> Decimal | None:
        """Average cost per unit in `currency`; None: flat or unknown."""
        return None if self.cost is None or not self.qty else self.cost / abs(self.qty)


@frozen(kw_only=True)
class Fee:
    """A fee that a fill owes, or a posted row that pays it."""

    key: str
    """That of the fill or of the row."""
    symbol: str
    """The symbol; `""`: the row has none."""
    at: Timestamp
    """The time (UTC)."""
    amount: Decimal
    """In base units or in quote currency, > 0; of a fill the most that may be taken."""
    price: Decimal | None = None
    """Per unit, of the fill, in quote currency; None: unknown."""
    absorbed_at: Timestamp | None = None
    """The time of the balance adjustment that includes it (UTC); None: none does."""


@frozen(kw_only=True)
class Position:
    """The position of one symbol: of the account, and by strategy."""

    symbol: str
    """The symbol."""
    account: Holding = field(factory=Holding)
    """The position of the account; its cost and realized P&L are pooled, as the broker's are."""
    by_strategy: tuple[tuple[str, Holding], ...] = ()
    """Pairs of a strategy (`""`: unattributed) and its part; they sum to the account's."""
    fee_due: Decimal = ZERO
    """The most that pending fees may still take, in base units, ≥ 0."""
    fee_absorbed: Decimal = ZERO
    """Pending fees that the last balance adjustment includes, in base units, ≥ 0."""
    anchored_at: Timestamp | None = None
    """The time of the last balance adjustment (UTC); None: there is none."""
    last: Movement | None = None
    """The newest movement; None: there is none."""
    dues: tuple[Fee, ...] = ()
    """The pending fees, oldest first."""
    adopted: Decimal = ZERO
    """The part of the last balance adjustment that nothing explained, in signed base units."""
    unmatched: Decimal = ZERO
    """Of received units, what ended less what was held of it, in signed base units."""

    @property
    def qty(self) -> Decimal:
        """Quantity of the account, in signed base units."""
        return self.account.qty

    @property
    @exact
    def sellable_qty(self) -> Decimal:
        """
        The quantity that can be sold, in base units, ≥ 0: `qty` less `fee_due`; 0 if it is short.

        What open orders of the position reserve is not subtracted.
        """
        return max(ZERO, self.qty - self.fee_due)

    @property
    def avg_price(self) -> Decimal | None:
        """Average cost per unit in quote currency; None: flat or unknown."""
        return self.account.avg_price

    @property
    def parts(self) -> tuple[tuple[str, Holding], ...]:
        """Those of `by_strategy` that are held or have realized P&L: they sum to the position."""
        return tuple((name, x) for name, x in self.by_strategy if x.qty or x.realized != 0)

    @property
    @exact
    def realized(self) -> Decimal | None:
        """
        The realized P&L before fees, in the currency of `account`; None: unknown.

        It is the sum of the parts, as in `Book.pnl`; that of `account` has the pooled cost.
        """
        total = ZERO
        for _, part in self.by_strategy:
            if part.realized is None:
                return None
            if part.realized and part.currency != self.account.currency:
                return None
            total += part.realized
        return total

    def _repr_html_(self) -> str:
        """Return the position as tables, with the realized P&L of its parts."""
        return html_of(evolve(self, account=evolve(self.account, realized=self.realized)))


@frozen
class Chapter:
    """
    A checkpoint of the fold: a run of a symbol's movements, and the position before it.

    `number` counts from 0 per symbol.  `moves` are the keys of its movements in fold
    order, `trades` the keys of the round trips that ended in it.  The newest chapter of a
    symbol is the only one that is not `closed`.
    """

    symbol: str
    number: int
    before: Position
    moves: tuple[str, ...] = ()
    trades: tuple[str, ...] = ()
    closed: bool = False

    @property
    def key(self) -> str:
        return f"{self.symbol}/{self.number}" if self.closed else self.symbol


@frozen(kw_only=True)
class Trade:
    """One round trip of one strategy, from flat to flat."""

    key: str
    """Unique."""
    symbol: str
    """The symbol."""
    strategy: str
    """The strategy; `""`: unattributed."""
    side: OrderSide
    """The side of the entry."""
    qty: Decimal
    """The total entry quantity, in base units, > 0."""
    entry_price: Decimal | None
    """The average per unit, in `currency`; None: a price is unknown."""
    exit_price: Decimal | None
    """The average per unit, in `currency`; None: a price is unknown."""
    pnl: Decimal | None
    """Before fees, signed, in `currency`; None: a price is unknown."""
    fees: Decimal
    """The sum of the known fees, in `currency`, > 0 was paid."""
    opened_at: Timestamp
    """The time of the first fill (UTC)."""
    closed_at: Timestamp
    """The time of the last fill (UTC)."""
    revision: int = 0
    """How often late evidence changed it."""
    currency: str | None = None
    """The currency; None: that of the account."""
    other_fees: tuple[Amount, ...] = ()
    """The fees in other currencies."""


@frozen(kw_only=True)
class Cash:
    """
    The fold of cash in one currency: a balance adjustment and the flows after it.

    `anchor` is the balance of the last adjustment, at `anchored_at`; None: there is none yet.
    `flows` is the signed sum since then.  `unknown` counts the flows of unknown amount.
    `amount` is None while there is one, and before the first adjustment.

    `dues` are the fees that sales owe, `posted` the newest rows of fees, which are among the
    flows; `absorbed` is the part of these rows that the adjustment includes already.  `adopted` is
    the part of the adjustment that nothing explained when it was adopted, signed.
    """

    currency: str = ""  #: ``""``: the account's, whose name is not known
    anchor: Decimal | None = None
    anchored_at: Timestamp | None = None
    flows: Decimal = ZERO
    unknown: int = 0
    fee_due: Decimal = ZERO  #: ≥ 0: the maximum that pending fees may still take
    dues: tuple[Fee, ...] = ()
    posted: tuple[Fee, ...] = ()
    absorbed: Decimal = ZERO  #: ≥ 0
    adopted: Decimal = ZERO
    #: Every row that the broker listed at the adjustment is in the record: another one is later.
    by_ids: bool = False
    other: bool = False  #: it is not the currency of the account
    opened_at: Timestamp | None = None  #: the time of the opening balance; None: there is none

    @property
    def key(self) -> str:
        """The key of the record: "cash" for the currency of the account."""
        return cash_key(self.currency if self.other else None)

    @property
    @exact
    def amount(self) -> Decimal | None:
        """The expected cash balance; negative: borrowed on margin."""
        if self.anchor is None or self.unknown:
            return None
        return self.anchor + self.flows + self.absorbed


def cash_key(currency: str | None) -> str:
    """Return the key of the cash in *currency*; None: the currency of the account."""
    return "cash" if currency is None else f"cash/{currency}"
