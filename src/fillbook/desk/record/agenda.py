"""
The agenda: the tasks that are due, and when.

It is not stored: after a crash it is derived from the record.  A task is on it at most once;
putting it again replaces its time.
"""

from __future__ import annotations

import threading
from datetime import timedelta


class Agenda:
    """Tasks by the time at which they are due, of the monotonic clock; safe from any thread."""

    def __init__(self) -> None:
        self._due: dict[str, timedelta] = {}
        self._lock = threading.Lock()

    def put(self, task: str, at: timedelta) -> None:
        """Schedule *task* at *at*."""
        with self._lock:
            self._due[task] = at

    def drop(self, task: str) -> None:
        """Remove *task*."""
        with self._lock:
            self._due.pop(task, None)

    def take(self, now: timedelta) -> list[str]:
        """Remove and return the tasks that are due at *now*, the oldest first."""
        with self._lock:
            due = sorted((at, task) for task, at in self._due.items() if at <= now)
            for _, task in due:
                del self._due[task]
        return [task for _, task in due]

    def next(self) -> timedelta | None:
        """Return when the next task is due; None if there is none."""
        with self._lock:
            return min(self._due.values(), default=None)
