"""
The default store: one SQLite file, safe from any thread and from several processes.

A write transaction, a migration and the closing of the file hold the lock beside it
(``bot.db-lock``).  The lock is FIFO, and it ensures that no two connections at once write
or checkpoint the WAL (before SQLite 3.51.3 that may damage the file:
https://sqlite.org/wal.html#walresetbug).  A committed transaction is synced to disk.
Threads that wait for each other share a COMMIT (`group_commit`).  Readers block no other reader and
no writer.

The store checks the file before it writes to it, and does not change a file that is not
ours.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from fillbook.errors import (
    BadAddress,
    StoreDamaged,
    StoreError,
    StoreInDoubt,
    StoreUnavailable,
)
from fillbook.store import current_urgency
from fillbook.stores import sql
from fillbook.stores.filelock import FileLock
from fillbook.stores.group_commit import Group
from fillbook.stores.known import Known, Position
from fillbook.stores.sqlite_errors import damaged, rewound, store_error
from fillbook.stores.sqlite_file import RecordFile
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
        self._file = RecordFile(self._path)
        self._lock = FileLock(self._path.with_name(self._path.name + "-lock"))
        self._newest: Position | None = None  #: the newest entry that this process wrote
        self._group: Group | None = None  #: the group whose transaction is open
        self._known = Known()
        with self._store_errors():
            has_wal = self._file.has_wal()
            self._writer = self._connect()
            try:
                self._prepare(has_wal)
                self._file.note_identity()
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
            if self._file.wal.exists():
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
            self._file.check(connection)
        if not pending:
            mark = self._file.mark(connection)  # first: another process may write meanwhile
            last = sql.SqlReader(connection, DIALECT).last()
            self._file.check_closed(mark, last)
            if not has_wal:
                self._file.check_wal(mark, last)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # for macOS; no effect elsewhere
        if pending:
            with self._lock.hold():
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    pending = sql.pending_migrations(connection, DIALECT)
                    sql.apply_migrations(connection, DIALECT, pending)
                    connection.execute("COMMIT")
                except BaseException:
                    self._roll_back()
                    raise

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
                    if self._file.mark(self._writer) > 0:
                        newest = sql.SqlReader(self._writer, DIALECT).last()
                        self._file.set_mark(self._writer, -newest)
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

    def _mark_next_entry(self) -> None:
        """Mark the next entry, unless an entry after the last checkpoint is marked."""
        self._writes += 1
        if self._writes >= CHECKPOINT_EACH or self._file.mark(self._writer) <= 0:
            newest = sql.SqlReader(self._writer, DIALECT).last()
            self._file.set_mark(self._writer, newest + 1)
            self._writes = 0

    # A transaction is that of a group: the lock is passed on to the next thread of the group with
    # the transaction open, and the last one commits it.

    @contextmanager
    def _write_transaction(self, *, entries: bool) -> Iterator[_Transaction]:
        """Take the connection that writes, for *entries* or cells, in an exclusive transaction."""
        self._check()
        kind = (self, entries, current_urgency())
        with self._lock.hold(kind, self._commit) as turn:
            try:
                self._check()  # another thread may have closed it during the wait
                with self._store_errors():
                    group = self._group or self._begin(entries=entries)
                    with self._part(group) as transaction:
                        yield transaction
            finally:
                if self._group and not (self._group.has_room and turn.pass_on()):
                    self._commit()
        group.wait()

    def _begin(self, *, entries: bool) -> Group:
        """Begin the transaction of a group."""
        self._file.check_identity()
        if entries:
            self._mark_next_entry()
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self._check_rewound()
        except BaseException:
            self._roll_back()
            raise
        self._group = Group()
        return self._group

    @contextmanager
    def _part(self, group: Group) -> Iterator[_Transaction]:
        """Write one part of *group*; if it fails, only this part is undone."""
        transaction = _Transaction(self._writer)
        is_first = not group.size
        try:
            if not is_first:
                self._writer.execute("SAVEPOINT part")
            yield transaction
            if not is_first:
                self._writer.execute("RELEASE part")
        except BaseException as error:
            self._undo_part(group, error)
            raise
        group.size += 1
        if transaction.writer is not None and transaction.written is not None:
            group.written = transaction.written
            self._known.commit(transaction.writer.changed, transaction.written)

    def _undo_part(self, group: Group, error: BaseException) -> None:
        """Undo the part that raised *error*; the others too, if SQLite has rolled them back."""
        if group.size and self._writer.in_transaction:
            try:
                self._writer.execute("ROLLBACK TO part")
                self._writer.execute("RELEASE part")
                return
            except sqlite3.Error as second:
                error = second
        self._group = None
        self._roll_back()
        if group.size:
            self._known.clear()
            group.end(
                StoreUnavailable(
                    f"{self._path}: another thread failed in the same transaction ({error}); "
                    "nothing was written"
                )
            )

    def _commit(self) -> None:
        """Commit the transaction of the group, if one is open; its parts get the error."""
        group, self._group = self._group, None
        if group is None:
            return
        failed: StoreError | None = StoreInDoubt(
            f"{self._path}: the commit was interrupted, and whether it was made is unknown"
        )
        try:
            try:
                self._writer.execute("COMMIT")
                failed = None
            except sqlite3.Error as error:
                self._roll_back()
                failed = self._ask_after(group, error)
        finally:
            if failed is None:
                self._newest = group.written or self._newest
            else:
                self._known.clear()
            group.end(failed)

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # the error may have rolled it back
            self._writer.execute("ROLLBACK")

    def _ask_after(self, group: Group, error: sqlite3.Error) -> StoreError | None:
        """
        Find out on a new connection whether a COMMIT that failed was made, under the same lock.

        Return None if it was made; StoreUnavailable: it was not; StoreInDoubt: it cannot be known.
        """
        self._known.clear()
        unavailable = store_error(error, self._path)
        if group.written is None:
            return unavailable  # no entry was written: there is nothing to be in doubt of
        try:
            with closing(self._connect()) as connection:
                written = sql.has_entry(connection, DIALECT, group.written)
        except sqlite3.Error as second:
            return StoreInDoubt(
                f"{self._path}: the commit failed ({error}), and whether the transaction was "
                f"written is unknown, because the store cannot be read ({second})"
            )
        if not written:
            return unavailable
        log.warning(
            "%s: a transaction was written, although the commit reported: %s", self._path, error
        )
        return None

    def _check_rewound(self) -> None:
        """Raises: StoreRewound if the newest entry of this process is not in the journal."""
        if self._newest is not None and not sql.has_entry(self._writer, DIALECT, self._newest):
            raise rewound(
                self._path,
                f"has lost entry {self._newest.number}, which this process wrote: it was restored "
                "from a backup",
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
            raise damaged(self._path, str(error), is_derived=error.is_derived) from error


class _Transaction:
    """A write transaction, and the writer of its entries; None while it writes cells only."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.writer: sql.SqlWriter | None = None

    @property
    def written(self) -> Position | None:
        """The newest entry of the transaction; None: it wrote none."""
        return None if self.writer is None else self.writer.written
