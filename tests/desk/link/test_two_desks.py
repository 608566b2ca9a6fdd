"""Two desks on one record, in threads and in processes; readers beside them."""

import multiprocessing
import threading

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.bench import MONDAY_10, Bench

WISH = fb.OrderRequest(symbol="AAPL", side="buy", qty=3, limit_price="150", time_in_force="gtc")


def test_two_threads_that_place_under_one_key_make_one_order(tmp_path):
    """Each thread has its own desk on the same file."""
    bench = Bench(store=fb.opening.open_store(f"sqlite:///{tmp_path}/bot.db", {}))
    other = bench.open(fb.opening.open_store(f"sqlite:///{tmp_path}/bot.db", {}))
    names = []

    def place(desk):
        names.append(desk.submit(WISH, key="one").client_order_id)

    with bench.desk, other:
        threads = [threading.Thread(target=place, args=(x,)) for x in (bench.desk, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(names) == 2
        assert len(set(names)) == 1
        assert len(bench.ours()) == 1
        assert bench.sent["submit"] + other._gateway.sent["submit"] == 1


def place(where, begin, names):
    """The work of each of two processes."""
    broker = AlpacaBroker(where["key"], where["secret"], url=where["url"])
    with fb.open(broker, where["store"], clock=ManualClock(MONDAY_10), wait_s=1) as desk:
        begin.wait(60)
        names.put(desk.submit(WISH, key="one").client_order_id)


@pytest.mark.slow
def test_two_processes_that_place_under_one_key_make_one_order(tmp_path):
    """The record is one file, the broker one account; the journal has one request."""
    processes = multiprocessing.get_context("spawn")
    begin, names = processes.Barrier(2), processes.Queue()
    with Emulator(Exchange(seed=3, clock=ManualClock(MONDAY_10))) as emulator:
        where = {
            "key": emulator.key,
            "secret": emulator.secret,
            "url": emulator.url,
            "store": f"sqlite:///{tmp_path}/bot.db",
        }
        children = [
            processes.Process(target=place, args=(where, begin, names), daemon=True)
            for _ in range(2)
        ]
        for child in children:
            child.start()
        assert len({names.get(timeout=60) for _ in children}) == 1
        for child in children:
            child.join(60)
        assert len(emulator.account.truth.orders()) == 1
    with fb.read(where["store"]) as book:
        sends = [x for x in book.journal() if isinstance(x.entry, m.Commanded)]
    assert len(sends) == 1


def test_a_reader_beside_a_writing_desk_reads_consistent_snapshots(tmp_path):
    """Position and order of every fill are of the same time, at every read."""
    store = f"sqlite:///{tmp_path}/bot.db"
    bench = Bench(store=fb.opening.open_store(store, {}), wait_s=1)
    book, over, odd = fb.read(store), threading.Event(), []

    def watch():
        while not over.is_set():
            with book._store.read() as picture:
                held = picture.get(m.Position, "AAPL")
                filled = sum(x.order.filled_qty for x in picture.all(m.OrderRecord))
            if (held.qty if held else 0) != filled:
                odd.append((held, filled))

    watcher = threading.Thread(target=watch)
    with bench.desk:
        watcher.start()
        for n in range(10):
            bench.desk.buy("AAPL", qty=1, key=str(n))
        over.set()
        watcher.join(30)
        assert odd == []
        assert book.position("AAPL").qty == 10
    book._store.close()
