"""
Evidence: the merged reports and executions of one broker order id.

The facts about an id form a set that only grows; `Evidence` summarizes the set.
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
    """
    One report on one broker id: its status and its totals.

    `cum` is the filled total in base units, ≥ 0; `avg` the average price per unit in quote
    currency.  None: not reported.
    """

    status: OrderStatus
    cum: Decimal
    version: Version | None = None  #: None: the report has no clock, so only its quantities count
    avg: Decimal | None = None
    value: Decimal | None = None  #: the filled value in quote currency, ≥ 0
    fills: int | None = None  #: the broker's number of executions
    last_fill_at: Timestamp | None = None
    source: ReportSource = ReportSource.LIST
    read_at: Timestamp | None = None  #: by our clock (UTC)
    reason: str | None = None

    @property
    def size(self) -> tuple[Decimal, str, Decimal, int, str, str]:
        """The sort key of snapshots by quantity: the total, then all other values."""
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
    """The running sums of the executions of one source: O(1) per fill, equal to a recount."""

    rows: int = 0  #: the number of executions that are not busted
    gross: Decimal = ZERO  #: quantity with busted executions; quote currency if `quote_sized`
    net: Decimal = ZERO  #: quantity without busted executions; quote currency if `quote_sized`
    value: Decimal = ZERO  #: the value of `net`, in quote currency
    cum: Decimal = ZERO  #: the highest `cum_qty` of an execution
    uncounted_at: Timestamp | None = None  #: the time of the latest execution without `cum_qty`
    latest_at: Timestamp | None = None  #: the time of the latest execution
    base: Decimal = ZERO  #: `net` in base units
    fees: Decimal | None = ZERO  #: in quote currency; None: at least one is unknown
    #: The value of those whose fee the fill history may still report, in quote currency.
    fee_pending: Decimal = ZERO


@frozen(kw_only=True)
class Evidence:
    """
    The summary of all facts about one broker order id.

    `filled` (base units, ≥ 0) and `value` (quote currency; None: a price is unknown) are the
    effective totals.  `gap` ≥ 0 is the part of `filled` without an execution so far, at
    `gap_price` per unit (None: unknown), since `gap_at`.  `complete`: there is no gap.
    """

    broker_order_id: str
    client_order_id: str  #: of the order to which the id belongs
    name: str | None = None  #: its client order id at the broker; None: not reported
    terms: Terms | None = None  #: as reported; None: only executions are known
    terms_at: Version | None = None  #: of the report with these terms; None: none but a pending one
    echoed: Terms | None = None  #: what a pending replace requests, as reported; not in force yet
    created_at: Timestamp | None = None  #: by the broker's clock; None: not reported
    replaces: str | None = None  #: the broker id that this id replaces
    replaced_by: str | None = None  #: the broker id that replaces this id
    expires_at: Timestamp | None = None
    word: OrderSnapshot | None = None  #: the snapshot of the highest version: the current status
    loose: OrderSnapshot | None = None  #: of the highest total among those without a clock
    end: OrderSnapshot | None = None  #: of the highest version among the final ones
    working: tuple[OrderSnapshot, ...] = ()  #: read by id, not final: they may reopen it
    history: Sums = field(factory=Sums)
    stream: Sums = field(factory=Sums)
    chosen: Sums = field(factory=Sums)  #: of `source`, with executions matched from the other
    source: ExecSource = ExecSource.HISTORY  #: the source whose executions count
    amended: bool = False  #: a bust or a correction was reported, by either source
    quote_sized: bool = False  #: execution quantities are in quote currency, which is exact
    history_read: bool = False  #: the complete fill history was read
    not_found: bool = False  #: reported before, and not found by the newest read
    conflicts: tuple[str, ...] = ()  #: the ids of executions with two different contents
    odd_executions: tuple[str, ...] = ()  #: those of the wrong side, or at price 0
    ignored: tuple[str, ...] = ()  #: the keys of facts that a settlement found not to count
    settled: tuple[tuple[Oddity, str], ...] = ()  #: oddities that a settlement resolved
    oddities: tuple[tuple[Oddity, str], ...] = ()  #: found in a recount, with a detail
    busted_at: Timestamp | None = None  #: the time of the latest bust; None: not reported
    upheld_at: Timestamp | None = None  #: our clock: read by id as FILLED after a bust
    filled: Decimal = ZERO
    value: Decimal | None = ZERO
    gap: Decimal = ZERO
    gap_price: Decimal | None = None
    gap_at: Timestamp | None = None
    complete: bool = True
