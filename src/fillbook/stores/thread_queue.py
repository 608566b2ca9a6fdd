"""
A fair lock between the threads of one process, and a guard against forks.

`filelock` is the fair lock between processes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from fillbook.errors import Bug, Forked, StoreUnavailable
from fillbook.store import Urgency, current_urgency

#: So often a waiter is overtaken by more urgent ones.
OVERTAKEN_MAX: Final = 64


class FairLock:
    """
    A lock that the most urgent waiter gets; waiters of one urgency in the order of their requests.

    No waiter is overtaken more than `OVERTAKEN_MAX` times.  Not reentrant.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: list[_Waiter] = []  # oldest first
        self._holder: int | None = None

    @contextmanager
    def hold(
        self, wait_s: float = -1, kind: object = None, left: Callable[[], None] = lambda: None
    ) -> Iterator[Turn]:
        """
        Hold the lock; wait at most *wait_s* seconds (-1: as long as it takes).

        A turn may be passed on to the next waiter, if that is of the same *kind*.  *left* is
        called, with the lock held, if the waiter leaves although the lock was passed to it.

        Raises: StoreUnavailable if another thread keeps it; Bug if this thread already holds it:
        it would wait for itself.
        """
        self._acquire(wait_s, kind, left)
        turn = Turn(kind, self._take_next)
        try:
            yield turn
        finally:
            self._release(turn.next)

    def _acquire(self, wait_s: float, kind: object, left: Callable[[], None]) -> None:
        thread_id = threading.get_ident()
        with self._guard:
            if self._holder == thread_id:
                raise Bug("this thread has a write transaction of the store open already")
            if self._holder is None:
                self._holder = thread_id
                return
            waiter = _Waiter(current_urgency(), kind)
            self._queue.append(waiter)
        try:
            if not waiter.turn.acquire(timeout=wait_s):
                raise StoreUnavailable(
                    f"another thread of this process keeps the store for more than {wait_s:g} s; "
                    "nothing was written"
                )
        except BaseException:  # such as Ctrl-C: a waiter that left must not get the lock
            self._cancel_wait(waiter, left)
            raise
        self._holder = thread_id

    def _cancel_wait(self, waiter: _Waiter, left: Callable[[], None]) -> None:
        """Leave the queue; release the lock if it was passed to *waiter* meanwhile."""
        with self._guard:
            if waiter in self._queue:
                self._queue.remove(waiter)
                return
        self._holder = threading.get_ident()
        try:
            left()
        finally:
            self._release(None)

    def _take_next(self, kind: object) -> _Waiter | None:
        """Take the next waiter out of the queue if it is of *kind*."""
        with self._guard:
            next_one = self._next()
            if next_one is None or next_one.kind != kind:
                return None
            return self._dequeued(next_one)

    def _release(self, taken: _Waiter | None) -> None:
        """Pass the lock to *taken*; None: to the most urgent waiter, if there is one."""
        with self._guard:
            next_one = taken or self._next()
            if next_one is None:
                self._holder = None
                return
            # Reserved (0) for the next waiter until it wakes, so that no other thread takes it.
            self._holder = 0
            if taken is None:
                self._dequeued(next_one)
            next_one.turn.release()

    def _next(self) -> _Waiter | None:
        """Return the most urgent waiter, the oldest of them."""
        return min(self._queue, key=lambda x: x.urgency, default=None)

    def _dequeued(self, waiter: _Waiter) -> _Waiter:
        for overtaken in self._queue[: self._queue.index(waiter)]:
            overtaken.is_overtaken()
        self._queue.remove(waiter)
        return waiter


class Turn:
    """The time in which a thread holds the lock; `next` has it after that; None: not decided."""

    def __init__(self, kind: object, take_next: Callable[[object], _Waiter | None]) -> None:
        self._kind = kind
        self._take_next = take_next
        self.next: _Waiter | None = None

    def pass_on(self) -> bool:
        """Pass the lock on to the next waiter at the end; False: it is not of the same kind."""
        self.next = self._take_next(self._kind)
        return self.next is not None


class _Waiter:
    """A thread that waits; `turn` is released when it has the lock."""

    def __init__(self, urgency: Urgency, kind: object) -> None:
        self.turn = threading.Lock()
        self.turn.acquire()
        self.urgency: int = urgency
        self.kind = kind
        self._overtaken = 0

    def is_overtaken(self) -> None:
        """Count that a younger waiter goes first; after `OVERTAKEN_MAX` no other does."""
        self._overtaken += 1
        if self._overtaken >= OVERTAKEN_MAX:
            self.urgency = min(Urgency)


class ForkGuard:
    """The process that opened a store: a forked child must not use inherited connections."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def is_same_process(self) -> bool:
        """Return whether this process opened the store."""
        return os.getpid() == self._pid

    def check(self) -> None:
        """Check that this process opened the store. Raises: Forked in a forked child."""
        if not self.is_same_process():
            raise Forked("the store was opened before a fork; open a new one in the child process")
