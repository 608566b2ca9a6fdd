"""
The file of a SQLite store: whether it is the file that was opened, whole, and with its WAL.

The mark is the number that SQLite keeps for its user in the header of the file.  It is the number
of an entry that is about to be written, which is in the file before the entry is in the WAL, so
that a WAL that is missing after a kill is noticed.  A process that closes the file negates the
number of the newest entry: the file has all entries up to it, and lacks some if they were deleted.
0: nothing is known.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from fillbook.errors import StoreDamaged
from fillbook.stores.sqlite_errors import rewound


class RecordFile:
    """The file at *path*, and the WAL beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wal: Path = path.with_name(path.name + "-wal")
        self._identity: tuple[int, int] | None = None  #: the device and the inode
        self._size = 0  #: in bytes, when it was last checked; it never shrinks

    def has_wal(self) -> bool:
        """Whether there is a WAL, which may have pages that the file does not have yet."""
        try:
            return self.wal.stat().st_size > 0
        except OSError:
            return False

    def check(self, connection: sqlite3.Connection) -> None:
        """Check for a truncated file, which SQLite detects only when it reads the missing pages."""
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        if self.path.stat().st_size < pages * page_size:
            raise StoreDamaged(f"it is truncated: it should have {pages} pages")

    def note_identity(self) -> None:
        """Note which file was opened."""
        file = os.stat(self.path)
        self._identity, self._size = (file.st_dev, file.st_ino), file.st_size

    def check_identity(self) -> None:
        """
        Check that the file is the one that was opened, and was not cut off.

        SQLite would go on writing to its WAL.  Raises: StoreRewound.
        """
        try:
            found = os.stat(self.path)
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._identity:
            raise rewound(self.path, "was deleted or replaced while it was open")
        if found.st_size < self._size:
            raise rewound(self.path, "was cut off while it was open")
        self._size = found.st_size

    def mark(self, connection: sqlite3.Connection) -> int:
        (mark,) = connection.execute("PRAGMA user_version").fetchone()
        return int(mark)

    def set_mark(self, connection: sqlite3.Connection, mark: int) -> None:
        """Write the mark to the file itself, by a checkpoint."""
        connection.execute(f"PRAGMA user_version = {mark}")
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def check_closed(self, mark: int, last: int) -> None:
        """Raises: StoreDamaged if entries after *last* were deleted since the file was closed."""
        if last < -mark:
            lost = f"{last + 1} to {-mark}" if last + 1 < -mark else f"{-mark}"
            raise StoreDamaged(
                f"entry {lost} of its journal is missing: another program has changed the file"
            )

    def check_wal(self, mark: int, last: int) -> None:
        """Raises: StoreDamaged if the entries after *last* were in a WAL that is missing."""
        if last < mark:
            raise StoreDamaged(
                f"{self.path} was not closed, and the file {self.wal.name} beside it is missing: "
                f"entry {mark} and later ones are lost. Restore that file, or archive this one and "
                "begin a new record"
            )
