"""
What a person should hear of although nothing went wrong at any one moment: what takes too long.

Pure, and the same for the same moment; who was told already is `desk.watch`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from fillbook import model as m

_S = m.OrderStatus
#: What asks for an answer that should come soon.
_WAITING: Final = frozenset(
    {_S.UNPROVEN, _S.PENDING_NEW, _S.PENDING_CANCEL, _S.PENDING_REPLACE, _S.UNRECOGNISED}
)
_WORKED: Final = frozenset({_S.NEW, _S.PARTIALLY_FILLED})
_AT_ONCE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})


def of_orders(
    records: Iterable[m.OrderRecord], now: datetime, limits: m.Thresholds
) -> list[m.Alert]:
    """What is stuck or fills slowly among the orders that are followed."""
    found = (of_order(record, now, limits) for record in records)
    return [alert for alert in found if alert is not None]


def of_order(record: m.OrderRecord, now: datetime, limits: m.Thresholds) -> m.Alert | None:
    order, age = record.order, now - m.moment(record.seen_at or record.created_at)
    waits = order.status in _WAITING or order.pending is not None
    if waits and age >= timedelta(seconds=limits.stuck_s):
        doing = "" if order.pending is None else f", {order.pending} asked"
        return m.Alert(
            m.AlertKind.STUCK,
            record.client_order_id,
            f"order {record.client_order_id} has been {order.status}{doing} for {_length(age)} "
            "without a new word from the broker; it counts as alive, look at it at the broker's",
        )
    at_once = order.type is m.OrderType.MARKET or order.time_in_force in _AT_ONCE
    if at_once and order.status in _WORKED and age >= timedelta(seconds=limits.slow_fill_s):
        return m.Alert(
            m.AlertKind.SLOW_FILL,
            record.client_order_id,
            f"order {record.client_order_id} is {order.status} after {_length(age)}, though it "
            "was to fill at once",
        )
    return None


def of_account(silent_for: timedelta, limits: m.Thresholds) -> m.Alert | None:
    """Whether the account was not read for too long."""
    if silent_for < timedelta(seconds=limits.stale_s):
        return None
    return m.Alert(
        m.AlertKind.STALE,
        "account",
        f"the account could not be read for {_length(silent_for)}: orders, positions and buying "
        "power are as they were then",
    )


def of_refusals(in_a_row: int, limits: m.Thresholds) -> m.Alert | None:
    """Whether the broker refuses one order after another."""
    if in_a_row < limits.rejected_in_a_row:
        return None
    return m.Alert(
        m.AlertKind.REJECTED_IN_A_ROW,
        "account",
        f"the broker has refused the last {in_a_row} orders; see `fillbook orders`",
    )


def _length(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
