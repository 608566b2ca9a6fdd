"""
Rounding of a rebalance: whole steps that come nearest to the targets within a budget.

The result is a local optimum: no change of one symbol by one step that keeps within the budget
lowers the sum of the squared differences between values and targets.  What reduces comes first;
the buys get what is left, and are cut so that the largest shortfall is least.

The budget has two parts: the value of all positions, without sign, and the cash, at the worst price
of each trade.  Every step is O(n log n) in the number of symbols, for any size of a step.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from heapq import heapify, heappop, heapreplace
from itertools import accumulate
from operator import itemgetter, mul
from typing import Final

from attrs import define, evolve

from fillbook import model as m
from fillbook.core.plans.portfolio import least_steps
from fillbook.core.plans.rebalance_lines import Line
from fillbook.model import ZERO

_R = m.LeftAloneReason
_TURNS: Final = Decimal(64)
_CHEAP: Final = Decimal(32)
_ONE: Final = Decimal(1)


@define(eq=False)
class Budget:
    """
    What a plan may use, and what its positions use: values without sign.

    `value` is what is left for positions, and `cash` for trades; negative: exceeded.
    """

    used: Decimal
    value: Decimal
    cash: Decimal

    def fits(self, value: Decimal, cash: Decimal) -> bool:
        return value <= self.value and cash <= self.cash

    def use(self, value: Decimal, cash: Decimal) -> None:
        self.used += value
        self.value -= value
        self.cash -= cash


def nearest(amount: Decimal, size: Decimal) -> Decimal:
    """Return how many steps of *size* come nearest to *amount* ≥ 0; the fewer, of two."""
    whole, rest = divmod(amount, size)
    return whole + 1 if rest + rest > size else whole


# -- what each symbol wants ------------------------------------------------------------


def want(lines: Iterable[Line], rules: m.RebalanceRules, base: Decimal) -> None:
    """Set the reductions of *lines*, and the growth they want without a budget."""
    band = rules.band * base
    is_banded = bool(band)
    for line in lines:
        gap = line.wanted
        if is_banded or line.held is not ZERO or gap < ZERO:
            gap = _gap(line, rules, band)
        if gap:
            size, least = line.grow_size, line.terms.grow_least
            steps, rest = divmod(gap, size)  # `nearest`, without a call
            if rest + rest > size:
                steps += _ONE
                rest -= size
            if steps >= least:
                line.wanted_steps = line.grows = steps
                line.grown = steps * size
                line.lack = rest
            else:
                line.lack = gap
                if steps or least > _ONE:
                    line.why = _R.BELOW_MINIMUM


def _gap(line: Line, rules: m.RebalanceRules, band: Decimal) -> Decimal:
    """Set the reduction of *line*, and return the value by which it is to grow, ≥ 0."""
    value, wanted = line.held * line.unit, line.wanted
    if band and wanted and abs(wanted - value) <= band:
        if wanted != value:
            line.why = _R.BAND
        return ZERO
    crosses = value * wanted < ZERO
    wanted, value = abs(wanted), abs(value)
    if value and (crosses or wanted < value):
        _want_less(line, rules, value if crosses else value - wanted)
        if not crosses or line.why is not None:
            return ZERO
        if line.reduces * line.terms.step != abs(line.held):
            line.why = _R.BELOW_MINIMUM  # a remainder below one step cannot be closed
            return ZERO
        value = ZERO
    if line.wanted < ZERO and wanted > value:
        line.grow_cash = ZERO
        if not _may_be_short(line, rules):
            return ZERO
    return wanted - value


def _want_less(line: Line, rules: m.RebalanceRules, amount: Decimal) -> None:
    most = abs(line.held) // line.terms.step
    steps = min(nearest(amount, line.terms.step * line.unit), most) if line.wanted else most
    if not steps:
        if not line.wanted or line.held * line.wanted < 0:
            line.why = _R.BELOW_MINIMUM
        return
    closable = line.terms.orders.closable(line.held) // line.terms.step
    if rules.buys_only and line.held > 0:
        line.why = _R.BUYS_ONLY
    elif closable < steps:
        line.why, steps = _R.OPEN_ORDERS, closable
    if line.why is not _R.BUYS_ONLY and steps >= line.terms.least:
        line.reduces = steps
    elif line.why is None:
        line.why = _R.BELOW_MINIMUM


def _may_be_short(line: Line, rules: m.RebalanceRules) -> bool:
    """Return whether a short may be opened, and set its step: brokers lend whole shares."""
    listed = line.terms.listed
    if rules.buys_only:
        line.why = _R.BUYS_ONLY
    elif listed is not None and not listed.shortable:
        line.why = _R.NOT_SHORTABLE
    elif listed is not None and listed.asset_class is not m.AssetClass.CRYPTO:
        terms = line.terms
        terms.grow_step = step = max(terms.step, _ONE)
        terms.grow_least = least_steps(listed, step, line.bid, rules)
        line.grow_size = step * line.unit
    return line.why is None


# -- the budget ------------------------------------------------------------------------


def fit(lines: Sequence[Line], budget: Budget, rules: m.RebalanceRules) -> None:
    """Set the growth of each line within *budget*, which has the positions subtracted already."""
    for line in lines:
        if line.reduces:
            by = line.reduces * line.terms.step
            budget.use(-by * line.unit, -by * _proceeds(line))
    if budget.value < 0:
        _reduce_further(lines, budget, rules)
    growing = [x for x in lines if x.grows]
    value = sum([x.grown for x in growing], ZERO)
    others = [x for x in growing if x.grow_cash is not x.grow_size]
    cash = value + sum([x.grows * (x.grow_cash - x.grow_size) for x in others], ZERO)
    if budget.fits(value, cash):
        budget.use(value, cash)
    elif growing:
        _share_out(growing, budget)


def _proceeds(line: Line) -> Decimal:
    """Return the cash that a unit brings whose position is reduced; negative: a short."""
    return line.bid if line.held > ZERO else -line.ask


def _reduce_further(lines: Iterable[Line], budget: Budget, rules: m.RebalanceRules) -> None:
    """Take one more step of what was rounded up, the cheapest first, until the budget holds."""
    over = []
    for line in lines:
        left = abs(line.held) - line.reduces * line.terms.step
        value = left * line.unit
        if line.held * line.wanted > 0 and value > abs(line.wanted) and line.why is None:
            size = line.terms.step * line.unit
            steps = line.reduces + 1
            closable = line.terms.orders.closable(line.held) // line.terms.step
            may = not rules.buys_only or line.held < 0
            if may and line.terms.least <= steps <= closable:
                over.append((size - 2 * (value - abs(line.wanted)), line.symbol, size, line))
    further = []
    for _, _, size, line in sorted(over, key=lambda x: x[:2]):
        if budget.value >= 0:
            break
        line.reduces += 1
        further.append((size, line))
        budget.use(-size, -line.terms.step * _proceeds(line))
    for size, line in further:  # what the last ones released may be enough for an earlier one
        cash = line.terms.step * _proceeds(line)
        if budget.fits(size, cash):
            line.reduces -= 1
            budget.use(size, cash)


def _share_out(lines: Sequence[Line], budget: Budget) -> None:
    """Share *budget* out among *lines* that want more than it has."""
    gaps = [x.grown + x.lack for x in lines]
    level = _level(gaps, lines, budget)
    order = []
    value = cash = ZERO
    for line, gap in zip(lines, gaps, strict=True):
        size, least = line.grow_size, line.terms.grow_least
        over = gap - level
        steps = over // size if over > ZERO else ZERO
        if steps < least:
            steps = ZERO
        line.grows = steps
        line.grown = grown = steps * size
        line.lack = short = gap - grown
        value += grown
        if line.grow_cash is not size:
            cash += steps * line.grow_cash - grown
        if steps < line.wanted_steps:
            order.append(((size if steps else least * size) - short - short, line.symbol, line))
    budget.use(value, value + cash)
    order.sort()
    for once in (True, False):  # one step each first, so that a fine step does not take it all
        for _, _, line in order:
            if line.grow_size <= budget.value:
                _add_steps(line, budget, once=once)
    for line in lines:
        if not line.grows:
            line.why = line.why or _R.BUDGET


def _add_steps(line: Line, budget: Budget, *, once: bool) -> None:
    """Add what fits and brings *line* nearer to its target; *once*: the fewest steps."""
    size, cash, steps = line.grow_size, line.grow_cash, line.wanted_steps - line.grows
    least = _ONE if line.grows else line.terms.grow_least
    if once and steps > least:
        steps = least
    if budget.value < size * steps:
        steps = budget.value // size if budget.value > 0 else ZERO
    if cash and budget.cash < cash * steps:
        steps = budget.cash // cash if budget.cash > 0 else ZERO
    if steps >= least:
        value = size * steps
        line.grow(steps, value)
        budget.use(value, value if cash is size else cash * steps)


def _level(gaps: Sequence[Decimal], lines: Sequence[Line], budget: Budget) -> Decimal:
    """Return the least shortfall L ≥ 0 with which *lines*, each by its gap less L, fit *budget*."""
    level = _shortfall(sorted(gaps, reverse=True), None, budget.value)
    if budget.cash < budget.value or any(x.grow_cash is not x.grow_size for x in lines):
        shares = [x.grow_cash / x.grow_size for x in lines]
        pairs = sorted(zip(gaps, shares, strict=True), key=itemgetter(0), reverse=True)
        level = max(level, _shortfall([x for x, _ in pairs], [x for _, x in pairs], budget.cash))
    return level


def _shortfall(
    gaps: Sequence[Decimal], weights: Sequence[Decimal] | None, available: Decimal
) -> Decimal:
    """
    Return the least L ≥ 0 for which Σ weight × max(0, gap - L) ≤ *available*.

    *gaps* are in descending order.  *weights* are those of the gaps; None: all are 1.
    """
    parts = gaps if weights is None else map(mul, gaps, weights)
    totals: list[Decimal] = list(accumulate(parts))
    sums = range(1, len(gaps) + 1) if weights is None else list(accumulate(weights))
    available, below = max(ZERO, available), [*gaps[1:], ZERO]

    def is_last(place: int) -> bool:
        weight = sums[place]
        return weight > 0 and totals[place] - available >= below[place] * weight

    last = bisect_left(range(len(gaps)), True, key=is_last)
    return min((totals[last] - available) / sums[last], gaps[0]) if last < len(gaps) else ZERO


# -- the leftover ----------------------------------------------------------------------


def invest_leftover(lines: Sequence[Line], budget: Budget) -> None:
    """
    Add steps while each lowers the sum of the squared differences, that of the sum included.

    So what rounding left over is spent on the steps that overshoot their targets least.
    """
    lacks = [x.lack if x.grows else x.shortfall for x in lines]
    short = sum(lacks, ZERO)
    overs = [x.grow_size - lack for x, lack in zip(lines, lacks, strict=True)]
    heap: list[tuple[Decimal, str, Line]] = []
    least: Decimal | None = None
    for most in (short / _CHEAP, short):  # what is cheap uses most of it, as a rule
        if least is not None and short <= least:
            break
        heap += [
            (over, line.symbol, line)
            for over, line in zip(overs, lines, strict=True)
            if over < most and (least is None or over >= least)
        ]
        heapify(heap)
        short, least = _invest(heap, short, most, budget), most


def _invest(
    heap: list[tuple[Decimal, str, Line]], short: Decimal, most: Decimal, budget: Budget
) -> Decimal:
    """Add steps that overshoot by less than *short* and *most*; return how short it is then."""
    while heap and heap[0][0] < short and heap[0][0] < most:
        over, symbol, line = heap[0]
        # One more step, or one less to sell, must leave no trade below its minimum.
        is_long = line.wanted > 0 and line.held >= 0
        if line.why is not None or line.terms.least != 1 or not is_long:
            heappop(heap)
            continue
        size = line.grow_size
        cash = line.terms.step * line.bid if line.reduces else line.grow_cash
        # A fine step is repeated, so that the number of turns does not depend on its size.
        steps = max(_ONE, short / _TURNS // size)
        if line.reduces:
            steps = min(steps, line.reduces)
        if over + (steps - 1) * size >= short or not budget.fits(steps * size, steps * cash):
            heappop(heap)
            continue
        if line.reduces:
            line.reduces -= steps
        else:
            line.grow(steps, steps * size)
        budget.use(steps * size, steps * cash)
        short -= steps * size
        heapreplace(heap, (over + steps * size, symbol, line))
    return short


# -- turnover --------------------------------------------------------------------------


def limit_turnover(lines: Sequence[Line], most: Decimal, before: Budget, budget: Budget) -> Budget:
    """
    Cut all trades to *most* in value, the largest differences first; return the budget after it.

    Sales and buys are cut in proportion, but enough is sold to pay for the buys, and what the buys
    do not use is sold.  *before* is the budget without a trade, and *budget* that with all.
    """
    less = _largest_first((x.reduces * x.terms.step * x.unit, x) for x in lines if x.reduces)
    more = _largest_first((x.grown, x) for x in lines if x.grows)
    reduced, grown = (sum((value for value, _ in x), ZERO) for x in (less, more))
    if reduced + grown <= most:
        return budget
    available = min(before.value, before.cash)
    share = max(most * reduced / (reduced + grown), (most - available) / 2)
    wanted = [(line, line.reduces) for _, line in less]
    for line, _ in wanted:
        line.reduces = ZERO
    budget = evolve(before)
    left = most - _reduce_again(wanted, min(share, reduced, most), budget)
    left -= _grow_again([line for _, line in more], left, budget)
    _reduce_again(wanted, left, budget)
    return budget


def _largest_first(found: Iterable[tuple[Decimal, Line]]) -> list[tuple[Decimal, Line]]:
    return sorted(found, key=lambda x: (-x[0], x[1].symbol))


def _reduce_again(wanted: Sequence[tuple[Line, Decimal]], most: Decimal, budget: Budget) -> Decimal:
    """Reduce each line up to its steps, all of them up to *most*; return the value that is used."""
    used = ZERO
    for line, full in wanted:
        size = line.terms.step * line.unit
        steps = min(full - line.reduces, (most - used) // size)
        if line.reduces + steps >= line.terms.least:
            line.reduces += steps
            used += steps * size
            by = steps * line.terms.step
            budget.use(-by * line.unit, -by * _proceeds(line))
        line.why = None if line.reduces == full else _R.TURNOVER
    return used


def _grow_again(lines: Sequence[Line], most: Decimal, budget: Budget) -> Decimal:
    """Grow each line up to its steps, all of them up to *most*; return the value that is used."""
    used = ZERO
    for line in lines:
        size, cash = line.grow_size, line.grow_cash
        steps = min(line.grows, max(ZERO, min(most - used, budget.value)) // size)
        if cash:
            steps = min(steps, max(ZERO, budget.cash) // cash)
        if steps < line.terms.grow_least or line.why is _R.TURNOVER:
            steps = ZERO
        if steps < line.grows:
            line.why = _R.TURNOVER
        line.grow(steps - line.grows, steps * size - line.grown)
        used += line.grown
        budget.use(line.grown, steps * cash)
    return used
