"""
A fair lock between processes: a ticket lock in a file beside the store.

SQLite waits by retries at random intervals, which can starve a process.  This lock is
FIFO:

- the first eight bytes of the file are the number of the last ticket, changed under a lock
  on these bytes;
- the owner of a ticket locks one byte, at an offset of its own, until it is done;
- the owner then locks every byte below its own, which succeeds once all earlier tickets are
  released; the system releases the tickets of processes that have died, whether they held the
  lock or waited for it.

Each wait is a series of attempts with an end: a process that is stopped, not killed, keeps its
ticket, and the error names it.

POSIX locks (fcntl) belong to a process, and closing any descriptor of the file drops all
of them.  So a process has one descriptor for each file, and its threads hold `thread_lock`
before they take a ticket.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fillbook.errors import StoreUnavailable
from fillbook.store import Urgency, current_urgency
from fillbook.stores.thread_queue import FairLock, Turn

try:
    import fcntl
except ImportError:
    raise StoreUnavailable(
        "a record in a file needs POSIX file locks, which this system does not have. "
        "Run fillbook on Linux, on macOS, or on Windows in WSL"
    ) from None

_COUNTER_BYTES: Final = 8  #: the length of the number of the last ticket
_TICKETS_START: Final = (
    1 << 20
)  #: the offset of the bytes of the tickets; they are locked, never written
_TICKETS_MAX: Final = 1 << 40  #: the number wraps here, after thousands of years
_RETRY_MIN_S, _RETRY_MAX_S = 0.0002, 0.005  #: between two attempts
WAIT_MAX_S: Final = 10.0  #: the longest wait for the lock
YIELD_MAX_S: Final = 1.0  #: for so long a poll lets other processes go first
#: `struct flock` of Linux, which names the process that holds a lock.
_FLOCK: Final = "hhqqi4x"


class _File:
    """An open lock file of this process."""

    def __init__(self, path: str) -> None:
        self.thread_lock = FairLock()
        self.users = 0
        self._ticket: int | None = None  #: of this process, while a thread holds `thread_lock`
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take_turn(self, end: float) -> None:
        """
        Take a ticket, and wait for its turn; nothing, if a thread passed on the turn that it had.

        Raises: StoreUnavailable after *end*.
        """
        if self._ticket is None:
            self._ticket = self._take_ticket(end)
            try:
                self._wait_for_earlier(self._ticket, end)
            except BaseException:
                self.end_turn()
                raise

    def end_turn(self) -> None:
        if self._ticket is not None:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, self._ticket + 1, _TICKETS_START)
            self._ticket = None

    def _take_ticket(self, end: float) -> int:
        """Take the next ticket, and lock its byte. Raises: StoreUnavailable after *end*."""
        self._lock(_COUNTER_BYTES, 0, end)
        try:
            last = int.from_bytes(os.pread(self._fd, _COUNTER_BYTES, 0), "big")
            ticket = (last + 1) % _TICKETS_MAX
            os.pwrite(self._fd, ticket.to_bytes(_COUNTER_BYTES, "big"), 0)
            fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, _TICKETS_START + ticket)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _COUNTER_BYTES, 0)
        return ticket

    def _wait_for_earlier(self, ticket: int, end: float) -> None:
        """Wait until every earlier ticket is released. Raises: StoreUnavailable after *end*."""
        if ticket:
            self._lock(ticket, _TICKETS_START, end)

    def let_others_go_first(self) -> None:
        """Wait while other processes have tickets, at most `YIELD_MAX_S`."""
        end = time.monotonic() + YIELD_MAX_S
        while self._is_queue() and time.monotonic() < end:
            time.sleep(_RETRY_MAX_S)

    def _is_queue(self) -> bool:
        """Return whether another process has the lock or waits for it; False if that is unknown."""
        return bool(_first_holder(self._fd, _TICKETS_MAX, _TICKETS_START))

    def _lock(self, length: int, start: int, end: float) -> None:
        delay_s = _RETRY_MIN_S
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
                return
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise StoreUnavailable(
                        f"{self._path} is held by {self._holder(length, start)} for more than "
                        f"{WAIT_MAX_S:g} s; nothing was written. Continue or end that process"
                    ) from None
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, _RETRY_MAX_S)

    def _holder(self, length: int, start: int) -> str:
        """Name the process that holds the first lock in a range."""
        holder = _first_holder(self._fd, length, start)
        return f"process {holder}" if holder else "another process"

    def close(self) -> None:
        os.close(self._fd)


def _first_holder(fd: int, length: int, start: int) -> int:
    """Return the process that holds the first lock in a range; 0: none does, or it is unknown."""
    if sys.platform != "linux":
        return 0
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    kind, *_, process = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    return 0 if kind == fcntl.F_UNLCK else int(process)


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

    A wait ends after `WAIT_MAX_S`.  What is written in the background takes no ticket while another
    process has one, for up to `YIELD_MAX_S`.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.path.realpath(path)

    @contextmanager
    def hold(self, kind: object = None, left: Callable[[], None] = lambda: None) -> Iterator[Turn]:
        """
        Hold the lock; *kind* and *left* are those of `FairLock.hold`.

        Raises: StoreUnavailable if the file cannot be opened or written, or if another process or
        thread keeps the lock; Bug if this thread already holds the lock.
        """
        end = time.monotonic() + WAIT_MAX_S
        with self._file() as file:
            if current_urgency() is Urgency.BACKGROUND:
                file.let_others_go_first()

            def left_with_turn() -> None:
                try:
                    left()
                finally:
                    file.end_turn()

            with file.thread_lock.hold(WAIT_MAX_S, kind, left_with_turn) as turn:
                try:
                    with self._errors():
                        file.take_turn(end)
                    yield turn
                finally:
                    if turn.next is None:
                        file.end_turn()

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
        with self._errors():
            return _File(self._path)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate the errors of the system, such as a full disk, to ours."""
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"cannot lock {self._path}: {error.strerror}; nothing was written"
            ) from error
