"""Cancel: a fill wins, a final order stays final, and "not found" needs a second source."""

import pytest

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench, unable

S = m.OrderStatus


@pytest.mark.parametrize("fault", ["cr-01", "cr-02"])
def test_cr_01_and_cr_02_cannot_cancel_means_read_the_order(fault):
    """It has just filled: the fill wins, and a second call is no failure."""
    bench = Bench()
    order = bench.resting()
    bench.filled(order)
    bench.clock.advance(1)
    canceled = bench.desk.cancel(order)
    assert (canceled.status, canceled.filled_qty) == (S.FILLED, 10)
    if fault == "cr-02":
        assert bench.desk.cancel(order) == bench.desk.book.order(order)
        assert bench.sent["cancel"] == 1


def test_cr_08_pending_cancel_is_live():
    """It may still fill, for any duration."""
    bench = Bench()
    order = bench.resting()
    bench.fail("asked-cancel", "cancel-never-ends")
    pending = bench.desk.cancel(order)
    bench.pass_(600, every=30)
    assert (pending.status, pending.is_final) == (S.PENDING_CANCEL, False)
    bench.filled(order)
    bench.pass_(30)
    assert bench.desk.book.order(order).status is S.FILLED


def test_cr_14_a_fill_after_the_cancel_is_booked():
    """Filled and canceled at once: the fill counts, and the order has an anomaly."""
    bench = Bench()
    order = bench.resting()
    bench.desk.cancel(order)
    bench.filled(order, 4)
    bench.clock.advance(20)
    bench.desk.sync()
    now = bench.desk.book.order(order)
    assert (now.status, now.filled_qty) == (S.CANCELED, 4)
    assert bench.is_true()


class Denies(SimulatedBroker):
    """A broker that does not find its own orders, while a switch is set."""

    denies = False

    def order(self, broker_order_id):
        return m.Absent() if self.denies else super().order(broker_order_id)

    def cancel(self, broker_order_id):
        if self.denies:
            return m.Rejected(m.RejectKind.NOT_FOUND, "order not found")
        return super().cancel(broker_order_id)


def test_cr_16_a_cancel_that_is_not_found_keeps_the_order():
    """
    The broker does not find an order that it reported: it stays live with an anomaly, and is
    queried.
    """
    bench = Bench(broker=Denies)
    order = bench.resting()
    bench.broker.denies = True
    now = bench.desk.cancel(order)
    assert not now.is_final
    assert {x.oddity for x in now.anomalies} == {m.Oddity.NOT_FOUND_AFTER_SEEN}
    bench.broker.denies = False
    assert bench.desk.cancel(order).status is S.CANCELED


def test_all_are_canceled_though_one_request_is_lost():
    """
    One fills, one request is lost: each order has its own request, and the lost one is repeated.
    """
    bench = Bench()
    filled, stuck, plain = (bench.resting(qty=n) for n in (1, 2, 3))
    other = bench.resting("MSFT", qty=1)
    bench.fail("asked-cancel", "cancel-fills")
    bench.fail("cancel", "request-lost")
    told = {o.client_order_id: o for o in bench.desk.cancel_all(symbol="aapl", strategy="s")}
    assert len(told) == 3
    assert sorted(str(o.status) for o in told.values()) in (
        ["canceled", "canceled", "filled"],
        ["canceled", "canceled", "canceled"],
    )
    assert not bench.desk.book.order(other).is_final
    bench.pass_(90)
    assert {o.is_final for o in map(bench.desk.book.order, (filled, stuck, plain))} == {True}


def test_cr_17_a_cancel_of_what_never_arrived_resolves_it():
    """The order exists only here: it is not sent again, and is ABSENT after the window."""
    bench = Bench()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    assert order.status is S.UNPROVEN
    bench.desk.cancel(order)
    bench.pass_(200)
    assert bench.desk.book.order(order).status is S.ABSENT
    assert (bench.sent["submit"], bench.sent["cancel"]) == (1, 0)


@pytest.mark.parametrize("how", ["cancel", "cancel_all"])
def test_a_fresh_process_that_cannot_read_the_account_keeps_the_cancel(how):
    """The instruction is durable whatever cannot be read, and carried out when it can."""
    bench = Bench(wait_s=0)
    order = bench.resting()
    bench.outage()
    desk = bench.open()
    if how == "cancel":
        assert desk.cancel(order).pending == m.Command.CANCEL
    else:
        assert [x.pending for x in desk.cancel_all()] == [m.Command.CANCEL]
    assert not bench.truth.order(order.broker_order_id).is_final
    bench.over()
    for _ in range(20):
        bench.clock.advance(5)
        desk.tick()
    assert desk.book.order(order).status is S.CANCELED


class Refuses(unable(rate_limit=60)):
    """It refuses the cancels of one symbol, and has few requests a minute."""

    def cancel(self, broker_order_id):
        if self.books.truth.get(broker_order_id).symbol == "AAPL":
            return m.Rejected(m.RejectKind.NOT_NOW, "not now", "422")
        return super().cancel(broker_order_id)


def test_orders_that_refuse_their_cancel_keep_no_other_from_its_first():
    """Their repeats and reads use up the rate limit only when each order was asked to end."""
    bench = Bench(broker=Refuses, wait_s=90)
    for symbol, price in (("AAPL", "150"), ("MSFT", "300")):
        for number in range(40):
            bench.by_hand(symbol, "buy", 1, limit_price=str(int(price) - number % 9))
    bench.clock.advance(120)
    bench.desk.cancel_all()
    left = {x.symbol for x in bench.truth.orders() if not x.is_final}
    assert left == {"AAPL"}


def test_cr_30_an_accepted_cancel_has_not_ended_the_order():
    """The order stays open for hours: pending, alerted once, and sent again."""
    bench = Bench()
    order = bench.resting()
    bench.fail("asked-cancel", "cancel-rejected", times=3)
    assert not bench.desk.cancel(order).is_final
    sent = bench.sent["cancel"]
    bench.pass_(3600, every=30)
    assert bench.sent["cancel"] > sent
    assert bench.desk.book.order(order).status is S.CANCELED


def test_cr_31_what_ends_the_exits_ends_the_legs():
    """They are orders with ids of their own, and the entry has filled."""
    bench = Bench()
    exits = {"take_profit": "210", "stop_loss": "150", "time_in_force": "gtc"}
    bench.desk.buy("AAPL", qty=10, limit_price="187.10", **exits)
    bench.pass_(30)
    assert bench.desk.cancel_all() == []
    bench.desk.cancel_all(exits=True)
    bench.pass_(30)
    assert [x for x in bench.truth.orders() if not x.is_final] == []
    assert bench.desk.book.orders(open=True) == []
