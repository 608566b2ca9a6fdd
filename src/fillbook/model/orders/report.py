"""What a broker reports of its orders, and how reports are ordered."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from fillbook.model.orders.enums import OrderStatus
from fillbook.model.orders.execution import Execution, TradeBust
from fillbook.model.orders.order import Terms
from fillbook.model.timestamp import Timestamp


@frozen(order=True)
class Version:
    """
    The total order of a broker's reports on one order.

    Where every report bears the broker's clock, `clock` is that Stamp; else the desk fills
    in the number of the look.  The rest breaks ties the same way whatever arrived first.
    """

    clock: str
    cum: Decimal
    rank: int
    raw: str


class ReportSource(StrEnum):
    """How a report on an order reached us."""

    BY_ID = "by_id"
    LIST = "list"
    STREAM = "stream"
    REPLY = "reply"


@frozen(kw_only=True)
class OrderReport:
    """
    What a broker says of one of its order ids, now.

    `status` is the broker's word in ours and `raw_status` its own.  `filled_qty` is the
    broker's total for this id (≥ 0); `avg_price` per unit, None without fills.  `clock` is
    when the broker last changed the order, by its own clock; None if this report does not
    bear it.  `executions` and `voids` come with streamed reports only.  `legs` are the
    exits that the broker made for it.
    """

    broker_order_id: str
    terms: Terms
    status: OrderStatus
    raw_status: str
    filled_qty: Decimal
    client_order_id: str | None = None
    avg_price: Decimal | None = None
    filled_value: Decimal | None = None  #: in quote currency, where told
    fill_count: int | None = None
    clock: Timestamp | None = None
    created_at: Timestamp | None = None
    last_fill_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    reason: str | None = None
    legs: tuple[OrderReport, ...] = ()
    executions: tuple[Execution, ...] = ()
    voids: tuple[TradeBust, ...] = ()


class OrderScope(StrEnum):
    OPEN = "open"
    ALL = "all"


@frozen
class OrderQuery:
    """Which orders to list: all open ones, or all that were submitted at or after *since*."""

    scope: OrderScope = OrderScope.OPEN
    since: datetime | None = None
