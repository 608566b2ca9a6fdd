"""
Decode Coinbase's orders.

The modules that decode (`orders`, `account`, `market`) are pure.  Their rules:

Rule 1: for any JSON, a function returns a value or raises `InvalidValue`.
Rule 2: an unknown enumeration value becomes UNRECOGNISED; a row without an id makes the whole page
        unreadable, because a page without that row would look complete.
Rule 3: a field may be missing, null or empty in answers of other years: only the id and the
        product are needed.

Other modules: `requests` encodes requests, `outcome` decodes refusals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from fillbook import model as m
from fillbook.brokers.coinbase.wire import enums, market
from fillbook.brokers.wire.fields import Row, array, row

_S: Final = m.OrderStatus
_WORKING: Final = frozenset({_S.PENDING_NEW, _S.ACCEPTED, _S.NEW, _S.PENDING_REPLACE})


@frozen
class OrderPage:
    """A page of spot orders, newest first, and the cursor of the next page; None: the last."""

    reports: tuple[m.OrderReport, ...]
    next: str | None


def order_page(raw: object) -> OrderPage:
    """Decode a page of orders; futures and perpetuals are left out."""
    found = row(raw, "orders")
    rows = [row(each, "order") for each in listed(found, "orders")]
    reports = tuple(_order(each) for each in rows if market.is_spot(_product(each)))
    return OrderPage(reports, next_cursor(found))


def listed(found: Row, name: str) -> Sequence[object]:
    """
    Return the rows of a page; null is none.

    Raises: InvalidValue if there is no such field, because `{}` is no page.
    """
    if name not in found.fields:
        raise found.invalid(name, "a list")
    return array(found.fields[name] or (), name)


def next_cursor(found: Row) -> str | None:
    """
    Return the cursor of the next page; None: this is the last one.

    Raises: InvalidValue if there is a next page and no cursor, because the rest is unknown.
    """
    cursor = found.text("cursor")
    if "has_next" in found.fields and not found.flag("has_next"):
        return None
    if cursor is None and found.flag("has_next"):
        raise found.invalid("cursor", "the cursor of the next page")
    return cursor


def order(raw: object) -> m.OrderReport:
    """Decode the reply with one order."""
    return _order(row(row(raw, "reply").fields.get("order"), "order"))


def _product(found: Row) -> str:
    return found.need_text("product_id").upper()


def _order(found: Row) -> m.OrderReport:
    found = Row(f"order {found.need_text('order_id')}", found.fields)
    filled = found.number("filled_size") or m.ZERO
    if filled < 0:
        raise found.invalid("filled_size", "zero or more")
    kind, terms = _configuration(found)
    shown = status(found, filled)
    return m.OrderReport(
        broker_order_id=found.need_text("order_id"),
        client_order_id=found.text("client_order_id"),
        terms=_terms(found, kind, terms),
        status=shown,
        raw_status=found.text("status") or "",
        filled_qty=filled,
        avg_price=found.above_zero("average_filled_price"),
        filled_value=found.number("filled_value"),
        fill_count=_count(found),
        created_at=found.time("created_time"),
        last_fill_at=found.time("last_fill_time"),
        expires_at=terms.time("end_time"),
        # That of a filled market order is about a rest below an increment.
        reason=None if shown is _S.FILLED else _reason(found),
    )


def status(found: Row, filled: Decimal) -> m.OrderStatus:
    """Return the status: a partial fill and a pending cancel are not in Coinbase's word."""
    known = found.enum("status", enums.STATUSES, _S.UNRECOGNISED)
    if known in _WORKING and found.flag("pending_cancel"):
        return _S.PENDING_CANCEL
    return _S.PARTIALLY_FILLED if known is _S.NEW and filled else known


def _configuration(found: Row) -> tuple[str | None, Row]:
    """Return the key and the fields of the configuration; it has been null."""
    raw: Mapping[str, Any] = found.fields.get("order_configuration") or {}
    if isinstance(raw, dict):
        for name, terms in raw.items():
            if name in enums.CONFIGURATIONS and isinstance(terms, dict):
                return name, Row(f"{found.what}, {name}", terms)
    return None, Row(found.what, {})


def _terms(found: Row, kind: str | None, terms: Row) -> m.Terms:
    own_type, own_time = enums.CONFIGURATIONS.get(
        kind or "", (m.OrderType.UNRECOGNISED, m.TimeInForce.UNRECOGNISED)
    )
    is_bracket = found.text("order_type") == "BRACKET" or (kind or "").startswith("trigger")
    side = found.enum("side", enums.SIDES, None)
    if side is None:
        raise found.invalid("side", "buy or sell")
    known = found.enum("order_type", enums.TYPES, own_type)
    way = terms.text("stop_direction")
    if way is not None and way != enums.STOP_WAYS[side]:
        known = m.OrderType.UNRECOGNISED  # it takes a profit, and is no protection
    in_quote = found.flag("size_in_quote")
    qty, notional = terms.number("base_size"), terms.number("quote_size")
    return m.Terms(
        symbol=market.symbol(_product(found)),
        side=side,
        type=known,
        time_in_force=found.enum("time_in_force", enums.TIMES_IN_FORCE, own_time),
        order_class=m.OrderClass.OCO if is_bracket else m.OrderClass.SIMPLE,
        qty=None if in_quote else qty,
        notional=notional if in_quote or qty is None else None,
        limit_price=terms.above_zero("limit_price"),
        stop_price=terms.above_zero("stop_price") or terms.above_zero("stop_trigger_price"),
    )


def _count(found: Row) -> int | None:
    number = found.number("number_of_fills")
    return None if number is None or number != number.to_integral_value() else int(number)


def _reason(found: Row) -> str | None:
    for name in ("reject_message", "cancel_message"):
        if text := found.text(name):
            return text
    reason = found.text("reject_reason")
    return None if reason == enums.NO_REASON else reason
