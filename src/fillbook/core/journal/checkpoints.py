"""
Fold the movements of a symbol with checkpoints, so that a late movement costs little (P9).

A checkpoint (`m.Chapter`) is a run of movements with the position before it.  A new fold starts
at the checkpoint of the first change, and ends where the position before a later checkpoint is
the same as in the last fold: from there on nothing changes.

Other half: `core.position`, which folds one movement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from attrs import evolve

from fillbook import model as m
from fillbook.core import position
from fillbook.core.holdings.action_keys import is_of_action
from fillbook.core.journal.draft import Draft
from fillbook.model import ZERO

#: The sort key of a movement.
MoveOrder = tuple[m.Timestamp, m.MoveKind, Decimal, str]
#: A checkpoint is closed at this number of movements; above twice of it, it is split.
LENGTH: Final = 64


def fold_in(draft: Draft, symbol: str, gone: Iterable[m.Movement], new: list[m.Movement]) -> None:
    """Fold *symbol* again, after *gone* were removed from the draft and *new* (sorted) added."""
    latest = draft.get(m.Chapter, symbol) or m.Chapter(symbol, 0, m.Position(symbol=symbol))
    held = draft.get(m.Position, symbol) or latest.before
    gone = list(gone)
    if not gone and (held.last is None or held.last.order < new[0].order):
        _append(draft, latest, held, new)
    else:
        _refold(draft, latest, gone, new)


def position_before(draft: Draft, symbol: str, order: MoveOrder) -> m.Position:
    """Return the position of *symbol* before the movements of *order* and later."""
    chapters = _chapters_since(draft, symbol, order)
    if not chapters:
        return m.Position(symbol=symbol)
    movements = (draft.need(m.Movement, key) for key in chapters[0].moves)
    return _fold(chapters[0].before, (x for x in movements if x.order < order))[0]


def movements_since(draft: Draft, symbol: str, at: m.Timestamp) -> list[m.Movement]:
    """Return the movements of *symbol* from *at* on, in the order of the fold."""
    chapters = _chapters_since(draft, symbol, (at, m.MoveKind.RATIO, ZERO, ""))
    movements = (draft.need(m.Movement, key) for chapter in chapters for key in chapter.moves)
    return [x for x in movements if x.at >= at]


def _chapters_since(draft: Draft, symbol: str, order: MoveOrder) -> list[m.Chapter]:
    """Return the checkpoints of *symbol* from the one that has *order* on, oldest first."""
    chapter = draft.get(m.Chapter, symbol)
    chapters = [] if chapter is None else [chapter]
    while chapters and chapters[0].number and not _begins_before(chapters[0], order):
        chapters.insert(0, draft.need(m.Chapter, f"{symbol}/{chapters[0].number - 1}"))
    return chapters


def _note_refolded(draft: Draft, symbol: str, first: m.Movement) -> None:
    at = draft.refolded.get(symbol, first.at)
    draft.refolded[symbol] = min(first.at, at)


def _append(draft: Draft, latest: m.Chapter, held: m.Position, new: Sequence[m.Movement]) -> None:
    """Fold movements that are later than all others; an action of that day may be later still."""
    if any(map(is_of_action, latest.moves)):
        _note_refolded(draft, latest.symbol, new[0])
    held, trades = _fold(held, new)
    keys = (*latest.moves, *(x.key for x in new))
    latest = evolve(latest, moves=keys, trades=(*latest.trades, *(x.key for x in trades)))
    if len(keys) >= LENGTH:
        draft.put(evolve(latest, closed=True))
        latest = m.Chapter(latest.symbol, latest.number + 1, held)
    draft.put(latest)
    _store(draft, held, trades, ())


def _refold(
    draft: Draft, latest: m.Chapter, gone: Sequence[m.Movement], new: Sequence[m.Movement]
) -> None:
    """Fold from the first checkpoint that changes to the first that begins as before."""
    earliest = min((*gone, *new), key=lambda x: x.order)
    first = earliest.order
    _note_refolded(draft, latest.symbol, earliest)
    chapter, followers = latest, list[m.Chapter]()
    while chapter.number and not _begins_before(chapter, first):
        followers.append(chapter)
        chapter = draft.need(m.Chapter, f"{chapter.symbol}/{chapter.number - 1}")
    held, removed_keys, remaining = chapter.before, {x.key for x in gone}, list(new)
    trades: list[m.Trade] = []
    old_trades: list[str] = []
    while True:
        following = followers.pop() if followers else None
        movements, remaining = _split(draft, chapter, removed_keys, remaining, following)
        removed_keys -= set(chapter.moves)
        old_trades += chapter.trades
        begun = evolve(chapter, before=held, closed=bool(remaining) or following is not None)
        held, chapter_trades = _fold(held, movements)
        trades += chapter_trades
        keys = tuple(x.key for x in movements)
        draft.put(evolve(begun, moves=keys, trades=tuple(x.key for x in chapter_trades)))
        if following is None and not remaining:
            break
        if (
            following is not None
            and following.before == held
            and not remaining
            and not removed_keys
        ):
            held = draft.get(m.Position, chapter.symbol) or held
            break
        chapter = following or m.Chapter(chapter.symbol, chapter.number + 1, held)
    _store(draft, held, trades, old_trades)


def _begins_before(chapter: m.Chapter, order: tuple[object, ...]) -> bool:
    """Return whether a checkpoint begins with a movement before *order*."""
    last = chapter.before.last
    return last is not None and last.order < order


def _split(
    draft: Draft,
    chapter: m.Chapter,
    gone: set[str],
    new: Sequence[m.Movement],
    following: m.Chapter | None,
) -> tuple[list[m.Movement], list[m.Movement]]:
    """Return the movements of *chapter* as they are now, and those that belong to later ones."""
    kept = [draft.get(m.Movement, key) for key in chapter.moves if key not in gone]
    own = [x for x in new if following is None or not _begins_before(following, x.order)]
    movements = sorted((x for x in (*kept, *own) if x is not None), key=lambda x: x.order)
    remaining = [x for x in new if x not in own]
    if len(movements) <= 2 * LENGTH:
        return movements, remaining
    return movements[:LENGTH], movements[LENGTH:] + remaining


def _fold(held: m.Position, movements: Iterable[m.Movement]) -> tuple[m.Position, list[m.Trade]]:
    trades = list[m.Trade]()
    for x in movements:
        held, closed = position.fold(held, x)
        trades += closed
    return held, trades


def _store(
    draft: Draft, held: m.Position, trades: Sequence[m.Trade], old_trades: Iterable[str]
) -> None:
    """Store the position and its trades; drop the old trades that are not among them."""
    if held.last is None:
        draft.drop(m.Position, held.symbol)  # no movement is left
    else:
        draft.put(held)
    for key in set(old_trades) - {trade.key for trade in trades}:
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
