"""
The parts of a desk, in the order in which they are made: each knows only those before it.

Work for a later part goes on the agenda, which is not stored: at start it is found in the
record.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fillbook import model as m
from fillbook.alerts import Sink
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.desk.link.account import AccountLink
from fillbook.desk.link.buying_power import Funding
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.approval import Approval
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.place import OrderPlacement
from fillbook.desk.orders.replace import Replacing
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.repair import Repair
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record import rebuild
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.kill_switch import KillSwitch
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.desk.scheduler import Scheduler
from fillbook.desk.threads import Background
from fillbook.desk.watch import Watch
from fillbook.store import Store


class Parts:
    """What a desk is made of."""

    def __init__(self, broker: Broker, store: Store, clock: Clock, settings: Settings) -> None:
        wait_s = settings.wait_s
        # What asks, and what is kept.
        self.gateway = gateway = Gateway(
            broker, store, clock, live=settings.live, repairs=settings.repairs
        )
        rebuild.bring_up_to_date(store, m.timestamp(clock.now()))
        self.recorder = recorder = Recorder(store, clock)
        for sink in settings.alerts:
            recorder.on(m.EventKind.ALERT, _telling(sink))
        funding = Funding(store, clock, broker.capabilities)
        self.account_link = account_link = AccountLink(gateway, recorder, funding)
        # Orders.
        agenda = Agenda()
        self.tracker = tracker = Tracker(gateway, recorder, account_link, clock)
        resolver = Resolver(gateway, recorder, agenda, account_link, tracker, clock, wait_s=wait_s)
        self.kill_switch = KillSwitch(recorder)
        approval = Approval(gateway, recorder, account_link, funding, tracker, clock, settings)
        self.placement = OrderPlacement(
            gateway, recorder, account_link, resolver, approval, clock, wait_s=wait_s
        )
        self.cancellation = Cancellation(
            gateway,
            recorder,
            account_link,
            tracker,
            resolver,
            clock,
            stuck=timedelta(seconds=settings.thresholds.stuck_s),
        )
        self.replacing = Replacing(
            gateway,
            recorder,
            account_link,
            tracker,
            resolver,
            approval,
            self.placement,
            self.cancellation,
            clock,
        )
        # The whole account, and what is done by itself.
        self.reconciler = Reconciler(gateway, recorder, account_link, tracker, resolver, clock)
        repair = Repair(gateway, recorder, agenda, tracker, self.cancellation)
        watch = Watch(recorder, tracker, funding, clock, settings.thresholds)
        self.scheduler = Scheduler(
            gateway,
            tracker,
            resolver,
            self.cancellation,
            self.replacing,
            repair,
            self.reconciler,
            watch,
            agenda,
            clock,
        )
        self.background = Background(broker, clock, agenda, tracker, self.scheduler.tick)


def _telling(sink: Sink) -> Callable[[m.Event], None]:
    """A callback that hands the alert of an event on."""

    def tell(event: m.Event) -> None:
        if event.alert is not None:
            sink(event.alert)

    return tell
