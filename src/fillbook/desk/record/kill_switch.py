"""
The kill switch: a word in the store, seen by every desk on it.

While it is set no order is sent, new or again; cancels pass.  What rests at the broker
stays: `fillbook halt` cancels that too.
"""

from __future__ import annotations

from typing import Final

from fillbook import model as m
from fillbook.desk.record.recorder import Recorder
from fillbook.store import Reader

CELL: Final = "halt"


class KillSwitch:
    """Sets the switch and lifts it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def halt(self, why: str) -> None:
        """Deny every new order from now on; durable, and seen by every desk, when it returns."""
        self._set(why)
        self._tell(f"halted: {why}; no order is sent until it is lifted")

    def resume(self) -> None:
        """Let orders go again."""
        if self._set(None) is not None:
            self._tell("the halt was lifted: orders are sent again")

    def _set(self, word: str | None) -> str | None:
        """Set the cell, whatever it said; what that was."""
        store = self._recorder.store
        while True:
            was = store.cell(CELL)
            if was == word or store.swap(CELL, was, word):
                return was

    def _tell(self, message: str) -> None:
        self._recorder.record(m.Alerted(m.Alert(m.AlertKind.HALT, "account", message)))


def halted(reader: Reader) -> str | None:
    """Why the switch is set, in the transaction of *reader*; None if it is not."""
    return reader.cell(CELL)
