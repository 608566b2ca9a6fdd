"""
Many simulated days: ``python -m tests.scenarios.campaign --days 2000``.

It prints the seeds, what went wrong in the record, and how often each fault and incident happened.
It fails if a record shows a number that is wrong and does not say so, or if a kind never happened.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from fillbook.venue.exchange import Fault
from tests.scenarios.campaign.days import APART
from tests.scenarios.campaign.incidents import INCIDENTS
from tests.scenarios.campaign.verdict import UNDECIDED_MAX, a_long_day, wired_long_day

RATES = (0.02, 0.04, 0.12)
#: Only the emulator has frames and words that these change.
WIRED = {Fault.STREAM_CUT, Fault.EVENT_NULL, Fault.UNKNOWN_EVENT, Fault.UNKNOWN_CLASS}


def run(job):
    """Run one day; return its seed, what is wrong, what it is undecided about, and its counts."""
    seed, rate, wired = job
    logging.disable(logging.CRITICAL)
    try:
        wrong, undecided, counts = (wired_long_day if wired else a_long_day)(seed, rate)
    except Exception as error:  # the seed is reported with any failure
        wrong, undecided, counts = [f"{type(error).__name__}: {error}"], [], Counter()
    return seed, rate, wired, wrong, undecided, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--wired", type=int, default=40, help="days over HTTP and a WebSocket")
    parser.add_argument("--rate", type=float, help="of each fault; default: 0.02, 0.04 or 0.12")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.days)
    rates = RATES if options.rate is None else (options.rate,)
    jobs = [(seed, rates[seed % len(rates)], False) for seed in seeds]
    jobs += [(seed, rates[seed % len(rates)], True) for seed in seeds[: options.wired]]
    fired, failed, undecided, begun = Counter(), [], [], time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool:
        for seed, rate, wired, wrong, unclear, counts in pool.map(run, jobs, chunksize=5):
            fired += counts
            name = f"seed {seed} at {rate}{' over the wire' if wired else ''}"
            if wrong:
                failed.append(name)
                print(f"{name}: {wrong}", flush=True)
            elif unclear:
                undecided.append(name)
                print(f"{name} is undecided, and says so: {unclear}", flush=True)
    expected = {str(x) for x in Fault if x not in APART} | set(INCIDENTS) | {"killed"}
    if not options.wired:
        expected -= {str(x) for x in WIRED}
    print(
        f"\nseeds {seeds[0]} to {seeds[-1]} at {rates}, {options.wired} of them over the wire too"
    )
    for name in sorted(expected | set(fired)):
        print(f"{fired[name]:>8} {name}")
    never = sorted(name for name in expected if not fired[name])
    print(f"{time.monotonic() - begun:.0f} s, {len(failed)} wrong, {len(undecided)} undecided")
    if never:
        print(f"never happened: {', '.join(never)}")
    too_many = len(undecided) * 100 > UNDECIDED_MAX * len(jobs)
    return 1 if failed or never or too_many else 0


if __name__ == "__main__":
    sys.exit(main())
