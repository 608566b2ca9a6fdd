"""
Exports to frames: pandas and polars; numbers stay exact.

In pandas a number is a `Decimal` in a column of objects.  In polars it is a decimal of the digits
that its column needs, or text if it needs more than 38.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from fillbook.desk.record.export.files import column_cells, digits_of, nanoseconds
from fillbook.desk.record.export.optional import optional
from fillbook.desk.record.export.tables import ColumnKind, Table

#: The most digits of a decimal in polars.
_POLARS_DIGITS: Final = 38


def to_pandas(table: Table) -> Any:
    """Return *table* as a pandas DataFrame. Raises: ExtraMissing."""
    pandas = optional("pandas", "pandas")
    frame = pandas.DataFrame(
        [list(row) for row in table.rows], columns=[x.name for x in table.columns], dtype=object
    )
    for column, cells in column_cells(table):
        if column.kind is ColumnKind.TIME:
            stamps = [None if x is None else nanoseconds(str(x)) for x in cells]
            frame[column.name] = pandas.to_datetime(stamps, unit="ns", utc=True)
    return frame


def to_polars(table: Table) -> Any:
    """Return *table* as a polars DataFrame. Raises: ExtraMissing."""
    polars = optional("polars", "polars")
    columns = []
    for column, cells in column_cells(table):
        match column.kind:
            case ColumnKind.TIME:
                kind = polars.Datetime("ns", "UTC")
                stamps = [None if x is None else nanoseconds(str(x)) for x in cells]
                columns.append(polars.Series(column.name, stamps, polars.Int64).cast(kind))
            case ColumnKind.NUMBER if digits_of(cells)[0] <= _POLARS_DIGITS:
                kind = polars.Decimal(_POLARS_DIGITS, digits_of(cells)[1])
                exact = [None if x is None else Decimal(x) for x in cells]
                columns.append(polars.Series(column.name, exact, kind))
            case _:
                texts = [None if x is None else str(x) for x in cells]
                columns.append(polars.Series(column.name, texts, polars.String))
    return polars.DataFrame(columns)
