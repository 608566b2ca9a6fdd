"""
The fold of a symbol, kept in chapters, so that what comes late is folded cheaply (P9).

A chapter is a run of movements and the position that it begins with.  Folding again begins
with the chapter of the first change, and ends as soon as a later one would begin as it did:
the rest comes out as before.  Other half: `core.position`, which folds one movement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import position
from fillbook.core.journal.draft import Draft

#: A chapter is closed at this length; one that has doubled it hands the rest on.
LENGTH: Final = 64


def fold_in(draft: Draft, symbol: str, gone: Iterable[m.Movement], new: list[m.Movement]) -> None:
    """Fold *symbol* again once *gone* went and *new*, in their order, came; both are drafted."""
    last = draft.get(m.Chapter, symbol) or m.Chapter(symbol, 0, m.Position(symbol=symbol))
    held = draft.get(m.Position, symbol) or last.before
    gone = list(gone)
    if not gone and (held.last is None or held.last.order < new[0].order):
        _append(draft, last, held, new)
    else:
        _again(draft, last, gone, new)


def _append(draft: Draft, last: m.Chapter, held: m.Position, new: Sequence[m.Movement]) -> None:
    held, trades = _folded(held, new)
    moves = (*last.moves, *(x.key for x in new))
    last = evolve(last, moves=moves, trades=(*last.trades, *(x.key for x in trades)))
    if len(moves) >= LENGTH:
        _put(draft, evolve(last, closed=True))
        last = m.Chapter(last.symbol, last.number + 1, held)
    _put(draft, last)
    _settle(draft, held, trades, ())


def _again(
    draft: Draft, last: m.Chapter, gone: Sequence[m.Movement], new: Sequence[m.Movement]
) -> None:
    """Fold from the first chapter that changes to the first that begins as it did."""
    first = min(x.order for x in (*gone, *new))
    chapter, later = last, list[m.Chapter]()
    while chapter.number and not _begins_before(chapter, first):
        later.append(chapter)
        before = draft.get(m.Chapter, f"{chapter.symbol}/{chapter.number - 1}")
        assert before is not None  # chapters are closed one by one and never go
        chapter = before
    held, left, rest = chapter.before, {x.key for x in gone}, list(new)
    made: list[m.Trade] = []
    were: list[str] = []
    while True:
        then = later.pop() if later else None
        moves, rest = _part(draft, chapter, left, rest, then)
        left -= set(chapter.moves)
        were += chapter.trades
        before = evolve(chapter, before=held, closed=bool(rest) or then is not None)
        held, trades = _folded(held, moves)
        made += trades
        keys = tuple(x.key for x in moves)
        _put(draft, evolve(before, moves=keys, trades=tuple(x.key for x in trades)))
        if then is None and not rest:
            break
        if then is not None and then.before == held and not rest and not left:
            held = draft.get(m.Position, chapter.symbol) or held
            break
        chapter = then or m.Chapter(chapter.symbol, chapter.number + 1, held)
    _settle(draft, held, made, were)


def _begins_before(chapter: m.Chapter, order: tuple[object, ...]) -> bool:
    last = chapter.before.last
    return last is not None and last.order < order


def _part(
    draft: Draft,
    chapter: m.Chapter,
    gone: set[str],
    new: Sequence[m.Movement],
    then: m.Chapter | None,
) -> tuple[list[m.Movement], list[m.Movement]]:
    """The movements of *chapter* as they are now, and those that belong to later ones."""
    stay = [draft.get(m.Movement, key) for key in chapter.moves if key not in gone]
    mine = [x for x in new if then is None or not _begins_before(then, x.order)]
    moves = sorted((x for x in (*stay, *mine) if x is not None), key=lambda x: x.order)
    rest = [x for x in new if x not in mine]
    if len(moves) <= 2 * LENGTH:
        return moves, rest
    return moves[:LENGTH], moves[LENGTH:] + rest


def _folded(held: m.Position, moves: Iterable[m.Movement]) -> tuple[m.Position, list[m.Trade]]:
    trades = []
    for x in moves:
        held, trade = position.fold(held, x)
        trades += [] if trade is None else [trade]
    return held, trades


def _put(draft: Draft, chapter: m.Chapter) -> None:
    draft.put(chapter)


def _settle(draft: Draft, held: m.Position, trades: Sequence[m.Trade], were: Iterable[str]) -> None:
    """Put down the position and its round trips; those that *were* and are not any more go."""
    if held.last is None:
        draft.drop(m.Position, held.symbol)  # nothing is left that ever moved it
    else:
        draft.put(held)
    for key in set(were) - {trade.key for trade in trades}:
        draft.drop(m.Trade, key)
    for trade in trades:
        _put_trade(draft, trade)


def _put_trade(draft: Draft, trade: m.Trade) -> None:
    known = draft.before.get(m.Trade, trade.key)
    if known is not None and evolve(known, revision=0) != trade:
        trade = evolve(trade, revision=known.revision + 1)
    elif known is not None:
        trade = known
    draft.put(trade)
