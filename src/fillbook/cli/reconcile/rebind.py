"""`fillbook rebind`: archive the record of another account."""

from __future__ import annotations

import os
import sys
from typing import Annotated

from cyclopts import Parameter

from fillbook import config, errors, opening
from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.options import BrokerOption, JsonOption, StoreOption, existing_store, open_broker
from fillbook.cli.shell.progress import PROGRESS
from fillbook.desk.record.book import Book
from fillbook.stores.sqlite import SqliteStore


def rebind(
    *,
    broker: BrokerOption = None,
    store: StoreOption = None,
    yes: Annotated[
        bool, Parameter(help="Archive it also if it is the record of the account of these keys.")
    ] = False,
    dry_run: Annotated[bool, Parameter(help="Only show what would be archived.")] = False,
    json: JsonOption = False,
) -> int:
    """
    Archive the record of another account, so that the store can start a new one.

    A record belongs to one account. If the broker reports another account (paper was reset, keys
    were changed), nothing is written until the old record is archived. The archive is complete.
    Asks first if the record is of the account of these keys, or if that account cannot be read;
    without a terminal it then needs --yes, and exits with 2.
    """
    opened = opening.open_store(existing_store(store), os.environ)
    try:
        if not isinstance(opened, SqliteStore):
            raise errors.BadAddress("only a record in a file can be archived")
        account = Book(opened).account()
        if account is None:
            raise errors.BadAddress("the record is not bound to an account yet: nothing to archive")
        doubt = "" if dry_run or yes else _doubt(account, broker)
        if doubt and not _is_confirmed(doubt):
            return 1
        where = None if dry_run else str(opened.archive())
    finally:
        opened.close()
    if json:
        output.as_json({"account": str(account), "archived_to": where})
    elif where is None:
        output.out.print(f"The record of {account} would be archived; nothing was changed.")
    else:
        output.out.print(f"The record of {account} is now {where}. The next sync starts a new one.")
    return 0


def _doubt(account: m.AccountId, broker: str | None) -> str:
    """Return why the record may still be in use; "": the keys are of another account."""
    if config.setting("broker", broker, os.environ).value is None:
        return f"no broker is set, so that it is unknown whether the keys are of {account}"
    try:
        read = open_broker(broker).account()
    except errors.FillbookError as error:
        return f"the account of the keys is unknown ({error})"
    if isinstance(read, m.NotObserved):
        return f"the account of the keys is unknown ({read.message})"
    if read.value.account != account:
        return ""
    return f"the keys are of {account} too, so that nothing is wrong with this record"


def _is_confirmed(doubt: str) -> bool:
    """Ask on the terminal. Raises: InvalidValue if there is none."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise errors.InvalidValue(f"{doubt}; to archive it all the same, add --yes")
    PROGRESS.end()
    output.err.print(f"{doubt[:1].upper()}{doubt[1:]}.", markup=False, soft_wrap=True)
    answer = input("Archive it all the same? Orders and fills leave the record. [y/N] ")
    if answer.strip().lower() in ("y", "yes"):
        return True
    output.err.print("Nothing was changed.")
    return False
