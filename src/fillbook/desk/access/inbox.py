"""
The inbox: the desk that ticks carries out what other processes have instructed.

A cancel is an instruction on its order already: here it is only noticed, so that it is attempted at
once.  Everything else is an `AccountInstruction`, which is closed with its outcome.  One that was
carried out before a crash is recognized by its effect, and is not repeated.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final, assert_never

from fillbook import model as m
from fillbook.clock import Clock
from fillbook.desk.plans.decisions import Decisions
from fillbook.desk.reconcile.reconciler import Reconciler
from fillbook.desk.record.agenda import Agenda
from fillbook.desk.record.kill_switch import KillSwitch
from fillbook.desk.record.recorder import Recorder
from fillbook.errors import FillbookError, StoreError
from fillbook.model.account.instruction import (
    AccountAction,
    AccountInstruction,
    AccountInstructionClosed,
)
from fillbook.model.account.token import Token

log: logging.Logger = logging.getLogger("fillbook")

#: A resume that was not carried out within this time is void: trading begins when it was asked.
RESUME_WITHIN: Final = timedelta(seconds=60)
#: The most cancels of other processes that are noticed at a time.
_CANCELS_MAX: Final = 1_000
_APPROVED: Final = frozenset(
    {m.PlanState.APPROVED, m.PlanState.RUNNING, m.PlanState.PAUSED, m.PlanState.DONE}
)


class Inbox:
    """Carries out the instructions of other processes."""

    def __init__(
        self,
        recorder: Recorder,
        agenda: Agenda,
        reconciler: Reconciler,
        decisions: Decisions,
        kill_switch: KillSwitch,
        clock: Clock,
    ) -> None:
        self._recorder = recorder
        self._agenda = agenda
        self._reconciler = reconciler
        self._decisions = decisions
        self._kill_switch = kill_switch
        self._clock = clock
        self._noticed: frozenset[tuple[str, int]] = frozenset()

    def notice(self) -> None:
        """Put what another process instructed since on the agenda."""
        with self._recorder.store.read() as reader:
            records = reader.page(m.OrderRecord, "canceled_by", limit=_CANCELS_MAX)
            waiting = reader.find(AccountInstruction, "open", "yes")
        given = frozenset((x.client_order_id, len(x.instructions)) for x in records)
        if given - self._noticed:
            self._agenda.put("cancels", self._clock.elapsed())
        if waiting:
            self._agenda.put("instructions", self._clock.elapsed())
        self._noticed = given

    def run(self) -> None:
        """Carry out every open instruction, oldest first."""
        with self._recorder.store.read() as reader:
            given = reader.find(AccountInstruction, "open", "yes")
        for instruction in given:
            self._recorder.record(self._outcome(instruction))

    def _outcome(self, given: AccountInstruction) -> AccountInstructionClosed:
        """Carry out one instruction; return how it ended."""
        with self._recorder.store.read() as reader:
            token = reader.get(Token, given.by)
        if token is None or not token.is_valid(self._recorder.now()):
            return AccountInstructionClosed(given.number, "the token is expired or revoked")
        try:
            return self._carry_out(given)
        except StoreError:
            raise
        except FillbookError as error:
            return AccountInstructionClosed(given.number, str(error))
        except Exception:  # the instruction would be repeated by every tick
            log.exception("instruction %s could not be carried out", given.number)
            return AccountInstructionClosed(given.number, "a bug; see the log of the desk")

    def _carry_out(self, given: AccountInstruction) -> AccountInstructionClosed:
        match given.action:
            case AccountAction.SYNC_ORDER:
                report = self._reconciler.sync(order=given.about)
                why = report.unobserved or f"the order was reconciled: {report.verdict}"
                return AccountInstructionClosed(given.number, why, report.unobserved is None)
            case AccountAction.APPROVE_PLAN:
                plan = self._decisions.plan(given.about)
                if plan.state is m.PlanState.PROPOSED:
                    plan = self._decisions.approve(given.about)
                return _closed(given, plan, done=plan.state in _APPROVED)
            case AccountAction.REJECT_PLAN:
                plan = self._decisions.plan(given.about)
                if plan.state is not m.PlanState.REJECTED:
                    plan = self._decisions.reject(given.about, given.why)
                return _closed(given, plan, done=plan.state is m.PlanState.REJECTED)
            case AccountAction.HALT | AccountAction.RESUME:
                return carry_out_switch(self._kill_switch, given, self._recorder.now())
            case _:
                assert_never(given.action)


def _closed(given: AccountInstruction, plan: m.Plan, *, done: bool) -> AccountInstructionClosed:
    return AccountInstructionClosed(given.number, f"plan {plan.plan_id} is {plan.state}", done)


def carry_out_switch(
    switch: KillSwitch, given: AccountInstruction, now: m.Timestamp
) -> AccountInstructionClosed:
    """
    Set or clear the kill switch; return how the instruction ended.

    It is cleared only if its reason is still that of the instruction, and soon after it.
    """
    if given.action is AccountAction.HALT:
        if switch.reason != given.why:
            switch.halt(given.why)
        return AccountInstructionClosed(given.number, "the kill switch is set", done=True)
    is_late = m.moment(now) - m.moment(given.at) > RESUME_WITHIN
    if not is_late and switch.reason is not None:
        switch.resume_from(given.why)
    if switch.reason is None:
        return AccountInstructionClosed(given.number, "the kill switch is cleared", done=True)
    return AccountInstructionClosed(given.number, "the kill switch was set again since")
