"""
Suites for whoever writes a broker or a store.

Subclass one in a test file and override its fixtures; pytest does the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fillbook.testing.broker_suite import BrokerSuite
    from fillbook.testing.store_suite import StoreSuite

__all__ = ["BrokerSuite", "StoreSuite"]

# Imported when asked for: a suite needs pytest, and a bot does not have it.
_HOMES = {"BrokerSuite": "broker_suite", "StoreSuite": "store_suite"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
