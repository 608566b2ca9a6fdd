"""
The progress of a command that takes longer than a second, on standard error.

It is shown on a terminal only, and is removed before anything else is printed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console

if TYPE_CHECKING:
    from rich.status import Status

    from fillbook.desk import Desk

#: A command is silent for so long, in seconds.
SILENT_S: Final = 1.0
_EVERY_S: Final = 0.5


class Progress:
    """The line of one command: its name, its requests and its seconds."""

    def __init__(self, wait: Callable[[threading.Event, float], bool] = threading.Event.wait):
        self._wait = wait
        self._ended = threading.Event()
        self._desk: Desk | None = None
        self._lock = threading.Lock()
        self._status: Status | None = None

    def follow(self, desk: Desk) -> None:
        """Show the requests of *desk*."""
        self._desk = desk

    @contextmanager
    def shown(self, console: Console, command: str) -> Iterator[None]:
        """Show it on *console* while the block runs; nothing if that is no terminal."""
        self._ended = threading.Event()
        if not console.is_terminal:
            yield
            return
        thread = threading.Thread(target=self._show, args=(console, command), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.end()

    def pause(self) -> None:
        """Remove the line, before something is printed; it comes back if the command goes on."""
        with self._lock:
            if self._status is not None:
                self._status.stop()
                self._status = None

    def end(self) -> None:
        """Remove the line for good; a second call does nothing."""
        self._ended.set()
        self.pause()
        self._desk = None

    def _show(self, console: Console, command: str) -> None:
        seconds = SILENT_S
        if self._wait(self._ended, SILENT_S):
            return
        while True:
            with self._lock:
                if self._ended.is_set():
                    return
                if self._status is None:
                    self._status = console.status("")
                    self._status.start()
                self._status.update(self.text(command, seconds))
            if self._wait(self._ended, _EVERY_S):
                return
            seconds += _EVERY_S

    def text(self, command: str, seconds: float) -> str:
        """Return the line after *seconds*."""
        desk = self._desk
        asked = "" if desk is None else f", {desk.requests} requests to the broker"
        return f"fillbook {command}: {seconds:.0f} s{asked} (Ctrl-C stops it)"


#: The progress of this process.
PROGRESS: Final = Progress()
