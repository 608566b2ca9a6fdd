"""
Many days of protected positions: ``python -m tests.scenarios.exits --days 1000``.

Promise P10 is checked after every event.  It prints what happened, and the longest and the mean
time for which a protected part was without its stop while the desk ticked and an exit could trade.
"""

import argparse
import logging
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.scenarios.exits.days import protected_day

RATES = (0.0, 0.02, 0.05)


def run(job):
    """Run one day; return its seed, what is wrong, its counts, and the times without a stop."""
    seed, rate = job
    logging.disable(logging.CRITICAL)
    try:
        counts, naked = protected_day(seed, rate)
    except Exception as error:  # the seed is reported with any failure
        return seed, rate, f"{type(error).__name__}: {error}", Counter(), []
    return seed, rate, "", counts, naked


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rate", type=float, help="of each fault; default: 0, 0.02 or 0.05")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    rates = RATES if options.rate is None else (options.rate,)
    seeds = range(options.first, options.first + options.days)
    jobs = [(seed, rates[seed % len(rates)]) for seed in seeds]
    fired, failed, naked = Counter(), 0, []
    with ProcessPoolExecutor(options.processes) as pool:
        for seed, rate, wrong, counts, times in pool.map(run, jobs, chunksize=5):
            fired += counts
            naked += times
            if wrong:
                failed += 1
                print(f"seed {seed} at {rate}: {wrong}", flush=True)
    for name in sorted(fired):
        print(f"{fired[name]:>8} {name}")
    mean = sum(naked) / max(1, len(naked))
    print(f"without a stop: {len(naked)} times, {mean:.1f} s on average, {max(naked, default=0)} s")
    print(f"{options.days} days, {failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
