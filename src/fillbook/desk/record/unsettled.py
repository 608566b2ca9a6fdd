"""
The differences of the newest snapshot, in a cell that every desk of a store reads.

A difference that is not confirmed may still be real: until it is settled, the smaller of the
two positions is what may be closed.  Written by `desk.reconcile.reconciler`, read by
`desk.orders.approval`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.codec import dump, load_or_none
from fillbook.core.reconcile import drift
from fillbook.store import Reader, Store

_CELL: Final = "unsettled"


def keep(store: Store, unsettled: m.Unsettled) -> None:
    """Keep the differences of the newest snapshot in place of those before."""
    was, now = store.cell(_CELL), dump(unsettled)
    if was != now:
        store.swap(_CELL, was, now)


def differences(reader: Reader, symbol: str) -> tuple[Decimal, ...]:
    """The broker's position of *symbol* less ours, signed: confirmed differences and unsettled."""
    confirmed = [
        drift.qty_difference(x.drift)
        for x in reader.all(m.OpenDrift)
        if isinstance(x.drift, m.PositionDrift) and x.drift.symbol == symbol
    ]
    unsettled = load_or_none(m.Unsettled, reader.cell(_CELL)) or m.Unsettled()
    return (*confirmed, *(by for name, by in unsettled.rows if name == symbol))
