"""What a process reserves by its readings of the account, and the state of the next process."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.core import reservation
from fillbook.desk.link.buying_power import AvailableFunds
from fillbook.desk.record.recorder import Recorder
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench
from tests.core.records import report, request, terms

CAN = m.Capabilities(
    order_types=frozenset(m.OrderType),
    times_in_force=frozenset(m.TimeInForce),
    nets_open_orders=True,
    account_lag=timedelta(seconds=10),
)
SNAPSHOT = m.AccountSnapshot(
    m.AccountId("sim", "localhost", "a1"), "USD", Decimal(1000), Decimal(1000), Decimal(1000)
)


class Desk:
    """A recorder and its reservations, on a clock that the test sets."""

    def __init__(self, clock, store=None, can=CAN):
        self.clock = clock
        self.store = MemoryStore() if store is None else store
        self.recorder = Recorder(self.store, clock)
        self.funding = AvailableFunds(self.store, clock, can)
        self.told = Decimal(1000)

    def read(self, told=None, late=0):
        self.told = self.told if told is None else Decimal(told)
        asked = self.funding.begin_read()
        self.clock.advance(late)
        self.funding.complete_read(asked, evolve(SNAPSHOT, buying_power=self.told))

    def promise(self, name, amount, *, shown=True):
        wish = request(qty=1, limit_price=amount)
        kept = reservation.reserve_for(wish, None, None, m.ReserveRule(), opens=True)
        intent = m.Intent(client_order_id=name, request=wish, at=m.timestamp(self.clock.now()))
        self.recorder.record(
            m.Intended(evolve(intent, reserve=kept)), m.Commanded(name, m.Command.SEND, 1)
        )
        if shown:
            self.show(name, amount)

    def show(self, name, amount):
        wish = terms(qty=1, limit_price=amount)
        self.recorder.record(report(client_order_id=name, broker_order_id=name, terms=wish))
        self.funding.add_mark()

    @property
    def available(self):
        with self.store.read() as reader:
            return self.funding.available(reader).buying_power


@pytest.fixture
def clock():
    return Bench(opened=False).clock


@pytest.fixture
def desk(clock):
    return Desk(clock)


def test_an_order_is_taken_off_until_a_read_surely_counts_it(desk):
    """An amount is counted twice for a lag and one good reading, and never reserved twice."""
    desk.read(1000)
    desk.promise("fb-1", 300)
    assert desk.available == 700
    desk.clock.advance(9)
    desk.read(700)  # it may or may not be in there: the read before it is the better bound
    assert desk.available == 700
    desk.clock.advance(1)
    desk.read(700)
    assert desk.available == 700


def test_reads_too_far_apart_count_an_order_twice_for_a_while(desk):
    desk.read(1000)
    desk.promise("fb-1", 300)
    desk.clock.advance(9)
    desk.read(700)
    desk.clock.advance(21)
    assert desk.available == 700
    desk.promise("fb-2", 100)
    desk.read(600)
    assert desk.available == 500  # fb-2 was perhaps in it
    desk.clock.advance(10)
    desk.read(600)
    assert desk.available == 600


def test_an_unconfirmed_order_counts_until_it_is_confirmed(desk):
    desk.read(1000)
    desk.promise("fb-1", 300, shown=False)
    for _ in range(5):
        desk.clock.advance(30)
        desk.read(1000)
        assert desk.available == 700
    desk.show("fb-1", 300)
    desk.clock.advance(10)
    desk.read(700)
    assert desk.available == 700


def test_a_slow_reading_covers_what_existed_when_it_was_requested(desk):
    desk.read(1000)
    desk.promise("fb-1", 300)
    desk.clock.advance(5)
    desk.read(1000, late=8)
    assert desk.available == 700


def test_the_account_is_stale_after_a_lag(desk):
    assert desk.funding.is_stale
    desk.read()
    desk.clock.advance(10)
    assert not desk.funding.is_stale
    desk.clock.advance(1)
    assert desk.funding.is_stale


def test_what_was_granted_and_refused_doubles_the_lag_for_a_day(desk):
    assert desk.funding.double_lag() == timedelta(seconds=20)
    assert desk.funding.double_lag() == timedelta(seconds=40)
    desk.clock.advance(24 * 3600 + 1)
    assert desk.funding.lag == timedelta(seconds=10)


def test_the_lag_grows_to_a_bound_however_often_a_broker_refuses(desk):
    """Doubled forty times it exceeded the longest duration, and no order was sent."""
    for _ in range(50):
        desk.funding.double_lag()
    assert desk.funding.lag == timedelta(seconds=160)


def test_the_next_process_knows_what_its_own_reading_covers(desk):
    """Its first reading would otherwise subtract every earlier buy."""
    desk.read(1000)
    desk.promise("fb-1", 300)
    desk.clock.advance(11)
    later = Desk(desk.clock, desk.store)
    later.read(700)
    assert later.available == 700


def test_a_process_on_another_machine_counts_what_is_recent_twice(desk, clock):
    desk.read(1000)
    desk.promise("fb-1", 300)
    other = Desk(Bench(opened=False).clock, desk.store)
    other.clock.advance(60)  # by the wall it is a minute later, and clocks may be wrong
    other.read(700)
    assert other.available == 400
    other.clock.advance(10)
    other.read(700)
    assert other.available == 700


def test_a_process_on_another_machine_knows_what_an_earlier_reading_covered(desk, clock):
    """By the number of a journal entry; no wall clock decides, after any correction."""
    desk.read(1000)
    desk.promise("fb-1", 300)
    desk.recorder.record(m.Alerted(m.Alert(m.AlertKind.HALT, "account", "")))
    desk.funding.add_mark()
    desk.clock.advance(11)
    desk.read(700)  # this reading covers the order, and the store has that
    other = Desk(Bench(opened=False).clock, desk.store)
    other.read(700)
    assert other.available == 700


@pytest.mark.parametrize("hours", [-30, -3, 3, 30])
def test_a_corrected_wall_clock_reserves_nothing_twice(desk, hours):
    """The process after it counts the order until its own reading covers it."""
    desk.read(1000)
    desk.promise("fb-1", 300)
    clock = Bench(opened=False).clock
    clock.jump(hours * 3600)
    other = Desk(clock, desk.store)
    other.read(1000)  # the broker does not count the order yet
    assert other.available == 700
    other.clock.advance(11)
    other.read(700)
    assert other.available == 700


def test_if_a_broker_does_not_net_open_orders_they_are_charged_until_they_end(clock):
    desk = Desk(clock, can=evolve(CAN, nets_open_orders=False))
    desk.read(1000)
    desk.promise("fb-1", 300)
    desk.clock.advance(60)
    desk.read(1000)
    assert desk.available == 700
    ended = report(
        "canceled",
        clock="2026-03-02T15:00:09Z",
        client_order_id="fb-1",
        broker_order_id="fb-1",
        terms=terms(qty=1, limit_price=300),
    )
    desk.recorder.record(ended)
    assert desk.available == 1000


def test_overlapping_readings_are_ordered_by_their_requests(desk):
    first = desk.funding.begin_read()
    desk.clock.advance(1)
    second = desk.funding.begin_read()
    desk.funding.complete_read(second, evolve(SNAPSHOT, buying_power=Decimal(100)))
    desk.funding.complete_read(first, SNAPSHOT)
    assert desk.available == 100


def test_an_order_that_was_granted_and_refused_is_alerted():
    """Another program has spent the cash; the account did not show it yet."""
    bench = Bench(cash=10_000, multiplier=1)
    bench.desk.buying_power()
    bench.by_hand("SPY", "buy", 17)
    with pytest.raises(fb.OrderRejected, match="insufficient buying power"):
        bench.desk.buy("AAPL", qty=10, limit_price="187.02")
    [alert] = [x.alert for x in bench.desk.events() if x.alert is not None]
    assert alert.kind is m.AlertKind.LAG_DOUBLED
    assert "orders of the last 20 s are subtracted" in alert.message
    assert bench.desk.buying_power().lag_s == 20


class Slow(SimulatedBroker):
    """Its first create waits until the test releases it."""

    def __init__(self, *given):
        super().__init__(*given)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def submit(self, intent):
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(10)
        return super().submit(intent)


@pytest.mark.parametrize("answers", [True, False])
def test_an_order_in_flight_on_the_symbol_is_waited_for(answers):
    """It is unconfirmed for a short time, and does not refuse the next order; but not for ever."""
    bench = Bench(broker=Slow)

    def release():
        """Let the first order go, and wait until its reply is in the record, however busy it is."""
        bench.broker.go_on.set()
        for _ in range(1_000):
            if all(x.status is not fb.OrderStatus.UNPROVEN for x in bench.desk.book.orders()):
                return
            threading.Event().wait(0.01)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(bench.desk.buy, "AAPL", qty=1, key="1")
        assert bench.broker.begun.wait(10)
        if answers:
            bench.clock.call_later(0.5, release)
            second = threads.submit(bench.desk.buy, "AAPL", qty=2, key="2")
            assert second.result().status is fb.OrderStatus.FILLED
        else:
            with pytest.raises(fb.Denied, match="has no confirmed outcome yet"):
                bench.desk.buy("AAPL", qty=2, key="2")
            bench.broker.go_on.set()
        assert first.result().status is fb.OrderStatus.FILLED


def test_the_desk_reports_what_is_available_and_when_it_was_read():
    bench = Bench(cash=10_000)
    power = bench.desk.buying_power()
    assert isinstance(power, fb.BuyingPower)
    assert (power.available, power.reported, power.reserved) == (20_000, 20_000, 0)
    assert power.non_marginable == 10_000
    assert power.read_at == m.timestamp(bench.clock.now())
    assert power.lag_s == 10


def test_without_a_reply_the_desk_does_not_report_what_is_available():
    bench = Bench()
    bench.outage()
    with pytest.raises(fb.ReadFailed):
        bench.desk.buying_power()
