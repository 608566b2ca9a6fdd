"""
The trades of a bot's own record: rows of any source, read as `LocalTrade`, and their identity.

What a row means has to be certain: a number with a comma, a date whose day and month may be
swapped, and a time without a zone are unreadable unless the caller says how they are meant.

Other half: `core.plans.catch_up`, which compares the trades with the account.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.errors import InvalidValue

#: The fields of a trade, each with the names that its column may have; capitals do not matter.
FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "symbol": ("symbol", "ticker"),
    "side": ("side", "action"),
    "qty": ("qty", "quantity", "shares"),
    "at": ("at", "time", "timestamp", "datetime", "date"),
    "price": ("price",),
    "fee": ("fee", "fees", "commission"),
    "trade_id": ("trade_id", "id"),
    "client_order_id": ("client_order_id", "order_id"),
    "strategy": ("strategy",),
}
REQUIRED: Final = ("symbol", "qty", "at")

_SIDES: Final = {
    **dict.fromkeys(("buy", "b", "bot", "bought"), m.OrderSide.BUY),
    **dict.fromkeys(("sell", "s", "sld", "sold"), m.OrderSide.SELL),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HAS_ZONE: Final = re.compile(r".*\d[T ].*(?:[Zz]|[+-]\d{2}:?\d{2})")
#: The digits of a count since 1970, and how many of its units are a second.
_EPOCH_UNITS: Final = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
#: The maximum length of the text of a row that is unreadable.
TEXT_MAX: Final = 200


@frozen
class TradeFormat:
    """
    How the rows of a source are read.

    `columns` names the column of each field that it has.  `zone` is that of times without one
    (None: such a time is unreadable).  `date_format` is the `strptime` format of times; None: ISO
    8601, or a count of seconds, milliseconds, microseconds or nanoseconds since 1970.  `strategy`
    is that of rows which name none.
    """

    columns: Mapping[str, str]
    zone: tzinfo | None = None
    date_format: str | None = None
    strategy: str | None = None


def columns_of(names: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return the column of each field, among the columns *names* of a source.

    *given* names columns by field; the other fields have the column of their own name.  Raises:
    InvalidValue if a column is not there, or one that every trade needs.
    """
    by_name = {name.strip().lower(): name for name in names}
    found: dict[str, str] = {}
    for field, column in (given or {}).items():
        if field not in FIELDS:
            raise InvalidValue(f"a trade has no field {field!r}; it has {', '.join(FIELDS)}")
        if column.strip().lower() not in by_name:
            raise InvalidValue(
                f"there is no column {column!r}; the columns are {', '.join(by_name.values())}"
            )
        found[field] = by_name[column.strip().lower()]
    for field, known in FIELDS.items():
        own = next((by_name[x] for x in known if x in by_name), None)
        if own is not None and own not in found.values():
            found.setdefault(field, own)
    missing = [field for field in REQUIRED if field not in found]
    if missing:
        raise InvalidValue(
            f"no column is known for {', '.join(missing)}; name it, as in "
            f"{missing[0]}=… (the columns are {', '.join(by_name.values())})"
        )
    return found


def read_trade(
    row: Mapping[str | None, object], line: int, how: TradeFormat
) -> m.LocalTrade | m.UnreadableTrade:
    """Read one row, which is number *line* of its source."""
    cells = {field: _cell(row.get(column)) for field, column in how.columns.items()}
    try:
        if None in row:
            raise InvalidValue("it has more cells than there are columns")
        qty = _number(cells.get("qty"), "qty")
        side = _side(cells.get("side"), qty)
        return m.LocalTrade(
            symbol=_text(cells.get("symbol"), "symbol"),
            side=side,
            qty=abs(qty),
            at=_time(cells.get("at"), how),
            price=_number_or_none(cells.get("price"), "price"),
            fee=_number_or_none(cells.get("fee"), "fee"),
            trade_id=_text_or_none(cells.get("trade_id")),
            client_order_id=_text_or_none(cells.get("client_order_id")),
            strategy=_text_or_none(cells.get("strategy")) or how.strategy,
            line=line,
        )
    except InvalidValue as error:
        text = ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
        return m.UnreadableTrade(line, text[:TEXT_MAX], str(error))


def identities(
    trades: Iterable[m.LocalTrade | m.UnreadableTrade],
) -> list[tuple[m.LocalTrade | m.UnreadableTrade, str, int]]:
    """
    Return each row with its identity and its number among the rows that equal it, from 1.

    The identity is the same in every file: the id of the row if it has one; else what it says, and
    how many rows before say the same.
    """
    found, counts = list[tuple[m.LocalTrade | m.UnreadableTrade, str, int]](), Counter[str]()
    for trade in trades:
        if isinstance(trade, m.UnreadableTrade):
            found.append((trade, "", 1))
            continue
        words = [trade.strategy or "", trade.trade_id or ""]
        if trade.trade_id is None:
            words += [trade.symbol, trade.side, m.plain(trade.qty), trade.at]
            words += [trade.client_order_id or ""]
        name = "".join(f"{len(x)}:{x}" for x in words)  # unique for each list of words
        counts[name] += 1
        number = counts[name]
        same = "" if trade.trade_id is not None else f"#{number}"
        key = f"{name}{same}".encode("utf-8", "backslashreplace")
        found.append((trade, hashlib.sha256(key).hexdigest()[:32], number))
    return found


def _cell(value: object) -> object:
    value = value.strip() if isinstance(value, str) else value
    is_nan = value != value  # a missing value of a table library
    return None if value == "" or is_nan else value


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def _text(value: object, field: str) -> str:
    if value is None:
        raise InvalidValue(f"there is no {field}")
    return str(value)


def _number_or_none(value: object, field: str) -> Decimal | None:
    return None if value is None else _number(value, field)


def _number(value: object, field: str) -> Decimal:
    if value is None:
        raise InvalidValue(f"there is no {field}")
    if isinstance(value, str) and "," in value:
        raise InvalidValue(
            f"{field} {value!r} has a comma, which may separate thousands or decimals; write it "
            "with a decimal point only"
        )
    try:
        return m.number(value)  # type: ignore[arg-type]
    except InvalidValue as error:
        raise InvalidValue(f"{field}: {error}") from None


def _side(value: object, qty: Decimal) -> m.OrderSide:
    """Return the side; a negative quantity is that of a sell, with or without a side."""
    if not qty:
        raise InvalidValue("qty is 0")
    if value is None:
        return m.OrderSide.BUY if qty > 0 else m.OrderSide.SELL
    side = _SIDES.get(str(value).lower())
    if side is None:
        raise InvalidValue(f"side must be buy or sell, not {value!r}")
    if side is m.OrderSide.BUY and qty < 0:
        raise InvalidValue(f"the side is buy, and qty is negative ({m.plain(qty)})")
    return side


def _time(value: object, how: TradeFormat) -> m.Timestamp:
    if value is None:
        raise InvalidValue("there is no time")
    if isinstance(value, str) and how.date_format is None and _HAS_ZONE.fullmatch(value):
        try:
            return m.timestamp(value)  # with every digit
        except InvalidValue:
            pass
    found = _datetime(value, how.date_format)
    if found.tzinfo is None:
        if how.zone is None:
            raise InvalidValue(f"the time {value} has no zone; give the zone of the rows (tz)")
        found = found.replace(tzinfo=how.zone)
    return m.timestamp(found)


def _datetime(value: object, date_format: str | None) -> datetime:
    """Return a time, without its zone if it has none."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone follows
    text = str(value)
    try:
        if date_format is not None:
            return datetime.strptime(text, date_format)  # noqa: DTZ007 - the zone follows
        whole = text.partition(".")[0]
        if whole.isdigit() and len(whole) in _EPOCH_UNITS:
            micros = m.cut(m.number(text) * 10**6 / _EPOCH_UNITS[len(whole)], Decimal(1))
            return _EPOCH + timedelta(microseconds=int(micros))
        return datetime.fromisoformat(text)
    except ValueError:
        wanted = "ISO 8601, as 2026-01-05 14:30:00" if date_format is None else date_format
        raise InvalidValue(
            f"the time {text!r} is not {wanted}; name the format of the rows (date_format)"
        ) from None
