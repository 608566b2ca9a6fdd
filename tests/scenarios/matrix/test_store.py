"""
The store fails at each of its writes, for one write or for a while: nothing is lost or doubled.

Calling again as the documents say makes one order, and an answer that could not be written is
written later.  By default a slice of the writes; `nox -s matrix` runs them all.
"""

import logging
import os
from contextlib import closing

import pytest

from fillbook.stores.sqlite import SqliteStore
from tests.scenarios.matrix.failing import CODES, HOW, FailingConnection, FailingStore
from tests.scenarios.matrix.flows import FLOWS, Flow

ALL = os.environ.get("FILLBOOK_MATRIX") == "all"
#: How many writes fail in a row, and after how many calls the store is mended.
LASTING = ((1, 0), (3, 0), (1000, 0), (1000, 3))
#: More writes than any of the flows makes before it is settled.
WRITES = 200
#: By default every so many-th transaction fails.
STEP = 1 if ALL else 4
#: The statements of SQLite that fail: every fifth INSERT and the like, or one a flow.
STATEMENTS = {how: range(0, 20 * WRITES, 5 if how in ("full", "io") else 1) for how in CODES}


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL + 1)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("times", "mended_after"), LASTING if ALL else LASTING[:1])
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("flow", FLOWS)
def test_a_store_that_fails_loses_and_doubles_nothing(flow, how, times, mended_after):
    """At every transaction and every cell of the flow and of what follows it."""
    for n in range(HOW.index(how) % STEP, WRITES, STEP):
        store = FailingStore()
        run = Flow(flow, store)
        store.failure.arm(n, times, how)
        run.run(store.failure, mended_after)
        if not store.failure.was_reached:
            return
    pytest.fail("the flow has no end")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("how", CODES)
@pytest.mark.parametrize("flow", FLOWS)
def test_a_file_that_fails_loses_and_doubles_nothing(flow, how, tmp_path):
    """At every transaction and every fifth statement of SQLite that the flow makes."""
    for n in STATEMENTS[how] if ALL else (5,):
        with closing(SqliteStore(tmp_path / f"{n}.db")) as store:
            connection = store._writer = FailingConnection(store._writer)
            run = Flow(flow, store)
            connection.failure.arm(n, 1, how)
            run.run(connection.failure, 0)
        if not connection.failure.was_reached:
            break
    assert n > 2, "the harness found too few statements to mean anything"
    assert not (ALL and connection.failure.was_reached), "the flow has no end"
