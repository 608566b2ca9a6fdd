"""Pacing: one budget for all desks of a store, and an exit does not wait for polls."""

import random
import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.codec import load
from fillbook.core.rate_limit import Budget, Lane
from fillbook.desk.link.rate_limit import CELL, Pacer
from fillbook.errors import StoreUnavailable
from fillbook.stores.memory import MemoryStore
from tests.bench import MONDAY_10, READS, Bench

MINUTE = timedelta(seconds=60)
SYMBOLS = ("AAPL", "MSFT", "SPY")


def counted(limit=200, burst=None):
    """A broker that records the time and the name of each request."""

    class Counted(SimulatedBroker):
        capabilities = evolve(SimulatedBroker.capabilities, rate_limit=limit, burst_limit=burst)

        def __init__(self, *args, **wish):
            super().__init__(*args, **wish)
            self.came = []

        def most(self):
            """The maximum number of requests in any minute."""
            moments = sorted(at for at, _ in self.came)
            return max(sum(at <= x < at + MINUTE for x in moments) for at in moments)

        def most_a_second(self):
            """The maximum number of requests in any second."""
            moments = sorted(at for at, _ in self.came)
            return max(sum(at <= x < at + MINUTE / 60 for x in moments) for at in moments)

    def counting(name):
        ask = getattr(SimulatedBroker, name)

        def asked(self, *words):
            self.came.append((self._clock.elapsed(), name))
            return ask(self, *words)

        return asked

    for name in REQUESTS:
        setattr(Counted, name, counting(name))
    return Counted


REQUESTS = (
    *READS,
    "executions_of",
    "instrument",
    "quotes",
    "sessions",
    "submit",
    "cancel",
    "replace",
)


@pytest.mark.slow
def test_a_storm_of_two_desks_stays_below_the_limit():
    """They place, cancel, check, tick and restart at random times: never above 200 a minute."""
    bench = Bench(broker=counted(), wait_s=0)
    desks, chance = [bench.desk, bench.open()], random.Random(7)
    orders = []
    for n in range(1_500):
        desk = chance.choice(desks)
        try:
            match chance.choice(["place", "cancel", "check", "tick", "open"]):
                case "place":
                    symbol, key = chance.choice(SYMBOLS), str(n)
                    orders.append(desk.buy(symbol, qty=1, limit_price="150", key=key))
                case "cancel" if orders:
                    desk.cancel(orders.pop())
                case "check":
                    desk.check()
                case "tick":
                    desk.tick()
                case "open" if chance.random() < 0.1:
                    desks[chance.randrange(2)] = bench.open()
        except (fb.Unavailable, fb.Denied, fb.ReadFailed):
            pass
        bench.clock.advance(chance.choice([0, 0, 0, 0.3, 1.7]))
    assert bench.clock.elapsed() > 5 * MINUTE
    assert 130 < bench.broker.most() <= 200


def test_a_burst_is_bounded_per_second_and_a_snapshot_waits_for_it():
    """A snapshot needs more requests than a second allows; it is complete all the same."""
    bench = Bench(broker=counted(burst=6), wait_s=2)
    for symbol in SYMBOLS:
        bench.desk.buy(symbol, qty=1)
    bench.clock.advance(20)
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC
    assert bench.broker.most_a_second() <= 6


def test_parallel_threads_take_no_share_twice():
    """Eight threads, at one time: as many are granted as the lanes allow, exactly."""
    store, clock = MemoryStore(), ManualClock(MONDAY_10)
    went = Counter()

    def ask(number):
        pacer = Pacer(store, clock, 200, threading.Event())
        for _ in range(60):
            lane = (Lane.RECONCILE, Lane.VERIFY)[number % 2]
            went[lane, number] += pacer.take(lane) is None

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
    assert went.total() == 130
    assert sum(count for (lane, _), count in went.items() if lane is Lane.RECONCILE) <= 100


def test_who_was_stopped_while_it_was_counted_is_counted_again():
    """A process that was stopped for a minute sends nothing on the old count."""

    class Sleeps(MemoryStore):
        asleep = 0

        def swap(self, name, old, new):
            clock.advance(self.asleep)
            return super().swap(name, old, new)

    store, clock = Sleeps(), ManualClock(MONDAY_10)
    pacer = Pacer(store, clock, 10, threading.Event())
    store.asleep = 30
    clock.call_later(31, lambda: setattr(store, "asleep", 0))
    assert pacer.take(Lane.EXIT) is None
    assert [count for _, count in load(Budget, store.cell(CELL)).sent] == [1, 1, 1]


def test_a_cancel_is_sent_after_polls_have_used_their_share():
    """And at once: no second of simulated time passes."""
    bench = Bench(broker=counted(limit=40), wait_s=0)
    order = bench.resting()
    while bench.desk.check().verdict is not m.Verdict.NOT_OBSERVED:
        pass
    before = bench.clock.elapsed()
    bench.desk.cancel(order)
    assert bench.sent["cancel"] == 1
    assert bench.clock.elapsed() == before


def test_a_cancel_is_sent_after_a_restart_with_every_other_share_used():
    """The account read before it uses its lane."""
    bench = Bench(broker=counted(limit=40), wait_s=0)
    order = bench.resting()
    while bench.desk._gateway._pacer._try_take(Lane.SUBMIT) is None:
        pass
    desk = bench.open()
    before = bench.clock.elapsed()
    desk.cancel(order.client_order_id)
    assert desk._gateway.sent["cancel"] == 1
    assert bench.clock.elapsed() == before


def test_a_read_beyond_the_limit_fails_at_once_with_a_retry_time():
    """Nothing is sent and there is no wait; the later retry gets a reply."""
    bench = Bench(broker=counted(limit=40))
    report = bench.desk.check()
    while report.verdict is not m.Verdict.NOT_OBSERVED:
        report = bench.desk.check()
    asked, before = bench.desk.requests, bench.clock.elapsed()
    answer = bench.desk._gateway.read("account", bench.broker.account)
    assert (answer.why, bench.desk.requests) == (m.Failure.RATE_LIMITED, asked)
    assert bench.clock.elapsed() == before
    bench.clock.advance((answer.retry_at - bench.clock.now()).total_seconds())
    assert isinstance(bench.desk._gateway.read("account", bench.broker.account), m.Observed)


def test_an_order_waits_for_its_share_and_then_fails_with_a_retry_time():
    """It was certainly not sent, and may be submitted again at that time."""
    bench = Bench(broker=counted(limit=40), wait_s=0)
    pacer = bench.desk._gateway._pacer
    bench.clock.advance(120)
    while pacer._try_take(Lane.SUBMIT) is None:
        pass
    before = bench.clock.elapsed()
    with pytest.raises(fb.Unavailable) as refused:
        bench.desk.buy("AAPL", qty=1, limit_price="150", key="k")
    assert refused.value.order.status is m.OrderStatus.DENIED
    assert bench.sent["submit"] == 0
    assert bench.clock.elapsed() - before <= timedelta(seconds=6)
    bench.clock.advance((refused.value.retry_at - bench.clock.now()).total_seconds())
    bench.desk.buy("AAPL", qty=1, limit_price="150", key="k")
    assert bench.sent["submit"] == 1


def test_what_the_broker_counts_beyond_ours_is_taken_off():
    """Another program uses our keys: less is left for polls."""

    class Told(SimulatedBroker):
        left = None

        def account(self):
            read = super().account()
            resets = self._clock.now() + timedelta(seconds=30)
            return evolve(read, rate_limit=self.left and m.RateLimit(200, self.left, resets))

    bench = Bench(broker=Told)
    bench.clock.advance(120)
    bench.broker.left = 90
    assert bench.desk.check().verdict is m.Verdict.NOT_OBSERVED
    assert isinstance(bench.desk._gateway.write("cancel", lambda: m.Accepted()), m.Accepted)
    bench.broker.left = None
    bench.clock.advance(30)
    assert bench.desk.check().verdict is m.Verdict.IN_SYNC


def test_desks_whose_clocks_count_from_other_starts_share_a_budget():
    """By the wall clock: the requests of one count for the other."""
    store, closing = MemoryStore(), threading.Event()
    one, other = ManualClock(MONDAY_10), ManualClock(MONDAY_10)
    other.advance(500)
    other.jump(-500)
    pacers = [Pacer(store, clock, 10, closing) for clock in (one, other)]
    for _ in range(5):
        assert [x.take(Lane.RECONCILE) is None for x in pacers] in (
            [True, True],
            [True, False],
            [False, False],
        )
    assert [x.take(Lane.VERIFY) is None for x in pacers] == [True, True]
    assert [x.take(Lane.VERIFY) is None for x in pacers] == [False, False]
    other.advance(62)
    one.advance(62)
    assert [x.take(Lane.VERIFY) is None for x in pacers] == [True, True]


def test_a_store_that_cannot_be_written_holds_no_cancel_back(caplog):
    """The process counts for itself meanwhile, and logs it."""

    class Full(MemoryStore):
        full = False

        def swap(self, name, old, new):
            if self.full:
                raise StoreUnavailable("the disk is full")
            return super().swap(name, old, new)

    store, clock = Full(), ManualClock(MONDAY_10)
    pacer = Pacer(store, clock, 10, threading.Event())
    store.full = True
    went = [pacer.take(Lane.RECONCILE) for _ in range(6)]
    assert [x is None for x in went] == [True] * 5 + [False]
    assert pacer.take(Lane.EXIT) is None
    assert store.cell(CELL) is None
    assert "the disk is full" in caplog.text


def row_of(number):
    return m.PositionSnapshot(str(number), m.ZERO)


def test_a_long_list_takes_more_than_a_minute_s_share():
    """The pages after the first wait for their share, and the list is complete."""
    bench = Bench(broker=counted(limit=40), opened=False)
    line = bench.desk._gateway
    pages = iter(range(30))

    def ask(page):
        number = next(pages)
        return m.Observed((row_of(number),), m.Cursor(str(number)) if number < 29 else None)

    before = bench.clock.elapsed()
    answer = line.pages("positions", ask)
    assert answer.value == tuple(map(row_of, range(30)))
    assert bench.clock.elapsed() - before > MINUTE


def test_a_reducing_sale_uses_the_exit_lane():
    """Orders have used their level; a reducing order does not wait a second."""
    bench = Bench(broker=counted(limit=60), wait_s=0)
    bench.desk.buy("AAPL", qty=5)
    bench.clock.advance(2)
    bench.desk.sync()
    while bench.desk._gateway._pacer._try_take(Lane.SUBMIT) is None:
        pass
    before = bench.clock.elapsed()
    bench.desk.sell("AAPL", qty=5, limit_price="180")
    assert bench.clock.elapsed() == before
    assert bench.sent["submit"] == 2
    with pytest.raises(fb.FillbookError):
        bench.desk.buy("AAPL", qty=5, limit_price="150")


def test_reads_that_have_used_up_their_half_say_so_and_how_long_to_wait():
    """A person who calls `fillbook sync` again and again: orders are still sent."""
    bench = Bench(broker=counted(limit=40))
    while (report := bench.desk.sync()).unobserved is None:
        pass
    found = re.fullmatch(
        r"\w+: 20 of 40 requests a minute are used, and the rest is reserved for orders, cancels "
        r"and exits: the next in \d+ s, at 15:0\d:\d\d UTC, and all of them in (\d+) s",
        report.unobserved,
    )
    assert found
    assert bench.desk.buy("AAPL", qty=1).broker_order_id is not None
    bench.clock.advance(int(found[1]) + 1)
    assert bench.desk.sync().unobserved is None


def test_a_broker_that_refuses_more_requests_is_named_as_the_reason():
    bench = Bench()
    bench.fail("account", "rate-limited")
    bench.desk.sync()
    again = bench.desk.sync().unobserved
    assert "the broker reported that its rate limit is exceeded: the next in " in again
