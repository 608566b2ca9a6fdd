"""
Simulated days at Coinbase over the wire: after any faults, one sync reconciles the record.

`nox -s coinbase` runs 200 days, and 60 with three times as many faults.
"""

import logging
import os

import pytest

from fillbook.venue.coinbase import Behavior, ClientIds
from tests.scenarios.campaign.days import chunks
from tests.scenarios.campaign.test_days import UNDECIDED_MAX, ends_undecided
from tests.scenarios.coinbase.days import LaggingDay, SpotDay, day_at_coinbase

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "4"))
FIRST = int(os.environ.get("FILLBOOK_FIRST_SEED", "0"))

BEHAVIORS = {
    "echoed ids": Behavior(),
    "null configurations": Behavior(null_configuration=True),
    "refused ids": Behavior(client_ids=ClientIds.REFUSE, errors_as_object=True, sparse=True),
    "forgotten ids": Behavior(
        client_ids=ClientIds.FORGET, cancel_shows_open=True, zeroes_leaves=False, replays=True
    ),
    "hidden orders": Behavior(hidden_s=8, names_client=False, page_max=3),
}


@pytest.fixture(autouse=True)
def _silence_log(caplog):
    caplog.set_level(logging.CRITICAL + 1)


@pytest.mark.parametrize("behavior", [*BEHAVIORS, "old views"])
@pytest.mark.parametrize(
    ("seeds", "rate"),
    [(x, 0.04) for x in chunks(FIRST, max(1, SEEDS // 4), 20)]
    + [(x, 0.12) for x in chunks(FIRST + 1000, SEEDS // 12, 20)],
    ids=str,
)
def test_a_day_ends_with_a_record_equal_to_the_exchange(seeds, rate, behavior):
    """Each wallet, each order, its fills and its value; a second sync writes nothing."""
    undecided = []
    for seed in seeds:
        kind = LaggingDay if behavior == "old views" else SpotDay
        with day_at_coinbase(seed, rate, BEHAVIORS.get(behavior, Behavior()), kind) as day:
            undecided += [seed] if ends_undecided(day) else []
    allowed = max(1, UNDECIDED_MAX * len(seeds) // 100)
    assert len(undecided) <= allowed, f"seeds {undecided} end undecided, each honestly"
