"""An order may have several live ids at the broker: each is asked to end, and each is exposure."""

from attrs import evolve

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S = m.OrderStatus


class Noting(SimulatedBroker):
    """A broker that notes the ids of its cancels; all ids of an order count towards one total."""

    capabilities = evolve(SimulatedBroker.capabilities, replace_cum=m.ReplaceCum.CARRIED)

    def __init__(self, exchange, books):
        super().__init__(exchange, books)
        self.canceled = []

    def cancel(self, broker_order_id):
        self.canceled.append(broker_order_id)
        return super().cancel(broker_order_id)


def twin(bench, order, **kw):
    """A second live id of *order*: the broker accepted its client order id twice."""
    other = bench.by_hand("AAPL", "buy", 10, limit_price="150")
    shown = bench.broker.order(other.id).value
    report(bench, order, shown, **kw)
    return other.id


def report(bench, order, shown, **kw):
    own = evolve(shown, client_order_id=order.client_order_id, **kw)
    bench.desk._recorder.record(m.Reported(own, m.ReportSource.STREAM))


def test_a_cancel_asks_every_live_id_to_end():
    bench = Bench(broker=Noting, wait_s=0)
    order = bench.resting()
    second = twin(bench, order)
    bench.desk.cancel(order)
    assert set(bench.broker.canceled) == {order.broker_order_id, second}
    bench.pass_(120)
    assert bench.desk.book.order(order).status is S.CANCELED
    assert {x.status for x in bench.truth.orders()} == {"canceled"}


def test_an_order_is_open_while_another_id_of_it_lives():
    """One has ended, the other has not."""
    bench = Bench(broker=Noting, wait_s=0)
    order = bench.resting()
    second = twin(bench, order, status=S.CANCELED, raw_status="canceled")
    found = bench.desk.book.order(order)
    assert not found.is_final
    assert found.leaves_qty == 10
    assert [x.client_order_id for x in bench.desk.book.reservations()] == [order.client_order_id]
    bench.desk.cancel(order)
    assert order.broker_order_id in bench.broker.canceled
    assert second not in bench.broker.canceled[:1]


def test_an_order_whose_ids_fill_its_quantity_together_is_open_while_both_live():
    """Each may fill further: the exposure is that of both."""
    bench = Bench(broker=Noting, wait_s=0)
    order = bench.resting()
    second = twin(bench, order)
    bench.exchange.fill(order.broker_order_id, 6, "150")
    bench.exchange.fill(second, 4, "150")
    record = bench.desk.book.record(order)
    for broker_order_id in record.ids:
        report(bench, order, bench.broker.order(broker_order_id).value)
    found = bench.desk.book.order(order)
    assert (found.filled_qty, found.is_final) == (10, False)
    assert found.leaves_qty > 0
