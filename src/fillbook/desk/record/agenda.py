"""
The agenda: what is due, and when.

It is not stored: after a crash it is derived from the record.  A matter is on it
once; putting it down again brings it forward or back.
"""

from __future__ import annotations

import threading
from datetime import timedelta


class Agenda:
    """Matters by the moment of the monotonic clock at which they are due."""

    def __init__(self) -> None:
        self._due: dict[str, timedelta] = {}
        self._lock = threading.Lock()

    def put(self, matter: str, at: timedelta) -> None:
        """Have *matter* looked at once *at* has come."""
        with self._lock:
            self._due[matter] = at

    def drop(self, matter: str) -> None:
        """*matter* is done with."""
        with self._lock:
            self._due.pop(matter, None)

    def take(self, now: timedelta) -> list[str]:
        """What is due by *now*, the oldest first; it is off the agenda then."""
        with self._lock:
            due = sorted((at, matter) for matter, at in self._due.items() if at <= now)
            for _, matter in due:
                del self._due[matter]
        return [matter for _, matter in due]

    def next(self) -> timedelta | None:
        """When the next matter is due; None if there is none."""
        with self._lock:
            return min(self._due.values(), default=None)
