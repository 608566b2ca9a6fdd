"""
Repairs: plans for what evidence does not explain (promise P11; other half: `core.plans.repair`).

A difference is repaired by the policy of its kind: reported, proposed as a plan, or carried out
within limits.  Nothing is repaired on a symbol about which something is open, and nothing twice
within the hour: what a repair did not settle is alerted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.plans import plan as life
from fillbook.core.plans import repair as rules
from fillbook.core.plans.repair import Proposal
from fillbook.core.send_permission import Authority, Permission
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.manual_resolution import ManualResolution
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.planning import Limits, Planning
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.kill_switch import KillSwitch
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import FillbookError
from fillbook.store import Reader

#: How long a repair waits for an approval.
VALID_FOR = timedelta(hours=1)


class RecordSteps:
    """Carries out the steps of plans that change the record only."""

    def __init__(
        self,
        agenda: Agenda,
        reconciler: Reconciler,
        manual_resolution: ManualResolution,
        kill_switch: KillSwitch,
    ) -> None:
        self._agenda = agenda
        self._reconciler = reconciler
        self._manual_resolution = manual_resolution
        self._kill_switch = kill_switch

    def carry_out(self, action: m.Action) -> str:
        """Carry out *action*; return why it could not be, ``""``: it is done."""
        self._agenda.put("sync", timedelta())  # a pass shows whether the difference is gone
        match action:
            case m.AdoptBalance():
                return self._reconciler.adopt(action)
            case m.EndOrder(name):
                try:
                    self._manual_resolution.resolve(name, m.OrderStatus.ABSENT)
                except FillbookError as error:
                    return str(error)
            case m.HaltTrading(why):
                self._kill_switch.halt(why)
            case _:
                return "no step of the record"
        return ""


class Repair:
    """Makes plans of repairs."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        agenda: Agenda,
        reconciler: Reconciler,
        executor: Executor,
        planning: Planning,
        policy: m.RepairPolicy,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._reconciler = reconciler
        self._executor = executor
        self._planning = planning
        self._policy = policy
        self._agenda = agenda
        self._exhausted: set[str] = set()  #: the occasions that were alerted
        recorder.on(m.EventKind.ALERT, self._schedule)

    def run(self) -> None:
        """Propose or begin what the policy permits."""
        for proposal in self._proposals():
            plan = self._plan(proposal)
            if plan is None:
                continue
            if self._planning.make(plan, limits=self._limits(proposal)) is not None:
                self._agenda.put("plans", timedelta())

    def repair(self, *, dry_run: bool) -> list[m.Plan]:
        """
        Reconcile, and return the repairs of what is left; begin those that are automatic.

        With *dry_run* none is stored, and nothing is sent.  Raises: AccountChanged, ReadFailed.
        """
        if not dry_run:
            self._reconciler.observed("no repair is known")
            self.run()
            self._executor.carry_out()
        found = []
        for proposal in self._proposals():
            stored = self._stored(proposal)
            found.append(stored or self._planned(proposal, m.PlanState.PROPOSED))
        return found

    def _stored(self, proposal: Proposal) -> m.Plan | None:
        with self._recorder.store.read() as reader:
            known = reader.find(m.Plan, "occasion", proposal.occasion)
        return max(known, key=lambda x: x.generation, default=None)

    def _proposals(self) -> Iterator[Proposal]:
        """Yield the repairs of the present differences, without those that have to wait."""
        with self._recorder.store.read() as reader:
            differences, orders = reader.all(m.OpenDrift), reader.find(m.OrderRecord, "open", "yes")
            found = [rules.of_difference(x, self._policy) for x in differences]
            found += [rules.of_order(x, self._policy) for x in orders]
            waiting = {
                x.occasion
                for x in found
                if x is not None and _open_question(reader, x) and x.kind in _OF_POSITIONS
            }
        for proposal in found:
            if proposal is not None and proposal.occasion not in waiting:
                yield proposal

    def _plan(self, proposal: Proposal) -> m.Plan | None:
        """Return the plan of a repair; None: it is reported only, or was tried."""
        rule = self._policy.rule(proposal.kind)
        if rule.mode is m.RepairMode.OBSERVE:
            return None
        now = self._recorder.now()
        with self._recorder.store.read() as reader:
            same = reader.find(m.Plan, "occasion", proposal.occasion)
        if rules.was_tried(same, now) or life.exhausted(same, now):
            self._alert_exhausted(proposal)
            return None
        # What trades is automatic only if a rule of its own says so.
        rule_is_own = proposal.kind in self._policy.rules
        guarded = (proposal.kind, rule.repair) in m.GUARDED and not rule_is_own
        is_auto = (
            rule.mode is m.RepairMode.AUTO
            and self._gateway.permission(Authority.REPAIR) is Permission.SEND
            and not guarded
        )
        return self._planned(proposal, m.PlanState.APPROVED if is_auto else m.PlanState.PROPOSED)

    def _limits(self, proposal: Proposal) -> Limits:
        """Return the limits of what is automatic; the repairs of the day are counted in it."""
        rule = self._policy.rule(proposal.kind)

        def limits(reader: Reader, plan: m.Plan) -> bool:
            day = [x for x in reader.all(m.Plan) if x.authority is Authority.REPAIR]
            return rules.is_within_limits(proposal, rule, day, self._recorder.now())

        return limits

    def _planned(self, proposal: Proposal, state: m.PlanState) -> m.Plan:
        symbols = () if proposal.symbol is None else (proposal.symbol,)
        return self._planning.plan(
            m.PlanKind.REPAIR,
            proposal.occasion,
            symbols,
            proposal.steps,
            authority=Authority.REPAIR,
            state=state,
            valid_for=VALID_FOR,
            notional=proposal.notional,
            why=proposal.why,
        )

    def _alert_exhausted(self, proposal: Proposal) -> None:
        if proposal.occasion not in self._exhausted:
            self._exhausted.add(proposal.occasion)
            text = (
                f"a repair did not settle the difference ({proposal.why}); it is not tried again "
                "within the hour. Correct it by hand, or take the broker's figures: `fillbook sync "
                "--adopt`"
            )
            about = proposal.symbol or "cash"
            self._recorder.record(m.Alerted(m.Alert(m.AlertKind.PLAN_STOPPED, about, text)))

    def _schedule(self, event: m.Event) -> None:
        if event.alert is not None and event.alert.kind is m.AlertKind.LANDED_LATE:
            self._agenda.put("repairs", timedelta())


#: Repairs of positions wait for everything that may still explain them.
_OF_POSITIONS = frozenset({m.RepairKind.UNTRACKED, m.RepairKind.PHANTOM, m.RepairKind.WRONG_QTY})


def _open_question(reader: Reader, proposal: Proposal) -> str:
    """Return what is open about the symbol of a proposal; ``""``: nothing."""
    if proposal.symbol is None:
        return ""
    held = pairs.holding_of(reader, proposal.symbol)
    orders = [
        x.order
        for name in pairs.symbols_held_as(reader, held)
        for x in reader.find(m.OrderRecord, "followed", name)
    ]
    return rules.open_question(orders)
