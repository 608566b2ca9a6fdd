"""
The instructions of a process that has no broker, such as the HTTP service.

Each is written as an entry of the journal with the id of its access token, whose permission is
checked in the same transaction.  The desk that ticks carries it out (`desk.access.inbox`), now or
after a restart: nothing that was written is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from fillbook import model as m
from fillbook.core.send_permission import Authority
from fillbook.desk.access.inbox import carry_out_switch
from fillbook.desk.orders.cancels.instruction import instruct_cancel, successor_of
from fillbook.desk.record.book import Book
from fillbook.desk.record.kill_switch import KillSwitch
from fillbook.desk.record.recorder import Recorder, Transaction
from fillbook.errors import NotPermitted, PlanEnded, UnknownOrder, UnknownPlan
from fillbook.model.account.instruction import (
    AccountAction,
    AccountInstructed,
    AccountInstruction,
)
from fillbook.model.account.token import Scope, Token


class Instructing:
    """Writes instructions for the desk that ticks."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._book = Book(recorder.store)
        self._kill_switch = KillSwitch(recorder)

    def cancel(self, order: str, token_id: str) -> m.Order:
        """
        Instruct the cancel of an order, and of the one that a change has placed since.

        Return the order as it is.  A final order is returned unchanged.  Raises: UnknownOrder, also
        if the token does not see its strategy; NotPermitted.
        """
        following: str | None = self._named(order)
        with self._recorder.transaction() as transaction:
            self._permit(transaction, token_id, Scope.CANCEL, following)
            while following is not None:
                instruct_cancel(transaction, following, Authority.ORDER, token_id)
                following = successor_of(transaction.reader, following)
        return self._book.order(order)

    def sync(self, order: str, token_id: str) -> AccountInstruction:
        """Instruct the reconciliation of one order. Raises: UnknownOrder, NotPermitted."""
        name = self._named(order)
        return self._instruct(AccountAction.SYNC_ORDER, token_id, Scope.CANCEL, about=name)

    def _named(self, order: str) -> str:
        """Return the client order id of an order; *order* itself if there is none."""
        try:
            return self._book.record(order).client_order_id
        except UnknownOrder:
            return order

    def approve(self, plan_id: str, token_id: str) -> AccountInstruction:
        """
        Instruct the approval of a plan; the desk checks that the account is still the same.

        Raises: UnknownPlan, PlanEnded if it is not proposed, NotPermitted.
        """
        return self._instruct(
            AccountAction.APPROVE_PLAN,
            token_id,
            Scope.PLANS,
            about=plan_id,
            check=lambda x: _check_plan(x, plan_id, {m.PlanState.PROPOSED}),
        )

    def reject(self, plan_id: str, why: str, token_id: str) -> AccountInstruction:
        """Instruct the rejection of a plan. Raises: UnknownPlan, PlanEnded, NotPermitted."""
        waiting = {m.PlanState.PROPOSED, m.PlanState.APPROVED}
        return self._instruct(
            AccountAction.REJECT_PLAN,
            token_id,
            Scope.PLANS,
            about=plan_id,
            why=why,
            check=lambda x: _check_plan(x, plan_id, waiting),
        )

    def halt(self, why: str, token_id: str) -> AccountInstruction:
        """Set the kill switch, also if no desk ticks; it is set on return. Raises: NotPermitted."""
        return self._switch(AccountAction.HALT, token_id, why=why)

    def resume(self, token_id: str) -> AccountInstruction:
        """Clear the kill switch. Raises: NotPermitted."""
        return self._switch(AccountAction.RESUME, token_id, why=self._kill_switch.reason or "")

    def instruction(self, number: int) -> AccountInstruction | None:
        """Return the instruction of entry *number*; None: there is none."""
        with self._recorder.store.read() as reader:
            return reader.get(AccountInstruction, f"{number:012d}")

    def _switch(self, action: AccountAction, token_id: str, why: str) -> AccountInstruction:
        given = self._instruct(action, token_id, Scope.HALT, why=why)
        self._recorder.record(carry_out_switch(self._kill_switch, given, self._recorder.now()))
        return self.instruction(given.number) or given

    def _instruct(
        self,
        action: AccountAction,
        token_id: str,
        scope: Scope,
        *,
        about: str = "",
        why: str = "",
        check: Callable[[Transaction], None] = lambda _: None,
    ) -> AccountInstruction:
        """Write one instruction; return it."""
        order = about if action is AccountAction.SYNC_ORDER else None
        with self._recorder.transaction() as transaction:
            self._permit(transaction, token_id, scope, order)
            check(transaction)
            transaction.record(AccountInstructed(action, token_id, about, why))
            number = transaction.reader.last()
        return AccountInstruction(
            number=number, action=action, by=token_id, at=transaction.at, about=about, why=why
        )

    def _permit(
        self, transaction: Transaction, token_id: str, scope: Scope, order: str | None
    ) -> None:
        """
        Check the permission of a token in the transaction that writes.

        *order* None: the instruction is on the account.  Raises: NotPermitted; UnknownOrder, also
        if the token does not see the strategy of the order.
        """
        token = transaction.reader.get(Token, token_id)
        if token is None or not token.is_valid(transaction.at):
            raise NotPermitted("the token is expired or revoked")
        if scope not in token.scopes or (order is None and not token.sees_account):
            raise NotPermitted(f"the token does not have the scope {scope}, or account")
        record = None if order is None else transaction.reader.get(m.OrderRecord, order)
        if order is not None and (record is None or not token.sees(record.strategy)):
            raise UnknownOrder(f"there is no order {order!r} in this record; see `fillbook orders`")


def _check_plan(transaction: Transaction, plan_id: str, states: set[m.PlanState]) -> None:
    plan = transaction.reader.get(m.Plan, plan_id)
    if plan is None:
        raise UnknownPlan(f"there is no plan {plan_id!r}; see `fillbook plans`")
    if plan.state not in states:
        raise PlanEnded(f"plan {plan_id} is {plan.state}; nothing was changed")
