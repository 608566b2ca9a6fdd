"""
Group commit: what the threads of a process write in turn is committed at once.

A COMMIT waits for the disk.  A thread that has written passes its open transaction on to the next
one that waits with a write of the same urgency, and the last of them commits for all.  Each write
returns after that COMMIT, so that what it wrote is durable; if the COMMIT fails, all of them fail.
"""

from __future__ import annotations

import threading
from typing import Final

from fillbook.errors import StoreError, StoreInDoubt
from fillbook.stores.known import Position

#: The most writes of a group: others wait for its end.
GROUP_MAX: Final = 16
#: No COMMIT takes longer, unless the thread that makes it is stopped.
_WAIT_MAX_S: Final = 60.0


class Group:
    """The writes of one transaction, each of another thread."""

    def __init__(self) -> None:
        self.size = 0
        #: The newest entry of the transaction; None: it wrote none.
        self.written: Position | None = None
        self._error: StoreError | None = None
        self._ended = threading.Event()

    @property
    def has_room(self) -> bool:
        return self.size < GROUP_MAX

    def end(self, error: StoreError | None = None) -> None:
        """Note that the transaction is committed; *error*: it is not."""
        self._error = error
        self._ended.set()

    def wait(self) -> None:
        """Wait for the COMMIT. Raises: StoreError if it failed."""
        if not self._ended.wait(_WAIT_MAX_S):
            raise StoreInDoubt(
                f"another thread has not committed what was written within {_WAIT_MAX_S:g} s: "
                "whether it was written is unknown"
            )
        if self._error is not None:
            raise type(self._error)(str(self._error)) from self._error
