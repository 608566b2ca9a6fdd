"""
The parts of a desk, in the order in which they are made: each knows only those before it.

Work for a later part goes on the agenda, which is not stored: at start it is found in the
record.
"""

from __future__ import annotations

from collections.abc import Callable

from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.desk.link.account import Binder
from fillbook.desk.link.buying_power import Reserves
from fillbook.desk.link.gateway import Line
from fillbook.desk.orders.approval import Approval
from fillbook.desk.orders.cancel import Ending
from fillbook.desk.orders.place import Coordinator
from fillbook.desk.orders.replace import Replacing
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.repair import Repair
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record import rebuild
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.kill_switch import Switch
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.desk.scheduler import Rounds
from fillbook.desk.threads import Background
from fillbook.desk.watch import Watch
from fillbook.store import Store


class Parts:
    """What a desk is made of."""

    def __init__(self, broker: Broker, store: Store, clock: Clock, settings: Settings) -> None:
        wait_s = settings.wait_s
        # What asks, and what is kept.
        self.line = line = Line(broker, store, clock, live=settings.live, repairs=settings.repairs)
        rebuild.bring_up_to_date(store, m.stamp(clock.now()))
        self.recorder = recorder = Recorder(store, clock)
        for sink in settings.alerts:
            recorder.on(m.EventKind.ALERT, _telling(sink))
        reserves = Reserves(store, clock, broker.capabilities)
        self.binder = binder = Binder(line, recorder, reserves)
        # Orders.
        agenda = Agenda()
        self.tracker = tracker = Tracker(line, recorder, binder, clock)
        resolver = Resolver(line, recorder, agenda, binder, tracker, clock, wait_s=wait_s)
        self.switch = Switch(recorder)
        approval = Approval(line, recorder, binder, reserves, tracker, clock, settings)
        self.coordinator = Coordinator(
            line, recorder, binder, resolver, approval, clock, wait_s=wait_s
        )
        self.ending = Ending(line, recorder, binder, tracker, resolver)
        self.replacing = Replacing(
            line,
            recorder,
            binder,
            tracker,
            resolver,
            approval,
            self.coordinator,
            self.ending,
            clock,
        )
        # The whole account, and what is done by itself.
        self.reconciler = Reconciler(line, recorder, binder, tracker, resolver, clock)
        repair = Repair(line, recorder, agenda, tracker, self.ending)
        watch = Watch(recorder, tracker, reserves, clock, settings.thresholds)
        self.rounds = Rounds(
            line,
            tracker,
            resolver,
            self.ending,
            self.replacing,
            repair,
            self.reconciler,
            watch,
            agenda,
            clock,
        )
        self.background = Background(broker, clock, agenda, tracker, self.rounds.tick)


def _telling(sink: Sink) -> Callable[[m.Event], None]:
    """A callback that hands the alert of an event on."""

    def tell(event: m.Event) -> None:
        if event.alert is not None:
            sink(event.alert)

    return tell
