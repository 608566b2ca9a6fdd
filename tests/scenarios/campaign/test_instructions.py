"""
Days on which cancels and replaces get every kind of reply: no instruction is lost.

After every event an order that the bot canceled is final, or its cancel is pending. Once the broker
is reachable and a minute's budget has passed, each instruction is done, closed with a reason, or
pending with an alert.
"""

import logging
import os
from collections import Counter
from contextlib import contextmanager, suppress

import pytest

import fillbook as fb
from fillbook import errors
from fillbook import model as m
from fillbook.core.rate_limit import Lane
from fillbook.stores.memory import MemoryStore
from fillbook.venue.exchange import Faults
from tests.scenarios.campaign.days import Day, chunks

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "8")) // 2
FIRST = int(os.environ.get("FILLBOOK_FIRST_SEED", "0"))
RATE = 0.25
#: What cancels and replaces meet, and the reads by which they are followed.
READS = ("unreachable", "rate-limited", "request-lost", "server-error")
WRITES = (*READS, "reply-lost", "html")
LATER = {
    "asked-cancel": ("cancel-rejected", "cancel-fills"),
    "asked-replace": ("replace-denied", "replace-fills"),
}


@pytest.fixture(autouse=True)
def _silence_log(caplog):
    caplog.set_level(logging.CRITICAL + 1)


#: Why a cancel and a replace are not sent, by the message of the answer; each has to happen.
NOT_SENT = ("unreachable", "rate-limited", "another desk on this store may be sending it")


class Stopping(MemoryStore):
    """A store whose process may be stopped after it has claimed a cancel or a replace."""

    stopped = None

    @contextmanager
    def write(self):
        with super().write() as writer:
            yield writer
        claimed = isinstance(self._journal[-1].entry, m.Commanded) if self._journal else False
        if claimed and self.stopped is not None:
            stopped, self.stopped = self.stopped, None
            stopped()


class Instructed(Day):
    """A day of resting orders, changed and canceled, with faults, kills and two desks."""

    def __init__(self, seed):
        super().__init__(seed, store=Stopping(), plan=Faults([], seed=seed))
        self.store = self.desk._recorder.store
        self.other = self.opened()
        self.canceled = set()

    def opened(self):
        return fb.open(self.broker, self.store, clock=self.clock, wait_s=self.dice.choice((0, 2)))

    def run(self, steps=40):
        self.desk.sync()
        for _ in range(steps):
            self.break_something()
            with suppress(errors.FillbookError, ValueError):  # a fill may come too late
                self.act()
            self.check()
            self.clock.advance(self.dice.choice((0.2, 1, 7, 25)))
            self.tick()
            self.check()
        self.exchange.faults.clear()
        for _ in range(80):  # an accepted cancel of an order that works on is repeated when stuck
            self.clock.advance(10)
            self.desk.tick()
            self.check()

    def tick(self):
        """Tick one of the desks, so that the lease moves; a process may be killed or stopped."""
        if self.dice.random() < 0.05:
            self.desk = self.opened()
        first, second = self.dice.sample((self.desk, self.other), 2)
        if self.dice.random() < 0.5:
            self.store.stopped = lambda: self.stopped(second)
        first.tick()
        self.store.stopped = None

    def stopped(self, other):
        """One process is stopped before its request leaves; the other takes its lease meanwhile."""
        for _ in range(6):
            self.clock.advance(10)
            other.tick()

    def break_something(self):
        if self.dice.random() < 0.05:  # the budget of this minute is used up
            while self.desk._gateway._pacer.take(Lane.EXIT, wait=False) is None:
                pass
        if self.dice.random() < RATE:
            request = self.dice.choice(("cancel", "replace", "order", "find", "orders"))
            faults = WRITES if request in ("cancel", "replace") else READS
            self.exchange.faults.fail(request, self.dice.choice(faults))
        if self.dice.random() < RATE:
            point = self.dice.choice(list(LATER))
            self.exchange.faults.fail(point, self.dice.choice(LATER[point]))

    def act(self):
        desk = self.dice.choice((self.desk, self.other))
        resting = [x for x in desk.book.orders(open=True) if x.broker_order_id is not None]
        kind = self.dice.choice(("place", "place", "cancel", "replace", "replace", "fill", "all"))
        if kind in ("cancel", "replace") and self.dice.random() < RATE:
            self.exchange.faults.fail(kind, self.dice.choice(NOT_SENT[:2]), times=2)
        if kind == "place" or not resting:
            desk.buy("AAPL", qty=self.dice.randint(2, 9), limit_price="100", time_in_force="gtc")
            return
        order = self.dice.choice(resting)
        if kind == "cancel":
            desk.cancel(order)  # where the account cannot be read it raises, and is not instructed
            self.canceled.add(order.client_order_id)
        elif kind == "all" and self.dice.random() < 0.3:
            working = {x.client_order_id for x in desk.book.orders(open=True)}
            desk.cancel_all()
            self.canceled |= working
        elif kind == "replace":
            change = {"limit_price": f"1{self.dice.randint(0, 9)}1"}
            if self.dice.random() < 0.4:
                change = {"qty": self.dice.randint(5, 20)}
            desk.replace(order, **change)
        elif kind == "fill" and order.leaves_qty:
            self.exchange.fill(order.broker_order_id, 1, order.limit_price)

    def answers(self):
        """The answers to cancels and replaces that were not sent: command and message."""
        for order in self.desk.book.orders():
            for request in self.desk.book.requests(order):
                if request.answer is m.AnswerKind.NOT_SENT:
                    yield request.command.value, str(request.message)

    def check(self):
        """Assert that each canceled order is final, or its cancel is pending."""
        for name in self.canceled:
            order = self.desk.book.order(name)
            assert order.is_final or order.pending == "cancel", f"seed {self.seed}: {order}"


@pytest.mark.parametrize("seeds", chunks(FIRST, SEEDS, 20), ids=lambda x: f"{x[0]}-{x[-1]}")
def test_no_instruction_is_forgotten(seeds):
    met = Counter()
    for seed in seeds:
        day = Instructed(seed)
        day.run()
        met.update(day.answers())
        told = {x.alert.about for x in day.desk.events() if x.alert}
        ids = [x.client_order_id for x in day.books.truth.orders()]
        assert len(ids) == len(set(ids)), f"seed {seed}: one intent, two orders"
        for order in day.desk.book.orders():
            name = order.client_order_id
            if order.pending is not None:
                assert name in told, f"seed {seed}: {name} is pending and nothing was alerted"
            for x in day.desk.book.record(order).instructions:
                done = x.closed is not None or order.is_final or order.pending is not None
                assert done or x.change is not None, f"seed {seed}: {x}"
        alive = [
            x
            for x in day.books.truth.orders()
            if not x.is_final and x.status != m.OrderStatus.REPLACED
        ]
        wanted = {i for n in day.canceled for i in day.desk.book.record(n).ids}
        assert [x.id for x in alive if x.id in wanted] == [], f"seed {seed}"
    for command in ("cancel", "replace"):
        assert {why: met[command, why] for why in NOT_SENT if not met[command, why]} == {}
