"""
What must not grow does not: the work of SQLite is counted on a small record and on a multiple.

`FILLBOOK_TEST_GROWTH` multiplies the sizes (`nox -s growth`: 100); no time is measured.
"""

import os

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.journal.checkpoints import LENGTH
from tests.bench import Bench
from tests.core.records import fill, report, terms
from tests.stores.counting import Counting

SCALE = int(os.environ.get("FILLBOOK_TEST_GROWTH", "1"))
SMALL, LARGE = 20, 200 * SCALE
PAUSE_S = 0.2  #: between the orders of others; `LARGE` ones end before the session does


@pytest.fixture
def bench(tmp_path):
    bench = Bench(store=Counting(tmp_path / "bot.db"), cash="1000000000000", wait_s=0)
    bench.desk.buy("AAPL", qty=1, limit_price="100")  # its instrument is read once
    settled(bench)
    return bench


def settled(bench):
    """Let everything that is due happen."""
    bench.pass_(60)
    bench.desk.sync()


def work_of_submit(bench, side="buy", price="100"):
    """
    The least work of some submits: a block of requests is counted in one of them.

    The requests of the pass before are a minute old: near the rate limit blocks are of one request.
    """
    bench.clock.advance(60)

    def submit():
        bench.clock.advance(3)
        place = bench.desk.buy if side == "buy" else bench.desk.sell
        place("AAPL", qty=1, limit_price=price, strategy="s")

    return min((bench.store.during(submit) for _ in range(4)), key=lambda x: (x.statements, x.rows))


def test_a_submit_is_two_write_transactions(bench):
    """Intent and answer; an account that was read, and requests counted in advance, are others."""

    def some():
        for _ in range(20):
            bench.clock.advance(3)
            bench.desk.buy("AAPL", qty=1, limit_price="100", strategy="s")

    assert work_of_submit(bench).writes == 2
    assert bench.store.during(some).writes <= 2 * 20 + 10


def test_cancel_all_is_few_transactions(bench):
    """For sixteen orders: the instructions, the requests, the answers, and the ends twice."""
    for _ in range(SMALL):
        bench.clock.advance(3)
        bench.desk.buy("AAPL", qty=1, limit_price="100", strategy="s")
    work = bench.store.during(bench.desk.cancel_all)
    assert work.writes <= 6 * (SMALL // 16 + 1) + 8


def closed(bench, many):
    """Give the record *many* orders that have filled, bought and sold in turn."""
    entries = []
    for number in range(many):
        side = m.OrderSide.SELL if number % 2 else m.OrderSide.BUY
        hours, seconds = divmod(number, 3600)
        at = f"2026-02-{26 + hours // 24}T{hours % 24:02}:{seconds // 60:02}:{seconds % 60:02}Z"
        name = {"broker_order_id": f"closed-{number}"}
        execution = fill("e", 100, "10", cum=100, at=at, side=side, **name).execution
        mine = {"client_order_id": f"theirs-{number}", "terms": terms(side=side)}
        done = report("filled", 100, "10", at, **name, **mine)
        entries.append(evolve(done, report=evolve(done.report, executions=(execution,))))
    bench.desk._recorder.record(*entries)


def resting(bench, many, side="buy"):
    """Give the account, and then the record, *many* open orders of *side* on the symbol."""
    placed(bench, many, side)
    settled(bench)


def placed(bench, many, side="buy"):
    """Place the orders by hand, all of them long before the close, when they expire."""
    for _ in range(many):
        bench.by_hand("AAPL", side, 1, PAUSE_S, limit_price="90" if side == "buy" else "300")


def assert_flat(small, large):
    assert large.statements <= small.statements + 2, (small, large)
    assert large.rows <= small.rows + 2, (small, large)
    assert large.steps <= 1.3 * small.steps + 10, (small, large)
    assert large.writes <= small.writes, (small, large)


def assert_linear(small, large, times):
    """Each of *times* as many costs no more than it did."""
    assert large.statements <= 1.05 * times * small.statements, (small, large)
    assert large.rows <= 1.05 * times * small.rows, (small, large)
    assert large.steps <= 1.3 * times * small.steps, (small, large)


def test_a_submit_does_not_grow_with_the_closed_orders(bench):
    def works():
        """Of a desk that runs, and of the first submit of one that was opened just now."""
        settled(bench)
        runs, bench.desk = work_of_submit(bench), bench.open()
        return runs, work_of_submit(bench)

    closed(bench, SMALL)
    small = works()
    closed(bench, LARGE)
    for few, many in zip(small, works(), strict=True):
        assert_flat(few, many)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_submit_does_not_grow_with_the_open_orders_on_its_symbol(bench, side):
    if side == "sell":
        bench.desk.buy("AAPL", qty=LARGE + SMALL)
    resting(bench, SMALL, side)
    small = work_of_submit(bench)
    resting(bench, LARGE, side)
    assert_flat(small, work_of_submit(bench))


def test_an_order_that_only_reduces_does_not_grow_with_the_open_orders(bench):
    bench.desk.buy("AAPL", qty=10 * LARGE, strategy="s")
    resting(bench, SMALL, "sell")
    small = work_of_submit(bench, "sell", "300")
    resting(bench, LARGE, "sell")
    assert_flat(small, work_of_submit(bench, "sell", "300"))


def test_the_first_sync_and_a_pass_are_linear_in_the_open_orders(tmp_path):
    first, again = [], []
    for many in (SMALL, LARGE):
        store = Counting(tmp_path / f"{many}.db")
        bench = Bench(store=store, opened=False, cash="1000000000000", wait_s=0)
        placed(bench, many)
        first.append(store.during(bench.desk.sync))
        assert len(bench.desk.book.orders(open=True)) == many
        bench.clock.advance(60)
        again.append(store.during(bench.desk.sync))
    assert_linear(*first, LARGE / SMALL)
    assert_linear(*again, LARGE / SMALL)


def test_a_pass_without_news_reads_no_order_again(tmp_path):
    """It writes its shares of the rate limit, and the cursors of the snapshot at once."""
    passes = []
    for many in (SMALL, LARGE):
        store = Counting(tmp_path / f"{many}.db")
        bench = Bench(store=store, cash="1000000000000", wait_s=0)
        resting(bench, many)
        bench.clock.advance(60)
        passes.append(store.during(bench.desk.sync))
    small, large = passes
    pages = LARGE // 500
    assert large.rows <= small.rows + 10 * pages + 2, (small, large)
    assert large.writes <= 3 + pages, (small, large)


def test_a_fill_does_not_grow_with_the_fills_of_its_order(bench):
    order = bench.desk.buy("AAPL", qty=100_000 * SCALE, limit_price="50")
    window = 2 * LENGTH  # as many checkpoints of the position are in each window

    def streamed(many):
        with bench.streamed():
            for _ in range(many):
                bench.filled(order, 1)
                bench.clock.advance(0.1)  # all of them before the close, when the order expires
            return bench.store.during(bench.desk._tracker.drain)

    streamed(SMALL)
    small = streamed(window)
    streamed(LARGE)
    assert_flat(small, streamed(window))
    assert bench.desk.book.order(order).is_final is False
