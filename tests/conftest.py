"""
The effort of the tests, and an end for what a test left open.

The examples of properties are few and always the same, unless configured.  Of a table of many slow
cases, marked ``sampled(n)``, one case in *n* is run, and what is marked ``slow`` is not; with
FILLBOOK_TEST_SAMPLED=all everything is, and a property has 100 examples instead of 40, as in CI.
"""

import gc
import math
import os
from itertools import groupby
from random import Random

import pytest
from hypothesis import HealthCheck, settings

from fillbook.stores.sqlite import SqliteStore

SAMPLED = os.environ.get("FILLBOOK_TEST_SAMPLED") != "all"

settings.register_profile(
    "default",
    derandomize=True,  # a run that failed fails again
    max_examples=40 if SAMPLED else 100,
    deadline=None,  # the machine may be busy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("default"), derandomize=False, max_examples=5_000
)
settings.register_profile("quick", settings.get_profile("default"), max_examples=10)
settings.load_profile(os.environ.get("FILLBOOK_TEST_PROFILE", "default"))


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep ten thousand tests out of every later collection of garbage: it costs a tenth."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config, items):
    """Deselect the cases that are not in the sample, always the same ones."""
    if not SAMPLED or any("::" in arg for arg in config.args):
        return  # what is named is run
    out = []
    quick = [item for item in items if item.get_closest_marker("slow") is None]
    for name, cases in groupby(quick, lambda item: item.nodeid.partition("[")[0]):
        found = list(cases)
        mark = found[0].get_closest_marker("sampled")
        if mark is not None:
            count = math.ceil(len(found) / mark.args[0])
            found = sorted(Random(name).sample(found, count), key=found.index)
        out += found
    chosen = set(out)
    config.hook.pytest_deselected(items=[x for x in items if x not in chosen])
    items[:] = out


_opened = []
_open = SqliteStore.__init__


def _open_and_note(store, path):
    _open(store, path)
    _opened.append(store)


SqliteStore.__init__ = _open_and_note


@pytest.fixture(autouse=True)
def _close_stores():
    """Close what a test abandoned, as one that is killed does: Python 3.13 warns of it."""
    before = len(_opened)
    yield
    while len(_opened) > before:
        _opened.pop().close()
