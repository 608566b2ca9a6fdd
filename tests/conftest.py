"""
The effort of the property tests, and an end for what a test left open.

The examples are few and always the same, unless configured.
"""

import os

import pytest
from hypothesis import HealthCheck, settings

from fillbook.stores.sqlite import SqliteStore

settings.register_profile(
    "default",
    derandomize=True,  # a run that failed fails again
    max_examples=100,
    deadline=None,  # the machine may be busy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("default"), derandomize=False, max_examples=5_000
)
settings.register_profile("quick", settings.get_profile("default"), max_examples=10)
settings.load_profile(os.environ.get("FILLBOOK_TEST_PROFILE", "default"))

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
