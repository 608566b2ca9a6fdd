"""Fills, corrections, replaced orders and sales: the record holds what the broker's order holds."""

from decimal import Decimal

import fillbook as fb
from tests.bench import Bench
from tests.scenarios.regressions.scenarios import WithoutActivities, bring_in_sync, held, outcome_of

S = fb.OrderStatus
TEN = Decimal(10)


def corrected_twice(bench, *, lost):
    """Fill 10 of 20 and correct the price twice; correction number *lost* is not received."""
    with bench.heard() as events:
        order = bench.desk.buy("AAPL", qty=20, limit_price="150", time_in_force="gtc")
        bench.clock.advance(2)
        bench.filled(order, 10)
        for price in ("149.90", "149.80"):
            bench.clock.advance(2)
            newest = bench.truth.fills(order.broker_order_id)[-1]
            bench.exchange.correct(newest.exec_id, price=price)
    corrections = [x for x in events if x.name == "trade_correct"]
    events.remove(corrections[lost])
    for event in events:
        bench.desk.receive(event)
    bench.clock.advance(90)
    bench.desk.sync(order=order)
    return order


def test_a_correction_whose_predecessor_was_not_received_counts_once():
    """Of two corrections of one fill the first is lost: 10 are filled, and no more is held."""
    bench = Bench(wait_s=0)
    order = bench.desk.book.order(corrected_twice(bench, lost=0))
    assert (order.filled_qty, order.is_final) == (TEN, False)
    assert held(bench.desk) == {"AAPL": TEN}
    refused = outcome_of(bench.desk.sell, "AAPL", qty=20, limit_price="250")
    assert fb.Denied is type(refused)


def test_a_disputed_order_is_settled_once_every_source_agrees():
    """It is canceled in every reply of the broker, so it is final and reserves nothing."""
    bench = Bench(wait_s=0)
    order = corrected_twice(bench, lost=1)
    bench.desk.cancel(order)
    bench.clock.advance(120)
    bench.desk.sync()
    order = bench.desk.book.order(order)
    assert (order.status, order.is_final, order.filled_qty) == (S.CANCELED, True, TEN)
    assert bench.desk.book.reservations() == []


def test_one_streamed_fill_is_one_event():
    """The event of the stream has the total and the execution: together they are one fill."""
    bench = Bench()
    with bench.heard() as events:
        order = bench.resting()
        bench.clock.advance(1)
        bench.filled(order, 4)
    for event in events:
        bench.desk.receive(event)
    assert [x.kind for x in bench.desk.events() if x.fill is not None] == ["fill"]


def test_the_fill_of_a_replaced_order_is_booked_at_once():
    """All 10 are filled and held, and a second sale of them is denied by the record."""
    bench = Bench()
    order = bench.desk.wait(bench.desk.buy("AAPL", qty=10, limit_price="180"), 2)
    order = bench.desk.wait(bench.desk.replace(order, limit_price="187.50"), 10)
    assert (order.status, order.filled_qty) == (S.FILLED, TEN)
    assert held(bench.desk) == {"AAPL": TEN}
    bench.desk.sell("AAPL", qty=10, limit_price="250")
    refused = outcome_of(bench.desk.sell, "AAPL", qty=10, limit_price="251")
    assert fb.Denied is type(refused)


def test_a_sale_of_a_position_that_the_broker_does_not_hold_is_denied():
    """The evidence does not support closing it, so the sale would open a short."""
    bench = Bench(broker=WithoutActivities)
    bench.desk.buy("AAPL", qty=5)
    bench.clock.advance(120)
    bring_in_sync(bench.desk)
    bench.silently("AAPL", "-5", "187")
    bench.clock.advance(120)
    bench.desk.sync()
    refused = outcome_of(bench.desk.sell, "AAPL", qty=5)
    bench.pass_(5)
    assert (fb.Denied, {}) == (type(refused), bench.truth.positions())
