"""
The executor: carries out plans, step by step (promises P1, P2, P11 and P12).

A plan and each attempt of a step are durable before their first request, and the client id of an
order is derived from the plan's occasion: after a crash the next process finds what was sent, and
goes on.  `core.plans.plan` decides which step is due and whether its order does what it should.
Only the desk that has the lease carries plans out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.clock import Clock
from fillbook.core.plans import plan as life
from fillbook.core.rate_limit import Lane
from fillbook.desk.link.gateway import Gateway
from fillbook.desk.orders.cancel import Cancellation
from fillbook.desk.orders.place import OrderPlacement
from fillbook.desk.orders.tracker import Tracker
from fillbook.desk.plans.funds_step import FundsStep
from fillbook.desk.plans.planning import StepOrders, ended_alert, fingerprint, is_running, was_sent
from fillbook.desk.plans.replace_step import Ended, ReplaceStep
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.kill_switch import halt_reason
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import present

log: logging.Logger = logging.getLogger("fillbook")

#: The delay before a plan that cannot go on is looked at again.
RETRY_DELAY: Final = timedelta(seconds=10)
#: The delays between the reads of an order that a step waits for; later ones are as long.
READ_DELAYS: Final = tuple(timedelta(seconds=x) for x in (0.25, 0.5, 1, 2, 5))
#: The reasons of our own checks by which nothing is left to trade.
_NOTHING_LEFT: Final = frozenset({m.ReasonCode.NO_POSITION, m.ReasonCode.QUANTITY})
_UNSUPPORTED: Final = frozenset({m.RejectKind.UNSUPPORTED})
_NO_KINDS: Final = frozenset[m.RejectKind]()

#: Carries out a step that changes the record only; returns why it could not, ``""``: it is done.
RecordStep = Callable[[m.Action], str]


class Executor:
    """Carries out the approved plans."""

    def __init__(
        self,
        gateway: Gateway,
        recorder: Recorder,
        agenda: Agenda,
        tracker: Tracker,
        placement: OrderPlacement,
        cancellation: Cancellation,
        replace_step: ReplaceStep,
        funds_step: FundsStep,
        clock: Clock,
        record_step: RecordStep,
        wait_s: float,
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._agenda = agenda
        self._tracker = tracker
        self._placement = placement
        self._cancellation = cancellation
        self._replace_step = replace_step
        self._funds_step = funds_step
        self._clock = clock
        self._record_step = record_step
        self._wait = timedelta(seconds=wait_s)
        self._sent = StepOrders(recorder, tracker)
        recorder.on(m.EventKind.FINAL, lambda event: agenda.put("plans", timedelta()))
        self._turn = threading.Lock()  #: of the thread that carries plans out
        self._due: dict[tuple[str, int], timedelta] = {}
        self._reads: dict[str, int] = {}
        self._tries: dict[str, int] = {}
        #: By occasion: why the last plan for it could not place an order.
        self.failures: dict[str, life.Again] = {}

    def advance_all(self) -> timedelta | None:
        """Take every step that is due; return when the next is, None: no plan is open."""
        if not self._turn.acquire(blocking=False):
            return self._clock.elapsed() + READ_DELAYS[0]
        try:
            found = [self._advance(name) for name in self._open()]
        finally:
            self._turn.release()
        return min((x for x in found if x is not None), default=None)

    def carry_out(self, *plan_ids: str) -> None:
        """
        Take the due steps, if this desk has the lease, until these plans end or `wait_s` are over.

        A desk that ticks seldom would leave a position without its exits between two steps.
        """
        until = self._clock.elapsed() + self._wait
        if not self._gateway.lease.acquire():
            return
        while (after := self.run()) is not None and after <= until:
            if all(self._plan(x).is_final for x in plan_ids):
                return
            pause = max(0.01, (after - self._clock.elapsed()).total_seconds())
            self._clock.wait(self._gateway.closing, pause)

    def run(self) -> timedelta | None:
        """Take the steps that are due; return when the next are, None: no plan is open."""
        self._agenda.put("plans", self._clock.elapsed() + READ_DELAYS[-1])
        if not self._gateway.lease.may_send():
            return None  # the desk that had the lease may still be sending
        after = self.advance_all()
        if after is None:
            self._agenda.drop("plans")
        else:
            self._agenda.put("plans", after)
        return after

    def stop_all(self, why: str) -> tuple[str, ...]:
        """Stop every plan that has not ended, between two steps; return their ids."""
        with self._turn, self._recorder.store.read() as reader:
            found = reader.find(m.Plan, "open", "yes")
            for plan in found:
                self._stop(plan, why)
                self._forget(plan)
        return tuple(x.plan_id for x in found)

    def _open(self) -> list[str]:
        with self._recorder.store.read() as reader:
            found = reader.find(m.Plan, "open", "yes")
        # Exits go before everything else.
        ranked = sorted(found, key=lambda x: (x.kind is not m.PlanKind.EXIT, x.created_at))
        return [x.plan_id for x in ranked if x.state is not m.PlanState.PROPOSED or self._is_old(x)]

    def _is_old(self, plan: m.Plan) -> bool:
        return self._recorder.now() > plan.valid_until

    # -- one plan ----------------------------------------------------------------------

    def _advance(self, plan_id: str) -> timedelta | None:
        """Take the due steps of one plan; return when the next is due, None: it has ended."""
        while True:
            plan = self._plan(plan_id)
            if plan.is_final:
                return None
            if plan.state in (m.PlanState.PROPOSED, m.PlanState.APPROVED):
                if not self._begin(plan):
                    return self._clock.elapsed() + RETRY_DELAY
                continue
            due = life.due_steps(plan)
            if not due:
                self._end(plan)
                return None
            if not plan.failed and self._is_old(plan):
                done = [index for index in due if self._sent.is_done(plan, index)]
                if not [self._advance_step(plan_id, index) for index in done]:
                    self._record_failure(plan, life.sentence_of_late(plan))
                continue
            if self._pauses(plan, due):
                return self._clock.elapsed() + RETRY_DELAY
            changed = [self._advance_step(plan_id, index) for index in due]
            if not any(changed):
                now = self._clock.elapsed()
                return min(self._due.get((plan_id, i), now + READ_DELAYS[0]) for i in due)

    def _plan(self, plan_id: str) -> m.Plan:
        with self._recorder.store.read() as reader:
            found = reader.get(m.Plan, plan_id)
        return present(found, f"plan {plan_id}")

    def _begin(self, before: m.Plan) -> bool:
        """Begin a plan, or end it if it is too old or stale; return whether it is changed."""
        with self._recorder.transaction() as transaction:
            plan = transaction.reader.get(m.Plan, before.plan_id)
            if plan is None or plan.state is not before.state:
                return True
            is_approved = plan.state is m.PlanState.APPROVED
            if transaction.at > plan.valid_until:
                late = f"expired: {life.sentence_of_late(plan)}" if is_approved else ""
                moved = m.PlanMoved(plan.plan_id, m.PlanState.EXPIRED)
                transaction.record(moved, *ended_alert(plan, late))
                return True
            is_early = plan.begins_at is not None and transaction.at < plan.begins_at
            if not is_approved or is_early or not self._gateway.trading_enabled:
                return False
            running = [x for x in transaction.reader.find(m.Plan, "open", "yes") if is_running(x)]
            if any(life.is_busy(x, symbol) for x in running for symbol in plan.symbols):
                return False
            if fingerprint(transaction.reader, plan.symbols) != plan.fingerprint:
                why = "the account changed since the plan was made"
                why_not_begun = f"is stale: {why}; ask for it again if it is still wanted"
                moved = m.PlanMoved(plan.plan_id, m.PlanState.STALE, why)
                transaction.record(moved, *ended_alert(plan, why_not_begun))
                return True
            transaction.record(m.PlanMoved(plan.plan_id, m.PlanState.RUNNING))
            return True

    def _pauses(self, plan: m.Plan, due: tuple[int, ...]) -> bool:
        """Pause or resume a plan by the kill switch; return whether it is paused."""
        if plan.kind is m.PlanKind.EXIT or all(plan.steps[i].guard for i in due):
            return False  # what gives cover is carried out during a halt too
        with self._recorder.transaction() as transaction:
            halted = halt_reason(transaction.reader)
            state = m.PlanState.RUNNING if halted is None else m.PlanState.PAUSED
            if plan.state is not state:
                transaction.record(m.PlanMoved(plan.plan_id, state, halted or ""))
        return halted is not None

    def _end(self, plan: m.Plan) -> None:
        if plan.failed:
            self._stop(plan, plan.failed)
        else:
            left = life.sentence_of_missing(plan)
            why = f"{plan.why}; {left}" if left else ""
            self._recorder.record(m.PlanMoved(plan.plan_id, m.PlanState.DONE, why))
            self._alert(plan, f"is done, but {left}" if left else "")
            # What it was for is read again: an exit of what is gone would open a position.
            self._agenda.put("sync", timedelta())
        self._forget(plan)

    def _stop(self, plan: m.Plan, why: str) -> None:
        self._recorder.record(m.PlanMoved(plan.plan_id, m.PlanState.STOPPED, why))
        self._alert(plan, f"stopped: {why}")

    def _alert(self, plan: m.Plan, text: str) -> None:
        self._recorder.record(*ended_alert(plan, text))

    def _forget(self, plan: m.Plan) -> None:
        for index in range(len(plan.steps)):
            self._due.pop((plan.plan_id, index), None)

    def _record_failure(self, plan: m.Plan, why: str) -> None:
        """Go on with the guards only, or stop if no cover was taken away."""
        if life.is_exposed(plan):
            self._recorder.record(m.PlanMoved(plan.plan_id, plan.state, failed=why))
        else:
            self._stop(plan, why)
            self._forget(plan)

    # -- one step ----------------------------------------------------------------------

    def _advance_step(self, plan_id: str, index: int) -> bool:
        """Do what is due for one step; return whether the plan is changed."""
        plan = self._plan(plan_id)
        if plan.is_final or index not in life.due_steps(plan):
            return True
        with self._gateway.lane(Lane.EXIT if plan.kind is m.PlanKind.EXIT else Lane.SUBMIT):
            match plan.steps[index].action:
                case m.CancelOrder(name):
                    return self._cancel(plan, index, name)
                case m.PlaceOrder() as action:
                    return self._place(plan, index, action)
                case m.ReplaceOrder() as action:
                    return self._replace(plan, index, action)
                case m.AwaitFunds() as action:
                    return self._await_funds(plan, index, action)
                case _:
                    return self._change_record(plan, index)

    def _is_due(self, plan: m.Plan, index: int) -> bool:
        return self._clock.elapsed() >= self._due.get((plan.plan_id, index), timedelta())

    def _change_record(self, plan: m.Plan, index: int) -> bool:
        why = self._record_step(plan.steps[index].action)
        if why:
            return self._fail(plan, index, why)
        return self._set(plan, index, m.StepState.DONE)

    def _await_funds(self, plan: m.Plan, index: int, action: m.AwaitFunds) -> bool:
        """Read the account, at growing intervals, until it shows the funds of a plan."""
        if not self._is_due(plan, index):
            return False
        key = f"{plan.plan_id}/{index}"
        share = self._funds_step.share_of(key, action)
        if share is not None:
            why = "" if share == 1 else f"the funds suffice for {share:.2%} of the buys"
            return self._set(plan, index, m.StepState.DONE, why, share=share)
        if plan.steps[index].state is m.StepState.WAITING:
            self._set(plan, index, m.StepState.BEGUN)
        self._due[plan.plan_id, index] = self._clock.elapsed() + self._read_delay(key)
        return False

    def _cancel(self, plan: m.Plan, index: int, name: str) -> bool:
        record = self._sent.record(name)
        if record is None:
            return self._fail(plan, index, f"there is no order {name} in the record")
        if record.order.is_final:
            return self._set(plan, index, m.StepState.DONE)
        if not self._is_due(plan, index):
            return False
        if plan.steps[index].state is m.StepState.WAITING:
            self._set(plan, index, m.StepState.BEGUN)
        self._cancellation.instruct(name, plan.authority)
        self._cancellation.advance(name, for_caller=False, wait=False)
        latest = present(self._sent.record(name), f"order {name}")
        if latest.order.is_final:
            return self._set(plan, index, m.StepState.DONE)
        self._read(plan, index, latest)
        return False

    def _replace(self, plan: m.Plan, index: int, action: m.ReplaceOrder) -> bool:
        if not self._is_due(plan, index):
            return False
        if plan.steps[index].state is m.StepState.WAITING:
            self._set(plan, index, m.StepState.BEGUN)
        name = action.client_order_id
        record = self._sent.record(name)
        if record is None:
            return self._fail(plan, index, f"there is no order {name} in the record")
        found = self._replace_step.advance(plan, action)
        if isinstance(found, Ended):
            return self._set(plan, index, m.StepState.DONE, found.why)
        self._read(plan, index, record)
        return False

    def _place(self, plan: m.Plan, index: int, action: m.PlaceOrder) -> bool:
        step = plan.steps[index]
        names = [self._sent.name(plan, index, x + 1) for x in range(step.attempts)]
        placed = [self._sent.record(name) for name in names]
        latest = placed[-1] if placed else None
        if latest is not None and was_sent(latest):
            return self._follow(plan, index, action, latest)
        others = [self._sent.record(name) for name in action.after]
        known = [x.order for x in (*placed[:-1], *others) if x is not None]
        qty = life.remaining(action, known, life.share_of(plan, index))
        if action.request.qty is not None and not qty:
            return self._set(plan, index, m.StepState.DONE, "it was filled before")
        if not names:
            self._set(plan, index, m.StepState.BEGUN, attempts=1)
            names = [self._sent.name(plan, index, 1)]
        return self._send(plan, index, evolve(action.request, qty=qty), names[-1])

    def _send(self, plan: m.Plan, index: int, request: m.OrderRequest, name: str) -> bool:
        """Place the order of a step; return whether the plan is changed."""
        if not self._is_due(plan, index):
            return False
        key = plan.step_key(index)
        try:
            self._placement.place(name, request, key, plan.authority, plan=plan.plan_id)
        except errors.Denied as error:
            if error.reason.code in _NOTHING_LEFT and request.reduce_only:
                why, missing = error.reason.message, request.qty
                return self._set(plan, index, m.StepState.DONE, why, missing=missing)
            kinds = _UNSUPPORTED if error.reason.code is m.ReasonCode.UNSUPPORTED else _NO_KINDS
            return self._retry(plan, index, life.Again(error.reason.message, error.retry, kinds))
        except errors.OrderRejected as error:
            again = life.Again(str(error), error.retry, frozenset({error.kind}))
            return self._retry(plan, index, again, is_new=True)
        except (errors.Unavailable, errors.ReadFailed, errors.AccountChanged) as error:
            return self._retry(plan, index, life.Again(str(error)))
        return True

    def _follow(
        self, plan: m.Plan, index: int, action: m.PlaceOrder, record: m.OrderRecord
    ) -> bool:
        """Follow the order of a step until it does what the step wants."""
        match life.placed(action, record):
            case life.Done():
                cut = [x for x in record.order.adjustments if x.field == "qty"]
                why = "".join(f"{m.plain(x.sent)} of {m.plain(x.wished)}: {x.why}" for x in cut)
                missing = sum((x.wished - x.sent for x in cut), m.ZERO)
                return self._set(plan, index, m.StepState.DONE, why, missing=missing)
            case life.Again() as again:
                if action.within_s is not None and self._is_late(action, record):
                    return self._fail(plan, index, "it was not filled in time")
                return self._retry(plan, index, again, is_new=True)
            case _:
                if not self._is_due(plan, index):
                    return False
                if self._is_late(action, record):
                    self._cancellation.instruct(record.client_order_id, plan.authority)
                    self._cancellation.advance(record.client_order_id, for_caller=False, wait=False)
                self._read(plan, index, record)
                return False

    def _is_late(self, action: m.PlaceOrder, record: m.OrderRecord) -> bool:
        if action.within_s is None:
            return False
        age = m.moment(self._recorder.now()) - m.moment(record.created_at)
        return age > timedelta(seconds=action.within_s)

    def _read(self, plan: m.Plan, index: int, record: m.OrderRecord) -> None:
        """Read an order that a step waits for, at growing intervals."""
        delay = self._read_delay(record.client_order_id)
        if record.ids and self._reads[record.client_order_id] > 1:
            self._tracker.read(record)
        self._due[plan.plan_id, index] = self._clock.elapsed() + delay

    def _read_delay(self, key: str) -> timedelta:
        """Count a read for *key*, and return the delay until the next one."""
        reads = self._reads[key] = self._reads.get(key, 0) + 1
        return READ_DELAYS[min(reads, len(READ_DELAYS)) - 1]

    def _retry(self, plan: m.Plan, index: int, again: life.Again, *, is_new: bool = False) -> bool:
        """
        Try a step again later, or fail; *is_new*: with a new order.  Return whether it failed.

        A guard is tried until it is done, unless the broker has no such order.  The step of an exit
        is not tried again: the exits are compared and planned anew.
        """
        step = plan.steps[index]
        is_last = is_new and step.attempts >= life.orders_max(plan, index, again.kinds)
        ends = plan.kind is m.PlanKind.EXIT or is_last or not again.transient
        if step.guard and not again.transient and step.why != again.why:
            self._alert_impossible(step.action, again.why)
        if ends and (not step.guard or _UNSUPPORTED & again.kinds):
            self.failures[plan.occasion] = again
            return self._fail(plan, index, again.why)
        attempts = step.attempts + is_new
        if (attempts, again.why) != (step.attempts, step.why):
            self._set(plan, index, m.StepState.BEGUN, again.why, attempts)
        tries = self._tries[plan.plan_id] = self._tries.get(plan.plan_id, 0) + 1
        self._due[plan.plan_id, index] = self._clock.elapsed() + life.retry_delay(tries)
        return False

    def _alert_impossible(self, action: m.Action, why: str) -> None:
        assert isinstance(action, m.PlaceOrder)  # a guard places an exit
        symbol, qty = action.request.symbol, action.request.qty or m.ZERO
        text = f"{m.plain(qty)} {symbol} have no exit, which cannot be placed: {why}. Protect them"
        self._recorder.record(m.Alerted(m.Alert(m.AlertKind.NAKED, symbol, text)))

    def _fail(self, plan: m.Plan, index: int, why: str) -> bool:
        self._set(plan, index, m.StepState.FAILED, why)
        self._record_failure(self._plan(plan.plan_id), f"step {index + 1}: {why}")
        return True

    def _set(
        self,
        plan: m.Plan,
        index: int,
        state: m.StepState,
        why: str = "",
        attempts: int | None = None,
        *,
        share: Decimal | None = None,
        missing: Decimal | None = None,
    ) -> bool:
        moved = m.StepMoved(plan.plan_id, index, state, why, attempts, share, missing)
        self._recorder.record(moved)
        return True
