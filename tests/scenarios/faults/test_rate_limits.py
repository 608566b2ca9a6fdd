"""Rate limits: the limit is never exceeded, and a 429 delays no exit."""

from datetime import timedelta

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import READS, Bench, unable

S = m.OrderStatus


def a_minute(bench, minutes=10):
    """The number of requests a minute that the desk sends without a call."""
    before = bench.desk.requests
    bench.pass_(minutes * 60)
    return (bench.desk.requests - before) / minutes


def test_rl_01_a_stream_refused_at_the_handshake_is_no_storm():
    """For a quarter of an hour every connection is refused; polls continue at their usual rate."""
    bench = Bench()
    bench.exchange.faults.switch_on("stream-refused")
    with bench.streamed():
        order = bench.resting()
        assert a_minute(bench, 15) <= 20
        bench.filled(order, 10)
        bench.pass_(30)
    assert bench.desk.book.order(order).status is S.FILLED


def test_rl_02_orders_and_cancels_go_when_polls_have_used_their_share():
    """Polls stop at half of the minute's requests; calls of the bot do not wait."""
    bench = Bench(broker=unable(rate_limit=60), wait_s=0)
    order = bench.resting()
    while bench.desk.check().verdict is not m.Verdict.NOT_OBSERVED:
        pass
    before = bench.clock.elapsed()
    another = bench.desk.buy("MSFT", qty=1, limit_price="300")
    bench.desk.cancel(order)
    assert another.broker_order_id is not None
    assert (bench.sent["submit"], bench.sent["cancel"]) == (2, 1)
    assert bench.clock.elapsed() == before


def test_rl_04_what_others_use_of_one_key_is_left_to_them():
    """The broker reports how little is left; our polls stop, and an exit is still sent."""

    class Shared(SimulatedBroker):
        left = None

        def account(self):
            resets = self._clock.now() + timedelta(seconds=40)
            meter = None if self.left is None else m.RateLimit(200, self.left, resets)
            return evolve(super().account(), rate_limit=meter)

    bench = Bench(broker=Shared, wait_s=0)
    order = bench.resting()
    bench.broker.left = 5
    bench.desk.check()
    asked = bench.desk.requests
    assert bench.desk.check().verdict is m.Verdict.NOT_OBSERVED
    assert bench.desk.requests == asked
    bench.desk.cancel(order)
    assert bench.sent["cancel"] == 1
    bench.broker.left = None
    bench.clock.advance(40)
    assert bench.desk.check().verdict is not m.Verdict.NOT_OBSERVED


def test_rl_05_too_many_requests_at_every_turn_is_no_busy_loop():
    """Ten minutes of only 429: few requests are sent, and then everything is normal."""
    bench = Bench()
    order = bench.resting()
    for name in READS:
        bench.fail(name, "rate-limited", times=10_000)
    assert a_minute(bench) <= 20
    bench.over()
    bench.filled(order, 10)
    bench.pass_(90)
    assert bench.desk.book.order(order).status is S.FILLED
    assert bench.is_true()


def test_rl_07_a_list_that_fails_is_not_made_up_for_order_by_order():
    """Hundreds of orders, and no list: no order is read one by one, and nothing is concluded."""
    bench = Bench(wait_s=0, cash="10000000")
    orders = []
    for number in range(120):
        orders.append(bench.desk.buy("AAPL", qty=1, limit_price=str(50 + number)))
        bench.clock.advance(1)
    bench.pass_(60)
    before = dict(bench.sent)
    bench.fail("orders", "server-error", times=10_000)
    bench.pass_(300)
    assert bench.sent["order"] == before.get("order", 0)
    assert bench.sent["find"] == before.get("find", 0)
    assert {bench.desk.book.order(x).status for x in orders} == {S.NEW}


def test_rl_08_a_create_that_was_too_much_is_not_repeated_by_itself():
    """
    It was certainly not accepted; the error has the time, and the bot retries under the same key.
    """
    bench = Bench()
    bench.fail("submit", "rate-limited")
    with pytest.raises(fb.Unavailable) as refused:
        bench.desk.buy("AAPL", qty=1, key="one")
    bench.pass_(300)
    assert bench.sent["submit"] == 1
    assert refused.value.retry_at is not None
    assert bench.desk.buy("AAPL", qty=1, key="one").status is S.FILLED
    assert bench.sent["submit"] == 2
    assert len(bench.ours()) == 1


def test_tif_08_a_maintenance_window_pauses_judgments_and_no_state():
    """No reply for half an hour each night: no order ends, no difference is reported."""
    bench = Bench()
    resting, filled = bench.resting(), bench.resting("MSFT", 3)
    bench.pass_(60)
    for _ in range(3):
        bench.outage()
        with pytest.raises(fb.ReadFailed):
            bench.open().buy("SPY", qty=1)
        bench.pass_(1_800, every=30)
        assert bench.desk.book.order(resting).status is S.NEW
        assert bench.desk.sync().verdict is m.Verdict.NOT_OBSERVED
        bench.over()
        bench.pass_(120)
    bench.filled(filled, 3)
    bench.pass_(60)
    told = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.DRIFT not in told
    assert bench.desk.book.order(resting).status is S.NEW
    assert bench.is_true()
