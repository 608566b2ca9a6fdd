"""
External trades: the alert when an order that is not ours trades what the bot holds.

Its fills reduce the part without a strategy first, then those of the strategies, whose exits may
then be for too many units.  The alert is an entry of the transaction that records the trade, so
that there is one for each, whichever process records it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core import pairs
from fillbook.core.journal.checkpoints import fold_in
from fillbook.core.journal.draft import Draft
from fillbook.core.orders.client_ids import tag_of
from fillbook.desk.record.exit_reader import opening_order
from fillbook.desk.record.present_cover import cover_of_symbol
from fillbook.desk.record.recorder import Transaction
from fillbook.store import Reader

#: An average price is shown in these steps.
PRICE_STEP: Final = Decimal("0.000001")


def external_trade_alerts(transaction: Transaction, clock: Clock) -> list[m.Alert]:
    """Return the alerts for the external trades that *transaction* recorded, by their order."""
    reader = transaction.reader
    orders = _traded(reader, transaction.events)
    return [x for order in orders if (x := _alert(transaction, order, clock)) is not None]


def _traded(reader: Reader, events: Sequence[m.Event]) -> list[m.Order]:
    """Return the external orders that ended with fills, and those whose first fill this is."""
    found: dict[str, m.Order] = {}
    new = {x.fill.key for x in events if x.fill is not None}
    for event in events:
        order = event.order
        # Before its first report, an order of ours may look like an external one without a name.
        if order is None or order.client_order_id.startswith("?"):
            continue
        if order.origin is not m.Origin.EXTERNAL or order.strategy is not None:
            continue
        fills = _fills(reader, order).keys()
        is_first = event.kind is m.EventKind.FILL and fills <= new
        # Without fills a later entry of the transaction has given them to an order of ours.
        if fills and (is_first or event.kind is m.EventKind.FINAL):
            found[order.client_order_id] = order
    return list(found.values())


def _fills(reader: Reader, order: m.Order) -> dict[str, m.Movement]:
    record = reader.get(m.OrderRecord, order.client_order_id)
    rows = (x for i in (record.ids if record else ()) for x in reader.find(m.Movement, "owner", i))
    return {x.key: x for x in rows if x.kind is m.MoveKind.FILL}


def _alert(transaction: Transaction, order: m.Order, clock: Clock) -> m.Alert | None:
    """Return the alert for a trade of *order*; None: it is of no concern to the bot."""
    reader = transaction.reader
    held = pairs.holding_of(reader, order.symbol)
    after = reader.get(m.Position, held)
    if after is None or not _has_own_parts(reader, after):
        return None
    before = _without(transaction, held, _fills(reader, order))
    own = [
        name
        for name, part in before.by_strategy
        if part.qty and (name or opening_order(reader, part.opened_by or "") is not None)
    ]
    if not own or before.qty == after.qty:
        return None
    cover = [
        f"Exits of {x.title}: {str(x.cover).replace('_', ' ')}{x.why and f', {x.why}'}."
        for symbol in pairs.symbols_held_as(reader, held)
        for x in cover_of_symbol(reader, symbol, clock.now()).values()
    ]
    # The id of another record's order names its strategy; of any other, only the operator knows it.
    whose = tag_of(order.client_order_id) or "STRATEGY"
    text = [
        f"external trade: {_words(order)}.",
        f"The account holds {m.plain(after.qty)} {held}: {_parts(before, after)}.",
        *cover,
        f"To count it for one strategy: `fillbook assign {order.client_order_id} {whose}`",
    ]
    return m.Alert(m.AlertKind.EXTERNAL_TRADE, order.client_order_id, " ".join(text))


def _words(order: m.Order) -> str:
    verb = "bought" if order.side is m.OrderSide.BUY else "sold"
    price = "" if order.avg_price is None else f" at {m.plain(m.cut(order.avg_price, PRICE_STEP))}"
    rest = "" if order.is_final else ", still open"
    return (
        f"{verb} {m.plain(order.filled_qty)} {order.symbol}{price} (order "
        f"{order.client_order_id}, not sent by this record{rest})"
    )


def _parts(before: m.Position, after: m.Position) -> str:
    """Return what the trade did to the part of each strategy."""
    was, now = dict(before.by_strategy), dict(after.by_strategy)
    parts = []
    for name in sorted(was.keys() | now.keys()):
        old, new = (x[name].qty if name in x else m.ZERO for x in (was, now))
        if old or new:
            change = "" if old == new else f"{m.plain(old)} -> "
            parts.append(f"{name or 'no strategy'} {change}{m.plain(new)}")
    return ", ".join(parts)


def _has_own_parts(reader: Reader, position: m.Position) -> bool:
    """Return whether a strategy held a part, or an order of ours opened that without one."""
    parts = dict(position.by_strategy)
    opened_by = [part.opened_by for part in parts.values() if part.qty]
    where = {"symbol": [position.symbol]}
    for trade in reader.page(m.Trade, "closed", where=where, limit=1, newest=True):
        opened_by.append(trade.key.removeprefix(f"{trade.symbol}//{trade.opened_at}/"))
    return any(parts) or any(x and opening_order(reader, x) is not None for x in opened_by)


def _without(transaction: Transaction, symbol: str, fills: Mapping[str, m.Movement]) -> m.Position:
    """Return the position as it would be without *fills*."""
    draft = Draft(transaction.reader, 0, transaction.at)
    for key in fills:
        draft.drop(m.Movement, key)
    fold_in(draft, symbol, fills.values(), [])
    return draft.get(m.Position, symbol) or m.Position(symbol=symbol)
