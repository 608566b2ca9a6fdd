"""The table of positions: the part of each strategy, its realized P&L, and the cover by exits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.cli import output
from fillbook.cli.output import cell, day
from fillbook.desk.record.book import Book

#: The protections, each with the symbol of the position that it is for.
Cover = Sequence[tuple[str, m.Protection]]


def cover_of(book: Book, strategy: str | None = None) -> Cover:
    """Return the protections of the record, each with the symbol of its position."""
    return [
        (book.position(x.symbol).symbol, x)
        for x in book.protections()
        if strategy in (None, x.strategy)
    ]


#: What makes a realized P&L unknown.
_UNKNOWN: Final = frozenset({m.UnknownPart.COST, m.UnknownPart.PRICE})


@frozen
class Realized:
    """The realized P&L of a position in one currency, before fees."""

    symbol: str
    currency: str | None  #: None: that of the account
    realized: Decimal | None  #: None: a part of it is unknown


def realized_of(book: Book, positions: Sequence[m.Position]) -> list[Realized]:
    """Return the realized P&L of each position by currency, as `pnl` has it."""
    by_symbol: dict[str, list[Realized]] = {}
    if any(x.realized is None for x in positions):  # the P&L reads the whole record
        for row in book.pnl(quotes={}).rows:
            is_known = not _UNKNOWN & {part for part, _ in row.unknown}
            found = Realized(row.key, row.currency, row.realized if is_known else None)
            by_symbol.setdefault(row.key, []).append(found)
    return [
        row
        for x in positions
        for row in (
            by_symbol.get(x.symbol, [])
            if x.realized is None
            else [Realized(x.symbol, x.account.currency, x.realized)]
        )
    ]


def print_positions(
    found: Sequence[m.Position],
    cover: Cover,
    strategy: str | None = None,
    *,
    currency: str | None,
    realized: Sequence[Realized] = (),
) -> None:
    """
    Print positions with the part of each strategy, and what has no exit; or *strategy* alone.

    *currency* is that of the account (None: not known); an amount in another one names it.
    *realized* is the realized P&L of positions that have it in several currencies.
    The strategies have a column if there are any; the quantity that can be sold has one if a fee
    that is due makes it less.
    """
    has_names = any(name for x in found for name, _ in x.by_strategy)
    has_fees = strategy is None and any(x.qty > 0 and x.sellable_qty != x.qty for x in found)
    names, fees = ["strategy"] * has_names, ["sellable>"] * has_fees
    output.table(
        "Positions",
        ("symbol", *names, "qty>", *fees, "avg price>", "realized>", "exits"),
        (
            (symbol, *[whose] * has_names, qty, *[sellable] * has_fees, *others)
            for position in found
            for symbol, whose, qty, sellable, *others in _rows_of(
                position, cover, strategy, [x for x in realized if x.symbol == position.symbol]
            )
        ),
        currency,
    )
    for line in not_covered(x for _, x in cover):
        output.out.print(line, soft_wrap=True)


def _rows_of(
    position: m.Position, cover: Cover, strategy: str | None, realized: Sequence[Realized]
) -> Iterator[tuple[object, ...]]:
    """
    Yield the row of a position, and those of its parts if it has several; or those of *strategy*.

    A flat part is one of them if it has realized P&L, so that the parts sum to the position.
    """
    x, is_whole = position, strategy is None
    parts = x.parts
    has_several = is_whole and len(parts) > 1
    if is_whole:
        whose = "(all)" if has_several else "".join(name for name, _ in parts)
        exits = "" if has_several else cover_text(x, cover)
        price, total = _amounts(x.account, x.realized)
        if x.realized is None:
            known = (output.amount(y.realized, y.currency) for y in realized)
            total = ", ".join(text or "–" for text in known)
        yield x.symbol, whose, x.qty, x.sellable_qty, price, total, exits
    for name, y in parts if has_several or not is_whole else ():
        symbol, whose = "" if is_whole else x.symbol, name or "no strategy"
        exits = cover_text(x, cover, name)
        yield symbol, whose, y.qty, None, *_amounts(y, y.realized), exits


def _amounts(part: m.Holding, realized: Decimal | None) -> tuple[str | None, str | None]:
    """Format the average price and the realized P&L of a part; another currency is named."""
    return (
        output.unit_price(part.avg_price, part.currency),
        output.amount(realized, part.currency),
    )


def cover_text(position: m.Position, cover: Cover, strategy: str | None = None) -> str:
    """
    Return the cover of each part of a position, or of that of *strategy*, by the protections.

    It is one term if it is the same for all of them; ``""``: the part is flat, without exits.
    """
    held = {name: list[str]() for name, part in position.by_strategy if part.qty}
    for symbol, x in cover:
        if symbol == position.symbol:
            held.setdefault(x.strategy, []).append(_words(x))
    shown = {
        name: ", ".join(words) or "no protection"
        for name, words in held.items()
        if strategy in (None, name)
    }
    if len(set(shown.values())) <= 1:
        return "".join(set(shown.values()))
    return ", ".join(f"{name or 'no strategy'}: {words}" for name, words in shown.items())


def not_covered(protections: Iterable[m.Protection]) -> Iterator[str]:
    """Yield what lacks an exit: since when, and why."""
    for x in protections:
        if not x.is_covered:
            whose = f" ({cell(x.strategy)})" if x.strategy else ""
            since = "" if x.since is None else f" since {day(x.since)} UTC"
            why = f": {cell(x.suspended or x.why)}" if x.suspended or x.why else ""
            yield f"Exits of {cell(x.symbol)}{whose}: [yellow]{_words(x)}{since}[/]{why}"


def _words(protection: m.Protection) -> str:
    return str(protection.cover).replace("_", " ")
