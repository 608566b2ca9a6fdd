"""How many statements SQLite executes: flat in what is closed, and a few an order of a pass."""

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.stores.sqlite import SqliteStore
from tests.bench import Bench
from tests.stores.counting import Counting


@pytest.fixture
def bench(tmp_path):
    bench = Bench(store=Counting(tmp_path / "bot.db"), cash="10000000", wait_s=0)
    bench.pass_(60)
    return bench


def rest(bench, number, symbol="MSFT"):
    bench.clock.advance(1)
    return bench.desk.buy(symbol, qty=1, limit_price="100", key=str(number))


def statements(bench, call):
    return bench.store.during(call).statements


def settled(bench):
    """Let everything that is due happen."""
    bench.pass_(30)
    bench.desk.sync()


def test_a_submit_costs_the_same_however_many_orders_are_closed(bench):
    settled(bench)
    rest(bench, "first", "AAPL")  # its instrument is read once
    counts = []
    for first in (0, 1000, 2000):
        settled(bench)
        # A block of requests is counted in some of them.
        some = (lambda x=x: rest(bench, x, "AAPL") for x in range(first, first + 4))
        counts.append(min(statements(bench, each) for each in some))
        for number in range(first + 4, first + 20):
            bench.desk.cancel(rest(bench, number))
    assert max(counts) - min(counts) <= 6, counts
    assert max(counts) <= 180


def test_a_pass_reads_each_open_order_a_few_times_and_writes_nothing(bench):
    counts = []
    for many in (10, 40):
        for number in range(len(counts) * 1000, len(counts) * 1000 + many):
            rest(bench, number)
        settled(bench)
        with bench.store.read() as reader:
            last = reader.last()
        counts.append(statements(bench, bench.desk.sync))
        with bench.store.read() as reader:
            assert reader.last() == last
    assert counts[1] - counts[0] <= 9 * 40, counts


def test_what_a_transaction_has_read_is_what_it_then_writes(tmp_path):
    """And what another process commits is read by the next transaction, not by this one."""
    ours, theirs = (SqliteStore(tmp_path / "bot.db") for _ in range(2))
    at = m.Timestamp("2026-03-02T15:00:00.000000000Z")
    first = m.Instrument("AAPL", m.AssetClass.EQUITY)
    second = evolve(first, tradable=False)
    with ours.write() as writer:
        assert writer.get(m.Instrument, "AAPL") is None
        writer.record(m.DriftCleared("x"), at, m.Changes((first,)))
        assert writer.get(m.Instrument, "AAPL") == first
        writer.record(m.DriftCleared("x"), at, m.Changes(drop=((m.Instrument, "AAPL"),)))
        assert writer.get(m.Instrument, "AAPL") is None
        writer.record(m.DriftCleared("x"), at, m.Changes((first,)))
    with ours.read() as reader:
        assert reader.get(m.Instrument, "AAPL") == first
        with theirs.write() as writer:
            writer.record(m.DriftCleared("x"), at, m.Changes((second,)))
        assert reader.get(m.Instrument, "AAPL") == first
    with ours.read() as reader:
        assert reader.get(m.Instrument, "AAPL") == second
