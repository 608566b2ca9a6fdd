"""A broker's reports on its orders, and the order of reports."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import field, frozen
from attrs.converters import optional

from fillbook.model.orders.enums import OrderStatus
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.order import Terms
from fillbook.model.text.foreign import foreign
from fillbook.model.timestamp import Timestamp


@frozen(order=True)
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


class ReportSource(StrEnum):
    """How a report on an order was received."""

    BY_ID = "by_id"
    LIST = "list"
    STREAM = "stream"
    REPLY = "reply"  #: in the reply to our own request


@frozen(kw_only=True)
class OrderReport:
    """
    A broker's report on one of its order ids.

    `status` is the broker's status as an `OrderStatus`, `raw_status` its own text.
    `filled_qty` is the broker's filled total of this id in base units, ≥ 0; `avg_price` is per
    unit in quote currency, None: no fills.  `clock` is when the broker last changed the order,
    by its own clock; None: the report does not have it.  `replaces` and `replaced_by` are
    broker order ids.  `executions` and `voids` (trade busts) are of this id, in streamed reports.
    `legs` are the exits that the broker created for it.  Every other None: not reported.
    """

    broker_order_id: str
    terms: Terms
    status: OrderStatus
    raw_status: str = field(converter=foreign)
    filled_qty: Decimal
    client_order_id: str | None = None
    avg_price: Decimal | None = None
    filled_value: Decimal | None = None  #: in quote currency, ≥ 0
    fill_count: int | None = None
    clock: Timestamp | None = None
    created_at: Timestamp | None = None
    last_fill_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    reason: str | None = field(default=None, converter=optional(foreign))
    legs: tuple[OrderReport, ...] = ()
    executions: tuple[Execution, ...] = ()
    voids: tuple[TradeBust, ...] = ()


class OrderScope(StrEnum):
    """Which orders a list contains."""

    OPEN = "open"
    ALL = "all"


@frozen
class OrderQuery:
    """The orders to list: by scope, submitted at or after `since` (UTC; None: no bound)."""

    scope: OrderScope = OrderScope.OPEN
    since: datetime | None = None
