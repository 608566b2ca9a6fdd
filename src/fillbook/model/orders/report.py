"""A broker's reports on its orders, and the order of reports."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import total_ordering

from attrs import field, frozen
from attrs.converters import optional

from fillbook.model.orders.enums import OrderStatus
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.order import Terms
from fillbook.model.text.foreign import foreign
from fillbook.model.timestamp import Timestamp


@total_ordering
@frozen
class Version:
    """
    The sort key that totally orders a broker's reports on one order.

    `clock` is the broker's timestamp if every report has one; else the number of the snapshot
    that brought the report.  `cum` (filled total), `rank` (of the status) and `raw` break ties
    independently of the order of arrival.
    """

    clock: str
    cum: Decimal
    rank: int
    raw: str

    # Each report is compared several times, and the order of attrs takes ten times as long.
    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[str, Decimal, int, str]:
        return (self.clock, self.cum, self.rank, self.raw)


class ReportSource(StrEnum):
    """How a report on an order was received."""

    BY_ID = "by_id"
    """A read of the order."""
    LIST = "list"
    """A list of orders."""
    STREAM = "stream"
    """The stream."""
    REPLY = "reply"
    """In the reply to our own request."""


@frozen(kw_only=True)
class OrderReport:
    """A broker's report on one of its order ids."""

    broker_order_id: str
    """The broker's id (FIX OrderID, 37)."""
    terms: Terms
    """The terms that the broker reports."""
    status: OrderStatus
    """The broker's status as an `OrderStatus`."""
    raw_status: str = field(converter=foreign)
    """The broker's own word for the status."""
    filled_qty: Decimal
    """The broker's filled total of this id, in base units, ≥ 0."""
    client_order_id: str | None = None
    """The client order id; None: not reported."""
    avg_price: Decimal | None = None
    """The average price of the fills, per unit, in quote currency; None: no fills."""
    filled_value: Decimal | None = None
    """The value of the fills, in quote currency, ≥ 0; None: not reported."""
    fill_count: int | None = None
    """The number of executions; None: not reported."""
    clock: Timestamp | None = None
    """When the broker last changed the order, by its own clock; None: not reported."""
    created_at: Timestamp | None = None
    """When the order was created (UTC); None: not reported."""
    last_fill_at: Timestamp | None = None
    """The time of the last fill (UTC); None: not reported."""
    expires_at: Timestamp | None = None
    """When the order expires (UTC); None: not reported."""
    replaces: str | None = None
    """The broker's id of the order that it replaces; None: none."""
    replaced_by: str | None = None
    """The broker's id of the order that replaces it; None: none."""
    reason: str | None = field(default=None, converter=optional(foreign))
    """Why it was rejected; None: it was not, or not reported."""
    legs: tuple[OrderReport, ...] = ()
    """The exits that the broker created for it."""
    executions: tuple[Execution, ...] = ()
    """Fills of this id: the one of an event, or those that a reply lists."""
    busts: tuple[TradeBust, ...] = ()
    """Busts of this id: the one of an event, or those that a reply lists."""


class OrderScope(StrEnum):
    """Which orders a list contains."""

    OPEN = "open"
    """Orders that are not final."""
    ALL = "all"
    """All orders."""


@frozen
class OrderQuery:
    """The orders to list."""

    scope: OrderScope = OrderScope.OPEN
    """Open orders, or all."""
    since: datetime | None = None
    """Submitted at or after it (UTC); None: no bound."""
