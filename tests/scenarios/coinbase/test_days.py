"""
Simulated days at Coinbase over the wire: after any faults, one sync reconciles the record.

FILLBOOK_SEEDS is the number of days, each of another seed; the seed decides what the service does
and how often something fails. `nox -s coinbase` runs 1,000. A failed day is named with its seed; it
replays with ``FILLBOOK_SEEDS=1 FILLBOOK_FIRST_SEED=<seed> pytest tests/scenarios/coinbase``.
"""

import logging
import os

import pytest

from fillbook.venue.coinbase import Behavior, ClientIds
from tests.scenarios.campaign.test_days import ends_undecided
from tests.scenarios.campaign.verdict import changed_by_dry_runs
from tests.scenarios.coinbase.days import LaggingDay, MortalDay, SpotDay, day_at_coinbase

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "3"))
FIRST = int(os.environ.get("FILLBOOK_FIRST_SEED", "0"))
CHUNK = 10

#: The kind of a day and what the service does on it; the seeds take turns.
KINDS = (
    (SpotDay, Behavior()),
    (SpotDay, Behavior(null_configuration=True)),
    (SpotDay, Behavior(client_ids=ClientIds.REFUSE, errors_as_object=True, sparse=True)),
    (
        SpotDay,
        Behavior(
            client_ids=ClientIds.FORGET, cancel_shows_open=True, zeroes_leaves=False, replays=True
        ),
    ),
    (SpotDay, Behavior(hidden_s=8, names_client=False, page_max=3)),
    (LaggingDay, Behavior()),
    (MortalDay, Behavior()),
)
#: Every fourth time that a kind has its turn, three times as many requests fail.
RATES = (0.04, 0.04, 0.04, 0.12)


@pytest.fixture(autouse=True)
def _silence_log(caplog):
    caplog.set_level(logging.CRITICAL + 1)


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, CHUNK))
def test_a_day_ends_with_a_record_equal_to_the_exchange(first):
    """Each wallet, each order, its fills and its value; a second sync writes nothing."""
    seeds = range(first, min(first + CHUNK, FIRST + SEEDS))
    undecided = []
    for seed in seeds:
        kind, behavior = KINDS[seed % len(KINDS)]
        rate = RATES[seed // len(KINDS) % len(RATES)]
        with day_at_coinbase(seed, rate, behavior, kind) as day:
            undecided += [(seed, rate)] if ends_undecided(day) else []
            assert changed_by_dry_runs(day) == [], seed
    # Only where so much fails that all evidence may be gone, and one of ten at most.
    expected = [each for each in undecided if each[1] == max(RATES)][:1]
    assert undecided == expected, f"these end undecided, each honestly: {undecided}"
