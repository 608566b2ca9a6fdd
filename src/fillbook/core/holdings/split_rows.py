"""
The splits of one symbol on one day, from the rows that list them.

A split is listed by a row with its ratio, by a row with the units added, or by one that removes the
old units and one that adds the new units.  On one day there may be several, with trades between
them, and a date has no order.  What a row removes, or its ratio and the units added, say how many
units were held: so the rows are put to the moments of the day at which that many were.

A row without a ratio that only adds units says nothing about what was held.  It is put to the
moment at which the ratio is that of the smallest whole numbers.  Of several moments the first
counts, because a split is effective before the first trade of its day.

Other halves: `core.journal.corporate_actions`, which makes the movements, and `restated_units`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final

from attrs import frozen

from fillbook import model as m
from fillbook.core.holdings.restated_units import restated_qty
from fillbook.model import ZERO

Rows = tuple[m.Activity, ...]
#: A ratio is of small whole numbers if the smaller of them is not above it: 1 for 250, 21 for 20.
_SMALL: Final = 20
#: More moments than this are not tried; the rows are then those of the start of the day.
_TRIED_MAX: Final = 10_000


@frozen
class Split:
    """The rows of one split, and the number of movements of the day before it."""

    rows: Rows
    after: int = 0


@frozen
class _Search:
    """The quantities of one day: its movements, and whether a fraction was paid in cash."""

    moves: Sequence[m.Movement]
    is_paid: bool


@frozen
class _Found:
    """The splits from a moment on, and how large the whole numbers of their ratios are."""

    cost: int = 0
    splits: tuple[Split, ...] = ()


def splits_of(
    rows: Iterable[m.Activity], held: Decimal, moves: Sequence[m.Movement]
) -> list[Split]:
    """
    Return the splits that *rows* of one symbol and day list, in order.

    *held* is the quantity at the start of the day; *moves* are its movements since, in order.
    """
    listed = [x for x in rows if x.qty or x.ratio]
    paid = tuple(x for x in rows if not (x.qty or x.ratio))
    known, beside = _by_ratio([x for x in listed if x.ratio is not None])
    loose = tuple(x for x in listed if x.ratio is None)
    if known:
        loose, beside = (), beside + loose
    elif all(x.group_id for x in loose) and is_exchange((*loose, *paid), quantities(held, moves)):
        known, loose = (loose,), ()
    search = _Search(moves, any(x.cash for x in (*listed, *paid)))
    tried = (len(moves) + 1) ** (len(known) + len(loose))
    is_clear = not loose and len(known) == 1 and len(known[0]) == 1  # one ratio: of the day's start
    found = None
    if tried <= _TRIED_MAX and not is_clear:
        found = _find(search, 0, held, known, loose)
    if found is None:
        splits = [Split(x) for x in known] + ([Split(loose)] if loose else [])
    else:
        splits = list(found.splits)
    return _with_rest(splits, held, moves, (*beside, *paid))


def _by_ratio(rows: Sequence[m.Activity]) -> tuple[tuple[Rows, ...], Rows]:
    """Return the rows of each split, of *rows* that bear a ratio, and what is beside them."""
    splits: list[Rows] = []
    for ratio in dict.fromkeys(x.ratio for x in rows):
        same = [x for x in rows if x.ratio == ratio]
        added = [x for x in same if x.qty and x.qty > 0]
        removed = [x for x in same if x.qty and x.qty < 0]
        while added and removed:
            pair = _nearest_pair(added, removed, ratio or ZERO)
            splits.append(pair)
            added, removed = ([x for x in each if x not in pair] for each in (added, removed))
        splits += [(x,) for x in (*added, *removed)]
        if all(not x.qty for x in same):
            splits.append((same[0],))
    named = [x for pair in splits for x in pair]
    return tuple(splits), tuple(x for x in rows if x not in named)


def _nearest_pair(
    added: Iterable[m.Activity], removed: Sequence[m.Activity], ratio: Decimal
) -> Rows:
    """Return the row that removes units and the row that adds them, by their *ratio*."""

    def distance(pair: Rows) -> Decimal:
        old, new = (x.qty or ZERO for x in pair)
        # Of a short position, the row that removes its units has the positive quantity.
        return min(abs(new + old * ratio), abs(old + new * ratio))

    return min(((old, new) for new in added for old in removed), key=distance)


def are_opposite(rows: Iterable[m.Activity]) -> bool:
    """Return whether of two *rows* one removes units and one adds units."""
    return sorted(x.qty > 0 for x in rows if x.qty) == [False, True]


def is_exchange(rows: Rows, held: Iterable[Decimal]) -> bool:
    """
    Return whether *rows* are one that removes the old units and one that adds the new ones.

    *held* are the quantities of the day.  Where cash is paid, less than one unit that was never
    held is a fraction beside the units that a split adds.
    """
    moved = [x.qty for x in rows if x.qty]
    is_fraction = any(x.cash for x in rows) and min(map(abs, moved), default=ZERO) < 1
    return are_opposite(rows) and (not is_fraction or any(-qty in moved for qty in held))


def quantities(held: Decimal, moves: Iterable[m.Movement]) -> Iterator[Decimal]:
    """Yield what is held before *moves*, and after each of them."""
    yield held
    for move in moves:
        held = _moved(held, move)
        yield held


def _find(
    search: _Search, after: int, held: Decimal, known: tuple[Rows, ...], loose: Rows
) -> _Found | None:
    """Return the splits of the rows that are left, with the smallest cost; None: none fits."""
    if not known and not loose:
        return _Found()
    best: _Found | None = None
    for rows, qty, cost in _next(search, held, known, loose):
        others = tuple(x for x in known if x != rows)
        rest = _find(search, after, qty, others, tuple(x for x in loose if x not in rows))
        if rest is not None and (best is None or rest.cost + cost < best.cost):
            best = _Found(rest.cost + cost, (Split(rows, after), *rest.splits))
    if after < len(search.moves) and (best is None or best.cost):
        later = _find(search, after + 1, _moved(held, search.moves[after]), known, loose)
        if later is not None and (best is None or later.cost < best.cost):
            return later
    return best


def _next(
    search: _Search, held: Decimal, known: tuple[Rows, ...], loose: Rows
) -> Iterator[tuple[Rows, Decimal, int]]:
    """Yield the splits that fit *held* units: their rows, the units after them, the cost."""
    for rows in known:
        after = _fitting(rows, held)
        if after is not None:
            yield rows, after, 0
    for row in loose:
        qty = row.qty or ZERO
        if held and qty == -held:
            for other in loose:
                if other.qty is not None and other.qty * held > 0:
                    yield (row, other), other.qty, 0
        cost = _cost(held, held + qty, is_paid=search.is_paid)
        if cost is not None:
            yield (row,), held + qty, cost


def _fitting(rows: Rows, held: Decimal) -> Decimal | None:
    """Return what *held* units become by a split of known *rows*; None: it is of other units."""
    first = rows[0]
    if len(rows) == 2:
        old, new = sorted((x.qty or ZERO for x in rows), key=lambda x: x * held)
        return new if old == -held and held else None
    ratio = first.ratio or Decimal(1)
    if first.qty and held * (ratio - 1) != first.qty:
        return None
    return held * ratio


def _cost(old: Decimal, new: Decimal, *, is_paid: bool) -> int | None:
    """Return how large the smaller whole number of a ratio is, less 1; None: it is no ratio."""
    if old * new <= 0:
        return None
    if is_paid:
        return 0  # units and cash: the ratio is not known
    ratio = Fraction(new) / Fraction(old)
    smaller = min(ratio.numerator, ratio.denominator)
    return smaller - 1 if smaller <= _SMALL else None


def _moved(held: Decimal, move: m.Movement) -> Decimal:
    """Return *held* units after a movement."""
    if move.kind is m.MoveKind.RATIO:
        after = restated_qty(held, move) if held else None
        return held if after is None else after
    return move.qty if move.kind is m.MoveKind.ANCHOR else held + move.qty


def _with_rest(
    splits: Sequence[Split], held: Decimal, moves: Sequence[m.Movement], rest: Rows
) -> list[Split]:
    """
    Return *splits* with the rows beside them: fractions that were taken away, and their cash.

    A fraction is of the split that leaves it; what no split leaves is of the last one.
    """
    left, result, at = list(rest), list[Split](), 0
    for number, split in enumerate(splits):
        while at < split.after:
            held, at = _moved(held, moves[at]), at + 1
        held = _after(split.rows, held)
        fraction = held - m.cut(held, Decimal(1))
        is_last = number == len(splits) - 1
        own = [x for x in left if is_last or (fraction and x.qty == -fraction)]
        left = [x for x in left if x not in own]
        held += sum((x.qty or ZERO for x in own), ZERO)
        result.append(Split((*split.rows, *own), split.after))
    return result


def _after(rows: Rows, held: Decimal) -> Decimal:
    """Return what *held* units become by the *rows* of a split."""
    if len(rows) == 1 and rows[0].ratio is not None:
        return held * rows[0].ratio
    return held + sum((x.qty or ZERO for x in rows), ZERO)
