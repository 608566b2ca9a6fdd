"""
Decode Alpaca's orders and order events.

The modules that decode (`orders`, `account`, `market`) are pure: no network, no SDK, no
clock.  Their rules:

Rule 1: for any JSON, a function returns a value or raises `InvalidValue`.
Rule 2: an unknown enumeration value becomes UNRECOGNISED; a row without an id or a
        quantity makes the whole page unreadable, because a page without that row would
        look complete.
Rule 3: `aliases` maps Alpaca's other symbols to ours (``BTCUSD`` in positions is
        ``BTC/USD`` in orders); it comes from the asset list.

Other modules: `requests` encodes requests, `outcome` decodes rejects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from attrs import evolve, frozen

from fillbook import model as m
from fillbook.brokers.alpaca.wire import enums
from fillbook.brokers.wire.fields import Row, array, parse, row
from fillbook.errors import InvalidValue

SymbolAliases = Mapping[str, str]
NO_ALIASES: Final[SymbolAliases] = {}


def symbol(found: Row, aliases: SymbolAliases) -> str:
    """Return our symbol of *found*; empty if it has none."""
    name = (found.text("symbol") or "").strip().upper()
    return aliases.get(name, name) if aliases and _may_be_crypto(found) else name


def unresolved_crypto_symbols(rows: Iterable[object]) -> frozenset[str]:
    """Find the symbols of crypto pairs without a slash, which only the asset list resolves."""
    found = (Row("row", each) for each in rows if isinstance(each, dict))
    named = ((each, each.fields.get("symbol")) for each in found if _is_crypto(each))
    return frozenset(
        name.strip().upper() for _, name in named if isinstance(name, str) and "/" not in name
    )


def _is_crypto(found: Row) -> bool:
    return found.fields.get("asset_class") == "crypto" or (
        found.fields.get("activity_type") == "CFEE"
    )


def _may_be_crypto(found: Row) -> bool:
    return not found.fields.get("asset_class") or _is_crypto(found)


@frozen
class OrderPage:
    """
    A page of orders.

    `rows` counts legs too, because Alpaca's limit may count them; `last` is the id of the last
    order (None: no orders).
    """

    reports: tuple[m.OrderReport, ...]
    rows: int
    last: str | None


def order_page(raw: object, aliases: SymbolAliases = NO_ALIASES) -> OrderPage:
    """Decode a list of orders, with their legs nested."""
    reports = tuple(order(each, aliases) for each in array(raw, "orders"))
    rows = sum(1 + len(report.legs) for report in reports)
    return OrderPage(reports, rows, reports[-1].broker_order_id if reports else None)


def order(raw: object, aliases: SymbolAliases = NO_ALIASES) -> m.OrderReport:
    """Decode one order with its legs; legs have no legs."""
    found = row(raw, "order")
    rows = found.fields.get("legs")
    legs = tuple(_order(row(each, "leg"), aliases) for each in array(rows, "legs")) if rows else ()
    return _order(found, aliases, legs)


def _order(
    found: Row, aliases: SymbolAliases, legs: tuple[m.OrderReport, ...] = ()
) -> m.OrderReport:
    found_side, name = side(found), symbol(found, aliases)
    filled = found.number("filled_qty") or m.ZERO
    if filled < 0:
        raise found.invalid("filled_qty", "zero or more")
    report = m.OrderReport(
        broker_order_id=found.need_text("id"),
        client_order_id=found.text("client_order_id"),
        terms=_terms(found, name, found_side or m.OrderSide.BUY),
        status=found.enum("status", enums.STATUSES, m.OrderStatus.UNRECOGNISED),
        raw_status=found.text("status") or "",
        filled_qty=filled,
        avg_price=found.above_zero("filled_avg_price"),
        clock=found.time("updated_at"),
        created_at=found.time("created_at"),
        last_fill_at=found.time("filled_at"),
        expires_at=found.time("expires_at"),
        replaces=found.text("replaces"),
        replaced_by=found.text("replaced_by"),
        legs=legs,
    )
    return report if name and found_side is not None else _without_quantities(report)


def _without_quantities(report: m.OrderReport) -> m.OrderReport:
    """
    Remove the quantities of an order without a symbol or a side.

    The parent of a multi-leg order is one: it counts strategies; its legs have the units.
    Any other such order is UNRECOGNISED, which counts as open.
    """
    is_multi_leg = not report.terms.symbol and bool(report.legs)
    return evolve(
        report,
        terms=evolve(report.terms, qty=None, order_class=m.OrderClass.UNRECOGNISED),
        status=report.status if is_multi_leg else m.OrderStatus.UNRECOGNISED,
        filled_qty=m.ZERO,
        avg_price=None,
    )


def _terms(found: Row, name: str, found_side: m.OrderSide) -> m.Terms:
    # Alpaca sends `type` and the deprecated `order_type`; the legs of old orders have one of them.
    type_field = "type" if found.fields.get("type") else "order_type"
    return m.Terms(
        symbol=name,
        side=found_side,
        type=found.enum(type_field, enums.TYPES, m.OrderType.UNRECOGNISED),
        time_in_force=found.enum("time_in_force", enums.TIMES_IN_FORCE, m.TimeInForce.UNRECOGNISED),
        order_class=_order_class(found),
        qty=found.number("qty"),
        notional=found.number("notional"),
        limit_price=found.number("limit_price"),
        stop_price=found.number("stop_price"),
        trail_price=found.number("trail_price"),
        trail_percent=found.number("trail_percent"),
        extended_hours=found.flag("extended_hours"),
    )


def _order_class(found: Row) -> m.OrderClass:
    if not found.fields.get("order_class"):
        return m.OrderClass.SIMPLE
    return found.enum("order_class", enums.CLASSES, m.OrderClass.UNRECOGNISED)


def side(found: Row) -> m.OrderSide | None:
    """Return the side; None for any other value."""
    found_side = found.enum("side", enums.SIDES, None)
    return found_side or found.enum("position_intent", enums.SIDES, None)


def events(raw: object, aliases: SymbolAliases = NO_ALIASES) -> tuple[m.OrderReport, ...]:
    """
    Decode the report in a frame of the stream or in its inner part; empty for other frames.

    Source: https://docs.alpaca.markets/docs/websocket-streaming.
    """
    inner = event_of(raw)
    return () if inner is None else (_event(inner, aliases),)


def event_of(raw: object) -> Row | None:
    """Find the event in *raw* (a frame, its inner part, or the JSON of either); else None."""
    frame = row(parse(raw) if isinstance(raw, (str, bytes)) else raw, "event")
    if "stream" not in frame.fields:
        return frame
    if frame.text("stream") != "trade_updates":
        return None
    return frame.row("data")  # Alpaca has sent null here


def _event(found: Row, aliases: SymbolAliases) -> m.OrderReport:
    raw = found.fields.get("order")
    report = order(raw, aliases)
    report = evolve(report, reason=found.text("reason") or found.text("reject_reason"))
    if not report.terms.symbol or side(row(raw, "order")) is None:
        return report  # without a symbol or a side there is no execution
    match found.text("event"):
        case "fill" | "partial_fill":
            cum = report.filled_qty or None
            return evolve(report, executions=_stream_executions(found, report, cum, fixes=None))
        case "trade_correct" if (corrected_id := found.text("previous_id")) is not None:
            # Without the corrected id it would count as another fill; the history has it.
            return evolve(
                report, executions=_stream_executions(found, report, None, fixes=corrected_id)
            )
        case "trade_bust":
            return evolve(report, voids=_busts(found, report))
        case _:
            return report


def _stream_executions(
    found: Row, report: m.OrderReport, cum: Decimal | None, *, fixes: str | None
) -> tuple[m.Execution, ...]:
    """Decode the execution of an event; empty without its figures: the order's total has it."""
    exec_id, at = found.text("execution_id"), found.time("timestamp")
    qty, price = found.number("qty"), found.above_zero("price")
    if exec_id is None or at is None or not qty or price is None:
        return ()
    return (
        m.Execution(
            source=m.ExecSource.STREAM,
            exec_id=exec_id,
            broker_order_id=report.broker_order_id,
            symbol=report.terms.symbol,
            side=report.terms.side,
            qty=abs(qty),
            price=price,
            at=at,
            cum_qty=cum,
            fixes=fixes,
        ),
    )


def _busts(found: Row, report: m.OrderReport) -> tuple[m.TradeBust, ...]:
    exec_id = found.text("previous_id") or found.text("execution_id")
    if exec_id is None:
        return ()
    qty = found.number("qty")
    return (
        m.TradeBust(
            source=m.ExecSource.STREAM,
            exec_id=exec_id,
            broker_order_id=report.broker_order_id,
            qty=abs(qty) if qty else None,
            at=found.time("timestamp"),
        ),
    )


def typed_event(event: object) -> m.OrderReport:
    """
    Decode a typed event or order of alpaca-py, without its quantities, prices and times.

    alpaca-py has made floats of the numbers and truncated the times, so only text is used.
    Raises: InvalidValue for other objects.
    """
    typed = getattr(event, "order", event)
    if getattr(typed, "id", None) is None:
        raise InvalidValue(f"{type(event).__name__} is not an event of Alpaca")
    return order({name: _text(getattr(typed, name, None)) for name in _TYPED_FIELDS})


_TYPED_FIELDS: Final = (
    "id",
    "client_order_id",
    "symbol",
    "asset_class",
    "side",
    "type",
    "time_in_force",
    "order_class",
    "status",
    "replaces",
    "replaced_by",
)


def _text(value: object) -> str | None:
    """Return the text of a UUID, an enum member or a string."""
    return None if value is None else str(getattr(value, "value", value))
