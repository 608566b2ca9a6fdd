"""`fillbook rebuild --from-journal`: replaces the records by those that the journal gives."""

from __future__ import annotations

import os
from contextlib import closing

from fillbook import errors, opening
from fillbook import model as m
from fillbook.cli import output
from fillbook.clock import SystemClock
from fillbook.desk.record.replay import derive
from fillbook.store import Copied
from fillbook.stores.row_check import damaged_rows, stored_keys
from fillbook.stores.sql import SqlReader


def derive_records(store: str, *, json: bool) -> int:
    """Derive the records at the address *store* again; a copy is kept beside them."""
    opened = opening.open_store(store, os.environ)
    with closing(opened):
        archive = str(opened.copy()) if isinstance(opened, Copied) else None
        with opened.write() as writer:
            if not isinstance(writer, SqlReader):
                raise errors.InvalidValue("--from-journal needs a record in an SQL database")
            damaged = [x for x in damaged_rows(writer) if x.of is not None]
            names = {(x.of, x.key) for x in damaged if x.of is not None}
            count = writer.last()
            derive(writer, stored_keys(writer), names, m.timestamp(SystemClock().now()))
    rows = [f"{x.table}/{x.key}" for x in damaged]
    if json:
        output.as_json({"entries": count, "damaged": rows, "archive": archive})
        return 0
    say = output.out.print
    say(f"The records are derived from the {count} entries of the journal again.", soft_wrap=True)
    for row in rows:
        say(f"Row {output.cell(row)} was damaged, and is replaced.", soft_wrap=True)
    if archive is not None:
        say(f"The record as it was: {output.cell(archive)}", soft_wrap=True)
    return 0
