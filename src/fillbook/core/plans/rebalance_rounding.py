"""
Rounding of a rebalance: whole steps that come nearest to the targets within a budget.

The result is a local optimum: no change of one symbol by one step that keeps within the budget
lowers the sum of the squared differences between values and targets.  What reduces comes first;
the buys get what is left, and are cut so that the largest shortfall is least.

The budget has two parts: the value of all positions, without sign, and the cash, at the worst price
of each trade.  Every step is O(n log n) in the number of symbols, for any size of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from heapq import heapify, heappop, heapreplace
from typing import Final

from attrs import define

from fillbook import model as m
from fillbook.core.plans.portfolio import Line
from fillbook.model import ZERO

_R = m.LeftAloneReason
_TURNS: Final = 64


@define(eq=False)
class Budget:
    """What is left: `value` of positions, without sign, and `cash`; negative: exceeded."""

    value: Decimal
    cash: Decimal

    def fits(self, value: Decimal, cash: Decimal) -> bool:
        return value <= self.value and cash <= self.cash

    def use(self, value: Decimal, cash: Decimal) -> None:
        self.value -= value
        self.cash -= cash


def nearest(amount: Decimal, size: Decimal) -> int:
    """Return how many steps of *size* come nearest to *amount* ≥ 0; the fewer, of two."""
    whole, rest = divmod(amount, size)
    return int(whole) + (rest + rest > size)


def ceiling(amount: Decimal, size: Decimal) -> int:
    """Return how many steps of *size* reach *amount*."""
    whole, rest = divmod(amount, size)
    return int(whole) + (rest > 0)


def least_steps(line: Line, step: Decimal, rules: m.RebalanceRules) -> int:
    """Return how many steps the smallest permitted trade of *line* has, ≥ 1."""
    least, listed = 1, line.listed
    notional = rules.min_notional
    if listed is not None:
        if listed.min_qty is not None and listed.min_qty > step:
            least = ceiling(listed.min_qty, step)
        if listed.min_notional is not None:
            notional = max(notional, listed.min_notional)
    if notional:
        least = max(least, ceiling(notional, step * line.bid))
    return least


# -- what each symbol wants ------------------------------------------------------------


def want(line: Line, rules: m.RebalanceRules, base: Decimal) -> None:
    """Set the reduction of *line*, and the growth that it wants, without a budget."""
    held, wanted = line.held, line.wanted
    value = held * line.unit
    if wanted and rules.band and abs(wanted - value) <= rules.band * base:
        if wanted != value:
            line.why = _R.BAND
        return
    crosses = held * wanted < 0
    if held and (not wanted or crosses or abs(wanted) < abs(value)):
        _want_less(line, rules, abs(value) - (ZERO if crosses else abs(wanted)))
        if not crosses or line.why is not None:
            return
        if line.reduces * line.step != abs(held):
            line.why = _R.BELOW_MINIMUM  # a remainder below one step cannot be closed
            return
        value = ZERO
    gap = abs(wanted) - abs(value)
    if gap > 0:
        _want_more(line, rules, gap)


def _want_less(line: Line, rules: m.RebalanceRules, amount: Decimal) -> None:
    most = int(abs(line.held) // line.step)
    steps = min(nearest(amount, line.step * line.unit), most)
    if not line.wanted:
        steps = most
    if not steps:
        if not line.wanted or line.held * line.wanted < 0:
            line.why = _R.BELOW_MINIMUM
        return
    closable = int(line.closable // line.step)
    if rules.buys_only and line.held > 0:
        line.why = _R.BUYS_ONLY
    elif closable < steps:
        line.why, steps = _R.OPEN_ORDERS, closable
    if line.why is not _R.BUYS_ONLY and steps >= least_steps(line, line.step, rules):
        line.reduces = steps
    elif line.why is None:
        line.why = _R.BELOW_MINIMUM


def _want_more(line: Line, rules: m.RebalanceRules, gap: Decimal) -> None:
    step, listed = line.step, line.listed
    if line.wanted < 0:
        if rules.buys_only:
            line.why = _R.BUYS_ONLY
            return
        if listed is not None and listed.asset_class is not m.AssetClass.CRYPTO:
            step = max(step, Decimal(1))  # brokers lend whole shares
        if listed is not None and not listed.shortable:
            line.why = _R.NOT_SHORTABLE
            return
    steps, least = nearest(gap, step * line.unit), least_steps(line, step, rules)
    line.gap, line.grow_step, line.least_steps = gap, step, least
    if steps >= least:
        line.wanted_steps = steps
    elif steps or least > 1:
        line.why = _R.BELOW_MINIMUM


# -- the budget ------------------------------------------------------------------------


def fit(lines: Sequence[Line], budget: Budget, rules: m.RebalanceRules) -> None:
    """Set the growth of each line within *budget*, which has the positions subtracted already."""
    for line in lines:
        if line.reduces:
            by = line.reduces * line.step
            budget.use(-by * line.unit, -by * _proceeds(line))
    if budget.value < 0:
        _reduce_further(lines, budget, rules)
    growing = [x for x in lines if x.wanted_steps]
    sizes = [(x.grow_step * x.unit, x.grow_step * _cost(x)) for x in growing]
    value = sum((s * x.wanted_steps for x, (s, _) in zip(growing, sizes, strict=True)), ZERO)
    cash = sum((c * x.wanted_steps for x, (_, c) in zip(growing, sizes, strict=True)), ZERO)
    if budget.fits(value, cash):
        for line in growing:
            line.grows = line.wanted_steps
        budget.use(value, cash)
    elif growing:
        _share_out(growing, sizes, budget)


def _proceeds(line: Line) -> Decimal:
    """Return the cash that a unit brings whose position is reduced; negative: a short."""
    return line.bid if line.held > 0 else -line.ask


def _cost(line: Line) -> Decimal:
    """Return the cash that a unit of growth takes; the proceeds of a short are not spent."""
    return line.ask if line.wanted > 0 else ZERO


def _reduce_further(lines: Iterable[Line], budget: Budget, rules: m.RebalanceRules) -> None:
    """Take one more step of what was rounded up, the cheapest first, until the budget holds."""
    over = []
    for line in lines:
        left = abs(line.held) - line.reduces * line.step
        value = left * line.unit
        if line.held * line.wanted > 0 and value > abs(line.wanted) and line.why is None:
            size = line.step * line.unit
            steps = line.reduces + 1
            closable = int(min(line.closable, abs(line.held)) // line.step)
            may = not rules.buys_only or line.held < 0
            if may and least_steps(line, line.step, rules) <= steps <= closable:
                over.append((size - 2 * (value - abs(line.wanted)), line.symbol, size, line))
    further = []
    for _, _, size, line in sorted(over, key=lambda x: x[:2]):
        if budget.value >= 0:
            break
        line.reduces += 1
        further.append((size, line))
        budget.use(-size, -line.step * _proceeds(line))
    for size, line in further:  # what the last ones released may be enough for an earlier one
        cash = line.step * _proceeds(line)
        if budget.fits(size, cash):
            line.reduces -= 1
            budget.use(size, cash)


def _share_out(
    lines: Sequence[Line], sizes: Sequence[tuple[Decimal, Decimal]], budget: Budget
) -> None:
    """Share *budget* out among *lines* that want more than it has."""
    gaps = [x.gap for x in lines]
    level = max(
        _level(gaps, [Decimal(1)] * len(gaps), budget.value),
        _level(gaps, [c / s for s, c in sizes], budget.cash),
    )
    order = []
    for line, (size, cash) in zip(lines, sizes, strict=True):
        steps = min(int(max(ZERO, line.gap - level) // size), line.wanted_steps)
        if steps < line.least_steps:
            steps = 0
        line.grows = steps
        budget.use(steps * size, steps * cash)
        block = max(1, 0 if steps else line.least_steps)
        short = line.gap - steps * size
        order.append((block * size - 2 * short, line.symbol, line, size, cash))
    order.sort(key=lambda x: x[:2])
    for most in (1, None):  # one step each first, so that a fine step does not take it all
        for _, _, line, size, cash in order:
            _add_steps(line, size, cash, budget, most)
    for line in lines:
        if not line.grows:
            line.why = line.why or _R.BUDGET


def _add_steps(line: Line, size: Decimal, cash: Decimal, budget: Budget, most: int | None) -> None:
    """Add up to *most* steps that fit and bring *line* nearer to its target."""
    steps = line.wanted_steps - line.grows
    least = 1 if line.grows else line.least_steps
    if most is not None:
        steps = min(steps, max(most, least))
    if budget.value < size * steps:
        steps = int(budget.value // size) if budget.value > 0 else 0
    if cash > 0 and budget.cash < cash * steps:
        steps = int(budget.cash // cash) if budget.cash > 0 else 0
    if steps >= least and steps:
        line.grows += steps
        budget.use(size * steps, cash * steps)


def _level(gaps: Sequence[Decimal], weights: Sequence[Decimal], available: Decimal) -> Decimal:
    """Return the least shortfall L ≥ 0 for which Σ weight × max(0, gap - L) ≤ *available*."""
    ordered = sorted(zip(gaps, weights, strict=True), key=lambda x: x[0], reverse=True)
    level = total = weight = ZERO
    for number, (gap, one) in enumerate(ordered):
        total += gap * one
        weight += one
        if not weight:
            continue
        level = (total - max(ZERO, available)) / weight
        below = ordered[number + 1][0] if number + 1 < len(ordered) else ZERO
        if level >= below:
            return min(max(level, ZERO), ordered[0][0])
    return ZERO if level < 0 else level


# -- the leftover ----------------------------------------------------------------------


def invest_leftover(lines: Sequence[Line], budget: Budget, rules: m.RebalanceRules) -> None:
    """
    Add steps while each lowers the sum of the squared differences, that of the sum included.

    So what rounding left over is spent on the steps that overshoot their targets least.
    """
    short = sum((abs(x.wanted) - abs(x.qty) * x.unit for x in lines), ZERO)
    heap: list[tuple[Decimal, str, Decimal, Line]] = []
    for line in lines if short > 0 else ():
        wanted, held = line.wanted, line.held
        if wanted <= 0 or held < 0 or line.why is not None:
            continue
        size = line.step * line.unit
        over = size - wanted + line.qty * line.unit
        # One more step, or one less to sell, must leave no trade below its minimum.
        if over < short and least_steps(line, line.step, rules) == 1:
            line.grow_step = line.step
            heap.append((over, line.symbol, size, line))
    heapify(heap)
    while heap and heap[0][0] < short:
        over, symbol, size, line = heap[0]
        cash = line.step * (_proceeds(line) if line.reduces else _cost(line))
        # A fine step is repeated, so that the number of turns does not depend on its size.
        steps = max(1, int(short / _TURNS // size))
        if line.reduces:
            steps = min(steps, line.reduces)
        if over + (steps - 1) * size >= short or not budget.fits(steps * size, steps * cash):
            heappop(heap)
            continue
        if line.reduces:
            line.reduces -= steps
        else:
            line.grows += steps
        budget.use(steps * size, steps * cash)
        short -= steps * size
        heapreplace(heap, (over + steps * size, symbol, size, line))


# -- turnover --------------------------------------------------------------------------


def limit_turnover(
    lines: Sequence[Line], most: Decimal, before: Budget, rules: m.RebalanceRules
) -> None:
    """
    Cut all trades to *most* in value, the largest differences first.

    Sales and buys are cut in proportion, but enough is sold to pay for the buys, and what the buys
    do not use is sold.  *before* is the budget without a trade.
    """
    less = _largest_first((x.reduces * x.step * x.unit, x) for x in lines if x.reduces)
    more = _largest_first((x.grows * x.grow_step * x.unit, x) for x in lines if x.grows)
    reduced, grown = (sum((value for value, _ in x), ZERO) for x in (less, more))
    if reduced + grown <= most:
        return
    available = min(before.value, before.cash)
    share = max(most * reduced / (reduced + grown), (most - available) / 2)
    wanted = [(line, line.reduces) for _, line in less]
    for line, _ in wanted:
        line.reduces = 0
    budget = Budget(before.value, before.cash)
    left = most - _reduce_again(wanted, min(share, reduced, most), budget, rules)
    left -= _grow_again([line for _, line in more], left, budget)
    _reduce_again(wanted, left, budget, rules)


def _largest_first(found: Iterable[tuple[Decimal, Line]]) -> list[tuple[Decimal, Line]]:
    return sorted(found, key=lambda x: (-x[0], x[1].symbol))


def _reduce_again(
    wanted: Sequence[tuple[Line, int]], most: Decimal, budget: Budget, rules: m.RebalanceRules
) -> Decimal:
    """Reduce each line up to its steps, all of them up to *most*; return the value that is used."""
    used = ZERO
    for line, full in wanted:
        size = line.step * line.unit
        steps = min(full - line.reduces, int((most - used) // size))
        if line.reduces + steps >= least_steps(line, line.step, rules):
            line.reduces += steps
            used += steps * size
            by = steps * line.step
            budget.use(-by * line.unit, -by * _proceeds(line))
        line.why = None if line.reduces == full else _R.TURNOVER
    return used


def _grow_again(lines: Sequence[Line], most: Decimal, budget: Budget) -> Decimal:
    """Grow each line up to its steps, all of them up to *most*; return the value that is used."""
    used = ZERO
    for line in lines:
        size, cash = line.grow_step * line.unit, line.grow_step * _cost(line)
        steps = min(line.grows, int(max(ZERO, min(most - used, budget.value)) // size))
        if cash:
            steps = min(steps, int(max(ZERO, budget.cash) // cash))
        if steps < line.least_steps or line.why is _R.TURNOVER:
            steps = 0
        if steps < line.grows:
            line.why = _R.TURNOVER
        line.grows = steps
        used += steps * size
        budget.use(steps * size, steps * cash)
    return used
