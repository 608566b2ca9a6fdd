"""
Sixteen threads on two desks of one store, and a lease that moves between the desks (P1, P2, P7).

The threads take turns by a seed: FILLBOOK_SEEDS is how many runs there are.
"""

import os
import random
from collections import Counter
from contextlib import suppress
from functools import partial

import pytest

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.desk.record.recorder import CUT
from fillbook.venue.exchange import Exchange, Faults
from tests.bench import MONDAY_10
from tests.desk.link.till import TOTAL, BusyTill, spend
from tests.desk.link.turns import Turns, TurnsStore, with_turns
from tests.desk.orders.linearizable import is_linearizable
from tests.scenarios.campaign.days import chunks

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "5"))
BOTS, TICKERS, CALLS = 14, 2, 6
#: The orders of others in every second run: the polls write them in cuts, between the calls.
OTHERS = int(os.environ.get("FILLBOOK_ORDERS", "0")) or 3 * CUT
SYMBOLS = ("AAPL", "MSFT", "SPY")
READS = ("account", "positions", "orders", "order", "find")
WRITES = ("submit", "cancel", "replace")
#: What a request that changes something meets, now and then.
FAULTS = ("unreachable", "rate-limited", "request-lost", "reply-lost")


class Lease:
    """The lease of the store, which each desk gives up now and then; `holders` had it in turn."""

    def __init__(self, turns, clock):
        self.turns, self.clock, self.holders = turns, clock, []

    def tick(self, desk, dice, in_flight=lambda: False):
        """Tick a desk while there are bots; it gives the lease up where it sends nothing."""
        while self.turns.running > TICKERS:
            desk.tick()
            has_lease = desk._gateway.lease.acquire()
            if has_lease and self.holders[-1:] != [desk]:
                self.holders.append(desk)
            self.clock.advance(0.25)
            self.turns.boundary()
            if has_lease and dice.random() < 0.7 and not in_flight():
                desk._gateway.lease.release()
                while self.holders[-1] is desk and self.turns.running > TICKERS:
                    self.turns.boundary()  # until the other has it


def spending(seed):
    """One run of threads that spend; how often the lease has moved."""
    turns, clock, calls = Turns(seed), ManualClock(MONDAY_10), []
    requests = ("account", "submit", "cancel", "orders", "order")
    broker = with_turns(BusyTill, turns, *requests)(OTHERS if seed % 2 else 0)
    store = TurnsStore(turns)
    desks = [fb.open(broker, store, clock=clock, wait_s=2) for _ in range(TICKERS)]
    for desk in desks:
        desk.buying_power()
    lease = Lease(turns, clock)

    def bot(number):
        name, dice = f"S{number}", f"{seed}/{number}"
        calls.extend(spend(desks[number % 2], name, dice, CALLS, now=lambda: turns.now))

    def ticker(number):
        lease.tick(desks[number], random.Random(f"{seed}/{number}"))

    bots = [partial(bot, number) for number in range(BOTS)]
    turns.run([*bots, *(partial(ticker, number) for number in range(TICKERS))])
    assert len(calls) == BOTS * CALLS
    assert is_linearizable(calls, TOTAL), f"seed {seed}"
    assert seed % 2 == 0 or len(desks[0].book.orders(symbol="OTHERS")) == OTHERS
    granted = [x for x in calls if x.granted and x.amount > 0]
    assert len(broker.taken) == len(granted) == sum(x._gateway.sent["submit"] for x in desks)
    return len(lease.holders) - 1


@pytest.mark.parametrize("seeds", chunks(0, SEEDS, 5), ids=lambda x: f"{x[0]}-{x[-1]}")
def test_what_sixteen_threads_spend_is_linearizable(seeds):
    """Each call could have been made after the one before; no order is sent twice."""
    assert sum(map(spending, seeds)) > 0, "the lease did not move"


class Orders:
    """Sixteen threads on the same orders: the same keys, and the same orders to change and end."""

    def __init__(self, seed):
        self.seed, self.turns = seed, Turns(seed)
        self.clock = ManualClock(MONDAY_10)
        self.exchange = Exchange(seed=7, clock=self.clock, faults=Faults(seed=seed))
        for symbol in SYMBOLS:
            self.exchange.quote(symbol, "187.00", "187.02")
        self.books = self.exchange.open_account("paper")
        self.under_way, self.most = Counter(), Counter()
        store = TurnsStore(self.turns)
        self.desks = [self.opened(store, number) for number in range(TICKERS)]
        self.desks[0].sync()
        self.lease = Lease(self.turns, self.clock)
        self.names, self.canceled = {}, set()

    def opened(self, store, number):
        """A desk whose requests are counted while they are under way."""
        plain = with_turns(SimulatedBroker, self.turns, *READS, *WRITES)
        broker = self.counting(plain, number)(self.exchange, self.books, timeout_s=1)
        return fb.open(broker, store, clock=self.clock, wait_s=1)

    def counting(self, plain, number):
        def counted(name):
            def request(broker, subject, *change):
                about = getattr(subject, "client_order_id", subject)
                keys = [(name, about), number]
                self.under_way.update(keys)
                for key in keys:
                    self.most[key] = max(self.most[key], self.under_way[key])
                try:
                    return getattr(plain, name)(broker, subject, *change)
                finally:
                    self.under_way.subtract(keys)

            return request

        return type("Counting", (plain,), {name: counted(name) for name in WRITES})

    def bot(self, number):
        desk, dice = self.desks[number % 2], random.Random(f"{self.seed}/{number}")
        for _ in range(CALLS):
            if dice.random() < 0.3:
                self.exchange.faults.fail(dice.choice(WRITES), dice.choice(FAULTS))
            with suppress(errors.OrderError, errors.ReadFailed):  # an error tells that it was not
                self.act(desk, dice)

    def act(self, desk, dice):
        kind = dice.choice(("buy", "buy", "cancel", "replace", "all"))
        resting = [x for x in desk.book.orders(open=True) if x.broker_order_id is not None]
        if kind == "buy" or not resting:
            key = str(dice.randrange(8))
            order = desk.buy(
                SYMBOLS[int(key) % 3],
                qty=1,
                limit_price="150",
                time_in_force="gtc",
                key=key,
                good_for_s=600,
            )
            self.names.setdefault(key, set()).add(order.client_order_id)
            return
        order = dice.choice(resting)
        if kind == "replace":
            desk.replace(order, limit_price=f"14{dice.randint(0, 9)}")
        elif kind == "cancel":
            self.canceled.add(desk.cancel(order).client_order_id)
        elif dice.random() < 0.2:
            ended = [x for x in desk.cancel_all() if x.broker_order_id is not None]
            self.canceled |= {x.client_order_id for x in ended}

    def ticker(self, number):
        dice = random.Random(f"{self.seed}/ticker/{number}")
        self.lease.tick(self.desks[number], dice, lambda: self.under_way[number] > 0)

    def run(self):
        bots = [partial(self.bot, number) for number in range(BOTS)]
        self.turns.run([*bots, *(partial(self.ticker, number) for number in range(TICKERS))])
        self.exchange.faults.clear()
        for _ in range(100):
            self.clock.advance(10)
            for desk in self.desks:
                desk.tick()

    def check(self):
        assert {len(x) for x in self.names.values()} == {1}, "one key, two orders"
        ids = [x.client_order_id for x in self.books.truth.orders()]
        assert len(ids) == len(set(ids)), "one client id, two orders"
        twice = {key: n for key, n in self.most.items() if isinstance(key, tuple) and n > 1}
        assert twice == {}, f"seed {self.seed}: two requests under way at once"
        book = self.desks[0].book
        assert [x for x in self.canceled if not book.order(x).is_final] == [], f"seed {self.seed}"
        assert [x for x in book.orders() if x.pending is not None] == [], f"seed {self.seed}"
        working = [x for x in self.books.truth.orders() if not x.is_final]
        alive = {x.id for x in working if x.status != m.OrderStatus.REPLACED}
        assert alive == {x.broker_order_id for x in book.orders(open=True)}, f"seed {self.seed}"


@pytest.mark.slow
@pytest.mark.parametrize("seeds", chunks(0, SEEDS, 5), ids=lambda x: f"{x[0]}-{x[-1]}")
def test_sixteen_threads_on_the_same_orders_send_nothing_twice(seeds):
    """One order a key, one request at a time on an id, and every cancel is carried out."""
    runs = [Orders(seed) for seed in seeds]
    for run in runs:
        run.run()
        run.check()
    assert sum(len(run.lease.holders) - 1 for run in runs) > 0, "the lease did not move"
