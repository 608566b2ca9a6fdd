"""
Taking turns between the threads of one process, first come first served.

`filelock` does the same between processes.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from fillbook.errors import Bug, Forked


class Turns:
    """A lock that is handed over in the order in which it was asked for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Lock] = deque()  # of those who wait, oldest first
        self._holder: int | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """
        Hold the lock.

        Raises: Bug when this thread holds it already, for it would wait for itself.
        """
        self._wait()
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self) -> None:
        me = threading.get_ident()
        with self._guard:
            if self._holder == me:
                raise Bug("this thread is inside a write of the store already")
            if self._holder is None:
                self._holder = me
                return
            gate = threading.Lock()
            gate.acquire()
            self._queue.append(gate)
        try:
            gate.acquire()
        except BaseException:  # such as Ctrl-C: nobody must hand the lock to a waiter that left
            self._leave(gate)
            raise
        self._holder = me

    def _leave(self, gate: threading.Lock) -> None:
        with self._guard:
            if gate in self._queue:
                self._queue.remove(gate)
                return
        self._pass_on()

    def _pass_on(self) -> None:
        with self._guard:
            self._holder = None
            if self._queue:
                # Held on behalf of the next one until it wakes, so that nobody slips in between.
                self._holder = 0
                self._queue.popleft().release()


class Home:
    """The process that opened a store; a fork's child must not use what it inherits."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def is_here(self) -> bool:
        return os.getpid() == self._pid

    def check(self) -> None:
        """Raises: Forked in a child of the process that opened the store."""
        if not self.is_here():
            raise Forked("this store was opened before a fork; open one of its own in the child")
