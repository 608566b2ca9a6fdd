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
from fillbook.desk.access.inbox import Inbox
from fillbook.desk.link.binding import AccountLink
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.link.market import Market
from fillbook.desk.link.symbols import Symbols
from fillbook.desk.measurements import Measurements
from fillbook.desk.orders.approval import Approval
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.manual_resolution import ManualResolution
from fillbook.desk.orders.place import OrderPlacement
from fillbook.desk.orders.replace import Replacement
from fillbook.desk.orders.resolver import Resolver
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.catch_up import CatchingUp
from fillbook.desk.plans.close import Closing
from fillbook.desk.plans.decisions import Decisions
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.exits import Exits
from fillbook.desk.plans.funds_step import FundsStep
from fillbook.desk.plans.planning import Planning
from fillbook.desk.plans.protections import Protections
from fillbook.desk.plans.rebalance import Rebalancing
from fillbook.desk.plans.rebuild_from_broker import RecordRebuild
from fillbook.desk.plans.repair import RecordSteps, Repair
from fillbook.desk.plans.replace_step import ReplaceStep
from fillbook.desk.reconcile.external_trades import external_trade_alerts
from fillbook.desk.reconcile.foreign_orders import foreign_order_alerts
from fillbook.desk.reconcile.pnl_comparison import PnlComparing
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.desk_report import DeskReports
from fillbook.desk.record.kill_switch import KillSwitch
from fillbook.desk.record.recorder import Recorder
from fillbook.desk.record.replay import rebuild_if_outdated
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
    available_funds: AvailableFunds
    market: Market
    symbols: Symbols
    account_link: AccountLink
    agenda: Agenda
    tracker: Tracker
    resolver: Resolver
    reconciler: Reconciler
    kill_switch: KillSwitch
    assignments: Assignments
    approval: Approval
    placement: OrderPlacement
    cancellation: Cancellation
    replacement: Replacement
    manual_resolution: ManualResolution
    executor: Executor
    repair: Repair
    closing: Closing
    rebalancing: Rebalancing
    catching_up: CatchingUp
    pnl_comparing: PnlComparing
    protections: Protections
    decisions: Decisions
    scheduler: Scheduler
    background: Background

    def __init__(self, broker: Broker, store: Store, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self.measurements: Measurements = Measurements(clock)
        self._deliveries = [Delivery(sink) for sink in settings.alerts]
        self._build_link(broker, store)
        self._build_orders()
        self._build_plans()
        self._build_scheduler(broker)

    def _build_link(self, broker: Broker, store: Store) -> None:
        """Build the link to the broker, and the record."""
        clock, settings = self._clock, self._settings
        self.gateway = gateway = Gateway(
            broker,
            store,
            clock,
            live=settings.live,
            repairs=settings.repairs.strongest,
            measurements=self.measurements,
        )
        rebuild_if_outdated(store, m.timestamp(clock.now()))
        self.recorder = recorder = Recorder(store, clock, gateway.pair, self.measurements)
        for delivery in self._deliveries:
            recorder.on(m.EventKind.ALERT, delivery.deliver)
        recorder.alert_of(foreign_order_alerts)
        recorder.alert_of(lambda transaction: external_trade_alerts(transaction, clock))
        self.available_funds = AvailableFunds(store, clock, broker.capabilities)
        recorder.before_commit(self.available_funds.save_mark)
        self.market = Market(gateway, recorder, clock, settings)
        self.symbols = Symbols(store, self.market)
        self.account_link = AccountLink(gateway, recorder, self.available_funds)
        self.agenda = Agenda()
        self.tracker = Tracker(gateway, recorder, self.account_link, clock)

    def _build_orders(self) -> None:
        """Build what places, changes and reconciles orders."""
        gateway, recorder, link = self.gateway, self.recorder, self.account_link
        agenda, tracker, clock, settings = self.agenda, self.tracker, self._clock, self._settings
        wait_s, stuck = settings.wait_s, timedelta(seconds=settings.thresholds.stuck_s)
        self.resolver = resolver = Resolver(
            gateway, recorder, agenda, link, tracker, clock, market=self.market, wait_s=wait_s
        )
        self.reconciler = Reconciler(gateway, recorder, link, tracker, resolver, clock, settings)
        self.pnl_comparing = PnlComparing(gateway, recorder, self.symbols, self.reconciler)
        self.kill_switch = KillSwitch(recorder)
        self.assignments = Assignments(recorder)
        self.approval = Approval(
            gateway,
            recorder,
            link,
            self.available_funds,
            tracker,
            self.reconciler,
            self.market,
            settings,
        )
        self.placement = OrderPlacement(
            gateway, recorder, link, resolver, self.approval, self.symbols, clock, wait_s=wait_s
        )
        self.cancellation = Cancellation(
            gateway, recorder, agenda, link, tracker, resolver, clock, stuck=stuck
        )
        self.replacement = Replacement(
            gateway,
            recorder,
            link,
            tracker,
            resolver,
            self.approval,
            self.placement,
            self.cancellation,
            clock,
        )
        self.manual_resolution = ManualResolution(gateway, recorder, link, tracker, clock)

    def _build_plans(self) -> None:
        """Build what makes plans, and what carries them out."""
        gateway, recorder, agenda = self.gateway, self.recorder, self.agenda
        clock, settings = self._clock, self._settings
        planning = Planning(recorder, clock)
        steps = RecordSteps(agenda, self.reconciler, self.manual_resolution, self.kill_switch)
        self.executor = executor = Executor(
            gateway,
            recorder,
            agenda,
            self.tracker,
            self.placement,
            self.cancellation,
            ReplaceStep(gateway, recorder, self.market, self.replacement),
            FundsStep(recorder, self.account_link),
            clock,
            steps.carry_out,
            settings.wait_s,
        )
        market, reconciler = self.market, self.reconciler
        exits = Exits(
            gateway, recorder, agenda, market, reconciler, executor, planning, clock, settings
        )
        self.repair = Repair(
            gateway, recorder, agenda, self.reconciler, executor, planning, settings.repairs
        )
        self.rebuild = RecordRebuild(recorder, self.reconciler, executor)
        self.closing = Closing(gateway, recorder, self.market, executor, planning, clock)
        self.rebalancing = Rebalancing(
            gateway,
            recorder,
            self.account_link,
            self.tracker,
            self.market,
            self.symbols,
            self.reconciler,
            executor,
            planning,
            clock,
        )
        self.catching_up = CatchingUp(
            gateway,
            recorder,
            self.tracker,
            self.market,
            self.symbols,
            self.reconciler,
            executor,
            planning,
            clock,
        )
        self.protections = Protections(
            gateway, recorder, exits, executor, planning, clock, settings.exits
        )
        self.decisions = Decisions(gateway, recorder, executor, self.protections)

    def _build_scheduler(self, broker: Broker) -> None:
        """Build what does all that is due."""
        watch = Watch(
            broker,
            self.recorder,
            self.tracker,
            self.available_funds,
            self._clock,
            self._settings,
            self._deliveries,
        )
        inbox = Inbox(
            self.recorder,
            self.agenda,
            self.reconciler,
            self.decisions,
            self.kill_switch,
            self._clock,
        )
        stream = self.tracker.stream
        reports = DeskReports(
            self.recorder.store,
            self.measurements,
            self.recorder.now,
            lambda: (str(stream.state), stream.gaps),
            self.available_funds.last_known,
        )
        self.scheduler = Scheduler(
            self.gateway,
            self.tracker,
            self.resolver,
            self.cancellation,
            self.replacement,
            self.repair,
            self.executor,
            self.protections,
            self.reconciler,
            watch,
            inbox,
            reports,
            self.agenda,
            self._clock,
        )
        self.background = Background(
            broker,
            self._clock,
            self.agenda,
            self.tracker,
            self.scheduler.tick,
            lambda: self.gateway.lease.awaited,
        )
