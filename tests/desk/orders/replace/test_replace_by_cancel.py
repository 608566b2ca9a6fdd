"""Replace by a cancel and a new order: the change is continued, abandoned or withdrawn."""

import pytest

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench
from tests.desk.orders.replace.replacing import TOTAL, S, living, planned, resting


@pytest.mark.parametrize(("broker", "ids"), [(SimulatedBroker, 2), (TOTAL, 1)])
def test_a_quantity_is_changed_natively_only_if_its_meaning_is_known(broker, ids):
    """Otherwise the order is canceled, and the rest is ordered anew."""
    bench = Bench(broker=broker)
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    now = bench.desk.replace(order, qty=15)
    assert len({now.client_order_id, order.client_order_id}) == ids
    [tip] = living(bench)
    assert (tip.qty - tip.filled_qty, tip.client_order_id) == (11, f"{order.client_order_id}.r1")
    bench.filled(now)
    bench.clock.advance(1)
    bench.pass_(90)
    assert bench.is_true()
    assert bench.desk.book.position("AAPL").qty == 15
    assert {x.pending for x in bench.desk.book.orders()} == {None}


def test_what_fills_while_it_is_canceled_is_not_ordered_again():
    bench = Bench()
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("asked-cancel", "cancel-fills")
    now = bench.desk.replace(order, qty=8)
    bench.pass_(60)
    assert (now.status, now.filled_qty) == (S.FILLED, 10)
    assert len(bench.ours()) == 1
    assert bench.desk.book.order(order).pending is None


def test_a_change_whose_cancel_hangs_is_abandoned_with_an_alert():
    bench = Bench()
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("asked-cancel", "cancel-never-ends")
    now = bench.desk.replace(order, qty=15)
    assert (now.client_order_id, now.pending) == (order.client_order_id, "replace")
    bench.pass_(400, every=20)
    assert bench.desk.book.order(order).pending is None
    assert m.AlertKind.GIVEN_UP in {x.alert.kind for x in bench.desk.events() if x.alert}


def test_a_plan_is_carried_on_by_the_next_process():
    bench = Bench(wait_s=0)
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.desk.replace(order, qty=15)
    bench.desk = bench.open()
    bench.pass_(90)
    [tip] = living(bench)
    assert (tip.qty, tip.client_order_id) == (11, f"{order.client_order_id}.r1")


def test_a_cancel_meanwhile_withdraws_the_change():
    bench = Bench()
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("cancel", "request-lost")
    bench.desk.replace(order, qty=15)
    bench.desk.cancel(order)
    bench.pass_(120)
    assert living(bench) == []


@pytest.mark.parametrize("how", ["cancel", "cancel_all"])
def test_a_cancel_between_the_end_and_the_new_order_withdraws_the_change(how):
    """The old order is final; no new order is placed."""
    bench = Bench(wait_s=0)
    order = planned(bench)
    bench.clock.advance(1)
    bench.desk.sync(order=order)  # its end is proven, and no tick has placed the new one
    now = bench.desk.book.order(order)
    assert (now.status, now.pending) == (S.CANCELED, "replace")
    ended = bench.desk.cancel_all() if how == "cancel_all" else [bench.desk.cancel(order)]
    assert [x.client_order_id for x in ended] == [order.client_order_id]
    bench.pass_(120)
    assert living(bench) == []
    assert bench.desk.book.order(order).pending is None
    assert bench.sent["submit"] == 1


@pytest.mark.parametrize("how", ["cancel", "cancel_all"])
def test_a_cancel_of_a_changed_order_ends_what_was_placed_in_its_stead(how):
    bench = Bench()
    order = planned(bench)
    bench.pass_(10)
    [tip] = living(bench)
    assert tip.client_order_id == f"{order.client_order_id}.r1"
    if how == "cancel_all":
        bench.desk.cancel_all(symbol="AAPL")
    else:
        assert bench.desk.cancel(order).client_order_id == tip.client_order_id
    assert living(bench) == []


def test_a_change_that_is_withdrawn_while_it_is_decided_on_places_nothing():
    """The cancel comes between the proof of the end and the transaction of the new order."""
    bench = Bench(wait_s=0)
    order = planned(bench)
    bench.clock.advance(1)
    bench.desk.sync(order=order)
    read_inputs = bench.desk._placement._approval.read_inputs

    def canceled_meanwhile(request, **kw):
        inputs = read_inputs(request, **kw)
        bench.desk.cancel(order)
        return inputs

    bench.desk._placement._approval.read_inputs = canceled_meanwhile
    bench.clock.advance(5)
    bench.desk.tick()
    assert bench.sent["submit"] == 1
    assert bench.desk.book.order(order).pending is None
    assert len(bench.desk.book.orders()) == 1


@pytest.mark.parametrize("resumes", [True, False])
def test_a_halt_defers_the_new_order_of_a_change_until_it_is_resumed(resumes):
    """The old order has ended: the new one is placed after `resume`, or expires with an alert."""
    bench = Bench(wait_s=0)
    order = planned(bench)
    bench.desk.halt("the model is wrong")
    bench.pass_(60)
    assert bench.desk.book.order(order).is_final
    assert living(bench) == []
    if resumes:
        bench.desk.resume()
        bench.pass_(30)
        assert [x.qty for x in living(bench)] == [11]
    else:
        bench.pass_(600)
        assert living(bench) == []
        kinds = [x.alert.kind for x in bench.desk.events() if x.alert]
        assert m.AlertKind.GIVEN_UP in kinds
    assert all(x.closed for x in bench.desk.book.record(order).instructions if x.change)
