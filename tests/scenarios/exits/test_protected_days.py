"""
Promise P10 on simulated days; a failed day is named with its seed, and replays exactly.

``python -m tests.scenarios.exits`` runs many more.
"""

import logging
import os

import pytest

from tests.scenarios.campaign.days import chunks
from tests.scenarios.exits.days import protected_day

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "3"))
FIRST = int(os.environ.get("FILLBOOK_FIRST_SEED", "0"))


@pytest.mark.parametrize("seeds", chunks(FIRST, SEEDS, 10), ids=lambda x: f"{x[0]}-{x[-1]}")
def test_protected_parts_are_covered_or_alerted(seeds, caplog):
    caplog.set_level(logging.CRITICAL + 1)
    for seed in seeds:
        protected_day(seed, (0.0, 0.02, 0.05)[seed % 3])
