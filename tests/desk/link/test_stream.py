"""The stream and the polls together: a failure of the stream costs latency only."""

import random
from contextlib import nullcontext

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.core.polling import StreamState
from tests.bench import Bench

S = m.OrderStatus
KNOWN_WITHIN_S = 30
A_MINUTE = 20

#: Failures of a stream; each can be switched on for any time.
AILMENTS = (
    None,
    "stream-silent",
    "event-dropped",
    "event-doubled",
    "event-reordered",
    "event-early",
    "stream-ids-differ",
    "stream-lost",
    "stream-refused",
    "hangs-up",
)


class Listening:
    """A desk that receives a faulty stream, and ticks every second."""

    def __init__(self, ailment, *, orders=0):
        self.bench = Bench(wait_s=0)
        self.ailment = ailment
        self.orders = [
            self.bench.desk.buy("AAPL", qty=10, limit_price=str(100 + n)) for n in range(orders)
        ]
        self.bench.clock.advance(120)
        if ailment not in (None, "hangs-up"):
            self.bench.exchange.faults.switch_on(ailment)

    def live(self, seconds):
        """Let that many seconds pass, each with a tick."""
        for second in range(seconds):
            if self.ailment == "hangs-up" and second % 7 == 0:
                self.bench.exchange.disconnect(self.bench.books)
            self.bench.clock.advance(1)
            self.bench.desk.tick()

    def known(self, order):
        return self.bench.desk.book.order(order).filled_qty


@pytest.mark.sampled(3)
@pytest.mark.parametrize("ailment", AILMENTS)
def test_a_fill_is_known_within_half_a_minute_whatever_the_stream_does(ailment):
    """Forty fills at random times; the slowest was within the bound."""
    desk, chance = Listening(ailment, orders=40), random.Random(11)
    longest = 0
    with desk.bench.streamed():
        desk.live(30)
        for order in desk.orders:
            desk.bench.exchange.fill(order.broker_order_id, 10, order.limit_price)
            waited = 0
            while desk.known(order) != 10:
                desk.live(1)
                waited += 1
                assert waited <= KNOWN_WITHIN_S
            longest = max(longest, waited)
            desk.live(chance.randrange(12))
    assert desk.bench.desk.sync().verdict is m.Verdict.IN_SYNC
    if ailment in ("stream-silent", "event-dropped"):
        assert longest > 1  # the poll reported it


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(5))
def test_every_failure_of_a_stream_costs_latency_only(seed):
    """In every combination: no fill takes longer, none is counted twice."""
    chance = random.Random(seed)
    desk = Listening(None, orders=30)
    with desk.bench.streamed():
        for order in desk.orders:
            desk.bench.exchange.faults.clear()
            desk.ailment = chance.choice(AILMENTS)
            if desk.ailment not in (None, "hangs-up"):
                desk.bench.exchange.faults.switch_on(desk.ailment)
            first = chance.randrange(1, 10)
            for part in (first, 10 - first):
                desk.live(chance.randrange(20))
                before = desk.known(order)
                desk.bench.exchange.fill(order.broker_order_id, part, order.limit_price)
                for _ in range(KNOWN_WITHIN_S):
                    desk.live(1)
                    if desk.known(order) == before + part:
                        break
                assert desk.known(order) == before + part
        desk.bench.exchange.faults.clear()
        desk.live(90)
    assert desk.bench.is_true()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("ailment", [*AILMENTS, "nobody-listens"])
def test_an_idle_desk_with_fifty_orders_sends_at_most_twenty_requests_a_minute(ailment):
    """In every state of the stream, for ten minutes."""
    listens = ailment != "nobody-listens"
    desk = Listening(ailment if listens else None, orders=50)
    with desk.bench.streamed() if listens else nullcontext():
        desk.live(60)
        before = desk.bench.desk.requests
        desk.live(600)
        assert desk.bench.desk.requests - before <= 10 * A_MINUTE


def test_all_fifty_orders_that_fill_at_once_unheard_are_known_within_half_a_minute():
    """One more list shows them, not fifty reads one by one."""
    desk = Listening("stream-silent", orders=50)
    with desk.bench.streamed():
        desk.live(60)
        before = desk.bench.desk.requests
        for order in desk.orders:
            desk.bench.exchange.fill(order.broker_order_id, 10, order.limit_price)
        desk.live(KNOWN_WITHIN_S)
    assert {desk.known(x) for x in desk.orders} == {10}
    assert desk.bench.desk.requests - before <= 30


def test_a_mute_stream_is_found_out_by_a_poll_and_polled_quickly_then():
    """It is connected without events; one fill that only the poll found reveals it."""
    desk = Listening(None, orders=2)
    with desk.bench.streamed():
        desk.live(60)
        stream = desk.bench.desk._tracker.stream
        assert stream.poll_after().total_seconds() == 25
        desk.bench.exchange.faults.switch_on("stream-silent")
        desk.bench.exchange.fill(desk.orders[0].broker_order_id, 10, "100")
        desk.live(KNOWN_WITHIN_S)
        assert (stream.state, stream.poll_after().total_seconds()) == (StreamState.LIVE, 10)
        desk.bench.exchange.faults.clear()
        desk.bench.exchange.fill(desk.orders[1].broker_order_id, 4, "101")
        desk.live(2)
        assert stream.poll_after().total_seconds() == 25


def test_after_a_loss_the_record_is_behind_until_all_was_read_again():
    """The list, the orders that left it and the fills; a failed reading does not count."""
    desk = Listening(None, orders=1)
    tracker = desk.bench.desk._tracker
    with desk.bench.streamed():
        desk.live(20)
        assert tracker.in_sync
        desk.bench.exchange.disconnect(desk.bench.books)
        assert not tracker.in_sync
        for failing in ("account", "orders", "executions"):
            desk.bench.fail(failing, "server-error")
            assert not tracker.poll()
            assert not tracker.in_sync
        assert tracker.poll()
        assert tracker.in_sync
        desk.bench.clock.advance(6)  # it is connected again: events meanwhile were missed
        assert (tracker.stream.state, tracker.in_sync) == (StreamState.GAP, False)
        desk.live(16)
        assert (tracker.stream.state, tracker.in_sync) == (StreamState.LIVE, True)


def test_a_loss_while_it_is_read_is_read_again():
    """The reading that was in progress does not count for it."""
    desk = Listening(None, orders=1)
    tracker, broker = desk.bench.desk._tracker, desk.bench.broker
    ask = broker.executions

    def interrupted(*words):
        broker.executions = ask
        tracker.stream.connected()
        return ask(*words)

    with desk.bench.streamed():
        broker.executions = interrupted
        assert tracker.poll()
        assert not tracker.in_sync
        assert tracker.poll()
        assert tracker.in_sync


def test_in_a_gap_an_order_first_reads_what_was_missed():
    """Then it is sent; no retry is needed."""
    desk = Listening(None, orders=1)
    with desk.bench.streamed():
        desk.live(20)
        desk.bench.exchange.disconnect(desk.bench.books)
        desk.bench.exchange.fill(desk.orders[0].broker_order_id, 10, "100")
        desk.bench.desk.buy("MSFT", qty=1, limit_price="300")
        assert desk.known(desk.orders[0]) == 10
        assert desk.bench.desk._tracker.in_sync


def test_new_risk_waits_until_the_gap_was_read_and_exits_do_not():
    """The list fails: a buy is denied with its reason; a reducing sale and a cancel are sent."""
    desk = Listening(None, orders=1)
    bench = desk.bench
    bench.desk.buy("AAPL", qty=5)
    bench.clock.advance(2)
    with bench.streamed():
        desk.live(20)
        bench.exchange.disconnect(bench.books)
        bench.fail("orders", "server-error", times=99)
        with pytest.raises(fb.Denied) as denied:
            bench.desk.buy("MSFT", qty=1, limit_price="300")
        assert denied.value.reason.code == "not_in_sync"
        bench.desk.cancel(desk.orders[0])
        bench.desk.sell("AAPL", qty=5, limit_price="180")
        bench.clock.advance(2)
        assert bench.truth.positions() == {}
