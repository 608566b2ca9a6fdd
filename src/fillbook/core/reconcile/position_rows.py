"""The table of a comparison, by symbol: the record, the broker, and what the bot expects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from fillbook import model as m
from fillbook.core import pairs
from fillbook.core.reconcile import drift
from fillbook.model.journal.overlay import RecordReader

#: The verdict on a symbol that neither the record nor the broker knows.
UNKNOWN_SYMBOL: Final = "unknown symbol"


def rows_of(
    ours: Iterable[m.Position],
    theirs: Iterable[m.PositionSnapshot],
    bot: Mapping[str, Decimal] | None,
    record: RecordReader | None,
    is_unknown: Callable[[str], bool] = lambda symbol: False,
) -> tuple[m.Row, ...]:
    """
    Build the comparison as a table, by symbol.

    *is_unknown* is asked for what only the bot has: whether neither the record nor the broker knows
    the symbol.
    """
    held = {x.symbol: x for x in ours}
    found = {x.symbol: x for x in theirs}
    rows = []
    for symbol in sorted(held.keys() | found.keys() | (bot or {}).keys()):
        mine, actual = held.get(symbol), found.get(symbol)
        quantum = m.ZERO if record is None else pairs.quantum(record, symbol)
        differs = record is not None and drift.position_drift(symbol, mine, actual, quantum)
        their_qty = m.ZERO if actual is None else actual.qty
        expected = None if bot is None else bot.get(symbol, m.ZERO)
        wrong = bool(differs) or (expected is not None and expected != their_qty)
        pending = mine is not None and mine.qty != their_qty
        only_bot = mine is None and actual is None and bool(expected)
        if wrong or (mine is not None and mine.qty) or their_qty:
            rows.append(
                m.Row(
                    symbol,
                    None if record is None else (m.ZERO if mine is None else mine.qty),
                    their_qty,
                    expected,
                    UNKNOWN_SYMBOL
                    if only_bot and is_unknown(symbol)
                    else ("drift" if wrong else "fee pending" if pending else "in sync"),
                )
            )
    return tuple(rows)


def expected_findings(rows: Iterable[m.Row]) -> tuple[m.Finding, ...]:
    """Return the differences between what the bot expects and the broker; nothing: none passed."""
    because = "one snapshot, compared with the positions that the bot expects"
    return tuple(
        m.Finding(
            drift.qty_drift(row.symbol, row.bot, row.theirs or m.ZERO),
            m.Confidence.SETTLING,
            because,
        )
        for row in rows
        if row.bot is not None and row.bot != row.theirs
    )
