"""
Simulated days with every fault, at brokers of other manners.

More days: `FILLBOOK_SEEDS=200 pytest tests/scenarios/brokers/test_days.py`.
"""

import logging
import os

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.scenarios.brokers.test_suites import Clockless, Nameless
from tests.scenarios.campaign.days import Day, chunks
from tests.scenarios.campaign.test_days import UNDECIDED_MAX, ends_undecided

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "6"))
FIRST = int(os.environ.get("FILLBOOK_FIRST_SEED", "0"))


class EditsInPlace(SimulatedBroker):
    capabilities = evolve(
        SimulatedBroker.capabilities,
        replace_makes=m.ReplaceMakes.SAME_ID,
        replace_qty=m.ReplaceQty.TOTAL,
    )


class Unchecked(SimulatedBroker):
    """It accepts a client order id twice; a lookup by it finds the first order."""

    capabilities = evolve(SimulatedBroker.capabilities, duplicate_check=False)


MANNERS = {
    "no clock": (Clockless, {}),
    "no lookup": (Nameless, {"checks_duplicates": False}),
    "no duplicate check": (Unchecked, {"checks_duplicates": False}),
    "edits in place": (EditsInPlace, {"edits_in_place": True}),
}


@pytest.fixture(autouse=True)
def _silence_log(caplog):
    caplog.set_level(logging.CRITICAL + 1)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("seeds", chunks(FIRST, SEEDS, 12), ids=lambda x: f"{x[0]}-{x[-1]}")
def test_a_day_ends_with_a_record_equal_to_the_exchange(seeds, manner):
    broker, venue = MANNERS[manner]
    undecided = [x for x in seeds if ends_undecided(Day(x, broker=broker, **venue))]
    allowed = max(1, UNDECIDED_MAX * len(seeds) // 100)
    assert len(undecided) <= allowed, f"seeds {undecided} end undecided, each honestly"
