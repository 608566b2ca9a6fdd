"""
The default store: one SQLite file, safe from any thread and from several processes.

A write transaction, a migration and the closing of the file hold the lock beside it
(``bot.db-lock``).  The lock is FIFO, and it ensures that no two connections at once write
or checkpoint the WAL (before SQLite 3.51.3 that may damage the file:
https://sqlite.org/wal.html#walresetbug).  A committed transaction is synced to disk.
Readers block no other reader and no writer.

The store checks the file before it writes to it, and does not change a file that is not
ours.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from fillbook.errors import (
    BadAddress,
    StoreDamaged,
    StoreInDoubt,
    StoreRewound,
    StoreUnavailable,
)
from fillbook.stores import sql
from fillbook.stores.filelock import FileLock
from fillbook.stores.known import Known, Position
from fillbook.stores.sqlite_errors import damaged, store_error
from fillbook.stores.thread_queue import ForkGuard

log: logging.Logger = logging.getLogger("fillbook")

DIALECT: Final = sql.Dialect(
    marker="?",
    list_tables="SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
)

_SCHEME: Final = "sqlite:///"
_BUSY_S: Final = 5.0  #: wait for programs that write to the file without our lock

#: A checkpoint is made after so many write transactions, and at the opening and the closing.
CHECKPOINT_EACH: Final = 200


class SqliteStore:
    """
    A store in one SQLite file, which is created if it does not exist; see `fillbook.store.Store`.

    Raises: StoreUnavailable (the folder is missing or the file cannot be opened), StoreTooNew,
    StoreDamaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        if not self._path.parent.is_dir():
            raise StoreUnavailable(
                f"{self._path.parent} is not a folder; create it, then open the store"
            )
        self._fork_guard = ForkGuard()
        self._writes = 0  #: write transactions since the last checkpoint of this process
        self._closed = False
        self._idle_readers: deque[sqlite3.Connection] = deque()  # idle connections for readers
        self._wal = self._path.with_name(self._path.name + "-wal")
        self._lock = FileLock(self._path.with_name(self._path.name + "-lock"))
        self._newest: Position | None = None  #: the newest entry that this process wrote
        self._known = Known()
        with self._store_errors():
            has_wal = self._has_wal()
            self._writer = self._connect()
            try:
                self._prepare(has_wal)
                file = os.stat(self._path)
                self._file = (file.st_dev, file.st_ino)
            except BaseException:
                self._writer.close()
                raise

    @classmethod
    def from_address(cls, address: str, env: Mapping[str, str]) -> SqliteStore:
        """
        Open the store at ``sqlite:///bot.db`` (relative) or ``sqlite:////srv/bot.db`` (absolute).

        *env* is not used.  Raises: BadAddress, StoreTooNew, StoreDamaged, StoreUnavailable.
        """
        path = address.removeprefix(_SCHEME)
        if path == ":memory:":
            raise BadAddress(f"{address!r}: for a store in memory, use memory://")
        if not address.startswith(_SCHEME) or not path:
            raise BadAddress(
                f"{address!r} names no file; use sqlite:///bot.db, or sqlite:////srv/bot.db "
                "for an absolute path"
            )
        return cls(path)

    @contextmanager
    def read(self) -> Iterator[sql.SqlReader]:
        with self._read_connection() as connection:
            connection.execute("BEGIN")
            reader = sql.SqlReader(connection, DIALECT, self._known)
            try:
                yield reader
            finally:
                reader.end()

    @contextmanager
    def write(self) -> Iterator[sql.SqlWriter]:
        with self._write_transaction(entries=True) as transaction:
            connection = transaction.connection
            writer = transaction.writer = sql.SqlWriter(connection, DIALECT, self._known)
            try:
                yield writer
            finally:
                writer.end()

    def cell(self, name: str) -> str | None:
        with self._read_connection() as connection:
            return sql.cell(connection, DIALECT, name)  # one statement is one snapshot

    def swap(self, name: str, old: str | None, new: str | None) -> bool:
        with self._write_transaction(entries=False) as transaction:
            connection = transaction.connection
            if sql.SqlReader(connection, DIALECT).cell(name) != old:
                return False
            sql.set_cell(connection, DIALECT, name, new)
            return True

    def close(self) -> None:
        # A forked child must not use the connections of its parent.
        if self._closed or not self._fork_guard.is_same_process():
            return
        self._closed = True  # a thread that waits for the lock checks this
        self._close_connections()

    def archive(self) -> Path:
        """
        Close the store, rename its file to a free name beside it and return the new path.

        Raises: StoreUnavailable, also while another process has the store open.
        """
        self.close()
        with self._lock.hold():
            # The last connection to close deletes the WAL.  A file that is renamed without its
            # WAL loses the transactions in it: https://sqlite.org/howtocorrupt.html#unlink
            if self._wal.exists():
                raise StoreUnavailable(
                    f"{self._path} is open in another process; stop that process first"
                )
            archived = self._free_name()
            try:
                self._path.rename(archived)
            except OSError as error:
                raise StoreUnavailable(f"{self._path} cannot be renamed: {error}") from None
        return archived

    def copy(self) -> Path:
        """Copy the record, as of one moment, to a free name beside the file; return the path."""
        copied = self._free_name()
        try:
            os.close(os.open(copied, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise StoreUnavailable(f"{copied} cannot be created: {error}") from None
        try:
            with self._read_connection() as source, closing(sqlite3.connect(copied)) as target:
                source.backup(target)
        except BaseException:
            copied.unlink(missing_ok=True)
            raise
        return copied

    def _free_name(self) -> Path:
        """Return the first name beside the file that no copy or archive has."""
        number = 1
        while (free := self._path.with_name(f"{self._path.name}.{number}")).exists():
            number += 1
        return free

    # --- connections ------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        # The record is private: SQLite gives its other files the mode of this one.
        with suppress(OSError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return sqlite3.connect(
            self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )

    def _prepare(self, has_wal: bool) -> None:
        """
        Check the file, and apply the pending migrations if it is ours or empty.

        Only the migrations take the lock: a store is opened while another process keeps it.
        """
        connection = self._writer
        pending = sql.pending_migrations(connection, DIALECT)
        if not has_wal:
            self._check_length()
            self._check_mark(pending)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # for macOS; no effect elsewhere
        if pending:
            with self._lock.hold():
                connection.execute("PRAGMA journal_mode = WAL")
                with self._transaction(connection):
                    pending = sql.pending_migrations(connection, DIALECT)
                    sql.apply_migrations(connection, DIALECT, pending)

    def _has_wal(self) -> bool:
        """Whether there is a WAL, which may have pages that the file does not have yet."""
        try:
            return self._wal.stat().st_size > 0
        except OSError:
            return False

    # The mark is the number that SQLite keeps for its user in the header of the file.  It is the
    # number of an entry that is about to be written; 0: the file has all entries.  It is in the
    # file before the entry is in the WAL, so that a WAL that is missing after a kill is noticed.

    def _check_mark(self, pending: Sequence[sql.Migration]) -> None:
        """Raises: StoreDamaged if the newest entries were in a WAL that is missing."""
        mark = self._mark()
        if not mark or pending or sql.SqlReader(self._writer, DIALECT).last() >= mark:
            return
        raise StoreDamaged(
            f"{self._path} was not closed, and the file {self._wal.name} beside it is missing: "
            f"entry {mark} and later ones are lost. Restore that file, or archive this one and "
            "begin a new record"
        )

    def _mark(self) -> int:
        (mark,) = self._writer.execute("PRAGMA user_version").fetchone()
        return int(mark)

    def _set_mark(self, mark: int) -> None:
        """Write the mark to the file itself, by a checkpoint."""
        self._writer.execute(f"PRAGMA user_version = {mark}")
        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _mark_next_entry(self) -> None:
        """Mark the next entry, unless an entry after the last checkpoint is marked."""
        self._writes += 1
        if self._writes >= CHECKPOINT_EACH or not self._mark():
            self._set_mark(sql.SqlReader(self._writer, DIALECT).last() + 1)
            self._writes = 0

    def _check_length(self) -> None:
        """Check for a truncated file, which SQLite detects only when it reads the missing pages."""
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        (page_size,) = self._writer.execute("PRAGMA page_size").fetchone()
        if self._path.stat().st_size < pages * page_size:
            raise StoreDamaged(f"it is truncated: it should have {pages} pages")

    @contextmanager
    def _read_connection(self) -> Iterator[sqlite3.Connection]:
        """Take an idle connection for one snapshot, or open one; no two threads share it."""
        self._check()
        with self._store_errors():
            try:
                connection = self._idle_readers.pop()
            except IndexError:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            try:
                yield connection
            finally:
                self._return_reader(connection)

    def _return_reader(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        self._idle_readers.append(connection)
        if self._closed:  # another thread closed the store and cannot close this connection
            self._close_connections()

    def _close_connections(self) -> None:
        # Closing the last connection checkpoints the WAL, which writes to the file.
        try:
            with self._lock.hold():
                with suppress(sqlite3.Error):
                    if self._mark():
                        self._set_mark(0)
                self._close_all()
        except StoreUnavailable as error:
            # Another process keeps the lock, so that this connection is not the last.
            log.warning("%s is closed without the lock: %s", self._path, error)
            self._close_all()

    def _close_all(self) -> None:
        self._writer.close()
        with suppress(IndexError):
            while True:
                self._idle_readers.pop().close()

    @contextmanager
    def _write_transaction(self, *, entries: bool) -> Iterator[_Transaction]:
        """Take the connection that writes, for *entries* or cells, in an exclusive transaction."""
        self._check()
        with self._lock.hold():
            self._check()  # another thread may have closed it during the wait
            self._check_file()
            with self._store_errors():
                if entries:
                    self._mark_next_entry()
                transaction = _Transaction(self._writer)
                try:
                    with self._transaction(self._writer):
                        self._check_rewound()
                        yield transaction
                except _CommitFailed as failed:
                    self._ask_after(transaction, failed.error)
                if transaction.writer is not None and transaction.written is not None:
                    self._newest = transaction.written
                    self._known.commit(transaction.writer.changed, transaction.written)

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise _CommitFailed(error) from error
        except BaseException:
            with suppress(sqlite3.Error):  # the error may have rolled it back
                connection.execute("ROLLBACK")
            raise

    def _ask_after(self, transaction: _Transaction, error: sqlite3.Error) -> None:
        """
        Find out on a new connection whether a COMMIT that failed was made, under the same lock.

        Raises: StoreUnavailable if it was not made; StoreInDoubt if that cannot be known.
        """
        self._known.clear()
        unavailable = store_error(error, self._path)
        if transaction.written is None:
            raise unavailable from error  # no entry was written: there is nothing to be in doubt of
        try:
            with closing(self._connect()) as connection:
                written = sql.has_entry(connection, DIALECT, transaction.written)
        except sqlite3.Error as second:
            raise StoreInDoubt(
                f"{self._path}: the commit failed ({error}), and whether the transaction was "
                f"written is unknown, because the store cannot be read ({second})"
            ) from error
        if not written:
            raise unavailable from error
        log.warning(
            "%s: a transaction was written, although the commit reported: %s", self._path, error
        )

    def _check_rewound(self) -> None:
        """Raises: StoreRewound if the newest entry of this process is not in the journal."""
        if self._newest is not None and not sql.has_entry(self._writer, DIALECT, self._newest):
            raise StoreRewound(
                f"{self._path} has lost entry {self._newest.number}, which this process wrote: it "
                "was restored from a backup. No order is sent. Stop every process on it, compare "
                "the account with `fillbook check`, and start again"
            )

    def _check_file(self) -> None:
        """Raises: StoreRewound if the file was deleted or replaced since it was opened."""
        try:
            found = os.stat(self._path)
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._file:
            raise StoreRewound(
                f"{self._path} was deleted or replaced while it was open. No order is sent. Stop "
                "every process on it, compare the account with `fillbook check`, and start again"
            )

    def _check(self) -> None:
        self._fork_guard.check()
        if self._closed:
            raise StoreUnavailable(f"the store {self._path} is closed")

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Translate the errors of SQLite to ours, and name the file; nothing was written."""
        try:
            yield
        except sqlite3.Error as error:
            raise store_error(error, self._path) from error
        except StoreDamaged as error:
            if str(self._path) in str(error):
                raise
            raise damaged(self._path, str(error)) from error


class _CommitFailed(Exception):
    """A COMMIT that raised: it may have been made all the same."""

    def __init__(self, error: sqlite3.Error) -> None:
        super().__init__(str(error))
        self.error = error


class _Transaction:
    """A write transaction, and the writer of its entries; None while it writes cells only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.writer: sql.SqlWriter | None = None

    @property
    def written(self) -> Position | None:
        """The newest entry of the transaction; None: it wrote none."""
        return None if self.writer is None else self.writer.written
