"""
The kill switch: a cell of the store, which every desk on the store reads.

While it is set no order is sent or resent; cancels are still sent.  Open orders stay at the
broker; the command `fillbook halt` cancels them, except those in `core.orders.protective`.
"""

from __future__ import annotations

from typing import Final

from fillbook import model as m
from fillbook.desk.record.recorder import Recorder
from fillbook.store import Reader

CELL: Final = "halt"


class KillSwitch:
    """Sets and clears the kill switch."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def halt(self, why: str) -> None:
        """Deny every new order of every desk on the store; it is durable on return."""
        self._set(why)
        self._alert(
            f"halted: {why}; no order is sent until desk.resume() or `fillbook halt --resume`"
        )

    def resume(self) -> None:
        """Lift the halt."""
        if self._set(None) is not None:
            self._alert_resumed()

    def resume_from(self, why: str) -> bool:
        """Lift the halt if its reason is *why*; return whether it was lifted."""
        lifted = self._recorder.store.swap(CELL, why, None)
        if lifted:
            self._alert_resumed()
        return lifted

    @property
    def reason(self) -> str | None:
        """Why the switch is set; None if it is not set."""
        return self._recorder.store.cell(CELL)

    def _alert_resumed(self) -> None:
        self._alert("resumed: the kill switch was cleared, and orders are sent again")

    def _set(self, value: str | None) -> str | None:
        """Set the cell; return its value before."""
        store = self._recorder.store
        while True:
            before = store.cell(CELL)
            if before == value or store.swap(CELL, before, value):
                return before

    def _alert(self, message: str) -> None:
        self._recorder.record(m.Alerted(m.Alert(m.AlertKind.HALT, "account", message)))


def halt_reason(reader: Reader) -> str | None:
    """Return why the switch is set, in the transaction of *reader*; None if it is not set."""
    return reader.cell(CELL)
