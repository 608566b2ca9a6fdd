"""Replace: an order has several ids, and the newest live one decides its status."""

import pytest
from attrs import evolve

from fillbook import errors
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S = m.OrderStatus


def replaced(bench, **change):
    """An order, its first broker id, and the order after its replace."""
    order = bench.resting()
    bench.clock.advance(1)
    now = bench.desk.replace(order, **(change or {"limit_price": "151"}))
    return order.broker_order_id, now


@pytest.mark.parametrize("fault", ["cr-04", "cr-05"])
def test_cr_04_and_cr_05_the_end_of_a_superseded_id_ends_nothing(fault):
    """A snapshot or an event reports the old id as canceled: its successor is live."""
    bench = Bench()
    old, order = replaced(bench)
    seen = bench.broker.order(old).value
    late = m.timestamp(m.moment(seen.clock) + m.moment(seen.clock).resolution)
    canceled = evolve(seen, status=S.CANCELED, raw_status="canceled", clock=late)
    if fault == "cr-05":
        canceled = evolve(canceled, replaced_by=None)
    bench.desk._tracker.receive([canceled])
    bench.desk.tick()
    now = bench.desk.book.order(order)
    assert (now.status, now.is_final, now.leaves_qty) == (S.NEW, False, 10)
    bench.pass_(60)
    assert [x.client_order_id for x in bench.ours() if not x.is_final] == [
        f"{order.client_order_id}.r1"
    ]


def test_cr_07_a_report_of_any_id_of_an_order_belongs_to_the_order():
    """The bot has the old id; fills, reads and a cancel find the new one."""
    bench = Bench()
    old, order = replaced(bench)
    assert bench.desk.book.order(old).broker_order_id == order.broker_order_id != old
    bench.filled(order, 3)
    bench.clock.advance(1)
    bench.desk.sync(order=old)
    assert bench.desk.book.order(old).filled_qty == 3
    assert bench.desk.cancel(old).status is S.CANCELED
    assert [x.status for x in bench.ours()] == ["replaced", "canceled"]


def test_cr_10_what_replaces_an_order_is_placed_only_once_its_end_is_proven():
    """The cancel is ignored: nothing else is sent, after any number of calls."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("asked-cancel", "cancel-never-ends")
    bench.desk.replace(order, qty=20)
    bench.pass_(30)
    with pytest.raises(errors.Denied, match="canceled"):
        bench.desk.replace(order, qty=21)
    assert len(bench.ours()) == 1


def test_cr_11_what_fills_meanwhile_is_taken_off_what_is_ordered_anew():
    """The rest is counted after the end of the old order, not at the call of the bot."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.filled(order, 3)  # no read has shown that yet
    new = bench.desk.replace(order, qty=12)
    assert (new.qty, bench.desk.book.order(order).filled_qty) == (5, 7)
    bench.clock.advance(1)
    bench.filled(new)
    bench.clock.advance(1)
    bench.pass_(90)
    assert bench.desk.book.position("AAPL").qty == 12
    assert bench.is_true()


def test_pf_04_a_replacement_for_the_full_quantity_again_is_an_overfill_that_is_recorded():
    """Four had filled; the broker ordered all ten anew: fourteen are held, with an anomaly."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("asked-replace", "qty-remaining")
    now = bench.desk.replace(order, limit_price="151")
    assert now.leaves_qty >= 10  # the larger of what it may mean
    bench.filled(now)
    bench.clock.advance(1)
    bench.pass_(90)
    now = bench.desk.book.order(order)
    assert (now.filled_qty, now.is_final) == (14, True)
    assert [(x.oddity, x.detail) for x in now.anomalies] == [(m.Oddity.OVERFILL, "14 of 10")]
    assert bench.is_true()


class Holds(SimulatedBroker):
    """A broker that counts an order's own units as held by another."""

    def replace(self, broker_order_id, change):
        return m.Rejected(m.RejectKind.QTY_HELD, "insufficient qty available for order")


def test_cr_13_a_replace_that_is_refused_for_no_reason_leaves_the_order_as_it_was():
    """The bot gets the reason, and may cancel and order anew; nothing is left open."""
    bench = Bench(broker=Holds)
    order = bench.resting()
    bench.clock.advance(1)
    with pytest.raises(errors.OrderRejected, match="insufficient qty") as refused:
        bench.desk.replace(order, limit_price="151")
    now = refused.value.order
    assert (now.pending, now.limit_price, now.is_final) == (None, 150, False)
    assert bench.desk.cancel(order).status is S.CANCELED


@pytest.mark.parametrize("lowers", [False, True])
@pytest.mark.parametrize("stage", ["busted first", "filled first"])
def test_a_bust_of_a_replaced_id_is_not_counted_again_in_its_successors_total(stage, lowers):
    """The successor's total includes the busted fill: what the bot has is the successor's own."""
    bench = Bench()
    order = bench.resting()
    with bench.streamed():
        bench.filled(order, 7)
        fill = bench.truth.fills()[-1]
        bench.clock.advance(1)
        order = bench.desk.replace(order, limit_price="151")
        if lowers:
            bench.fail("taken-back", "cum-lowered")
        bench.fail("executions", "unreachable", times=50)  # no history can be read
        acts = [lambda: bench.exchange.bust(fill.exec_id), lambda: bench.filled(order, 2)]
        for act in acts if stage == "busted first" else acts[::-1]:
            act()
            bench.pass_(5, every=1)
    assert bench.desk.book.position("AAPL").qty == 2
    bench.over()
    bench.desk.sync()
    assert bench.is_true()
    assert bench.desk.book.order(order).is_complete


@pytest.mark.parametrize("asked", ["cancel", "replace"])
def test_an_order_that_filled_while_a_request_was_pending_shows_its_end(asked):
    """The last report before the fill said pending, and the stream was down."""
    bench = Bench(wait_s=0)
    order = bench.resting()
    bench.clock.advance(1)
    bench.fail(f"asked-{asked}", f"{asked}-fills")
    if asked == "cancel":
        bench.books.cancel(order.broker_order_id)
    else:
        bench.desk.replace(order, limit_price="151")
    bench.desk.sync(order=order)
    bench.fail("order", "unreachable", times=3)
    bench.pass_(400, every=20)
    assert bench.truth.order(order.broker_order_id).status == "filled"
    order = bench.desk.book.order(order)
    assert (order.status, order.pending, order.is_final) == (S.FILLED, None, True)


@pytest.mark.parametrize("fault", ["reply-lost", None])
def test_a_replacement_that_is_reported_without_a_clock_reserves_what_it_may_cost(fault):
    """P7: the id exists, so it may fill, although no report of it has a version."""
    bench = Bench(wait_s=0)
    order = bench.desk.buy("AAPL", qty=5, limit_price="150")
    bench.pass_(5)
    bench.exchange.faults.switch_on("updated-at-null")
    if fault is not None:
        bench.fail("replace", fault)
    bench.desk.replace(order, qty=10, limit_price="151")
    bench.pass_(5)
    (reserved,) = bench.desk.book.reservations()
    assert reserved.charge >= 10 * 151
