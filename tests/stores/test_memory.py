"""The memory store keeps every promise except durability."""

import pytest

from fillbook.errors import BadAddress
from fillbook.store import Store
from fillbook.stores.memory import MemoryStore
from fillbook.testing import StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


def test_its_address_is_memory_and_nothing_else():
    assert MemoryStore.from_address("memory://", {}).cell("lease") is None
    with pytest.raises(BadAddress):
        MemoryStore.from_address("memory://bot.db", {})
