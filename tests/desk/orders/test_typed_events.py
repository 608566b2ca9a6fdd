"""A typed event of the broker's SDK names an order; its fill is in the book on return."""

from types import SimpleNamespace

import pytest

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.core.rate_limit import Lane
from tests.bench import Bench

S = m.OrderStatus


class Typed(SimulatedBroker):
    """A broker whose SDK has typed events, which name the order only."""

    def read_event(self, raw):
        if not isinstance(raw, SimpleNamespace):
            return super().read_event(raw)
        return [
            m.OrderReport(
                broker_order_id=report.broker_order_id,
                client_order_id=report.client_order_id,
                terms=report.terms,
                status=report.status,
                raw_status=report.raw_status,
                filled_qty=m.ZERO,
            )
            for report in super().read_event(raw.event)
        ]


def typed_events(bench, *parts):
    """An order that fills in parts, and the events of it."""
    with bench.heard() as events:
        order = bench.resting()
        bench.clock.advance(1)
        bench.filled(order, *parts)
    return order, [SimpleNamespace(event=event) for event in events]


def test_a_fill_is_booked_when_its_typed_event_was_received():
    """Without a tick: the order is read at once; the same event again makes no entry."""
    bench = Bench(broker=Typed, wait_s=0)
    order, events = typed_events(bench, 10)
    assert bench.desk.receive(events[-1]) > 0
    assert bench.desk.book.order(order).status is S.FILLED
    assert bench.desk.book.position("AAPL").qty == 10
    assert bench.desk.receive(events[-1]) == 0


@pytest.mark.parametrize("problem", ["unreachable", "rate limit"])
def test_an_order_that_cannot_be_read_at_once_is_read_by_a_tick(problem):
    """The event is not lost: the read is due on the next tick."""
    bench = Bench(broker=Typed, wait_s=0)
    _, events = typed_events(bench, 10)
    if problem == "unreachable":
        bench.fail("order", problem)
    else:
        while bench.desk._gateway._pacer.take(Lane.SUBMIT, wait=False) is None:
            pass
    bench.desk.receive(events[-1])
    assert bench.desk.book.position("AAPL").qty == 0
    bench.pass_(90)
    assert bench.desk.book.position("AAPL").qty == 10


def test_the_read_of_a_typed_event_is_one_request():
    """An order that fills in 3 parts needs one read for each event of it."""
    bench = Bench(broker=Typed, wait_s=0)
    _, events = typed_events(bench, 3, 3, 4)
    before = bench.desk.requests
    for event in events:
        bench.desk.receive(event)
    assert bench.desk.requests - before <= len(events)
