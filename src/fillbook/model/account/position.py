"""
Positions: the fold of movements in the order of the broker's time.

A movement is a fill, an amount (a transfer), a fee in units, a balance adjustment (the quantity
that the account held at a time, not a change of it), or a part of a corporate action: the units of
a symbol are restated (a split), removed, or received for those of another symbol.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.account.pair import Amount
from fillbook.model.number import ZERO, exact
from fillbook.model.orders.enums import OrderSide
from fillbook.model.text.html import html_of
from fillbook.model.timestamp import Timestamp


class MoveKind(StrEnum):
    """The kind of a movement; its values sort the movements of one time in fold order."""

    RATIO = "a-ratio"  #: a split: new units for the old ones of the same symbol
    RECEIVED = "a-received"  #: units that are received for those of another symbol
    REMOVED = "a-removed"  #: units that end, for those of another symbol, for cash or for nothing
    FILL = "b-fill"
    PAYMENT = "b-payment"  #: units that a fill of another instrument, or its fee, was paid in
    AMOUNT = "c-amount"  #: units that moved without a trade (transfer, assignment)
    FEE = "d-fee"  #: units charged as a fee, posted after its fills
    ANCHOR = "e-anchor"  #: a balance adjustment


@frozen(kw_only=True)
class Movement:
    """
    One movement of one symbol.

    `qty` is in signed base units: the change by a fill, a payment, an amount or a fee, or the
    balance that an adjustment sets.  `price` is per unit in quote currency (of an adjustment:
    the average cost); None: unknown.  `cash` is the signed change of cash in quote currency;
    None: unknown.  `cum` is the order's filled total after a fill, in base units; 0: not
    reported.  `ratio` is new units per old unit, > 0; None: not reported.  `fee` is in quote
    currency, > 0 was paid; None: unknown.  `currency` is the quote currency; None: the account's.
    `other_fee` > 0 was paid in a currency that is neither base nor quote; None: no such fee.
    `strategy` None: unattributed.

    Of a corporate action, `cash` is what it pays for units, and `core.holdings.exchanged_units`
    defines the quantities: `qty` are the units added (of RATIO: after the ratio), `from_qty` those
    for which they come; of RATIO both are amounts without sign, and 0 is not reported.
    `follows_cost`: the cost of these goes to the units received.  `parts` is what each strategy
    receives.
    """

    key: str  #: unique; the broker id, source and exec id of a fill
    symbol: str
    kind: MoveKind
    at: Timestamp
    cum: Decimal = ZERO
    qty: Decimal = ZERO
    price: Decimal | None = None
    cash: Decimal | None = None
    ratio: Decimal | None = None
    fee: Decimal | None = None
    fee_rate: Decimal = ZERO  #: share of a bought quantity that a later fee may take
    strategy: str | None = None
    #: The broker order id of a fill; of received units ``from/<symbol>``; None: neither.
    owner: str | None = None
    reason: str = ""
    from_qty: Decimal = ZERO
    follows_cost: bool = False
    parts: tuple[tuple[str, Holding], ...] = ()
    unmatched: Decimal = ZERO  #: of received units: what ended less what was held of it, signed
    currency: str | None = None
    other_fee: Amount | None = None
    fee_from: str | None = None  #: the position that paid `other_fee`; None: cash

    @property
    def order(self) -> tuple[Timestamp, MoveKind, Decimal, str]:
        """The sort key of the fold."""
        return (self.at, self.kind, self.cum, self.key)


@frozen
class Holding:
    """
    A quantity in signed base units, with its cost and its open round trip.

    Money is in `currency` (None: the account's).  `cost` ≥ 0 is the cost of the open quantity
    (the proceeds, if short).  `realized` is the realized P&L before fees, `fees` the sum of the
    known fees (> 0 was paid), `other_fees` those in other currencies.  A figure is None once a
    part of it is unknown: a part in another currency is, because nothing is converted.
    `opened_at` and the fields after it describe the open round trip: `entry_value` and
    `exit_value` are the values of its entry and exit fills, ≥ 0; `opened_at` is None when flat.
    """

    qty: Decimal = ZERO
    cost: Decimal | None = ZERO
    realized: Decimal | None = ZERO
    fees: Decimal = ZERO
    opened_at: Timestamp | None = None
    opened_by: str | None = None  #: its opening fill, as order@total, or its opening movement
    entered: Decimal = ZERO  #: the total entry quantity, in base units, ≥ 0
    entry_value: Decimal | None = ZERO
    exit_value: Decimal | None = ZERO
    currency: str | None = None
    other_fees: tuple[Amount, ...] = ()

    @property
    @exact
    def avg_price(self) -> Decimal | None:
        """Average cost per unit in `currency`; None: flat or unknown."""
        return None if self.cost is None or not self.qty else self.cost / abs(self.qty)


@frozen(kw_only=True)
class Fee:
    """
    A fee that a fill owes, or a posted row that pays it; `key` is that of the fill or the row.

    `amount` > 0 is in base units or in quote currency; of a fill it is the most that may be
    taken.  `price` is per unit, of the fill; None: unknown.  `symbol` is ``""`` if the row bears
    none.  `absorbed_at` is the time of the balance adjustment that includes it; None: none does.
    """

    key: str
    symbol: str
    at: Timestamp
    amount: Decimal
    price: Decimal | None = None
    absorbed_at: Timestamp | None = None


@frozen(kw_only=True)
class Position:
    """
    The position of one symbol: of the account, and by strategy.

    `by_strategy` are pairs of a strategy (``""``: unattributed) and its part; their quantities
    sum to the account's.  `fee_due` ≥ 0 is the maximum that pending fees in base units may
    still take: the broker's quantity is between ``qty - fee_due`` and ``qty``.  `dues` are the
    single fees, oldest first.  `adopted` is the part of the last balance adjustment that nothing
    explained when it was adopted, in signed base units.
    """

    _repr_html_ = html_of

    symbol: str
    account: Holding = field(factory=Holding)
    by_strategy: tuple[tuple[str, Holding], ...] = ()
    fee_due: Decimal = ZERO
    fee_absorbed: Decimal = ZERO  #: pending at the last balance adjustment, which includes them
    anchored_at: Timestamp | None = None  #: of the last balance adjustment; None: there is none
    last: Movement | None = None  #: the newest movement of the fold; None: there is none
    dues: tuple[Fee, ...] = ()
    adopted: Decimal = ZERO
    #: By how much corporate actions since that adjustment ended more than was held then, signed.
    unmatched: Decimal = ZERO

    @property
    def qty(self) -> Decimal:
        """Quantity of the account, in signed base units."""
        return self.account.qty

    @property
    def avg_price(self) -> Decimal | None:
        """Average cost per unit in quote currency; None: flat or unknown."""
        return self.account.avg_price


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
    """
    One round trip of one strategy, from flat to flat.

    `strategy` is ``""`` if unattributed.  `side` is the side of the entry, `qty` > 0 the total
    entry quantity in base units.  `entry_price` and `exit_price` are averages per unit, `pnl`
    (signed) is before fees, all in `currency` (None: the account's); None: a price is unknown.
    `fees` is the sum of the known fees in `currency`, `other_fees` are those in other currencies.
    `revision` counts the changes by late evidence.
    """

    key: str
    symbol: str
    strategy: str
    side: OrderSide
    qty: Decimal
    entry_price: Decimal | None
    exit_price: Decimal | None
    pnl: Decimal | None
    fees: Decimal
    opened_at: Timestamp
    closed_at: Timestamp
    revision: int = 0
    currency: str | None = None
    other_fees: tuple[Amount, ...] = ()


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
