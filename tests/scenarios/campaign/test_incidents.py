"""
Days with incidents from seeds: a slice of ``nox -s days``, and that each incident happens.

FILLBOOK_SEEDS is the number of days. A failed day is named with its seed; it replays exactly with
``python -m tests.scenarios.campaign --days 1 --first <seed> --rate <rate> --wired 0``.
"""

import logging
import os

import pytest

from tests.scenarios.campaign.days import chunks
from tests.scenarios.campaign.incidents import INCIDENTS
from tests.scenarios.campaign.test_days import FIRST
from tests.scenarios.campaign.verdict import UNDECIDED_MAX, a_long_day, wired_long_day

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "8"))
CHUNK = 20


@pytest.fixture(autouse=True)
def _silence_log(caplog):
    """Silence the log: the faults are logged correctly, in thousands of lines."""
    caplog.set_level(logging.CRITICAL + 1)


def named(seeds):
    return f"{seeds[0]}-{seeds[-1]}"


def check(seeds, rate, day):
    undecided = []
    for seed in seeds:
        silent, unclear, _ = day(seed, rate)
        assert not silent, f"seed {seed} at {rate}: {silent}"
        undecided += [seed] if unclear else []
    allowed = max(1, UNDECIDED_MAX * len(seeds) // 100)
    assert len(undecided) <= allowed, f"seeds {undecided} end undecided, each honestly"


@pytest.mark.parametrize("rate", [0.04, 0.12])
@pytest.mark.parametrize("seeds", chunks(FIRST, max(1, SEEDS // 2), CHUNK), ids=named)
def test_no_number_is_silently_wrong_on_a_day_with_incidents(seeds, rate):
    """After every event the record is a sum of facts that exist; in the end it has them all."""
    check(seeds, rate, a_long_day)


@pytest.mark.parametrize("seeds", chunks(FIRST, max(1, SEEDS // 20), 5), ids=named)
def test_a_day_with_incidents_over_the_wire(seeds):
    """The same through alpaca-py's session, HTTP and a WebSocket."""
    pytest.importorskip("alpaca.trading.client")
    pytest.importorskip("starlette")
    check(seeds, 0.04, wired_long_day)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", sorted(set(INCIDENTS)))
def test_each_incident_happens(name):
    """A day of one kind of incident only, without faults of requests."""
    for seed in range(9):
        silent, unclear, fired = a_long_day(seed, 0.0, only=name)
        assert (silent, unclear) == ([], [])
        if fired[name]:
            return
    raise AssertionError(f"{name} never happened")
