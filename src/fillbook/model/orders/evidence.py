"""
What is kept of a broker's reports on one of its order ids.

The facts about an id form a set that only grows; `Evidence` is what they amount to.
`core.orders.evidence` alone writes and reads it.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import field, frozen

from fillbook.model.number import ZERO, plain
from fillbook.model.orders.enums import OrderStatus
from fillbook.model.orders.execution import ExecSource
from fillbook.model.orders.order import Oddity, Terms
from fillbook.model.orders.report import ReportSource, Version
from fillbook.model.timestamp import Timestamp


@frozen(kw_only=True)
class OrderSnapshot:
    """One snapshot of one id: the broker's word and its totals (base units, per-unit average)."""

    status: OrderStatus
    cum: Decimal
    version: Version | None = None  #: None: without the declared clock, so quantities only
    avg: Decimal | None = None
    value: Decimal | None = None  #: filled value in quote currency, where told
    fills: int | None = None  #: the broker's count of executions, where told
    last_fill_at: Timestamp | None = None
    source: ReportSource = ReportSource.LIST
    read_at: Timestamp | None = None  #: our clock
    reason: str | None = None

    @property
    def size(self) -> tuple[Decimal, str, Decimal, int, str, str]:
        """What orders snapshots by quantity: the total; then all else that they tell."""
        return (
            self.cum,
            "" if self.avg is None else plain(self.avg),
            ZERO if self.value is None else self.value,
            self.fills or 0,
            self.last_fill_at or "",
            self.reason or "",
        )


@frozen
class Sums:
    """The running sums of one source: O(1) a fill, equal to counting afresh."""

    rows: int = 0  #: executions that stand
    gross: Decimal = ZERO  #: with those taken back; in quote currency for quote-sized orders
    net: Decimal = ZERO  #: without them
    value: Decimal = ZERO  #: of what is net, in quote currency
    cum: Decimal = ZERO  #: the greatest total that a row bears
    uncounted_at: Timestamp | None = None  #: of the latest row that bears no total
    base: Decimal = ZERO  #: of what is net, in base units
    fees: Decimal | None = ZERO  #: in quote currency; None once one is unknown


@frozen(kw_only=True)
class Evidence:
    """
    What the facts about one broker id amount to.

    `filled` in base units and `value` in quote currency (None while a price is unknown) are
    the totals that count; `gap` is the part of `filled` that no execution tells of yet, at
    `gap_price` (None: unknown), since `gap_at`.
    """

    broker_order_id: str
    client_order_id: str  #: the order that owns it
    name: str | None = None  #: the client id that it bears at the broker, where told
    terms: Terms | None = None  #: as reported; None while only executions are known
    replaces: str | None = None
    replaced_by: str | None = None
    expires_at: Timestamp | None = None
    word: OrderSnapshot | None = None  #: the snapshot of the greatest version
    loose: OrderSnapshot | None = None  #: of the greatest total among those without the clock
    end: OrderSnapshot | None = None  #: of the greatest version among those that end the order
    working: tuple[OrderSnapshot, ...] = ()  #: looks by id that show it working: they may reopen it
    history: Sums = field(factory=Sums)
    stream: Sums = field(factory=Sums)
    chosen: Sums = field(factory=Sums)  #: of the source that counts, with what crossed over
    source: ExecSource = ExecSource.HISTORY  #: whose executions count
    amended: bool = False  #: a Void or a correction was told, by either source
    quote_sized: bool = False  #: executions are counted in quote currency, which is exact there
    history_read: bool = False
    not_found: bool = False  #: the broker denied it after showing it
    conflicts: tuple[str, ...] = ()  #: ids of executions that came with two contents
    oddities: tuple[tuple[Oddity, str], ...] = ()  #: found while counting afresh
    void_at: Timestamp | None = None  #: of the latest Void, where told
    upheld_at: Timestamp | None = None  #: our clock: read by id as FILLED once a Void was known
    filled: Decimal = ZERO
    value: Decimal | None = ZERO
    gap: Decimal = ZERO
    gap_price: Decimal | None = None
    gap_at: Timestamp | None = None
    complete: bool = True
