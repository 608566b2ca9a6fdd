"""
Reads the trades of a bot's own record: a CSV or JSONL file, a query of SQLite, or any rows.

Every row becomes a `LocalTrade` or an `UnreadableTrade`; none is left out.  Other half:
`core.plans.local_trades`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, time, tzinfo
from os import PathLike
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.local_trades import TEXT_MAX, TradeFormat, columns_of, read_trade
from fillbook.core.pnl.comparison import BotRecord
from fillbook.errors import InvalidValue, cause

#: What `read_trades` accepts.
TradeSource = str | PathLike[str] | Iterable[m.LocalTrade | m.UnreadableTrade | Mapping[str, Any]]

_JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
_SQLITE: Final = frozenset({".db", ".sqlite", ".sqlite3"})
_DELIMITERS: Final = (",", ";", "\t", "|")
#: So many rows that are no trades are named in an error.
_SHOWN: Final = 20


def read_trades(
    source: TradeSource,
    *,
    columns: Mapping[str, str] | None = None,
    tz: str | tzinfo | None = None,
    date_format: str | None = None,
    query: str | None = None,
    strategy: str | None = None,
) -> list[m.LocalTrade | m.UnreadableTrade]:
    """
    Read the trades of a bot's own record; a row that is no trade is returned as unreadable.

    *source* is a path (`.csv`, `.jsonl`, or an SQLite database, which *query* reads), or rows:
    mappings and trades.  *columns* names the column of a field, ``{"qty": "Shares"}``; a field
    whose column has its name needs none.  *tz* is the zone of times without one, as
    ``"America/New_York"``, *date_format* their format (None: ISO 8601, or a count since 1970).
    *strategy* is that of rows which name none.

    Raises: InvalidValue: the source cannot be read, or a column is missing.
    """
    if isinstance(source, str | PathLike):
        rows: list[Any] = _rows_of_file(Path(source), query)
    elif query is not None:
        raise InvalidValue("a query needs the path of an SQLite database")
    else:
        rows = list(source)
    names = dict.fromkeys(x for row in rows if isinstance(row, Mapping) for x in row)
    how = None
    if names:
        known = [x for x in names if isinstance(x, str)]
        how = TradeFormat(columns_of(known, columns), time_zone(tz), date_format, strategy)
    return [_trade(row, line, how) for line, row in enumerate(rows, start=1)]


def _trade(row: Any, line: int, how: TradeFormat | None) -> m.LocalTrade | m.UnreadableTrade:
    if isinstance(row, m.LocalTrade):
        return row if row.line else evolve(row, line=line)
    if isinstance(row, m.UnreadableTrade):
        return row
    if how is None or not isinstance(row, Mapping):
        return m.UnreadableTrade(line, ascii(row)[:TEXT_MAX], "the row is not one of named columns")
    return read_trade(row, line, how)


def time_zone(tz: str | tzinfo | None) -> tzinfo | None:
    """Return the time zone of that name. Raises: InvalidValue."""
    if not isinstance(tz, str):
        return tz
    try:
        return ZoneInfo(tz)
    except (ValueError, OSError, KeyError):
        raise InvalidValue(f"there is no time zone {tz!r}; one is America/New_York") from None


def start_of(since: date | datetime, zone: tzinfo | None) -> m.Timestamp:
    """Return the time from which rows count: the start of a day in *zone* (None: UTC)."""
    if isinstance(since, datetime):
        return m.timestamp(since)
    return m.timestamp(datetime.combine(since, time(), zone or UTC))


def bot_record(
    ours: TradeSource | Mapping[str, m.Number] | None,
    cost: m.CostMethod,
    *,
    columns: Mapping[str, str] | None = None,
    tz: str | tzinfo | None = None,
    date_format: str | None = None,
    query: str | None = None,
) -> BotRecord | None:
    """
    Return the bot's record: its trades, or its figures by symbol; None stays None.

    Raises: InvalidValue, also for a row that is no trade: its P&L would be missing.
    """
    if ours is None:
        return None
    if isinstance(ours, Mapping):
        return BotRecord(figures={m.symbol_of(x): m.number(y) for x, y in ours.items()})
    rows = read_trades(ours, columns=columns, tz=tz, date_format=date_format, query=query)
    wrong = [x for x in rows if isinstance(x, m.UnreadableTrade)]
    if wrong:
        shown = [f"row {x.line}: {x.why}" for x in wrong[:_SHOWN]]
        more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        raise InvalidValue(
            "\n".join([f"{len(wrong)} of {len(rows)} rows are no trades", *shown, *more])
        )
    return BotRecord(trades=[x for x in rows if isinstance(x, m.LocalTrade)], cost=cost)


def _rows_of_file(path: Path, query: str | None) -> list[Any]:
    try:
        if query is not None or path.suffix.lower() in _SQLITE:
            return _rows_of_query(path, query)
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise InvalidValue(f"{path} cannot be read: {cause(error)}") from None
    if path.suffix.lower() in _JSON_LINES:
        return list(_rows_of_lines(text))
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def _rows_of_lines(text: str) -> Iterator[object]:
    """Yield the rows of JSON lines; a line that is no JSON is yielded as text."""
    for line in text.split("\n"):
        if line.strip():
            try:
                yield json.loads(line, parse_float=str)  # numbers are read as they were written
            except ValueError:
                yield line


def _rows_of_query(path: Path, query: str | None) -> list[dict[str, Any]]:
    if query is None:
        raise InvalidValue(f"{path} is a database: give the query of its trades")
    if not path.exists():
        raise InvalidValue(f"there is no database {path}")
    import sqlite3  # here: `import fillbook` is short

    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]
    except sqlite3.Error as error:
        raise InvalidValue(f"{path} cannot be read: {cause(error)}") from None
