"""
Check of a store row by row: what the journal lacks, and the rows that cannot be read.

A desk reads the rows that it needs; `fillbook doctor` reads all of them.  The rows of the journal
cannot be replaced; those of the records are derived from it (`desk.record.replay`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from fillbook.codec import load, load_entry, stored_time
from fillbook.errors import StoreDamaged
from fillbook.model.journal.kinds import KINDS
from fillbook.stores.sql import SqlReader

JOURNAL: Final = "journal"


@frozen
class DamagedRow:
    """A row that cannot be read; `of` is the type of its record, None for a journal entry."""

    table: str
    key: str
    of: type[Any] | None
    why: str


def first_missing(reader: SqlReader) -> int | None:
    """Return the number of the first entry that the journal lacks; None: it is complete."""
    count, first = reader.execute("SELECT COUNT(*), MIN(number) FROM journal").fetchone()
    if count == reader.last():
        return None
    if first != 1:
        return 1
    gaps = (
        "SELECT MIN(number) + 1 FROM journal AS one WHERE NOT EXISTS "
        "(SELECT 1 FROM journal AS other WHERE other.number = one.number + 1)"
    )
    return int(reader.execute(gaps).fetchone()[0])


def damaged_rows(reader: SqlReader) -> Iterator[DamagedRow]:
    """Yield the rows that cannot be read, those of the journal first."""
    rows = reader.execute("SELECT number, at, body FROM journal ORDER BY number")
    for number, at, body in rows:
        try:
            stored_time(at)
            load_entry(body)
        except StoreDamaged as error:
            yield DamagedRow(JOURNAL, str(number), None, str(error))
    for kind in KINDS:
        for key, body in reader.execute(f"SELECT key, body FROM {kind.name} ORDER BY key"):
            try:
                load(kind.type, body)
            except StoreDamaged as error:
                yield DamagedRow(kind.name, str(key), kind.type, str(error))


def stored_keys(reader: SqlReader) -> set[tuple[type[Any], str]]:
    """Return the type and the key of every row of the records, also of those that are damaged."""
    return {
        (kind.type, key)
        for kind in KINDS
        for (key,) in reader.execute(f"SELECT key FROM {kind.name}")
    }
