"""The tracker: one list follows every order, and an order that left it is read by its id."""

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Ticket
from tests.bench import READS, Bench

S = m.OrderStatus


@pytest.fixture(scope="module")
def thousand():
    """A desk with a thousand resting orders: ten of its own, the others external."""
    bench = Bench(wait_s=0, opened=False)
    ticket = Ticket(
        symbol="AAPL",
        side=m.OrderSide.BUY,
        type=m.OrderType.LIMIT,
        time_in_force=m.TimeInForce.GTC,
        qty=m.number("1"),
        limit_price=m.number("100"),
    )
    for _ in range(990):
        bench.books.trading.accept(ticket)  # a thousand checks of its funds would take long
    bench.clock.advance(1)
    bench.desk.sync()
    for n in range(10):
        bench.desk.buy("AAPL", qty=1, limit_price="100", time_in_force="gtc", key=str(n))
    bench.clock.advance(1)
    bench.desk.tick()
    assert len(bench.desk.book.orders(open=True)) == 1_000
    return bench


def asked(bench, act):
    """The requests of *act* to the broker, by name."""
    before = bench.sent.copy()
    act()
    return dict(bench.sent - before)


@pytest.mark.slow
def test_a_thousand_open_orders_are_polled_with_three_lists(thousand):
    """The account, at most floor(1000/500) + 1 pages, and no read by id."""
    names = asked(thousand, thousand.desk._tracker.poll)
    assert names.pop("orders") <= 3
    assert names == {"account": 1}


def test_reconciling_a_thousand_open_orders_reads_lists_only(thousand):
    """Account, positions, fills twice, activities, and the pages of orders."""
    names = asked(thousand, thousand.desk.sync)
    assert names.pop("orders") <= 3
    assert names == {"account": 1, "executions": 2, "positions": 1, "activities": 1}


def test_of_those_that_left_the_list_few_are_read_one_by_one_and_many_by_a_list(thousand):
    """So one poll shows the end of all of them, without a read for each order."""
    for count, left in ((10, 990), (25, 965)):
        for order in thousand.desk.book.orders(open=True)[:count]:
            thousand.books.cancel(order.broker_order_id)
        thousand.clock.advance(1)
        names = asked(thousand, thousand.desk._tracker.poll)
        assert names.get("order", 0) == (count if count <= 10 else 0)
        assert len(thousand.desk.book.orders(open=True)) == left


def test_an_idle_desk_sends_at_most_twenty_requests_a_minute():
    """Ten minutes of ticks with one resting order."""
    bench = Bench()
    bench.resting()
    bench.pass_(60)
    before = bench.desk.requests
    bench.pass_(600)
    assert (bench.desk.requests - before) / 10 <= 20


def test_an_order_without_its_executions_has_its_history_read_after_a_minute():
    """Its total was reported, its fill was not; then the order's own history is read."""
    bench = Bench()
    bench.fail("fill", "history-late", seconds=50)
    order = bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(61)
    assert not order.is_complete
    assert "executions" in asked(bench, bench.desk._tracker.poll)
    assert bench.desk.book.order(order).is_complete


@pytest.mark.parametrize("name", READS)
def test_a_read_that_fails_changes_no_order(name):
    """If any read of a reconciliation fails, the open orders stay unchanged."""
    bench = Bench()
    order = bench.resting()
    bench.fail(name, "server-error", times=3)
    bench.desk.tick()
    assert bench.desk.book.order(order).status in (S.NEW, S.ACCEPTED)


def test_what_receive_was_given_is_durable_when_it_returns():
    """Another process that reads the store has it at once."""
    bench = Bench()
    with bench.heard() as events:
        order = bench.resting()
        bench.filled(order)
    made = [bench.desk.receive(event) for event in events]
    assert sum(made) > 0
    assert bench.open().book.order(order).status is S.FILLED
