"""
The running sums of what the open orders of a symbol may still fill.

`sums_of` is the definition.  `updated` keeps the stored sums equal to it: an entry that changes an
order exchanges the part of its group, whatever the number of open orders.  A group is an order with
its legs: of the exits of one bracket only one can fill, so the largest counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from fillbook import model as m
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader
from fillbook.model.orders.open_quantity import OpenQuantity, OpenSum
from fillbook.model.orders.order import may_fill

#: Symbol, side, and strategy (None: all).
_Key = tuple[str, m.OrderSide, str | None]


@m.exact
def sums_of(records: Iterable[m.OrderRecord]) -> dict[str, OpenQuantity]:
    """Return the sums of all orders, by symbol."""
    groups: dict[str, list[m.OrderRecord]] = defaultdict(list)
    for record in records:
        groups[_group_of(record)].append(record)
    totals: dict[_Key, OpenSum] = {}
    for group in groups.values():
        _add(totals, _parts(group), 1)
    return _by_symbol(totals)


@m.exact
def updated(
    changed: Iterable[tuple[m.OrderRecord | None, m.OrderRecord | None]],
    before: RecordReader,
    after: RecordReader,
) -> list[OpenQuantity]:
    """
    Return the sums that change with these orders; those of a symbol without open orders are empty.

    *changed* are the orders before and after (None: there is none), *before* and *after* the
    records.
    """
    groups: dict[str, dict[str, m.OrderRecord]] = {}
    for old, new in changed:
        if _figures(old) != _figures(new):
            for record in (old, new):
                if record is not None:
                    groups.setdefault(_group_of(record), {})
            if old is not None:
                groups[_group_of(old)][old.client_order_id] = old
    totals: dict[_Key, OpenSum] = {}
    for group, was in groups.items():
        now = _members(after, group)
        for record in now:
            old = before.get(m.OrderRecord, record.client_order_id)
            if old is not None and _group_of(old) == group:
                was[old.client_order_id] = old
        _add(totals, _parts(was.values()), -1)
        _add(totals, _parts(now), 1)
    symbols = dict.fromkeys(symbol for symbol, _, _ in totals)
    return [_updated(after.get(OpenQuantity, x) or OpenQuantity(x), totals) for x in symbols]


def _updated(known: OpenQuantity, changes: dict[_Key, OpenSum]) -> OpenQuantity:
    totals = {(known.symbol, x.side, x.strategy): x for x in known.sums}
    _add(totals, {key: x for key, x in changes.items() if key[0] == known.symbol}, 1)
    return _by_symbol(totals).get(known.symbol, OpenQuantity(known.symbol))


def _members(records: RecordReader, group: str) -> list[m.OrderRecord]:
    """Return the order *group* and its legs."""
    own = records.get(m.OrderRecord, group)
    is_own = own is not None and _group_of(own) == group
    legs = records.find(m.OrderRecord, "parent", group)
    return [*([own] if own is not None and is_own else []), *legs]


def _group_of(record: m.OrderRecord) -> str:
    return record.order.parent or record.client_order_id


def _figures(record: m.OrderRecord | None) -> object:
    """Return what the part of an order depends on."""
    if record is None or not _counts(record):
        return None
    order = record.order
    return _group_of(record), order.symbol, order.side, order.strategy, order.leaves_qty


def _counts(record: m.OrderRecord) -> bool:
    """Return whether an order was sent, or has been reported, and may still fill."""
    return bool(record.requests or record.ids) and may_fill(record.order)


def _parts(group: Iterable[m.OrderRecord]) -> dict[_Key, OpenSum]:
    """Return what one group adds to each sum."""
    orders: dict[_Key, list[m.Order]] = defaultdict(list)
    for record in filter(_counts, group):
        order = record.order
        orders[order.symbol, order.side, None].append(order)
        orders[order.symbol, order.side, order.strategy or ""].append(order)
    return {key: _part(key, found) for key, found in orders.items()}


def _part(key: _Key, orders: list[m.Order]) -> OpenSum:
    known = [x.leaves_qty for x in orders if x.leaves_qty is not None]
    unlimited = int(len(known) < len(orders))
    leaves: Decimal = ZERO if unlimited else max(known)
    return OpenSum(key[1], key[2], leaves, unlimited, len(orders))


def _add(totals: dict[_Key, OpenSum], parts: dict[_Key, OpenSum], sign: int) -> None:
    for key, part in parts.items():
        known = totals.get(key, OpenSum(key[1], key[2]))
        totals[key] = OpenSum(
            known.side,
            known.strategy,
            known.leaves + sign * part.leaves,
            known.unlimited + sign * part.unlimited,
            known.orders + sign * part.orders,
        )


def _by_symbol(totals: dict[_Key, OpenSum]) -> dict[str, OpenQuantity]:
    """Return the sums that are not of 0 orders, in order of side and strategy."""
    found: dict[str, list[OpenSum]] = defaultdict(list)
    for (symbol, _, _), total in totals.items():
        if total.orders:
            found[symbol].append(total)
    by_side_and_strategy = (
        (symbol, sorted(sums, key=lambda x: (x.side, x.strategy is not None, x.strategy or "")))
        for symbol, sums in found.items()
    )
    return {symbol: OpenQuantity(symbol, tuple(sums)) for symbol, sums in by_side_and_strategy}
