"""The decisions of a person on plans: which there are, their approval and their rejection."""

from __future__ import annotations

from fillbook import errors
from fillbook import model as m
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.plans.executor import Executor
from fillbook.desk.plans.planning import fingerprint
from fillbook.desk.plans.protections import Protections
from fillbook.desk.record.recorder import Recorder


class Decisions:
    """Lists, approves and rejects plans."""

    def __init__(
        self, gateway: Gateway, recorder: Recorder, executor: Executor, protections: Protections
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._executor = executor
        self._protections = protections

    def plans(self, state: m.PlanState | None = None) -> list[m.Plan]:
        """Return the plans, oldest first: those in *state*; None: all that have not ended."""
        with self._recorder.store.read() as reader:
            if state is None:
                found = reader.find(m.Plan, "open", "yes")
            else:
                found = [x for x in reader.all(m.Plan) if x.state is state]
        return sorted(found, key=lambda x: (x.created_at, x.plan_id))

    def plan(self, plan_id: str) -> m.Plan:
        """Return one plan. Raises: UnknownPlan."""
        with self._recorder.store.read() as reader:
            found = reader.get(m.Plan, plan_id)
        if found is None:
            raise errors.UnknownPlan(f"there is no plan {plan_id!r}; see `fillbook plans`")
        return found

    def approve(self, plan_id: str) -> m.Plan:
        """
        Approve a plan, if the account is still the one that it was computed from, and begin it.

        Raises: UnknownPlan, PlanEnded if it is stale, or not proposed any more; TradingDisabled.
        """
        self._gateway.require_trading_enabled()
        self.plan(plan_id)
        with self._recorder.transaction() as transaction:
            before = errors.present(transaction.reader.get(m.Plan, plan_id), plan_id)
            if before.state is m.PlanState.PROPOSED:
                is_same = fingerprint(transaction.reader, before.symbols) == before.fingerprint
                is_late = transaction.at > before.valid_until
                state = m.PlanState.APPROVED if is_same else m.PlanState.STALE
                why = "" if is_same else "the account changed since the plan was made"
                state = m.PlanState.EXPIRED if is_late else state
                transaction.record(m.PlanMoved(plan_id, state, why))
        after = self.plan(plan_id)
        if before.state is not m.PlanState.PROPOSED or after.is_final:
            why = f": {after.why}" if after.state is m.PlanState.STALE else ""
            raise errors.PlanEnded(f"plan {plan_id} is {after.state}{why}; nothing was approved")
        self._protections.approved(after)
        self._executor.carry_out(plan_id)
        return self.plan(plan_id)

    def reject(self, plan_id: str, why: str) -> m.Plan:
        """Reject a plan that has not begun. Raises: UnknownPlan, PlanEnded."""
        self.plan(plan_id)
        with self._recorder.transaction() as transaction:
            plan = errors.present(transaction.reader.get(m.Plan, plan_id), plan_id)
            waits = plan.state in (m.PlanState.PROPOSED, m.PlanState.APPROVED)
            if waits:
                transaction.record(m.PlanMoved(plan_id, m.PlanState.REJECTED, why))
        if not waits:
            raise errors.PlanEnded(f"plan {plan_id} is {plan.state}; it cannot be rejected")
        self._protections.rejected(plan, why)
        return self.plan(plan_id)
