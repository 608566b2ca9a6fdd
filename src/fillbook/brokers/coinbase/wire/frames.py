"""
Decode the frames of the channel `user`: totals of orders, without executions.

Pure, by the rules of `orders`.  Every field but the id and the status may be missing.

Rule 1: a product that is an alias is reported under the name of its book, so the symbol of an order
        is that of its create or of a read.  An order whose symbol is not known is left out.
Rule 2: the quantity of an order is cumulative + leaves only while it works; of a filled one it is
        the cumulative; of any other end it is unknown, because leaves may be zeroed.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.brokers.coinbase.wire import enums, orders
from fillbook.brokers.wire.fields import Row, array, parse, row

_S: Final = m.OrderStatus

#: Returns our symbol of an order, by its id, its client order id and the product that is reported.
SymbolOf = Callable[[str, str | None, str], str | None]


@frozen
class Frame:
    """A frame: its channel (None: an error), its number (None: it has none), and its text."""

    channel: str | None
    number: int | None
    fields: Row

    @property
    def message(self) -> str:
        return self.fields.text("message") or "without a message"

    def subscriptions(self) -> frozenset[str]:
        """Return the channels that the client is subscribed to."""
        found: set[str] = set()
        for each in array(self.fields.fields.get("events") or (), "events"):
            inner = row(each, "event").row("subscriptions")
            found |= set() if inner is None else {str(name) for name in inner.fields}
        return frozenset(found)


def frame(raw: object) -> Frame:
    """Decode the head of a frame: a dict, or its JSON.  Raises: InvalidValue."""
    found = row(parse(raw) if isinstance(raw, (str, bytes)) else raw, "frame")
    number = found.number("sequence_num")
    return Frame(found.text("channel"), None if number is None else int(number), found)


def reports(found: Frame, symbol_of: SymbolOf) -> tuple[m.OrderReport, ...]:
    """Decode the orders of a frame of the channel `user`; empty for other channels."""
    if found.channel != "user":
        return ()
    events = array(found.fields.fields.get("events"), "events")
    rows = [
        row(each, "order")
        for event in events
        for each in array(row(event, "event").fields.get("orders") or (), "orders")
    ]
    made = (_order(each, symbol_of) for each in rows)
    return tuple(each for each in made if each is not None)


def _order(found: Row, symbol_of: SymbolOf) -> m.OrderReport | None:
    name, order_id = found.text("client_order_id"), found.need_text("order_id")
    found = Row(f"order {order_id}", found.fields)
    symbol = symbol_of(order_id, name, (found.text("product_id") or "").upper())
    side = found.enum("order_side", enums.SIDES, None)
    if symbol is None or side is None:
        return None
    filled = found.number("cumulative_quantity") or m.ZERO
    if filled < 0:
        raise found.invalid("cumulative_quantity", "zero or more")
    shown = orders.status(found, filled)
    kind = (found.text("order_type") or "").lower().replace(" ", "_")
    terms = m.Terms(
        symbol=symbol,
        side=side,
        type=enums.TYPES.get(kind, m.OrderType.UNRECOGNISED),
        time_in_force=found.enum("time_in_force", enums.TIMES_IN_FORCE, m.TimeInForce.UNRECOGNISED),
        order_class=m.OrderClass.OCO if kind == "bracket" else m.OrderClass.SIMPLE,
        qty=_qty(found, shown, filled, kind),
        limit_price=found.above_zero("limit_price"),
        stop_price=found.above_zero("stop_price"),
    )
    count = found.number("number_of_fills")
    return m.OrderReport(
        broker_order_id=order_id,
        client_order_id=name,
        terms=terms,
        status=shown,
        raw_status=found.text("status") or "",
        filled_qty=filled,
        avg_price=found.above_zero("avg_price"),
        filled_value=found.number("filled_value"),
        fill_count=None if count is None else int(count),
        created_at=found.time("creation_time"),
        reason=None if shown is _S.FILLED else _reason(found),
    )


def _qty(found: Row, status: m.OrderStatus, filled: Decimal, kind: str) -> Decimal | None:
    leaves = found.number("leaves_quantity")
    if kind == "market" or leaves is None:
        return None  # it may be sized in the quote
    if status is _S.FILLED:
        return filled or None
    return None if status in m.ENDINGS else filled + leaves


def _reason(found: Row) -> str | None:
    names: Sequence[str] = ("reject_reason", "reject_Reason", "cancel_reason")
    found_in = (text for name in names if (text := found.text(name)))
    return next((text for text in found_in if text != enums.NO_REASON), None)
