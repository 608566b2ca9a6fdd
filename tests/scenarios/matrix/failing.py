"""
Stores that fail at one of their writes and all that follow for a while, and then are mended.

`FailingStore` fails at a whole transaction or a cell, `FailingConnection` at a statement of SQLite.
"""

import sqlite3
from contextlib import contextmanager

from fillbook import errors
from fillbook.stores.memory import MemoryStore

#: Nothing was written; in doubt, though nothing was written; in doubt, and written.
HOW = ("unavailable", "lost", "written")


class Failure:
    """Fails at the writes from number `first` on, `times` in a row; it counts them once armed."""

    def __init__(self):
        self.armed = False
        self.first = self.times = self.count = 0
        self.how = ""

    def arm(self, first, times, how):
        self.armed, self.first, self.times, self.how, self.count = True, first, times, how, 0

    def mend(self):
        self.armed = False

    @property
    def was_reached(self):
        return self.count > self.first

    def next(self):
        """Whether this write fails."""
        if not self.armed:
            return False
        self.count += 1
        return self.first < self.count <= self.first + self.times


class _Undo(Exception):
    pass


class FailingStore(MemoryStore):
    """A store whose transactions and cells fail: before they are written, or in doubt."""

    def __init__(self):
        super().__init__()
        self.failure = Failure()

    @contextmanager
    def write(self):
        if not self.failure.next():
            with super().write() as writer:
                yield writer
            return
        if self.failure.how == "unavailable":
            raise errors.StoreUnavailable("the disk is full; nothing was written")
        try:
            with super().write() as writer:
                yield writer
                if self.failure.how == "lost":
                    raise _Undo
        except _Undo:
            pass
        raise errors.StoreInDoubt("whether it was written cannot be known")

    def swap(self, name, old, new):
        if self.failure.next():
            raise errors.StoreUnavailable("the disk is full; the cell was not set")
        return super().swap(name, old, new)


#: SQLite's result code by failure; it rolls a transaction back after each of them.
CODES = {
    "full": (sqlite3.SQLITE_FULL, "database or disk is full"),
    "io": (sqlite3.SQLITE_IOERR, "disk I/O error"),
    "locked": (sqlite3.SQLITE_BUSY, "database is locked"),
    "commit-lost": (sqlite3.SQLITE_IOERR, "disk I/O error"),
    "commit-made": (sqlite3.SQLITE_IOERR, "disk I/O error"),
}
#: The statements that each of them is about.
STATEMENTS = {
    "full": ("INSERT", "REPLACE", "UPDATE", "DELETE"),
    "io": ("BEGIN", "INSERT", "REPLACE", "UPDATE", "DELETE"),
    "locked": ("BEGIN",),
    "commit-lost": ("COMMIT",),
    "commit-made": ("COMMIT",),
}


class FailingConnection:
    """The connection of SQLite's writer, whose statements fail."""

    def __init__(self, connection):
        self._connection, self.failure = connection, Failure()

    def execute(self, sql, *parameters):
        how = self.failure.how
        if not (sql.lstrip().startswith(STATEMENTS.get(how, ())) and self.failure.next()):
            return self._connection.execute(sql, *parameters)
        if how == "commit-made":
            self._connection.execute(sql)
        elif self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        code, message = CODES[how]
        error = sqlite3.OperationalError(message)
        error.sqlite_errorcode = code
        raise error

    def __getattr__(self, name):
        return getattr(self._connection, name)
