"""
The differences of the newest snapshot, in a cell that every desk of a store reads.

A difference that is not confirmed may be real.  Until it is settled, orders may close at most the
smaller of the two positions.  `desk.reconcile.reconciler` writes it, `desk.orders.approval` and
`desk.orders.cancel` read it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.codec import dump, load_or_none
from fillbook.core.reconcile import drift
from fillbook.store import Reader, Store

_CELL: Final = "unsettled"


def save(store: Store, unsettled: m.Unsettled) -> None:
    """Replace the stored differences by those of the newest snapshot."""
    before, after = store.cell(_CELL), dump(unsettled)
    if before != after:
        store.swap(_CELL, before, after)


def position_differences(reader: Reader, symbol: str) -> tuple[Decimal, ...]:
    """Return the broker's position less ours, signed: confirmed and unsettled differences."""
    confirmed = [
        drift.qty_difference(x.drift)
        for x in reader.all(m.OpenDrift)
        if isinstance(x.drift, m.PositionDrift) and x.drift.symbol == symbol
    ]
    unsettled = load_or_none(m.Unsettled, reader.cell(_CELL)) or m.Unsettled()
    return (*confirmed, *(qty for row_symbol, qty in unsettled.rows if row_symbol == symbol))
