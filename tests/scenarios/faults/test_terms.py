"""A broker changes the terms of our order in place; the record accepts and reports the change."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S = m.OrderStatus


class Reprices(SimulatedBroker):
    """It reports our orders with other terms, as after a change in the broker's own application."""

    changed: dict = {}

    def _as_changed(self, report):
        return evolve(report, terms=evolve(report.terms, **self.changed))

    def orders(self, query, page):
        listed = super().orders(query, page)
        return evolve(listed, value=[self._as_changed(x) for x in listed.value])

    def order(self, broker_order_id):
        found = super().order(broker_order_id)
        return evolve(found, value=self._as_changed(found.value))


def test_a_changed_price_is_a_finding_and_is_reserved():
    """The check names it, the sync takes it over, and a second sync finds nothing (P8)."""
    bench = Bench(broker=Reprices)
    order = bench.resting(qty=10)
    bench.pass_(60)
    bench.broker.changed = {"limit_price": Decimal(160)}
    expected = m.OrderTermsDiffer("AAPL", order.client_order_id, "limit_price", "150", "160")
    assert expected in [x.drift for x in bench.desk.check().findings]
    bench.desk.sync()
    now = bench.desk.book.order(order)
    assert (now.limit_price, now.anomalies) == (160, ())
    assert [x.charge for x in bench.desk.book.reservations()] == [1_600]
    assert bench.desk.sync().entries == 0


def test_a_poll_follows_a_changed_quantity():
    """A smaller order reserves less, a larger one more; the leaves follow."""
    bench = Bench(broker=Reprices)
    order = bench.resting(qty=10)
    bench.pass_(60)
    for qty in (4, 30):
        bench.broker.changed = {"qty": Decimal(qty)}
        bench.pass_(60)
        now = bench.desk.book.order(order)
        assert (now.qty, now.leaves_qty) == (qty, qty)
        assert [x.charge for x in bench.desk.book.reservations()] == [qty * 150]


@pytest.mark.parametrize("ratio", ["2", "4"])
def test_a_split_restates_an_open_order(ratio):
    """A GTC order has more shares at a lower price after a split; it is still ours alone."""
    bench = Bench()
    order = bench.resting(qty=10, time_in_force="gtc")
    bench.pass_(60)
    bench.exchange.split("AAPL", ratio)
    bench.pass_(60)
    bench.desk.sync()
    now, (theirs,) = bench.desk.book.order(order), bench.ours()
    assert (now.qty, now.limit_price, now.status) == (theirs.qty, theirs.limit_price, S.NEW)
    assert now.anomalies == ()
