"""Restart and persistence: known facts are known again, and unknown outcomes are queried."""

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench

S = m.OrderStatus


def test_rst_01_open_orders_are_followed_after_a_restart():
    """They are in the record, and the first pass reads them."""
    bench = Bench()
    order = bench.resting()
    bench.desk = bench.open()
    bench.filled(order)
    bench.desk.tick()
    assert bench.desk.book.order(order).status is S.FILLED


def test_rst_02_repeated_events_at_a_start_change_nothing():
    """A new process reads a whole day back, and writes nothing."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    bench.desk = bench.open()
    assert bench.desk.sync().entries == 0


def test_rst_04_a_bracket_that_is_open_does_not_stop_a_start():
    """Exits without an average price are valid."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, take_profit="200", stop_loss="150")
    for store in (None, fb.opening.open_store("memory://", {})):
        desk = bench.open(store)
        bench.clock.advance(20)
        assert desk.sync().verdict is not m.Verdict.NOT_OBSERVED
        assert len(desk.book.orders(open=True)) == 2


def test_rst_05_an_order_that_filled_while_we_were_away_is_not_placed_again():
    """The bot starts and submits its order again; the existing one is returned."""
    bench = Bench()
    order = bench.resting(key="grid-1")
    bench.filled(order)
    bench.clock.advance(3600)
    bench.desk = bench.open()
    bench.desk.sync()
    again = bench.resting(key="grid-1")
    assert (again.client_order_id, again.status) == (order.client_order_id, S.FILLED)
    assert len(bench.ours()) == 1


def test_rst_08_the_next_process_queries_an_unconfirmed_order():
    """It survives the process, and an outage of hours."""
    bench = Bench()
    bench.fail("submit", "reply-lost")
    bench.outage()
    order = bench.desk.buy("AAPL", qty=10, limit_price="190")
    for _ in range(3):
        bench.clock.advance(3600)
        bench.desk = bench.open()
        assert bench.desk.sync().verdict is fb.Verdict.NOT_OBSERVED
        bench.desk.tick()
        assert bench.desk.book.order(order).status is S.UNPROVEN
    bench.over()
    bench.desk.sync()
    assert bench.desk.book.order(order).status is S.FILLED


def test_rst_10_fees_and_prices_are_filled_in_later():
    """
    The order's total is reported first; its execution replaces the inferred fill, with its fee.
    """
    bench = Bench()
    bench.fail("fill", "history-late", seconds=25)
    order = bench.desk.buy("BTC/USD", qty="0.1")
    assert (order.status, order.fees, order.is_complete) == (S.FILLED, None, False)
    bench.pass_(120)
    now = bench.desk.book.order(order)
    assert now.is_complete
    assert [x.reason for x in bench.desk.book.fills(order)] == ["history"]


class FullDisk:
    """A store whose disk is full while a switch is set."""

    def __init__(self, store):
        self.store = store
        self.is_full = False

    def write(self):
        if self.is_full:
            raise fb.StoreUnavailable("the disk is full; nothing was written")
        return self.store.write()

    def __getattr__(self, name):
        return getattr(self.store, name)


def test_rst_07_a_store_that_fails_stops_the_trading():
    """No intent can be written, so no order is sent; the message has what to do."""
    store = FullDisk(fb.opening.open_store("memory://", {}))
    bench = Bench(store=store)
    store.is_full = True
    with pytest.raises(fb.StoreUnavailable, match="disk is full"):
        bench.desk.buy("AAPL", qty=10)
    assert bench.sent["submit"] == 0
    store.is_full = False
    assert bench.desk.buy("AAPL", qty=10).status is S.FILLED
