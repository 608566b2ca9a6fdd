"""
Apply the entries about plans, protections, instructions of other processes and access tokens.

Other halves: `core.plans.plan`, which has the transitions, and `core.plans.exits.comparison`.
"""

from __future__ import annotations

from typing import assert_never

from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.draft import Draft
from fillbook.core.plans import plan as life
from fillbook.model.account.instruction import (
    AccountInstructed,
    AccountInstruction,
    AccountInstructionClosed,
)
from fillbook.model.account.token import Token, TokenCreated, TokenRevoked

_PlanEntry = m.PlanMade | m.PlanMoved | m.StepMoved


def apply_plan(draft: Draft, entry: _PlanEntry) -> None:
    """Apply one entry to its plan."""
    match entry:
        case m.PlanMade():
            plan = entry.plan
            if draft.get(m.Plan, plan.plan_id) is None:
                draft.put(plan)
                _emit(draft, plan, plan.state, why=plan.why)
        case m.PlanMoved():
            _move(draft, entry)
        case m.StepMoved():
            before = draft.need(m.Plan, entry.plan_id)
            after = life.with_step(
                before,
                entry.step,
                entry.state,
                entry.why,
                entry.attempts,
                share=entry.share,
                missing=entry.missing,
            )
            draft.put(after)
            _emit(draft, before, entry.state, step=entry.step, why=entry.why)
        case _:
            assert_never(entry)


def _move(draft: Draft, entry: m.PlanMoved) -> None:
    plan = draft.need(m.Plan, entry.plan_id)
    if plan.state is not entry.state:
        is_approved = entry.state is m.PlanState.APPROVED
        plan = evolve(
            life.moved(plan, entry.state, entry.why),
            moved_at=draft.at,
            authority=m.Authority.STANDING if is_approved else plan.authority,
        )
    if entry.failed is not None:
        plan = evolve(plan, failed=entry.failed)
    draft.put(plan)
    _emit(draft, plan, "failed" if entry.failed else entry.state, why=entry.why or plan.failed)


def _emit(draft: Draft, plan: m.Plan, what: str, *, step: int | None = None, why: str = "") -> None:
    symbol = plan.symbols[0] if len(plan.symbols) == 1 else None
    news = m.PlanNews(plan.plan_id, str(what), step, why)
    draft.emit(m.EventKind.PLAN, symbol=symbol, plan=news)


def apply_settled_trades(draft: Draft, entry: m.TradesSettled) -> None:
    """Mark trades of the bot's own record as settled; a later mark of the same row replaces one."""
    for trade in entry.trades:
        if draft.get(m.SettledTrade, trade.key) != trade:
            draft.put(trade)


def apply_protection(draft: Draft, entry: m.ProtectionSet | m.ProtectionEnded) -> None:
    """Set or end a protection; its end may begin a cooldown."""
    if isinstance(entry, m.ProtectionSet):
        after = entry.protection
        before = draft.get(m.Protection, after.key)
        draft.put(after)
        if before is None or before.cover is not after.cover:
            draft.emit(m.EventKind.COVER, symbol=after.symbol, protection=after)
        return
    if entry.cooldown is not None:
        draft.put(entry.cooldown)
    ended = draft.get(m.Protection, f"{entry.symbol}/{entry.strategy}")
    if ended is not None:
        draft.drop(m.Protection, ended.key)
        ended = evolve(ended, why=entry.why)
        draft.emit(m.EventKind.COVER, symbol=ended.symbol, protection=ended)


def apply_account_instruction(
    draft: Draft, entry: AccountInstructed | AccountInstructionClosed
) -> None:
    """Open or close an instruction of another process."""
    if isinstance(entry, AccountInstructed):
        draft.put(
            AccountInstruction(
                number=draft.number,
                action=entry.action,
                by=entry.by,
                at=draft.at,
                about=entry.about,
                why=entry.why,
            )
        )
        return
    before = draft.get(AccountInstruction, f"{entry.number:012d}")
    if before is not None and before.closed is None:
        draft.put(evolve(before, closed=entry.why, done=entry.done))


def apply_token(draft: Draft, entry: TokenCreated | TokenRevoked) -> None:
    """Create or revoke an access token; one that is revoked stays so."""
    if isinstance(entry, TokenCreated):
        if draft.get(Token, entry.token.token_id) is None:
            draft.put(entry.token)
        return
    token = draft.get(Token, entry.token_id)
    if token is not None and token.revoked_at is None:
        draft.put(evolve(token, revoked_at=draft.at))
