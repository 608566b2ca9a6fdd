"""
The tables of an export: the columns of each, and their rows, from the values of the book.

A cell is a text, an exact number, a time, or None: unknown.  Other halves: `files` and `frames`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Protocol

from attrs import frozen

from fillbook import model as m
from fillbook.errors import InvalidValue
from fillbook.model.account.pnl import Slippage
from fillbook.model.journal.status import Status

Cell = str | Decimal | int | None


class ColumnKind(StrEnum):
    """What the cells of a column are."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"  #: a `Timestamp`, UTC


@frozen
class Column:
    """One column: its name, its kind, and how a cell is read from a value."""

    name: str
    kind: ColumnKind
    read: Callable[[Any], object]


@frozen
class Table:
    """The rows of an export, with their columns."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def _of(kind: ColumnKind, *names: str) -> tuple[Column, ...]:
    """Return columns that are attributes of the value, by their names."""
    return tuple(Column(name, kind, _reader(name)) for name in names)


def _reader(name: str) -> Callable[[Any], object]:
    return lambda value: getattr(value, name)


def _of_part(read: Callable[[Any], object]) -> Callable[[Any], object]:
    """Return what reads a cell of a part: a symbol, a strategy and its holding."""
    return lambda row: read(row[2])


def _text(*names: str) -> tuple[Column, ...]:
    return _of(ColumnKind.TEXT, *names)


def _number(*names: str) -> tuple[Column, ...]:
    return _of(ColumnKind.NUMBER, *names)


def _time(*names: str) -> tuple[Column, ...]:
    return _of(ColumnKind.TIME, *names)


_UNKNOWN: Final = Column(
    "unknown",
    ColumnKind.TEXT,
    lambda row: ", ".join(f"{part}: {count}" for part, count in row.unknown),
)

#: The columns of each table.
TABLES: Final[Mapping[str, Sequence[Column]]] = {
    "orders": (
        *_time("created_at"),
        *_text("client_order_id", "broker_order_id", "symbol", "side", "type"),
        *_text("time_in_force", "order_class"),
        *_number("qty", "notional", "limit_price", "stop_price"),
        *_text("status"),
        *_number("filled_qty", "avg_price", "filled_value", "fees"),
        *_text("strategy", "key", "parent", "origin", "reason"),
    ),
    "fills": (
        *_time("at"),
        *_text("symbol"),
        *_number("qty", "price", "fee"),
        *_text("currency", "strategy"),
        Column("broker_order_id", ColumnKind.TEXT, lambda move: move.owner),
        Column("fill", ColumnKind.TEXT, lambda move: move.key),
    ),
    "trades": (
        *_time("opened_at", "closed_at"),
        *_text("symbol", "strategy", "side"),
        *_number("qty", "entry_price", "exit_price", "pnl", "fees"),
        *_text("currency"),
        *_number("revision"),
    ),
    "positions": (
        Column("symbol", ColumnKind.TEXT, lambda row: row[0]),
        Column("strategy", ColumnKind.TEXT, lambda row: row[1]),
        *(
            Column(x.name, x.kind, _of_part(x.read))
            for x in (
                *_number("qty", "avg_price", "cost", "realized", "fees"),
                *_text("currency"),
                *_time("opened_at"),
            )
        ),
    ),
    "pnl": (
        Column("symbol", ColumnKind.TEXT, lambda row: row.key),
        *_text("currency"),
        *_number("realized", "unrealized", "fees", "dividends", "interest"),
        _UNKNOWN,
        *_time("quoted_at"),
    ),
    "slippage": (
        *_time("at"),
        *_text("client_order_id", "symbol", "strategy", "side"),
        *_number("qty", "requested", "arrival", "executed", "cost", "arrival_cost"),
    ),
}


class Tables(Protocol):
    """What a table is read from: the book."""

    def orders(self) -> Sequence[m.Order]: ...
    def trades(self) -> Sequence[m.Trade]: ...
    def positions(self) -> Sequence[m.Position]: ...
    def pnl(self) -> m.PnlReport: ...
    def slippage(self) -> Sequence[Slippage]: ...
    def all_fills(self) -> Sequence[m.Movement]: ...
    def status(self) -> Status: ...


def values_of(book: Tables, name: str) -> Sequence[object]:
    """
    Return the values of the table *name*: of positions, the part of each strategy.

    Raises: InvalidValue: there is no such table.
    """
    match name:
        case "orders":
            return book.orders()
        case "fills":
            return book.all_fills()
        case "trades":
            return book.trades()
        case "positions":
            return [
                (x.symbol, strategy, part)
                for x in book.positions()
                for strategy, part in x.by_strategy
                if part.qty
            ]
        case "pnl":
            return book.pnl().rows
        case "slippage":
            return book.slippage()
        case _:
            raise InvalidValue(f"what must be one of {', '.join(TABLES)}; not {name!r}")


def of_book(book: Tables, name: str) -> Table:
    """Return the table *name* of *book*. Raises: InvalidValue: there is no such table."""
    return table(name, values_of(book, name), book.status().currency)


def table(name: str, values: Iterable[object], currency: str | None) -> Table:
    """Return the table *name* of *values*; *currency* is that of the account, if it is known."""
    columns = TABLES[name]
    absent = {"currency": currency}  # of a value that is in the currency of the account
    rows = [[_cell(x.read(value), absent.get(x.name)) for x in columns] for value in values]
    return Table(columns, rows)


def _cell(value: object, absent: str | None) -> Cell:
    if value is None:
        return absent
    if isinstance(value, Decimal | int):
        return value
    return str(value)
