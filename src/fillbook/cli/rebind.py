"""`fillbook rebind`: archive the record of another account."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from fillbook import errors, opening
from fillbook.cli import output
from fillbook.cli.options import JsonOption, StoreOption, existing_store
from fillbook.desk.record.book import Book
from fillbook.stores.sqlite import SqliteStore


def rebind(
    *,
    store: StoreOption = None,
    dry_run: Annotated[bool, Parameter(help="Only show what would be archived.")] = False,
    json: JsonOption = False,
) -> None:
    """
    Archive the record of another account, so that the store can start a new one.

    A record belongs to one account. If the broker reports another account (paper was reset, keys
    were changed), nothing is written until the old record is archived. The archive is complete.
    """
    opened = opening.open_store(existing_store(store), os.environ)
    try:
        if not isinstance(opened, SqliteStore):
            raise errors.BadAddress("only a record in a file can be archived")
        account = Book(opened).account()
        if account is None:
            raise errors.BadAddress("the record is not bound to an account yet: nothing to archive")
        where = None if dry_run else str(opened.archive())
    finally:
        opened.close()
    if json:
        output.as_json({"account": str(account), "archived_to": where})
    elif where is None:
        output.out.print(f"The record of {account} would be archived; nothing was changed.")
    else:
        output.out.print(f"The record of {account} is now {where}. The next sync starts a new one.")
