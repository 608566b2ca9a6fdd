"""Brokers of other packages, by their addresses."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import pytest

import fillbook as fb
from fillbook import opening
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.errors import BadAddress


class WithoutAddress(fb.Broker):
    """An adapter whose author declared the class and forgot `from_address`."""


@pytest.fixture
def installed(monkeypatch):
    module = ModuleType("my_package")
    module.WithoutAddress, module.Mine = WithoutAddress, SimulatedBroker
    monkeypatch.setitem(sys.modules, "my_package", module)
    classes = {"mine": "Mine", "bare": "WithoutAddress"}
    found = EntryPoints(
        EntryPoint(name, f"my_package:{kind}", "fillbook.brokers") for name, kind in classes.items()
    )
    monkeypatch.setattr(opening, "_entry_points", lambda group: found)


def test_an_installed_class_is_opened_by_its_name(installed):
    assert opening.open_broker("mine:?seed=7", {}).name == "sim"


def test_a_class_without_from_address_is_named(installed):
    said = r"'bare:paper': WithoutAddress has no class method from_address\(rest, env\)"
    with pytest.raises(BadAddress, match=said):
        fb.check("bare:paper", ours={})
