"""
The orders that were placed for a protection, and the cooldown that a filled stop begins.

A cooldown is decided on the record alone: it holds from the entry that has the fill, also while the
protection has not ended yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fillbook import model as m
from fillbook.core.checks.risk import period_of
from fillbook.model.journal.overlay import RecordReader

_STOPS: Final = frozenset({m.OrderType.STOP, m.OrderType.STOP_LIMIT, m.OrderType.TRAILING_STOP})


def exits_placed(records: RecordReader, protection: m.Protection) -> list[m.OrderRecord]:
    """Return the orders that were placed for a protection in this round trip, or that it kept."""
    return [record for record, _ in _placed(records, protection)]


def _placed(
    records: RecordReader, protection: m.Protection
) -> Iterator[tuple[m.OrderRecord, bool]]:
    """Yield those orders, and whether they close the part in place of a stop."""
    for name in protection.inherited:
        kept = records.get(m.OrderRecord, name)
        if kept is not None:
            yield kept, False
    for plan in records.find(m.Plan, "occasion", protection.occasion):
        for index, step in enumerate(plan.steps):
            if isinstance(step.action, m.PlaceOrder):
                for record in records.find(m.OrderRecord, "plan_step", plan.step_key(index)):
                    if record.client_order_id not in protection.inherited:
                        yield record, step.action.as_stop


def cooldown_of(records: RecordReader, protection: m.Protection) -> m.Cooldown | None:
    """Return the cooldown after the last stop of *protection* that was filled; None: none was."""
    seconds = protection.policy.cooldown_s
    if seconds is None:
        return None
    found = [
        (_filled_at(records, record), record.client_order_id)
        for record in _stops(records, protection)
        if record.order.filled_qty
    ]
    if not found:
        return None
    at, name = max(found)
    until = m.timestamp(m.moment(at) + period_of(seconds))
    return m.Cooldown(
        symbol=protection.symbol, strategy=protection.strategy, until=until, order=name
    )


def _filled_at(records: RecordReader, record: m.OrderRecord) -> m.Timestamp:
    """Return when an order last filled: the broker's time, else when our record changed."""
    fills = (x for name in record.ids for x in records.find(m.Movement, "owner", name))
    found = max((x.at for x in fills if x.kind is m.MoveKind.FILL), default=None)
    return found or record.seen_at or record.created_at


def _stops(records: RecordReader, protection: m.Protection) -> Iterator[m.OrderRecord]:
    """Yield the stops of the round trip, the legs of its entry included."""
    entry = records.get(m.Evidence, protection.opened_by or "")
    parents = [] if entry is None else [entry.client_order_id]
    for record, as_stop in _placed(records, protection):
        parents.append(record.client_order_id)
        if as_stop or _is_stop(record):
            yield record
    for name in parents:
        yield from filter(_is_stop, records.find(m.OrderRecord, "parent", name))


def _is_stop(record: m.OrderRecord) -> bool:
    """Whether an order is a stop, or an OCO in one order that was filled at its stop."""
    terms, price = record.terms, record.order.avg_price
    if terms.type in _STOPS:
        return True
    stop, limit = terms.stop_price, terms.limit_price
    if stop is None or limit is None or price is None:
        return False
    return abs(price - stop) < abs(price - limit)


def cooldown_on(records: RecordReader, symbol: str, strategy: str) -> m.Cooldown | None:
    """Return the newest cooldown of a strategy on *symbol*, which may have passed; None: none."""
    key = f"{symbol}/{strategy}"
    protection = records.get(m.Protection, key)
    open_one = None if protection is None else cooldown_of(records, protection)
    known = (x for x in (open_one, records.get(m.Cooldown, key)) if x is not None)
    return max(known, key=lambda x: x.until, default=None)
