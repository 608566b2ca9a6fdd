"""
Every command × answer × kill × restart × kind of order × desks: no instruction is forgotten.

By default a slice of the cases; `nox -s matrix` runs them all (FILLBOOK_MATRIX=all).
"""

import logging
import os
import zlib

import pytest

from tests.scenarios.matrix.cases import BOUNDARIES, COMMANDS, DESKS, cases
from tests.scenarios.matrix.world import World

#: Every how many-th case is run; a prime, so that the slice has every answer and every restart.
STEP = 1 if os.environ.get("FILLBOOK_MATRIX") == "all" else 149


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL + 1)


class Runs:
    """The cases that were run, and how many boundaries the command has in each situation."""

    def __init__(self):
        self.count, self.boundaries = 0, {}

    def run(self, case):
        situation = case.answer
        if case.kill is not None and case.kill >= self.boundaries.get(situation, BOUNDARIES):
            return  # the command returns before this boundary
        world = World(case)
        world.run()
        self.count += 1
        if case.kill is not None and not world.was_killed:
            self.boundaries[situation] = world.fuse.passed


@pytest.mark.sampled(6)
@pytest.mark.parametrize("desks", DESKS)
@pytest.mark.parametrize(("command", "kind"), [(c, k) for c, ks in COMMANDS.items() for k in ks])
def test_no_case_loses_or_doubles_anything(command, kind, desks):
    """P1, P2, P12: fulfilled, closed with a reason, or pending with an alert."""
    runs, first = Runs(), zlib.crc32(f"{command} {kind} {desks}".encode()) % STEP
    for case in list(cases(command, kind, desks))[first::STEP]:
        runs.run(case)
    assert runs.count > 0
