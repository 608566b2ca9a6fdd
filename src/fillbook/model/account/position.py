"""
Positions: a fold of movements in the order of the broker's time.

A movement is a fill, a ratio (a split), a fee in units, or an anchor: "at that
time the account held so much", never an amount.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen

from fillbook.model.number import ZERO, exact
from fillbook.model.orders.enums import OrderSide
from fillbook.model.timestamp import Timestamp


class MoveKind(StrEnum):
    """In the order in which movements of one moment are folded."""

    RATIO = "a-ratio"
    FILL = "b-fill"
    AMOUNT = "c-amount"  #: units that came or went without a trade (transfer, assignment)
    FEE = "d-fee"  #: units that a fee took, posted after the fills it is for
    ANCHOR = "e-anchor"


@frozen(kw_only=True)
class Movement:
    """
    One movement of one symbol.

    `qty` is signed, in units of the base: what a fill or fee changed, what an anchor found.
    `price` per unit in quote currency, None = unknown (for an anchor the average cost).
    `cash` is what it did to the cash, signed,
    None = unknown.  `ratio` is new units per old one.  `fee` in quote currency, None = unknown.
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
    fee_rate: Decimal = ZERO  #: share of a bought qty that a fee in base may still take
    strategy: str | None = None
    owner: str | None = None  #: the broker order id of a fill
    reason: str = ""

    @property
    def order(self) -> tuple[Timestamp, MoveKind, Decimal, str]:
        """Where it stands in the fold."""
        return (self.at, self.kind, self.cum, self.key)


@frozen
class Holding:
    """
    A signed quantity with its cost, and the round trip that it is in.

    `cost` ≥ 0 is what the open quantity cost (brought in, if short), in quote currency;
    `realized` is before fees, `fees` are those that are known.  A money figure is None once
    a part of it is unknown.  The last five tell the round trip that is open.
    """

    qty: Decimal = ZERO
    cost: Decimal | None = ZERO
    realized: Decimal | None = ZERO
    fees: Decimal = ZERO
    opened_at: Timestamp | None = None
    opened_by: str | None = None  #: its fill, as order@total, or the movement that did
    entered: Decimal = ZERO  #: units that opened it, > 0
    entry_value: Decimal | None = ZERO
    exit_value: Decimal | None = ZERO

    @property
    @exact
    def avg_price(self) -> Decimal | None:
        """Average cost per unit in quote currency; None when flat or unknown."""
        return None if self.cost is None or not self.qty else self.cost / abs(self.qty)


@frozen(kw_only=True)
class Position:
    """
    What is held of one symbol: by the account, and by strategy.

    `by_strategy` pairs a strategy (``""`` is what belongs to nobody) with its part; their
    quantities sum to the account's.  `fee_due` ≥ 0 is the most that fees in base may still
    take: what the broker holds lies between ``qty - fee_due`` and ``qty``.
    """

    symbol: str
    account: Holding = field(factory=Holding)
    by_strategy: tuple[tuple[str, Holding], ...] = ()
    fee_due: Decimal = ZERO
    fee_absorbed: Decimal = ZERO  #: pending at the last anchor, which had them taken off already
    anchored_at: Timestamp | None = None
    last: Movement | None = None  #: the newest movement folded in

    @property
    def qty(self) -> Decimal:
        """Signed, in units of the base."""
        return self.account.qty

    @property
    def avg_price(self) -> Decimal | None:
        """Average cost per unit in quote currency; None when flat or unknown."""
        return self.account.avg_price


@frozen
class Chapter:
    """
    A run of a symbol's movements, and the position that it begins with.

    `moves` are the keys of its movements in the order of the fold, `trades` those of the
    round trips that ended in it.  The last chapter of a symbol is the one that is not closed.
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

    `side` is that of the entry, `qty` > 0 what was entered; prices are averages per unit
    and `pnl` is before fees, all in quote currency, None while a price is unknown.
    `revision` counts the times that late evidence changed it.
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


@frozen(kw_only=True)
class Cash:
    """
    The cash fold: an anchor, and every flow after it, in the account's currency.

    `unknown` counts the flows whose amount is not known yet; `amount` is None while there
    is one, and before the first anchor.
    """

    currency: str = "USD"
    anchor: Decimal | None = None
    anchored_at: Timestamp | None = None
    flows: Decimal = ZERO
    unknown: int = 0
    fee_due: Decimal = ZERO  #: ≥ 0: the most that fees posted late may still take

    @property
    @exact
    def amount(self) -> Decimal | None:
        """What the account should hold; may be negative."""
        return None if self.anchor is None or self.unknown else self.anchor + self.flows
