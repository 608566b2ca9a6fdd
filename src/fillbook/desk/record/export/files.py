"""
Exports to files: CSV, JSON lines and Parquet; numbers are exact.

In CSV and JSON a number is its decimal text, and what is unknown is empty or null.  Parquet needs
pyarrow: a column of numbers is a decimal of the digits that it needs, or text if it needs more than
76.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fillbook import model as m
from fillbook.desk.record.export.optional import optional
from fillbook.desk.record.export.tables import Cell, Column, ColumnKind, Table
from fillbook.errors import InvalidValue, cause

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

#: The most digits of a decimal in Parquet.
_PARQUET_DIGITS: Final = 76
_ARROW_SMALL: Final = 38  #: and of the smaller of its two kinds


def write(table: Table, path: Path, name: str) -> int:
    """
    Write *table* to *path* in the format *name*; return the number of its rows.

    Raises: InvalidValue: there is no such format, or the file cannot be written; ExtraMissing.
    """
    if name not in FORMATS:
        raise InvalidValue(f"format must be one of {', '.join(FORMATS)}; not {name!r}")
    try:
        FORMATS[name](table, path)
    except OSError as error:
        raise InvalidValue(f"{path} cannot be written: {cause(error)}") from None
    return len(table.rows)


def _write_csv(table: Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        write_csv(table, file)


def write_csv(table: Table, file: SupportsWrite[str]) -> None:
    """Write *table* as CSV, with a header, to an open file."""
    writer = csv.writer(file)
    writer.writerow([x.name for x in table.columns])
    writer.writerows([_plain(cell) for cell in row] for row in table.rows)


def _write_jsonl(table: Table, path: Path) -> None:
    names = [x.name for x in table.columns]
    with path.open("w", encoding="utf-8") as file:
        for row in table.rows:
            cells = dict(zip(names, map(_plain, row), strict=True))
            file.write(json.dumps(cells, ensure_ascii=False) + "\n")


def _write_parquet(table: Table, path: Path) -> None:
    arrow, parquet = optional("pyarrow", "parquet"), optional("pyarrow.parquet", "parquet")
    columns = [_arrow_column(arrow, x, cells) for x, cells in column_cells(table)]
    made = arrow.table(dict(zip([x.name for x in table.columns], columns, strict=True)))
    parquet.write_table(made, path)


def _arrow_column(arrow: Any, column: Column, cells: Sequence[Cell]) -> Any:
    match column.kind:
        case ColumnKind.TIME:
            stamps = [None if x is None else nanoseconds(str(x)) for x in cells]
            return arrow.array(stamps, arrow.timestamp("ns", tz="UTC"))
        case ColumnKind.NUMBER:
            precision, scale = digits_of(cells)
            kind = arrow.decimal128 if precision <= _ARROW_SMALL else arrow.decimal256
            if precision <= _PARQUET_DIGITS:
                exact = [None if x is None else Decimal(x) for x in cells]
                return arrow.array(exact, kind(precision, scale))
        case _:
            pass
    return arrow.array([None if x is None else _plain(x) for x in cells], arrow.string())


def column_cells(table: Table) -> list[tuple[Column, list[Cell]]]:
    """Return each column with its cells."""
    return [(x, [row[place] for row in table.rows]) for place, x in enumerate(table.columns)]


def digits_of(cells: Sequence[Cell]) -> tuple[int, int]:
    """Return the digits that hold every number of a column, and those after the point."""
    known = [Decimal(x) for x in cells if x is not None]
    exponents = [exponent for x in known if isinstance(exponent := x.as_tuple().exponent, int)]
    scale = max(0, -min(exponents, default=0))
    whole = max((x.adjusted() + 1 for x in known), default=1)
    return max(1, max(whole, 0) + scale), scale


def nanoseconds(stamp: str) -> int:
    """Return a `Timestamp` as nanoseconds since 1970, UTC."""
    at = m.moment(m.Timestamp(stamp))
    seconds = int(at.replace(microsecond=0).timestamp())
    return seconds * 10**9 + int(stamp[20:29])


def _plain(cell: Cell) -> str | None:
    return None if cell is None else m.plain(cell) if isinstance(cell, Decimal) else str(cell)


#: The formats, each with what writes it.
FORMATS: Final[Mapping[str, Callable[[Table, Path], None]]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
