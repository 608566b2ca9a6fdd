"""The binding: the account of a record, and the requests needed to know it."""

from contextlib import contextmanager

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
