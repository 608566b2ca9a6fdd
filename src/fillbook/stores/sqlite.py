"""
The default store: one SQLite file, safe from any thread and from several processes.

Every transaction that writes, and every opening and closing of the file, is one turn
of the lock beside it (``bot.db-lock``): first come first served, and never two
connections at once that write or move the log into the file (before SQLite 3.51.3
that may damage it: https://sqlite.org/wal.html#walresetbug).  What is committed has
been synced to disk.  Readers block nobody.

The file is looked at before anything is written to it, and left as it is if it is
not ours.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fillbook.errors import BadAddress, StoreDamaged, StoreError, StoreUnavailable
from fillbook.stores import sql
from fillbook.stores.filelock import FileLock
from fillbook.stores.thread_queue import Home

DIALECT: Final = sql.Dialect(
    mark="?",
    tables="SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
)

_SCHEME: Final = "sqlite:///"
_BUSY_S: Final = 5.0  #: for programs that write to the file without our lock

#: What SQLite's primary result codes mean; every other code is a broken file.
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


class SqliteStore:
    """The record in one SQLite file, made if it is not there; see `fillbook.store.Store`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        if not self._path.parent.is_dir():
            raise StoreUnavailable(
                f"{self._path.parent} is no folder; make it, then open the store"
            )
        self._home = Home()
        self._closed = False
        self._idle: deque[sqlite3.Connection] = deque()  # connections that read
        self._log = self._path.with_name(self._path.name + "-wal")
        self._lock = FileLock(self._path.with_name(self._path.name + "-lock"))
        with self._lock.turn(), self._meaning():
            self._writer = self._connect()
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise

    @classmethod
    def from_address(cls, address: str, env: Mapping[str, str]) -> SqliteStore:
        """
        The store of ``sqlite:///bot.db`` (from the working directory) or ``sqlite:////srv/bot.db``.

        Raises: BadAddress.
        """
        path = address.removeprefix(_SCHEME)
        if path == ":memory:":
            raise BadAddress(f"{address!r}: a store that forgets is memory://")
        if not address.startswith(_SCHEME) or not path:
            raise BadAddress(
                f"{address!r} names no file; write sqlite:///bot.db, or sqlite:////srv/bot.db "
                "for a path from the root"
            )
        return cls(path)

    @contextmanager
    def read(self) -> Iterator[sql.SqlReader]:
        with self._reading() as connection:
            connection.execute("BEGIN")
            reader = sql.SqlReader(connection, DIALECT)
            try:
                yield reader
            finally:
                reader.end()

    @contextmanager
    def write(self) -> Iterator[sql.SqlWriter]:
        with self._writing() as connection:
            writer = sql.SqlWriter(connection, DIALECT)
            try:
                yield writer
            finally:
                writer.end()

    def cell(self, name: str) -> str | None:
        with self.read() as reader:
            return reader.cell(name)

    def swap(self, name: str, old: str | None, new: str | None) -> bool:
        with self._writing() as connection:
            if sql.SqlReader(connection, DIALECT).cell(name) != old:
                return False
            sql.set_cell(connection, DIALECT, name, new)
            return True

    def close(self) -> None:
        # What a forked child inherited is its parent's, and must not be touched.
        if self._closed or not self._home.is_here():
            return
        self._closed = True  # whoever waits for a turn finds this
        self._let_go()

    def archive(self) -> Path:
        """
        Close the store and put its file away under a new name beside it; where it is now.

        Raises: StoreUnavailable, also while another process has the store open.
        """
        self.close()
        with self._lock.turn():
            # The last to close takes the log away.  A file renamed without its log loses
            # what is only there: https://sqlite.org/howtocorrupt.html#unlink
            if self._log.exists():
                raise StoreUnavailable(f"{self._path} is open elsewhere; stop that first")
            number = 1
            while (away := self._path.with_name(f"{self._path.name}.{number}")).exists():
                number += 1
            try:
                self._path.rename(away)
            except OSError as error:
                raise StoreUnavailable(f"{self._path} cannot be put away: {error}") from None
        return away

    # --- connections ------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )

    def _prepare(self) -> None:
        """Look at the file, and only if it is ours or empty bring it up to date."""
        connection = self._writer
        missing = sql.missing_steps(connection, DIALECT)
        self._check_length()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS; elsewhere it says nothing
        if missing:
            with self._transaction(connection):
                sql.take(connection, DIALECT, missing)

    def _check_length(self) -> None:
        """A file that lost its end is damaged, though SQLite sees that only when it gets there."""
        if self._log.exists() and self._log.stat().st_size:
            return  # pages may be in the log that are not yet in the file
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        (page_size,) = self._writer.execute("PRAGMA page_size").fetchone()
        if self._path.stat().st_size < pages * page_size:
            raise StoreDamaged(f"{self._path} has lost its end: it should have {pages} pages")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one picture; another thread has another one."""
        self._check()
        with self._meaning():
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                self._put_back(connection)

    def _put_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        self._idle.append(connection)
        if self._closed:  # meanwhile, by another thread: nobody else will close this one
            self._let_go()

    def _let_go(self) -> None:
        # The last connection to be closed moves the log into the file, which is writing.
        with self._lock.turn():
            self._writer.close()
            with suppress(IndexError):
                while True:
                    self._idle.pop().close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The connection that writes, in a transaction that is ours alone."""
        self._check()
        with self._lock.turn():
            self._check()  # it may have been closed while we waited
            with self._meaning(), self._transaction(self._writer):
                yield self._writer

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # it may have been undone by the error itself
                connection.execute("ROLLBACK")
            raise

    def _check(self) -> None:
        self._home.check()
        if self._closed:
            raise StoreUnavailable(f"the store {self._path} is closed")

    @contextmanager
    def _meaning(self) -> Iterator[None]:
        """SQLite's errors in our words; nothing was written."""
        try:
            yield
        except sqlite3.Error as error:
            raise _meaning_of(error, self._path) from error


def _meaning_of(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the driver's own complaint, such as a connection that was closed
        return StoreUnavailable(f"{path}: {error}")
    if code & 0xFF in _UNAVAILABLE:
        return StoreUnavailable(f"{path}: {error}; nothing was written")
    return StoreDamaged(f"{path}: {error}")
