"""
Watch: alerts for what takes too long, although no single event failed.

Pure: the result depends on the arguments only.  `desk.watch` raises each alert once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from fillbook import model as m

_S = m.OrderStatus
#: Statuses that wait for a reply of the broker.
_PENDING: Final = frozenset(
    {_S.UNPROVEN, _S.PENDING_NEW, _S.PENDING_CANCEL, _S.PENDING_REPLACE, _S.UNRECOGNISED}
)
_WORKING: Final = frozenset({_S.NEW, _S.PARTIALLY_FILLED})
#: What is said when the condition of an alert has ended; ``{}`` is what it was about.
ENDED: Final[Mapping[m.AlertKind, str]] = {
    m.AlertKind.BEFORE_SPLIT: "order {} no longer has the terms of before the split",
    m.AlertKind.DRIFT: "the record and the broker agree on {} again",
    m.AlertKind.FILLS_MISSING: "the fill history of order {} is complete",
    m.AlertKind.NAKED: "no part of {} is without its exits any more",
    m.AlertKind.REJECTED_IN_A_ROW: "the broker accepts orders again",
    m.AlertKind.SLOW_FILL: "order {} no longer waits for its fill",
    m.AlertKind.STALE: "the account is read again",
    m.AlertKind.STREAM_REFUSED: "the stream of the {} is connected again",
    m.AlertKind.STUCK: "order {} no longer waits for a report of the broker",
    m.AlertKind.UNDELIVERED: "alerts are delivered to {} again",
}
_IMMEDIATE: Final = frozenset({m.TimeInForce.IOC, m.TimeInForce.FOK})


def order_alerts(
    records: Iterable[m.OrderRecord], now: datetime, thresholds: m.Thresholds
) -> list[m.Alert]:
    """List the alerts for stuck and slowly filling orders among the tracked orders."""
    alerts = (order_alert(record, now, thresholds) for record in records)
    return [alert for alert in alerts if alert is not None]


def order_alert(record: m.OrderRecord, now: datetime, thresholds: m.Thresholds) -> m.Alert | None:
    """Return the alert for one order; None: it is neither stuck nor slow."""
    order, age = record.order, now - m.moment(record.seen_at or record.created_at)
    is_pending = order.status in _PENDING or order.pending is not None
    if is_pending and age >= timedelta(seconds=thresholds.stuck_s):
        pending = "" if order.pending is None else f" with a pending {order.pending}"
        return m.Alert(
            m.AlertKind.STUCK,
            record.client_order_id,
            f"order {record.client_order_id} has been {order.status}{pending} for {_duration(age)} "
            "without a report of the broker; it counts as live: check it at the broker",
        )
    is_immediate = order.type is m.OrderType.MARKET or order.time_in_force in _IMMEDIATE
    is_slow = is_immediate and order.status in _WORKING
    if is_slow and age >= timedelta(seconds=thresholds.slow_fill_s):
        return m.Alert(
            m.AlertKind.SLOW_FILL,
            record.client_order_id,
            f"order {record.client_order_id} is {order.status} after {_duration(age)}, although it "
            f"should fill at once: check it at the broker, or end it with `fillbook cancel "
            f"{record.client_order_id}`",
        )
    return None


def missing_fills_alert(
    record: m.OrderRecord, now: datetime, thresholds: m.Thresholds
) -> m.Alert | None:
    """Return the alert for an order of whose fills some have no execution; None: not for long."""
    order, age = record.order, now - m.moment(record.seen_at or record.created_at)
    is_overdue = age >= timedelta(seconds=thresholds.fills_missing_s)
    if order.is_complete or not order.filled_qty or not is_overdue:
        return None
    return m.Alert(
        m.AlertKind.FILLS_MISSING,
        record.client_order_id,
        f"order {record.client_order_id} filled {m.plain(order.filled_qty)}, but the broker's fill "
        f"history has not shown every fill for {_duration(age)}: the price and time of the missing "
        "ones are estimates; the history is read again at growing intervals",
    )


def split_alert(record: m.OrderRecord, splits: Iterable[m.Movement]) -> m.Alert | None:
    """Return an alert if a live order is in the terms of before one of *splits*, of its symbol."""
    order, intent = record.order, record.intent
    later = [x.at for x in splits if x.at > record.created_at]
    if intent is None or order.is_final or not later:
        return None
    request, terms = intent.request, record.terms
    prices = (request.limit_price, request.stop_price)
    is_adjusted = (terms.limit_price, terms.stop_price) != prices
    if prices == (None, None) or is_adjusted:
        return None
    text = (
        f"order {order.client_order_id} was placed before the split of {order.symbol} on "
        f"{max(later)[:10]}, and the broker has not adjusted it: cancel it, or replace it with the "
        "price and the quantity of today"
    )
    return m.Alert(m.AlertKind.BEFORE_SPLIT, order.client_order_id, text)


def account_alert(unread_for: timedelta, thresholds: m.Thresholds) -> m.Alert | None:
    """Return the alert for an account that was not read for too long; None: it was."""
    if unread_for < timedelta(seconds=thresholds.stale_s):
        return None
    return m.Alert(
        m.AlertKind.STALE,
        "account",
        f"the account could not be read for {_duration(unread_for)}: orders, positions and buying "
        "power are of that age. `fillbook doctor` shows what does not work",
    )


@m.exact
def is_alerted(found: m.Finding | m.OpenDrift, thresholds: m.Thresholds) -> bool:
    """Return whether a difference is large enough for an alert."""
    is_cash = isinstance(found.drift, m.WrongCash)
    least = thresholds.drift_cash if is_cash else thresholds.drift_notional
    return found.notional is None or found.notional > least


def rejection_alert(in_a_row: int, thresholds: m.Thresholds) -> m.Alert | None:
    """Return the alert for too many rejected orders in a row; None: there are fewer."""
    if in_a_row < thresholds.rejected_in_a_row:
        return None
    return m.Alert(
        m.AlertKind.REJECTED_IN_A_ROW,
        "account",
        f"the broker rejected the last {in_a_row} orders; see `fillbook orders`",
    )


def stream_alert(why: str, broker: str, streams_per_key: int | None, *, of_bot: bool) -> m.Alert:
    """Return the alert for a refused stream, of the bot (*of_bot*) or of the desk."""
    if of_bot:
        whose, effect = "the bot's own stream", "the bot receives no events"
    else:
        whose, effect = "the stream of the desk", "orders are polled only"
    to_do = "check the keys and the connection"
    if streams_per_key is not None:
        to_do = (
            f"a key has {streams_per_key} at a time: close the other one, or let the bot keep it, "
            "start the desk with start(listen=False), and pass the bot's events to desk.receive"
        )
    message = f"{whose} at {broker} is refused or lost ({why}): {effect}; {to_do}"
    return m.Alert(m.AlertKind.STREAM_REFUSED, "bot" if of_bot else "desk", message)


def undelivered_alert(sink: str, why: str) -> m.Alert:
    """Return the alert for a sink of alerts that fails; the other sinks and `watch` show it."""
    return m.Alert(
        m.AlertKind.UNDELIVERED,
        sink,
        f"alerts are not delivered to {sink} ({why}); see all of them with `fillbook watch`, or "
        "desk.events()",
    )


def resolved_alert(kind: m.AlertKind, about: str) -> m.Alert:
    """Return the notice that the condition of an alert, one of `ENDED`, has ended."""
    return m.Alert(kind, about, f"resolved: {ENDED[kind].format(about)}", resolved=True)


def _duration(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
