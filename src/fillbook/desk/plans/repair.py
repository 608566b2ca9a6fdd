"""
Repairs: requests that the bot did not make (promise P11; other half: `core.permission`).

There is one repair: the cancel of an order that was accepted after it was abandoned.  Such an
order always raises an alert.  Its cancel is sent if repairs are automatic, and proposed in an
alert if they need an approval.
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
    """Makes the repairs that are permitted, and proposes the others."""

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
        recorder.on(m.EventKind.ALERT, self._schedule)

    def run(self) -> None:
        """Repair every live order that was accepted after it was abandoned."""
        for record in filter(_accepted_after_abandoned, self._tracker.tracked()):
            match self._gateway.permission(Authority.REPAIR):
                case Permission.SEND:
                    self._cancellation.instruct(record.client_order_id, Authority.REPAIR)
                    self._cancellation.advance(record.client_order_id, for_caller=False)
                case Permission.PROPOSE:
                    self._propose(record)
                case Permission.REFUSE:
                    pass  # it was alerted when it was accepted

    def _schedule(self, event: m.Event) -> None:
        if event.alert is not None and event.alert.kind is m.AlertKind.LANDED_LATE:
            self._agenda.put("repairs", timedelta())

    def _propose(self, record: m.OrderRecord) -> None:
        name = record.client_order_id
        if name not in self._proposed:
            self._proposed.add(name)
            text = (
                f"order {name} was accepted after it was abandoned: "
                f"cancel it with cancel({name!r}), or leave it working"
            )
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.PROPOSED, name, text)))


def _accepted_after_abandoned(record: m.OrderRecord) -> bool:
    """Whether a live order was accepted after it was abandoned, and has no open cancel."""
    accepted = any(x.oddity is m.Oddity.LANDED_LATE for x in record.order.anomalies)
    is_instructed = instructions.open_cancel(record) is not None
    return accepted and not is_instructed and not record.order.is_final
