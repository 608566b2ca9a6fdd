"""
P2 and P3 on a toy: a broker that forgets client order ids, and lists all orders instead.

The toy has no desk and no network: only the decisions (`core.orders.unconfirmed`) and time.  More
schedules: `FILLBOOK_SCHEDULES=20000 pytest tests/core/orders/unconfirmed/test_toy_schedules.py`.
"""

import os
import random
from datetime import timedelta

import pytest

from fillbook import model as m
from fillbook.core.orders import unconfirmed as u
from tests.core.records import Records, intended, report

SCHEDULES = int(os.environ.get("FILLBOOK_SCHEDULES", "4000"))
CHUNK = 500
NAMELESS = m.Capabilities(order_types=frozenset(), times_in_force=frozenset())


def s(seconds):
    return timedelta(seconds=seconds)


class Toy:
    """One create, listed within `late_landing` or never; scans that fail; a process that dies."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.now = 0.0
        lands = self.dice.choice((None, 0, 30, 100, 149))
        self.lands = None if lands is None else self.dice.uniform(0, lands)
        self.sent = 0
        self.found = self.absent_at = None
        self.send()

    def send(self):
        self.sent += 1
        self.begin()

    def begin(self):
        """A process begins: it may have sent the create just now."""
        good_for = s(self.dice.choice((0, 30, 300, 3600)))
        at = s(self.now)
        self.inquiry = u.Inquiry(client_order_id="c1", sent_at=at, good_until=at + good_for)

    def scan(self):
        """List the orders, with a known one beside it that the list has to show."""
        begun = s(self.now)
        took = self.dice.choice((0.1, 3, 20))
        read_at = self.now + self.dice.uniform(0, took)
        self.now += took
        self.inquiry = u.with_query(self.inquiry, s(self.now))
        if self.dice.random() < 0.2:
            return  # a page was not read
        if self.lands is not None and self.lands <= read_at:
            self.found = True
        else:
            self.inquiry = u.with_not_found(self.inquiry, begun)

    def run(self):
        while self.found is None and self.absent_at is None and self.now < 20_000:
            if self.dice.random() < 0.05:
                self.now += self.dice.uniform(1, 300)
                self.begin()
            match u.next_step(self.inquiry, s(self.now), NAMELESS):
                case u.Query(at):
                    self.now = max(self.now, at.total_seconds())
                    self.scan()
                case u.Resend():
                    self.send()
                case u.Abandon():
                    self.absent_at = self.now
        return self


@pytest.mark.parametrize("first", range(0, SCHEDULES, CHUNK))
def test_no_schedule_doubles_a_create_or_loses_one(first):
    for seed in range(first, min(first + CHUNK, SCHEDULES)):
        toy = Toy(seed).run()
        assert toy.sent == 1, f"seed {seed}: sent {toy.sent} times"
        if toy.lands is None:
            assert toy.absent_at is not None, f"seed {seed}: never concluded"
            assert toy.absent_at >= 150
        else:
            assert toy.found, f"seed {seed}: lost, at {toy.lands} and {toy.absent_at}"


def test_a_list_has_to_show_every_known_order_of_ours():
    """External orders and orders without an id are not missed."""

    records = Records()
    records.take(intended("c1"))
    records.take(report(client_order_id="c1", broker_order_id="b1"))
    records.take(intended("c2"))
    records.take(report(client_order_id="theirs", broker_order_id="b9"))
    known = records.all(m.OrderRecord)
    listed = report(broker_order_id="b1").report
    assert u.shows_all([listed], known)
    assert not u.shows_all([], known)


def test_the_hint_of_a_reply_is_kept_with_its_request():

    records = Records()
    records.take(intended("c1"))
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    records.take(m.Answered("c1", 1, m.AnswerKind.ACCEPTED, hint="b1"))
    record = records.get(m.OrderRecord, "c1")
    assert (record.requests[0].hint, record.ids, record.order.status) == ("b1", (), "unproven")
