"""Partial fills: each part is recorded once, from every channel, with every end."""

import pytest

from fillbook import model as m
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench

S = m.OrderStatus


@pytest.mark.parametrize("channel", ["stream", "push", "poll", "sync", "by id"])
def test_pf_01_a_fill_from_any_channel_moves_order_and_position(channel):
    """One part of an order, reported in five forms."""
    bench = Bench()
    with bench.streamed() if channel == "stream" else bench.heard() as events:
        order = bench.resting()
        bench.filled(order, 4)
        bench.clock.advance(1)
        if channel == "stream":
            bench.desk._tracker.drain()
    if channel == "push":
        for event in events:
            bench.desk.receive(event)
    elif channel == "poll":
        bench.desk._tracker.poll()
    elif channel == "sync":
        bench.desk.sync()
    elif channel == "by id":
        bench.desk.sync(order=order)
    now = bench.desk.book.order(order)
    assert (now.status, now.filled_qty, now.leaves_qty) == (S.PARTIALLY_FILLED, 4, 6)
    assert bench.desk.book.position("AAPL").qty == 4
    assert bench.is_true()


def test_pf_02_what_filled_before_a_cancel_is_booked():
    """Partially filled, then canceled: the part remains."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order, 4)
    canceled = bench.desk.cancel(order)
    bench.desk.sync()
    assert (canceled.status, canceled.filled_qty) == (S.CANCELED, 4)
    assert bench.is_true()


@pytest.mark.parametrize(
    ("end", "status"), [("reject", S.CANCELED), ("expire", S.EXPIRED), ("cancel", S.CANCELED)]
)
def test_pf_05_an_end_keeps_the_fills_before_it(end, status):
    """With every final status, the order ends with its fills, and only once."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order, 4)
    if end == "cancel":
        bench.books.cancel(order.broker_order_id)
    else:
        getattr(bench.exchange, end)(order.broker_order_id)
    bench.clock.advance(1)
    bench.desk.sync()
    now = bench.desk.book.order(order)
    assert (now.status, now.filled_qty, now.is_final) == (status, 4, True)
    assert bench.desk.sync().entries == 0


def test_pf_08_the_total_position_decides_whether_a_sale_is_possible():
    """Three small fills make one position; it can be sold while its symbol is locked."""
    bench = Bench()
    for _ in range(3):
        bench.filled(bench.resting(qty=1))
        bench.clock.advance(1)
    bench.desk.sync()
    bench.fail("submit", "request-lost")
    bench.fail("find", "unreachable", times=9)
    bench.desk.buy("AAPL", qty=1)
    assert bench.desk.sell("AAPL", qty=3).status is S.FILLED


def test_pf_11_a_fill_belongs_to_its_order_s_strategy_after_a_restart():
    """The strategy is kept with the order, and inferred fills have the same key every time."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order, 4)
    bench.desk = bench.open()
    bench.filled(order, 6)
    bench.clock.advance(1)
    bench.desk._tracker.poll()
    inferred = [x.key for x in bench.desk.book.fills(order)]
    assert inferred == [f"{order.broker_order_id}/inferred"]
    assert dict(bench.desk.book.position("AAPL").by_strategy)["s"].qty == 10
    other = bench.open(MemoryStore())
    other.sync()
    bench.desk.sync()
    assert dict(bench.desk.book.position("AAPL").by_strategy)["s"].qty == 10
    assert other.book.position("AAPL").qty == 10


def test_pf_07_what_is_too_little_for_an_order_is_said_and_not_tried():
    """Below the least notional of a coin no exit can be placed: it is dust, without an alert."""
    bench = Bench(cash="100000")
    bench.exchange.quote("BTC/USD", "64000", "64010")
    bench.desk.buy("BTC/USD", qty="0.001", strategy="s")
    bench.pass_(30)
    bench.by_hand("BTC/USD", "sell", "0.0009")
    bench.pass_(60)
    bench.desk.protect("BTC/USD", strategy="s", stop_loss="3%")
    sent = bench.sent["submit"]
    for _ in range(10):
        bench.exchange.quote("BTC/USD", "64000", "64010")
        bench.pass_(30, every=10)
    (protection,) = bench.desk.protections()
    assert (protection.cover, protection.why) == (m.CoverState.COVERED, "too little for an order")
    assert bench.sent["submit"] == sent
    kinds = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.NAKED not in kinds
