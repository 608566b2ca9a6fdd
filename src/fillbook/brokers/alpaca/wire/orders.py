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
from functools import lru_cache
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


def order(
    raw: object, aliases: SymbolAliases = NO_ALIASES, event: Row | None = None
) -> m.OrderReport:
    """Decode one order with its legs, and what *event* adds; legs have no legs."""
    found = row(raw, "order")
    rows = found.fields.get("legs")
    legs = tuple(_order(row(each, "leg"), aliases) for each in array(rows, "legs")) if rows else ()
    return _order(found, aliases, legs, event)


#: The fields of an order, by type, in the order in which `_order` names them.
_TEXTS: Final = ("id", "client_order_id", "status", "replaces", "replaced_by")
_TIMES: Final = ("updated_at", "created_at", "filled_at", "expires_at")
_NUMBERS: Final = (
    *("filled_qty", "filled_avg_price", "qty", "notional"),
    *("limit_price", "stop_price", "trail_price", "trail_percent"),
)


def _order(
    found: Row,
    aliases: SymbolAliases,
    legs: tuple[m.OrderReport, ...] = (),
    event: Row | None = None,
) -> m.OrderReport:
    broker_order_id, client_order_id, word, replaces, replaced_by = found.texts(_TEXTS)
    clock, created_at, last_fill_at, expires_at = found.times(_TIMES)
    filled, average, qty, notional, limit, stop, trail, percent = found.numbers(_NUMBERS)
    status, type_, time_in_force, order_class, known_side = _enums(found)
    name = symbol(found, aliases)
    if broker_order_id is None:
        raise found.invalid("id", "text")
    filled = filled or m.ZERO
    if filled and filled < 0:
        raise found.invalid("filled_qty", "zero or more")
    terms = m.Terms(
        symbol=name,
        side=known_side or m.OrderSide.BUY,
        type=type_,
        time_in_force=time_in_force,
        order_class=order_class,
        qty=qty,
        notional=notional,
        limit_price=limit,
        stop_price=stop,
        trail_price=trail,
        trail_percent=percent,
        extended_hours=found.flag("extended_hours"),
    )
    has_units = bool(name) and known_side is not None
    reason, executions, busts = None, _NO_FILLS, _NO_BUSTS
    if event is not None:
        reason = event.text("reason") or event.text("reject_reason")
        if has_units:
            executions, busts = _traded(event, broker_order_id, terms, filled)
    report = m.OrderReport(
        broker_order_id=broker_order_id,
        client_order_id=client_order_id,
        terms=terms,
        status=status,
        raw_status=word or "",
        filled_qty=filled,
        avg_price=average if average is not None and average > 0 else None,
        clock=clock,
        created_at=created_at,
        last_fill_at=last_fill_at,
        expires_at=expires_at,
        replaces=replaces,
        replaced_by=replaced_by,
        reason=reason,
        legs=legs,
        executions=executions,
        busts=busts,
    )
    return report if has_units else _without_quantities(report)


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


#: The fields with words of Alpaca.
_WORDS: Final = (
    *("status", "type", "order_type", "time_in_force"),
    *("order_class", "side", "position_intent"),
)
_Enums = tuple[m.OrderStatus, m.OrderType, m.TimeInForce, m.OrderClass, m.OrderSide | None]


def _enums(found: Row) -> _Enums:
    """Return the status, type, time in force, class and side of an order."""
    words = tuple(map(found.fields.get, _WORDS))
    try:
        return _enums_of(words)
    except TypeError:  # a list or an object
        return _enums_of.__wrapped__(words)


@lru_cache(maxsize=1024)
def _enums_of(words: tuple[object, ...]) -> _Enums:
    """Decode *words*, the values of `_WORDS`.  Cached, because few combinations occur."""
    found = Row("order", dict(zip(_WORDS, words, strict=True)))
    # Alpaca sends `type` and the deprecated `order_type`; the legs of old orders have one of them.
    type_field = "type" if found.fields["type"] else "order_type"
    return (
        found.enum("status", enums.STATUSES, m.OrderStatus.UNRECOGNISED),
        found.enum(type_field, enums.TYPES, m.OrderType.UNRECOGNISED),
        found.enum("time_in_force", enums.TIMES_IN_FORCE, m.TimeInForce.UNRECOGNISED),
        _order_class(found),
        side(found),
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
    if inner is None:
        return ()
    return (order(inner.fields.get("order"), aliases, inner),)


def event_of(raw: object) -> Row | None:
    """Find the event in *raw* (a frame, its inner part, or the JSON of either); else None."""
    frame = row(parse(raw) if isinstance(raw, (str, bytes)) else raw, "event")
    if "stream" not in frame.fields:
        return frame
    if frame.text("stream") != "trade_updates":
        return None
    return frame.row("data")  # Alpaca has sent null here


_NO_FILLS: Final[tuple[m.Execution, ...]] = ()
_NO_BUSTS: Final[tuple[m.TradeBust, ...]] = ()


def _traded(
    event: Row, broker_order_id: str, terms: m.Terms, filled: Decimal
) -> tuple[tuple[m.Execution, ...], tuple[m.TradeBust, ...]]:
    """Decode the executions and the busts of an event."""
    match event.text("event"):
        case "fill" | "partial_fill":
            return _executions(event, broker_order_id, terms, cum=filled or None), _NO_BUSTS
        case "trade_correct" if (corrected_id := event.text("previous_id")) is not None:
            # Without the corrected id it would count as another fill; the history has it.
            return _executions(event, broker_order_id, terms, fixes=corrected_id), _NO_BUSTS
        case "trade_bust":
            return _NO_FILLS, _busts(event, broker_order_id)
        case _:
            return _NO_FILLS, _NO_BUSTS


def _executions(
    event: Row,
    broker_order_id: str,
    terms: m.Terms,
    *,
    cum: Decimal | None = None,
    fixes: str | None = None,
) -> tuple[m.Execution, ...]:
    """Decode the execution of an event; empty without its figures: the order's total has it."""
    exec_id, at = event.text("execution_id"), event.time("timestamp")
    qty, price = event.number("qty"), event.above_zero("price")
    if exec_id is None or at is None or not qty or price is None:
        return ()
    return (
        m.Execution(
            source=m.ExecSource.STREAM,
            exec_id=exec_id,
            broker_order_id=broker_order_id,
            symbol=terms.symbol,
            side=terms.side,
            qty=abs(qty),
            price=price,
            at=at,
            cum_qty=cum,
            fixes=fixes,
        ),
    )


def _busts(event: Row, broker_order_id: str) -> tuple[m.TradeBust, ...]:
    exec_id = event.text("previous_id") or event.text("execution_id")
    if exec_id is None:
        return ()
    qty = event.number("qty")
    return (
        m.TradeBust(
            source=m.ExecSource.STREAM,
            exec_id=exec_id,
            broker_order_id=broker_order_id,
            qty=abs(qty) if qty else None,
            at=event.time("timestamp"),
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
