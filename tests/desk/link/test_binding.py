"""The binding: the account of a record, and the requests needed to know it."""

from contextlib import contextmanager

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench


class Occupied(MemoryStore):
    """A store that no writer can use while it is occupied; reads continue."""

    occupied = False

    @contextmanager
    def write(self):
        if self.occupied:
            raise fb.StoreUnavailable("somebody else has the turn")
        with super().write() as writer:
            yield writer


def test_a_check_by_a_fresh_desk_writes_nothing():
    """The record is already bound to its account, which can be read."""
    bench = Bench(store=Occupied())
    bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    bench.store.occupied = True
    assert bench.open().check().verdict is m.Verdict.IN_SYNC


#: Two hosts, and whether they are one.
HOSTS = [
    ("localhost:8000", "127.0.0.1:8000", True),
    ("[::1]:8000", "LOCALHOST:8000", True),
    ("localhost:80", "127.0.0.1", True),
    ("[::1]:443", "::1", True),
    ("localhost:8000", "localhost:8001", False),
    ("api.alpaca.markets", "paper-api.alpaca.markets", False),
    ("api.alpaca.markets:80", "api.alpaca.markets", False),
]


@pytest.mark.parametrize(("one", "other", "is_same"), HOSTS)
def test_the_names_of_this_machine_are_one_host(one, other, is_same):
    """Of an emulator only the port matters; hosts of a broker are compared exactly."""
    first, second = (m.AccountId("alpaca", host, "1") for host in (one, other))
    assert (first == second) is is_same
    assert (hash(first) == hash(second)) is is_same
    assert str(first) == f"alpaca:{one}:1"  # of which the ids of orders are derived
