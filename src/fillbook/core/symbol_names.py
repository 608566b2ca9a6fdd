"""
The names of symbols: another spelling of the broker (`BTCUSD`), and the name before a rename.

`resolve` is the only place where a name becomes a symbol: for the bot, for the broker's reports,
and for the orders and movements of the record, which bear the present symbol.  The spellings are
those of the broker's instruments.

Other halves: `core.journal.renames`, which writes the names, `desk.link.symbols` for the bot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import pairs
from fillbook.errors import UnknownSymbol
from fillbook.model import ZERO
from fillbook.model.journal.overlay import RecordReader

#: A broker may use a former name for so long.  What bears it later is another instrument.
RENAME_LAG: Final = timedelta(days=5)
#: So many similar names are compared by their letters.
_CLOSE: Final = 50


def resolve(records: RecordReader, name: str, at: m.Timestamp | None = None) -> str:
    """
    Return the present symbol of *name*; a name that is not known is its own.

    *at* is the time of what bears the name (an order's is that of its creation); None: a bot names
    it now.
    """
    known = records.get(m.SymbolName, name)
    if known is None:
        return name
    if known.renamed_at is None:
        return known.symbol
    is_another = known.relisted if at is None else is_later(known, at)
    return name if is_another else known.symbol


def is_later(former: m.SymbolName, at: m.Timestamp) -> bool:
    """Return whether what bears a former name *at* that time is another instrument."""
    renamed_at = former.renamed_at
    return renamed_at is not None and m.moment(at) - m.moment(renamed_at) > RENAME_LAG


def is_known(records: RecordReader, symbol: str) -> bool:
    """Return whether the record has anything of *symbol*, or the broker has listed it."""
    return (
        records.get(m.Position, pairs.holding_of(records, symbol)) is not None
        or records.get(m.Instrument, symbol) is not None
        or any(_was_sent(x) for x in records.find(m.OrderRecord, "symbol", symbol))
    )


def _was_sent(record: m.OrderRecord) -> bool:
    return record.order.status is not m.OrderStatus.DENIED


def similar_to(symbol: str, names: Iterable[str]) -> tuple[str, ...]:
    """
    Return at most three of *names* that are spelt like *symbol*, the most similar first.

    Those of the same letters come first: of APPL, AAPL is before APP.
    """
    found = get_close_matches(symbol, sorted(set(names)), n=_CLOSE)
    return tuple(sorted(found, key=lambda name: set(name) != set(symbol))[:3])


def sentence_of_similar(names: Sequence[str]) -> str:
    """Return the end of a message about a symbol that is not listed; ``""``: nothing is similar."""
    return f"; similar: {', '.join(names)}" if names else ""


def unknown_symbol(records: RecordReader, symbol: str, listed: Iterable[str] = ()) -> UnknownSymbol:
    """Return the error for an unknown symbol, with similar ones of the record and of *listed*."""
    known = {x.symbol for x in records.all(m.Position)}.union(listed)
    known |= {x.symbol for x in records.all(m.Instrument)}
    known |= {x.name for x in records.all(m.SymbolName) if x.name == x.name.upper()}
    hint = sentence_of_similar(similar_to(symbol, known))
    return UnknownSymbol(
        f"{symbol} is in neither the record nor the broker's list: check the symbol{hint}"
    )


def with_symbol(
    records: RecordReader, report: m.OrderReport, created_at: m.Timestamp
) -> m.OrderReport:
    """Return *report* with the present symbol of its order, which was created at that time."""
    symbol = resolve(records, report.terms.symbol, created_at)
    if symbol == report.terms.symbol:
        return report
    return evolve(report, terms=evolve(report.terms, symbol=symbol))


def positions(
    records: RecordReader, listed: Iterable[m.PositionSnapshot], at: m.Timestamp
) -> tuple[m.PositionSnapshot, ...]:
    """Return the broker's positions *at* that time by present symbol; two of one are added."""
    found: dict[str, m.PositionSnapshot] = {}
    for each in listed:
        symbol = resolve(records, each.symbol, at)
        other = found.get(symbol)
        found[symbol] = evolve(each, symbol=symbol) if other is None else _added(other, each)
    return tuple(found.values())


@m.exact
def _added(position: m.PositionSnapshot, other: m.PositionSnapshot) -> m.PositionSnapshot:
    values = (position.market_value, other.market_value)
    return evolve(
        position,
        qty=position.qty + other.qty,
        qty_available=None,
        avg_price=None,
        market_value=None if None in values else sum((x or ZERO for x in values), ZERO),
    )
