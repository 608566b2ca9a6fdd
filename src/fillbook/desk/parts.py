"""
The parts of a desk, in the order in which they are built: each uses only those before it.

Work for a later part is put on the agenda.  The agenda is not stored: at the start it is derived
from the record.
"""

from __future__ import annotations

from datetime import timedelta

from fillbook import model as m
from fillbook.alerts import Delivery
from fillbook.broker import Broker
from fillbook.clock import Clock
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.link.symbols import Symbols
from fillbook.desk.orders.approval import Approval
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.manual_resolution import ManualResolution
from fillbook.desk.orders.place import OrderPlacement
from fillbook.desk.orders.replace import Replacement
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.close import Closing
from fillbook.desk.plans.decisions import Decisions
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.exits import Exits
from fillbook.desk.plans.planning import Planning
from fillbook.desk.plans.protections import Protections
from fillbook.desk.plans.repair import RecordSteps, Repair
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record import rebuild
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.kill_switch import KillSwitch
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.settings import Settings
from fillbook.desk.record.strategy_assignments import Assignments
from fillbook.desk.scheduler import Scheduler
from fillbook.desk.threads import Background
from fillbook.desk.watch import Watch
from fillbook.store import Store


class Parts:
    """The parts of one desk."""

    gateway: Gateway
    recorder: Recorder
    account_link: AccountLink
    symbols: Symbols
    tracker: Tracker
    kill_switch: KillSwitch
    placement: OrderPlacement
    cancellation: Cancellation
    replacement: Replacement
    manual_resolution: ManualResolution
    assignments: Assignments
    reconciler: Reconciler
    protections: Protections
    closing: Closing
    repair: Repair
    decisions: Decisions
    scheduler: Scheduler
    background: Background

    def __init__(self, broker: Broker, store: Store, clock: Clock, settings: Settings) -> None:
        wait_s = settings.wait_s
        # The link to the broker, and the record.
        self.gateway = gateway = Gateway(
            broker, store, clock, live=settings.live, repairs=settings.repairs.strongest
        )
        rebuild.rebuild_if_outdated(store, m.timestamp(clock.now()))
        self.recorder = recorder = Recorder(store, clock, gateway.pair)
        deliveries = [Delivery(sink) for sink in settings.alerts]
        for delivery in deliveries:
            recorder.on(m.EventKind.ALERT, delivery.deliver)
        available_funds = AvailableFunds(store, clock, broker.capabilities)
        self.market = market = Market(gateway, recorder, clock, settings)
        self.symbols = symbols = Symbols(store, market)
        self.account_link = account_link = AccountLink(gateway, recorder, available_funds)
        # Orders.
        agenda = Agenda()
        self.tracker = tracker = Tracker(gateway, recorder, account_link, clock)
        resolver = Resolver(gateway, recorder, agenda, account_link, tracker, clock, wait_s=wait_s)
        reconciler = Reconciler(gateway, recorder, account_link, tracker, resolver, clock, settings)
        self.reconciler = reconciler
        self.kill_switch = KillSwitch(recorder)
        self.assignments = Assignments(recorder)
        approval = Approval(
            gateway, recorder, account_link, available_funds, tracker, reconciler, market, settings
        )
        self.placement = OrderPlacement(
            gateway, recorder, account_link, resolver, approval, symbols, clock, wait_s=wait_s
        )
        stuck = timedelta(seconds=settings.thresholds.stuck_s)
        self.cancellation = Cancellation(
            gateway, recorder, agenda, account_link, tracker, resolver, clock, stuck=stuck
        )
        self.replacement = Replacement(
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
        self.manual_resolution = ManualResolution(gateway, recorder, account_link, tracker, clock)
        # Plans.
        planning = Planning(recorder)
        record_steps = RecordSteps(agenda, reconciler, self.manual_resolution, self.kill_switch)
        executor = Executor(
            gateway,
            recorder,
            agenda,
            tracker,
            self.placement,
            self.cancellation,
            clock,
            record_steps.carry_out,
        )
        exits = Exits(
            gateway,
            recorder,
            agenda,
            market,
            reconciler,
            executor,
            planning,
            clock,
            settings,
        )
        self.repair = repair = Repair(
            gateway, recorder, agenda, reconciler, executor, planning, settings.repairs
        )
        self.closing = Closing(gateway, recorder, market, executor, planning, clock)
        self.protections = Protections(
            gateway, recorder, exits, executor, planning, clock, settings.exits
        )
        self.decisions = Decisions(gateway, recorder, executor, self.protections)
        watch = Watch(broker, recorder, tracker, available_funds, clock, settings, deliveries)
        self.scheduler = Scheduler(
            gateway,
            tracker,
            resolver,
            self.cancellation,
            self.replacement,
            repair,
            executor,
            self.protections,
            reconciler,
            watch,
            agenda,
            clock,
        )
        self.background = Background(broker, clock, agenda, tracker, self.scheduler.tick)
