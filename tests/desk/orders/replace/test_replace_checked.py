"""The checks of a change before it is sent: that it is possible, its price and its cost."""

from decimal import Decimal

import pytest

from fillbook import errors
from tests.bench import Bench, unable
from tests.desk.orders.replace.replacing import resting


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, "has these values already"),
        ({"limit_price": "150"}, "has these values already"),
        ({"stop_price": "140"}, "has no stop_price"),
        ({"trail": "1"}, "has no trail"),
        ({"time_in_force": "gtd"}, "does not support"),
    ],
)
def test_what_cannot_be_changed_is_refused_before_anything_is_sent(change, why):
    bench = Bench()
    order = resting(bench)
    with pytest.raises(errors.Denied, match=why):
        bench.desk.replace(order, **change)
    assert bench.sent["replace"] == 0
    assert bench.desk.book.order(order) == order


def test_an_order_that_is_over_or_by_notional_is_refused():
    bench = Bench()
    done = bench.desk.buy("AAPL", qty=1)
    with pytest.raises(errors.Denied, match="submit a new order"):
        bench.desk.replace(done, qty=2)
    order = resting(bench)
    bench.filled(order, 4)
    bench.clock.advance(1)
    bench.desk.sync()
    with pytest.raises(errors.Denied, match="already filled"):
        bench.desk.replace(order, qty=4)
    bench.desk.cancel(order)
    with pytest.raises(errors.Denied, match="canceled"):
        bench.desk.replace(order, qty=12)


def test_the_quantity_of_an_order_with_exits_is_not_changed_and_its_price_is():
    bench = Bench()
    order = resting(bench, take_profit="170", stop_loss="140", time_in_force="gtc")
    with pytest.raises(errors.Denied, match="exits"):
        bench.desk.replace(order, qty=5)
    assert bench.desk.replace(order, limit_price="151").limit_price == 151


def test_a_broker_without_replace_or_find_gets_no_such_request():
    bench = Bench(broker=unable(replace=False))
    order = resting(bench)
    with pytest.raises(errors.Denied, match="does not replace"):
        bench.desk.replace(order, limit_price="151")
    assert bench.sent["replace"] == 0


def test_an_invalid_change_is_refused_by_validation():
    bench = Bench()
    order = resting(bench)
    with pytest.raises(errors.InvalidValue, match="qty must be above zero"):
        bench.desk.replace(order, qty=0)
    assert bench.desk.book.order(order).qty == Decimal(10)


def test_a_more_expensive_order_reserves_the_difference():
    """The additional cost of a replace is checked and reserved like that of an order (P7)."""
    bench = Bench(cash=2_000, multiplier=1)
    order = resting(bench)  # 10 at 150
    with pytest.raises(
        errors.Denied, match=r"needs up to 600\.00 USD, and 500\.00 USD is available"
    ):
        bench.desk.replace(order, qty=14)
    now = bench.desk.replace(order, qty=13)
    assert now.qty == 13
    assert bench.sent["replace"] == 1
    [kept] = bench.desk.book.reservations()
    assert kept.charge == 1950


def test_a_replaced_order_is_held_to_the_brokers_ticks():
    bench = Bench()
    order = resting(bench)
    with pytest.raises(errors.Denied) as refusal:
        bench.desk.replace(order, limit_price="150.123")
    assert refusal.value.reason.code == "price"
    assert bench.sent["replace"] == 0


def test_a_cheaper_order_needs_no_account():
    """A change that costs no more is sent while the buying power is unknown."""
    bench = Bench()
    order = resting(bench)
    bench.clock.advance(30)
    bench.fail("account", "unreachable", times=5)
    assert bench.desk.replace(order, limit_price="149").limit_price == 149
