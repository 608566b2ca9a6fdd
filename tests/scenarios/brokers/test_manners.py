"""
What a broker is may change between two processes: it is read at each start.

What the record depends on is an entry of the journal and applies from there on, so that a replay
makes the same records (promise P12).
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.core.journal import apply
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench
from tests.scenarios.brokers.test_suites import Clockless, Nameless


def like(broker, **can):
    """The class *broker* with other capabilities."""

    class Like(broker):
        capabilities = evolve(broker.capabilities, **can)

    return Like


#: A broker as it is later, and whether the record depends on what has changed.
LATER = {
    "no clock": (Clockless, True),
    "no lookup": (Nameless, True),
    "edits in place": (like(SimulatedBroker, replace_makes=m.ReplaceMakes.SAME_ID), False),
    "no duplicate check": (like(SimulatedBroker, duplicate_check=False), True),
    "a fee in base": (like(SimulatedBroker, base_fee=Decimal("0.01")), True),
    "a fee in the hold": (
        like(SimulatedBroker, reserve_rule=m.ReserveRule(fee=Decimal("0.01"))),
        True,
    ),
    "totals carried": (like(SimulatedBroker, replace_cum=m.ReplaceCum.CARRIED), True),
    "a longer lag": (like(SimulatedBroker, account_lag=timedelta(seconds=20)), False),
}


def trade(bench):
    """A market order, a resting one with fills, and a coin."""
    bench.desk.buy("AAPL", qty=3)
    order = bench.resting("MSFT")
    bench.clock.advance(5)
    bench.filled(order, 4)
    bench.desk.buy("BTC/USD", qty="0.01")
    bench.pass_(60)


def records_of(store):
    with store.read() as reader:
        kinds = (m.OrderRecord, m.Position, m.Movement, m.Cash, m.Reservation, m.Evidence)
        return {kind: list(reader.all(kind)) for kind in kinds}


def replayed(store):
    """The records that a replay of the journal makes in an empty store."""
    other = MemoryStore()
    with store.read() as reader:
        entries = list(reader.journal(0))
    for each in entries:
        with other.write() as writer:
            changes = apply.apply(each.entry, each.number, each.at, writer)
            writer.record(each.entry, each.at, changes)
    return records_of(other)


@pytest.mark.parametrize("what", LATER)
def test_a_manner_that_changed_applies_from_the_next_start_on(what):
    later, is_recorded = LATER[what]
    bench = Bench()
    trade(bench)
    before = records_of(bench.store)
    bench.broker = later(bench.exchange, bench.books)
    bench.desk = bench.open()
    bench.desk.sync()
    bound = [x for x in bench.desk.book.journal() if isinstance(x.entry, m.Bound)]
    assert len(bound) == (2 if is_recorded else 1)
    trade(bench)
    bench.pass_(60)
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC
    assert replayed(bench.store) == records_of(bench.store)
    after = {x.key for x in records_of(bench.store)[m.Movement]}
    lost = {x.key for x in before[m.Movement]} - after
    assert [x for x in lost if "inferred" not in x] == []
    assert len(bench.ours()) == len({x.client_order_id for x in bench.ours()}) == 6
