"""The errors of SQLite as ours: which may be retried, and what to do about each."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from fillbook.errors import StoreDamaged, StoreError, StoreRewound, StoreUnavailable

#: SQLite's primary result codes of StoreUnavailable; every other code is StoreDamaged.
_UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)

#: What to do about some of them.
_TO_DO: Final = {
    sqlite3.SQLITE_BUSY: "another program keeps it open; close that program",
    sqlite3.SQLITE_LOCKED: "another program keeps it open; close that program",
    sqlite3.SQLITE_FULL: "free space on the disk, and try again",
    sqlite3.SQLITE_READONLY: "make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "check that it is a file, and its permissions",
}


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Return our error for one of SQLite about the file *path*: what to do, and whether again."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # an error of the driver, such as a closed connection
        return StoreUnavailable(f"{path}: {error}")
    if code & 0xFF in _UNAVAILABLE:
        to_do = _TO_DO.get(code & 0xFF, "check the disk and the permissions")
        return StoreUnavailable(f"{path}: {error}; nothing was written: {to_do}")
    if code & 0xFF == sqlite3.SQLITE_NOTADB:
        return StoreDamaged(f"{path} is not a record of fillbook ({error}); name another file")
    return damaged(path, str(error))


def damaged(path: Path, why: str, *, is_derived: bool = False) -> StoreDamaged:
    """Return the error for a file that is damaged; *is_derived*: its journal may be whole."""
    to_do = (
        "`fillbook rebuild --from-journal` derives the records again; it keeps strategies and keys"
        if is_derived
        else "Restore a backup, or move it away and run `fillbook sync`, which takes positions and "
        "orders from the broker: strategies and keys are lost"
    )
    return StoreDamaged(f"{path} is damaged ({why}). {to_do}", is_derived=is_derived)


def rewound(path: Path, why: str) -> StoreRewound:
    """Return the error for a file that has lost entries; *why* follows its name."""
    return StoreRewound(
        f"{path} {why}. No order is sent. Stop every process on it, run `fillbook sync`, and start "
        "again; if differences are left, `fillbook rebuild` takes the broker's figures"
    )
