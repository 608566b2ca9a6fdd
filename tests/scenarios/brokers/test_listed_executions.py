"""A broker without a history, whose reply on an order lists its fills."""

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.broker import Broker
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench
from tests.scenarios.brokers.test_suites import mapped


class ListsFills(SimulatedBroker):
    lists = True
    capabilities = evolve(SimulatedBroker.capabilities, history=False, stream=False)
    executions, executions_of, listen = Broker.executions, Broker.executions_of, Broker.listen

    def order(self, broker_order_id):
        return mapped(super().order(broker_order_id), self.with_fills)

    def orders(self, query, page):
        return mapped(super().orders(query, page), self.with_fills)

    def with_fills(self, report):
        since = m.Timestamp("2026-01-01T00:00:00.000000000Z")
        rows = SimulatedBroker.executions_of(self, report.broker_order_id, since, None).value
        return evolve(report, executions=tuple(rows)) if self.lists else report


@pytest.mark.parametrize("lists", [True, False])
def test_each_fill_has_its_own_price(lists):
    """Without them a poll that finds two fills has one inferred fill, at the average price."""
    bench = Bench(broker=ListsFills)
    bench.broker.lists = lists
    order = bench.resting(qty=4)
    for qty, price in (("1", "149"), ("1", "148"), ("2", "147.50")):
        bench.exchange.fill(order.broker_order_id, qty, price)
    bench.pass_(60)
    fills = [(x.qty, str(x.price)) for x in bench.desk.book.fills()]
    assert len(fills) == (3 if lists else 1)
    assert not lists or fills == [(1, "149"), (1, "148"), (2, "147.50")]
    assert bench.desk.book.order(order).filled_qty == 4
    assert bench.is_true()
    bench.desk.sync()
    report = bench.desk.sync()
    assert (report.verdict, report.entries) == (m.Verdict.IN_SYNC, 0)
