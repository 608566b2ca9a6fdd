"""
The rows of a group of the account's history: the units of each symbol, and which are of one event.

Other half: `core.journal.corporate_actions`, which makes the movements of an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from attrs import field, frozen

from fillbook import model as m
from fillbook.model import ZERO

_K = m.ActivityKind


@frozen
class Units:
    """The units of one symbol that a group moves: those added and removed, ≥ 0, and its cash."""

    added: Decimal = ZERO
    removed: Decimal = ZERO
    ratio: Decimal | None = None
    beside_ratio: Decimal = ZERO  #: signed units of the rows without the ratio
    rows: tuple[m.Activity, ...] = field(factory=tuple)

    @property
    def net(self) -> Decimal:
        return self.added - self.removed


def events_of(rows: Sequence[m.Activity]) -> list[list[m.Activity]]:
    """
    Return the rows of each event: of one kind and day there may be several without a group.

    Rows of equal and opposite quantities are of one event: if several have that quantity, those of
    one price.  What is left is one event, unless it can only be a part of another one.  Symbols of
    which nothing is added and nothing is received end by events of their own.
    """
    units = {name: x for name, x in units_by_symbol(rows).items() if x.net}
    if len(units) < 2 or any(x.group_id is not None for x in rows):
        return [list(rows)]
    if rows[0].kind is _K.MERGER and all(x.net < 0 for x in units.values()):
        return [[x for x in rows if x.symbol == name] for name in sorted({*_names(rows)})]
    if len(units) == 2:
        return [list(rows)]
    partners = {x: other for x in units if (other := _partner_of(x, units)) is not None}
    pairs = [(x, other) for x, other in partners.items() if x < other and partners.get(other) == x]
    paired = {name for pair in pairs for name in pair}
    left = [x for x in rows if x.symbol not in paired]
    signs = {units[name].net > 0 for name in units.keys() - paired}
    is_part = len(signs) == 1 and not any(x.cash for x in left)
    if is_part and rows[0].kind is not _K.SYMBOL_CHANGE:
        return [list(rows)]
    found = [[x for x in rows if x.symbol in pair] for pair in sorted(pairs)]
    return [*found, left] if left else found


def _names(rows: Sequence[m.Activity]) -> set[str]:
    return {x.symbol for x in rows if x.symbol is not None}


def _partner_of(name: str, units: dict[str, Units]) -> str | None:
    """Return the only symbol that moves as many units as *name*, inversely; None: not clear."""
    price = units[name].rows[0].price
    found = [x for x, other in units.items() if other.net == -units[name].net]
    if len(found) > 1:
        found = [x for x in found if units[x].rows[0].price == price]
    return found[0] if len(found) == 1 else None


def units_by_symbol(rows: Sequence[m.Activity]) -> dict[str, Units]:
    units: dict[str, Units] = {}
    for row in rows:
        if row.qty is None and row.ratio is None:
            continue
        symbol = row.symbol or ""
        known, qty = units.get(symbol, Units()), row.qty or ZERO
        units[symbol] = Units(
            added=known.added + max(qty, ZERO),
            removed=known.removed + max(-qty, ZERO),
            ratio=known.ratio or row.ratio,
            beside_ratio=known.beside_ratio + (qty if row.ratio is None else ZERO),
            rows=(*known.rows, row),
        )
    return units
