"""
Conformance suites for broker adapters and stores.

Subclass one in a test file and override its fixtures; pytest runs the cases.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fillbook.testing.broker_suite import BrokerSuite
    from fillbook.testing.store_suite import StoreSuite

__all__ = ["BrokerSuite", "StoreSuite"]

# Imported on first use: a suite needs pytest, and the environment of a bot does not have it.
_MODULES = {"BrokerSuite": "broker_suite", "StoreSuite": "store_suite"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
