"""
Taking turns between processes, first come first served.

SQLite's own way to wait is to try again at random, which starves whoever is unlucky;
here whoever waits has a place in a queue.  The queue is a file beside the store:

- its first eight bytes are the number of the last ticket, taken under a lock on them;
- who has a ticket holds a lock on a byte of its own, far behind, until it is done;
- its turn has come once it can lock every byte below its own: the system blocks it until
  all earlier tickets were given back, and gives back those of processes that died,
  whether they were at work or waiting.

Such locks belong to a process, and closing any descriptor of the file drops them all
(POSIX, fcntl): so there is one descriptor a file and process, and the threads of a
process take turns (`turns`) before one of them draws a ticket.
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
from fillbook.stores.thread_queue import Turns

_COUNTER: Final = 8  #: bytes of the number of the last ticket
_QUEUE: Final = 1 << 20  #: where the tickets' bytes begin; nothing is ever written there
_ROUND: Final = 1 << 40  #: tickets until we start anew, which is thousands of years
_AGAIN_S: Final = 0.002


class _File:
    """One lock file, as one process has it open."""

    def __init__(self, path: str) -> None:
        self.turns = Turns()
        self.users = 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def draw(self) -> int:
        """A ticket, with its byte locked."""
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _COUNTER, 0)
        try:
            last = int.from_bytes(os.pread(self._fd, _COUNTER, 0), "big")
            ticket = (last + 1) % _ROUND
            os.pwrite(self._fd, ticket.to_bytes(_COUNTER, "big"), 0)
            fcntl.lockf(self._fd, fcntl.LOCK_EX, 1, _QUEUE + ticket)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _COUNTER, 0)
        return ticket

    def wait(self, ticket: int) -> None:
        """Return once no earlier ticket is out."""
        while ticket:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX, ticket, _QUEUE)
                return
            except OSError as error:
                # The system sees processes, not threads: two processes whose threads wait for
                # each other's *other* store look like a deadlock.  It passes; the ticket stays.
                if error.errno != errno.EDEADLK:
                    raise
                time.sleep(_AGAIN_S)

    def give_back(self, ticket: int) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, ticket + 1, _QUEUE)

    def close(self) -> None:
        os.close(self._fd)


_files: dict[tuple[int, str], _File] = {}  #: by process (a fork's child inherits nothing) and path
_files_guard = threading.Lock()
# A child forked while another thread held the guard could never take it.
os.register_at_fork(
    before=_files_guard.acquire,
    after_in_parent=_files_guard.release,
    after_in_child=_files_guard.release,
)


class FileLock:
    """
    A lock between all threads and processes that name the same *path*; not reentrant.

    Waiting has no time limit: a holder that was stopped, not killed, holds up the rest.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.path.realpath(path)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """
        Hold the lock.

        Raises: StoreUnavailable when the file cannot be opened, Bug when this thread holds
        the lock already.
        """
        with self._file() as file, file.turns.turn():
            ticket = file.draw()
            try:
                file.wait(ticket)
                yield
            finally:
                file.give_back(ticket)

    @contextmanager
    def _file(self) -> Iterator[_File]:
        """The file, open for as long as a thread of this process needs it."""
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
