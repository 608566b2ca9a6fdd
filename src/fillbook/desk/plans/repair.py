"""
The repair: what we find and nobody asked for (promise P11; other half: `core.permission`).

Today that is one thing: an order that was given up, and lands after all.  That it has is
always told.  Its end is asked for where repairs are made by themselves, and proposed in
words where they are to be approved.
"""

from __future__ import annotations

from datetime import timedelta

from fillbook import model as m
from fillbook.core.orders import instructions
from fillbook.core.permission import Authority, Permission
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.recorder import Recorder


class Repair:
    """Sets right what is permitted, and proposes the rest."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        agenda: Agenda,
        tracker: Tracker,
        cancellation: Cancellation,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._tracker = tracker
        self._cancellation = cancellation
        self._proposed: set[str] = set()
        self._agenda = agenda
        recorder.on(m.EventKind.ALERT, self._heard)

    def look(self) -> None:
        """See to every order that has landed late, and lives."""
        for record in filter(_landed_late, self._tracker.followed()):
            match self._gateway.permission(Authority.REPAIR):
                case Permission.SEND:
                    self._cancellation.instruct(record.client_order_id, Authority.REPAIR)
                    self._cancellation.pursue(record.client_order_id, first=False)
                case Permission.PROPOSE:
                    self._propose(record)
                case Permission.REFUSE:
                    pass  # it was told when it landed

    def _heard(self, event: m.Event) -> None:
        if event.alert is not None and event.alert.kind is m.AlertKind.LANDED_LATE:
            self._agenda.put("repairs", timedelta())

    def _propose(self, record: m.OrderRecord) -> None:
        name = record.client_order_id
        if name not in self._proposed:
            self._proposed.add(name)
            words = (
                f"order {name} was given up and has landed after all: "
                f"cancel it with cancel({name!r}), or let it be"
            )
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.PROPOSED, name, words)))


def _landed_late(record: m.OrderRecord) -> bool:
    """Whether an order of ours was concluded absent, has landed, and nobody has asked its end."""
    landed = any(x.oddity is m.Oddity.LANDED_LATE for x in record.order.anomalies)
    asked = instructions.open_end(record) is not None
    return landed and not asked and not record.order.is_final
