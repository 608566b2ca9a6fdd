"""
What is kept of a broker's reports on one of its order ids.

The facts about an id form a set that only grows; `Evidence` is what they amount to.
`core.evidence` alone writes and reads it.
"""

from __future__ import annotations

from decimal import Decimal

from attrs import field, frozen

from fillbook.model.answer import ReportSource, Version
from fillbook.model.execution import ExecSource
from fillbook.model.number import ZERO
from fillbook.model.order import Anomaly, OrderStatus
from fillbook.model.stamp import Stamp


@frozen(kw_only=True)
class Snap:
    """One snapshot of one id: the broker's word and its totals (base units, per-unit average)."""

    status: OrderStatus
    cum: Decimal
    version: Version | None = None  #: None: without the declared clock, so quantities only
    avg: Decimal | None = None
    value: Decimal | None = None  #: filled value in quote currency, where told
    fills: int | None = None
    last_fill_at: Stamp | None = None
    source: ReportSource = ReportSource.LIST
    read_at: Stamp | None = None
    reason: str | None = None


@frozen
class Sums:
    """The running sums of one source: O(1) a fill, equal to counting afresh."""

    rows: int = 0  #: living chains
    gross: Decimal = ZERO
    net: Decimal = ZERO
    value: Decimal = ZERO  #: of what is net, in quote currency
    cum: Decimal = ZERO  #: the greatest total that a row bears
    counted: bool = True  #: every row bears a total
    last_at: Stamp | None = None  #: of the latest row without a total
    largest: Decimal = ZERO  #: quote-sized orders: base of the largest row
    base: Decimal = ZERO  #: quote-sized orders: base of all rows


@frozen(kw_only=True)
class Evidence:
    """
    What the facts about one broker id amount to.

    `filled` in base units and `value` in quote currency (None while a price is unknown) are
    the totals that count; `gap` is the part of `filled` that no execution tells of yet, at
    `gap_price` (None: unknown), since about `gap_at`.
    """

    broker_order_id: str
    client_order_id: str  #: the order of ours that owns it
    replaces: str | None = None
    replaced_by: str | None = None
    word: Snap | None = None  #: the snapshot of the greatest version
    amounts: Snap | None = None  #: the snapshot whose totals count
    end: Snap | None = None  #: the greatest that ended the order
    revivals: tuple[
        Snap, ...
    ] = ()  #: by-id looks of greater version than `end` that show it working
    history: Sums = field(factory=Sums)
    stream: Sums = field(factory=Sums)
    amended: bool = False  #: a Void or a correction was told by either source
    history_read: bool = False
    conflicts: tuple[str, ...] = ()  #: exec ids that came with two contents
    source: ExecSource = ExecSource.HISTORY  #: whose executions count
    filled: Decimal = ZERO
    value: Decimal | None = ZERO
    gap: Decimal = ZERO
    gap_price: Decimal | None = None
    gap_at: Stamp | None = None
    complete: bool = True
    disputed: bool = False
    anomalies: tuple[Anomaly, ...] = ()
