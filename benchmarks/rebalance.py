"""
The planner against PyPortfolioOpt's greedy allocation: the same targets, prices and cash.

`nox -s rebalance` runs it.  For each number of symbols it prints the CPU time of both (the median
of interleaved runs), the tracking error, and the cash that is left, each in the mean of the seeds.
A plan makes its trades when they are first read, and theirs has none but the allocation; the
column `trades` is the ratio with the trades read as well.  It fails if the tracking error is worse,
if more cash is left, or if the ratio of the times is below its minimum.
"""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from decimal import Decimal
from statistics import mean, median
from time import process_time

import pandas as pd
from pypfopt import DiscreteAllocation

import fillbook as fb

#: Symbols, how many portfolios and how many runs of each are measured, and the least ratio.
SIZES = ((100, 5, 9, 0), (1_000, 5, 7, 9), (10_000, 2, 3, 50))
RULES = fb.RebalanceRules(cash_buffer=0, leftover="invest")
Weights = dict[str, Decimal]


def portfolio(count: int, seed: int) -> tuple[Weights, Weights, Decimal]:
    """Return weights that sum to 1, prices of 10 to 500, and 2,000 for each symbol."""
    chance = random.Random(seed)
    prices = {f"S{n}": Decimal(chance.randint(1_000, 50_000)) / 100 for n in range(count)}
    parts = [chance.randint(1, 10**6) for _ in prices]
    weights = {
        symbol: (Decimal(part) / sum(parts)).quantize(Decimal("1e-12"))
        for symbol, part in zip(prices, parts, strict=True)
    }
    weights["S0"] += 1 - sum(weights.values())
    return weights, prices, Decimal(2_000 * count)


def timed(call: Callable[[], object]) -> tuple[float, object]:
    gc.collect()
    begun = process_time()
    result = call()
    return process_time() - begun, result


def tracking_error(weights: Weights, prices: Weights, cash: Decimal, qtys: Weights) -> float:
    parts = (qtys.get(x, Decimal(0)) * prices[x] / cash - weights[x] for x in weights)
    return float(sum(part**2 for part in parts).sqrt())


def compare(count: int, seeds: int, runs: int) -> list[float]:
    """Return the times of ours, of ours with its trades, and of theirs; errors and leftovers."""
    rows = []
    for seed in range(seeds):
        weights, prices, cash = portfolio(count, seed)
        floats = {x: float(weight) for x, weight in weights.items()}
        series = pd.Series({x: float(price) for x, price in prices.items()})

        def ours(args: tuple[Weights, Weights, Decimal] = (weights, prices, cash)) -> fb.Rebalance:
            return fb.plan_rebalance(args[0], {}, args[1], args[2], RULES)

        def theirs(
            args: tuple[dict[str, float], pd.Series, float] = (floats, series, float(cash)),
        ) -> tuple[dict[str, int], float]:
            found = DiscreteAllocation(args[0], args[1], total_portfolio_value=args[2])
            return found.greedy_portfolio()

        ours()  # the first call of a process compiles
        times = [(timed(ours)[0], timed(theirs)[0]) for _ in range(runs)]
        traded = [timed(lambda plan=ours: plan().trades)[0] for _ in range(runs)]
        plan, (allocation, left) = ours(), theirs()
        whole = {x: Decimal(int(qty)) for x, qty in allocation.items()}
        rows.append(
            (
                median(x for x, _ in times),
                median(traded),
                median(x for _, x in times),
                tracking_error(weights, prices, cash, dict(plan.allocation)),
                tracking_error(weights, prices, cash, whole),
                float(plan.leftover),
                left,
            )
        )
    return [mean(column) for column in zip(*rows, strict=True)]


def main() -> int:
    """Print one row a size; return 1 if a bar is missed."""
    print(f"{'symbols':>8} {'ours':>9} {'theirs':>9} {'ratio':>6} {'trades':>7}", end="")
    print(f" {'error':>9} {'theirs':>9} {'left':>8} {'theirs':>8}")
    missed = 0
    for count, seeds, runs, least in SIZES:
        ours, traded, theirs, error, their_error, left, their_left = compare(count, seeds, runs)
        times = f"{ours * 1e3:>6.1f} ms {theirs * 1e3:>6.0f} ms {theirs / ours:>5.1f}x"
        times += f" {theirs / traded:>6.1f}x"
        print(f"{count:>8,} {times}", end="")
        print(f" {error:>9.2e} {their_error:>9.2e} {left:>8.2f} {their_left:>8.2f}")
        missed |= error > their_error or left >= their_left or theirs < least * ours
    return missed


if __name__ == "__main__":
    sys.exit(main())
