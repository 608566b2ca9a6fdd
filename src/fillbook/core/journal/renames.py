"""
Renames: a symbol has another name from now on, and its record goes on under the new one.

Orders, evidence, movements, positions, round trips and protections bear the present symbol; the
journal keeps what was asked and reported.  A rename is known from the rows of the account's
history, or from an order that the broker reports under another symbol than before.

Other half: `core.symbol_names`, which reads the names.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from fillbook import model as m
from fillbook.core.holdings import action_keys
from fillbook.core.journal.draft import Draft
from fillbook.core.journal.evidence_posting import replace_movements, update_order
from fillbook.core.symbol_names import is_later, resolve


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
    """Move the protections and the cooldowns of *old* to *new*."""
    for protection in [x for x in draft.all(m.Protection) if x.symbol == old]:
        draft.drop(m.Protection, protection.key)
        draft.put(evolve(protection, symbol=new))
    for cooldown in [x for x in draft.all(m.Cooldown) if x.symbol == old]:
        draft.drop(m.Cooldown, cooldown.key)
        draft.put(evolve(cooldown, symbol=new))


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
