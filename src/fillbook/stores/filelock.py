"""
A fair lock between processes: a ticket lock in a file beside the store.

SQLite waits by retries at random intervals, which can starve a process.  This lock is
FIFO:

- the first eight bytes of the file are the number of the last ticket, changed under a lock
  on these bytes;
- the owner of a ticket locks one byte, at an offset of its own, until it is done;
- the owner then locks every byte below its own: the system blocks it until all earlier
  tickets are released, and releases the tickets of processes that have died, whether they
  held the lock or waited for it.

POSIX locks (fcntl) belong to a process, and closing any descriptor of the file drops all
of them.  So a process has one descriptor for each file, and its threads hold `thread_lock`
before they take a ticket.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fillbook.errors import StoreUnavailable
from fillbook.stores.thread_queue import FairLock

_COUNTER_BYTES: Final = 8  #: the length of the number of the last ticket
_TICKETS_START: Final = (
    1 << 20
)  #: the offset of the bytes of the tickets; they are locked, never written
_TICKETS_MAX: Final = 1 << 40  #: the number wraps here, after thousands of years
_DEADLOCK_RETRY_S: Final = 0.002


class _File:
    """An open lock file of this process."""

    def __init__(self, path: str) -> None:
        self.thread_lock = FairLock()
        self.users = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def take_ticket(self) -> int:
        """Take the next ticket, and lock its byte."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _COUNTER_BYTES, 0)
        try:
            last = int.from_bytes(os.pread(self._fd, _COUNTER_BYTES, 0), "big")
            ticket = (last + 1) % _TICKETS_MAX
            os.pwrite(self._fd, ticket.to_bytes(_COUNTER_BYTES, "big"), 0)
            fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, _TICKETS_START + ticket)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _COUNTER_BYTES, 0)
        return ticket

    def wait_for_earlier(self, ticket: int) -> None:
        """Wait until every earlier ticket is released."""
        while ticket:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX, ticket, _TICKETS_START)
                return
            except OSError as error:
                # The system detects deadlocks by process, not by thread: two processes whose
                # threads wait for two stores crosswise look like one.  A retry gets the lock.
                if error.errno != errno.EDEADLK:
                    raise
                time.sleep(_DEADLOCK_RETRY_S)

    def release(self, ticket: int) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, ticket + 1, _TICKETS_START)

    def close(self) -> None:
        os.close(self._fd)


_files: dict[tuple[int, str], _File] = {}  #: by process (a forked child inherits no lock) and path
_files_guard = threading.Lock()
# A child that is forked while another thread holds the guard could never acquire it.
os.register_at_fork(
    before=_files_guard.acquire,
    after_in_parent=_files_guard.release,
    after_in_child=_files_guard.release,
)


class FileLock:
    """
    A lock between all threads and processes that use the same *path*; not reentrant.

    A wait has no time limit: a process that is stopped, not killed, keeps the lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.path.realpath(path)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """
        Hold the lock.

        Raises: StoreUnavailable if the file cannot be opened, Bug if this thread already holds
        the lock.
        """
        with self._file() as file, file.thread_lock.hold():
            ticket = file.take_ticket()
            try:
                file.wait_for_earlier(ticket)
                yield
            finally:
                file.release(ticket)

    @contextmanager
    def _file(self) -> Iterator[_File]:
        """Open the file, for as long as a thread of this process uses it."""
        key = (os.getpid(), self._path)
        with _files_guard:
            file = _files.get(key)
            if file is None:
                file = _files[key] = self._open()
            file.users += 1
        try:
            yield file
        finally:
            with _files_guard:
                file.users -= 1
                if not file.users:
                    del _files[key]
                    file.close()

    def _open(self) -> _File:
        try:
            return _File(self._path)
        except OSError as error:
            raise StoreUnavailable(f"cannot open {self._path}: {error.strerror}") from error
