"""
Renames: a symbol has another name from now on, and its record goes on under the new one.

Orders, evidence, movements, positions, round trips and protections bear the present symbol; the
journal keeps what was asked and reported.  A rename is known from the rows of the account's
history, or from an order that the broker reports under another symbol than before.

Other half: `core.symbol_names`, which reads the names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core.holdings import action_keys
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.evidence_posting import replace_movements, update_order
from fillbook.core.symbol_names import is_later, resolve

#: Why a protection ends if another one of its part goes on.
_REPLACED: Final = "another protection of the part goes on, as its symbol has another name"


def list_instrument(draft: Draft, instrument: m.Instrument) -> None:
    """Record an instrument and its other spellings."""
    draft.put(instrument)
    former = draft.get(m.SymbolName, instrument.symbol)
    if former is not None and is_later(former, draft.at):
        draft.put(evolve(former, relisted=True))
    symbol = resolve(draft, instrument.symbol)
    for name in instrument.aliases:
        if name != symbol and draft.get(m.Instrument, name) is None:
            draft.put(m.SymbolName(name, symbol))


def rename(draft: Draft, old: str, new: str, at: m.Timestamp) -> None:
    """Continue the record of *old* under *new*, *at* the time of the rename."""
    former = draft.get(m.SymbolName, old)
    is_known = former is not None and former.renamed_at is not None and not is_later(former, at)
    if not _is_back(draft, old, new, at):
        new = resolve(draft, new, at)  # it was renamed again, and that was read first
    if not old or not new or is_known or new == old:
        return
    draft.drop(m.SymbolName, new)
    for known in draft.all(m.SymbolName):
        if known.symbol == old:
            draft.put(evolve(known, symbol=new))
    draft.put(m.SymbolName(old, new, at))
    _move_movements(draft, old, new, at)
    for cash in draft.all(m.Cash):
        dues, posted = (_with_name(x, old, new) for x in (cash.dues, cash.posted))
        draft.put(evolve(cash, dues=dues, posted=posted))
    for record in draft.find(m.OrderRecord, "symbol", old):
        for broker_order_id in record.ids:
            evidence = draft.get(m.Evidence, broker_order_id)
            if evidence is not None and evidence.terms is not None:
                draft.put(evolve(evidence, terms=evolve(evidence.terms, symbol=new)))
        update_order(draft, record)
    _move_protections(draft, old, new)


def _move_protections(draft: Draft, old: str, new: str) -> None:
    """Move the protections of *old* to *new*, with their plans, and its cooldowns."""
    for protection in [x for x in draft.all(m.Protection) if x.symbol == old]:
        draft.drop(m.Protection, protection.key)
        moved = evolve(protection, symbol=new)
        other = draft.get(m.Protection, moved.key)
        if other is None:
            _go_on(draft, protection, moved)
        else:
            _go_on(draft, *_one_of(draft, protection, other, new))
    for cooldown in [x for x in draft.all(m.Cooldown) if x.symbol == old]:
        draft.drop(m.Cooldown, cooldown.key)
        moved_one = evolve(cooldown, symbol=new)
        known = draft.get(m.Cooldown, moved_one.key)
        if known is None or known.until < moved_one.until:
            draft.put(moved_one)


def _go_on(draft: Draft, before: m.Protection, after: m.Protection) -> None:
    """Store what a protection is now; the plans that were made for it are still for it."""
    for plan in draft.find(m.Plan, "occasion", before.occasion):
        draft.put(evolve(plan, occasion=after.occasion))
    draft.put(after)


def _one_of(
    draft: Draft, one: m.Protection, other: m.Protection, new: str
) -> tuple[m.Protection, m.Protection]:
    """Return which of two goes on for a part that both are for, the last one set: before, after."""
    ended, kept = sorted((one, other), key=lambda x: x.set_at or "")
    draft.emit(m.EventKind.COVER, symbol=ended.symbol, protection=evolve(ended, why=_REPLACED))
    after = evolve(
        kept,
        symbol=new,
        number=1 + max(one.number, other.number),
        pending=kept.pending and ended.pending,
        applied=kept.applied and not kept.pending,
    )
    text = (
        f"two protections of {after.title} became one, because a symbol has another name: the one "
        f"that was set at {kept.set_at} goes on for all of its units"
    )
    alert = m.Alert(m.AlertKind.EXIT_CHANGED, new, text)
    draft.emit(m.EventKind.ALERT, symbol=new, alert=alert)
    return kept, after


def _with_name(fees: Iterable[m.Fee], old: str, new: str) -> tuple[m.Fee, ...]:
    return tuple(evolve(x, symbol=new) if x.symbol == old else x for x in fees)


def _is_back(draft: Draft, old: str, new: str, at: m.Timestamp) -> bool:
    """Return whether *new* is the name that *old* had before."""
    former = draft.get(m.SymbolName, new)
    renamed_at = None if former is None or former.symbol != old else former.renamed_at
    return renamed_at is not None and renamed_at < at


def _move_movements(draft: Draft, old: str, new: str, at: m.Timestamp) -> None:
    """
    Move what happened under *old* to *new*.

    A balance of zero that was adopted under *old* after the rename says nothing about *new*.
    """
    moved = [
        x
        for x in draft.find(m.Movement, "symbol", old)
        if x.kind is not m.MoveKind.ANCHOR or x.qty or x.at < at
    ]
    replace_movements(draft, moved, [evolve(x, symbol=new) for x in moved])
    followers = draft.find(m.Movement, "owner", action_keys.source_of(old))
    for x in followers:
        draft.put(evolve(x, owner=action_keys.source_of(new)))
