"""Protective orders: those that `cancel_all` and `fillbook halt` keep, because they only reduce."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.orders import protective
from fillbook.core.orders.protective import Resting
from tests.core.records import Records, intended, report, terms

OPENED = {"AAPL": Decimal(10)}
SHORT = {"AAPL": Decimal(-10)}


def resting(name="stop", qty=10, side="sell", kind="stop", **kw):
    given = {
        "id": name,
        "group": name,
        "symbol": "AAPL",
        "side": m.OrderSide(side),
        "type": m.OrderType(kind),
        "order_class": m.OrderClass.SIMPLE,
        "is_leg": False,
        "leaves": None if qty is None else Decimal(qty),
    }
    return Resting(**given | kw)


@pytest.mark.parametrize("kind", ["stop", "stop_limit", "trailing_stop"])
def test_a_stop_within_the_position_is_protective(kind):
    assert protective.protective_ids([resting(kind=kind)], OPENED) == {"stop"}
    assert protective.protective_ids([resting(kind=kind, side="buy")], SHORT) == {"stop"}


@pytest.mark.parametrize(
    ("order", "held"),
    [
        (resting(), {}),  # nothing is held
        (resting(), SHORT),  # it would add to the position
        (resting(side="buy"), OPENED),
        (resting(), {"MSFT": Decimal(10)}),
        (resting(qty=11), OPENED),  # its last share would open a short position
        (resting(qty=0), OPENED),
        (resting(qty=None), OPENED),  # by notional: its quantity is unknown
        (resting(kind="limit"), OPENED),  # a sale, and no exit
        (resting(kind="market"), OPENED),
    ],
)
def test_any_other_order_is_not(order, held):
    assert protective.protective_ids([order], held) == frozenset()


@pytest.mark.parametrize("exit_", [{"is_leg": True}, {"order_class": m.OrderClass.OCO}])
def test_the_limit_exit_of_a_pair_is_protective_and_the_pair_is_counted_once(exit_):
    pair = [
        resting("take", kind="limit", group="pair", **exit_),
        resting("stop", group="pair", **exit_),
    ]
    assert protective.protective_ids(pair, OPENED) == {"take", "stop"}


def test_an_exit_of_what_is_not_held_is_not_protective_though_its_group_is_counted():
    pair = [
        resting("mine", group="pair", is_leg=True),
        resting("other", group="pair", is_leg=True, symbol="MSFT"),
    ]
    assert protective.protective_ids(pair, OPENED) == {"mine"}


def test_the_larger_exit_of_a_pair_counts():
    pair = [
        resting("take", 12, kind="limit", group="pair", is_leg=True),
        resting("stop", 4, group="pair", is_leg=True),
        resting("other", 6),
    ]
    assert protective.protective_ids(pair, OPENED) == {"stop", "other"}


def test_stops_are_kept_before_limits_up_to_the_position():
    """In every order of the list."""
    orders = [resting("a", 6, kind="limit", is_leg=True), resting("b", 6), resting("c", 4)]
    assert protective.protective_ids(orders, OPENED) == {"b", "c"}
    assert protective.protective_ids(reversed(orders), OPENED) == {"b", "c"}


def test_what_is_no_exit_ends_no_search():
    """An order that does not count hides none of those after it."""
    orders = [
        resting("a", symbol="MSFT"),  # of what is not held
        resting("b", 11),  # more than is held
        resting("c", 4),
        resting("d", 6, kind="limit", is_leg=True),
        resting("e", 6, kind="limit"),
    ]
    assert protective.protective_ids(orders, OPENED) == {"c", "d"}


def test_of_several_pairs_each_is_counted_by_itself():
    pairs = [
        resting(f"{name}{group}", qty, group=group, kind=kind, is_leg=True)
        for group, qty in (("1", 6), ("2", 4), ("3", 1))
        for name, kind in (("stop", "stop"), ("take", "limit"))
    ]
    assert protective.protective_ids(pairs, OPENED) == {"stop1", "take1", "stop2", "take2"}


def test_an_order_of_the_record():
    records = Records()
    records.take(intended(type="stop", stop_price=90, side="sell", time_in_force="gtc"))
    records.take(m.Commanded("c1", m.Command.SEND, 1))
    records.take(report("partially_filled", 40, 89, terms=terms(side="sell")))
    order = protective.of_order(records.order())
    assert (order.id, order.group, order.is_leg) == ("c1", "c1", False)
    assert (order.symbol, order.side, order.leaves) == ("AAPL", m.OrderSide.SELL, 60)
    kind = (order.name, order.type, order.order_class)
    assert kind == ("c1", m.OrderType.STOP, m.OrderClass.SIMPLE)
    assert protective.of_order(records.order(), "USD/AAPL").holding == "USD/AAPL"


def test_an_order_of_the_broker_and_its_leg():
    told = report("partially_filled", 40, 89, terms=terms(side="sell")).report
    alone, leg = protective.of_report(told, None), protective.of_report(told, "b0")
    assert (alone.id, alone.group, alone.is_leg, alone.leaves) == ("b1", "b1", False, 60)
    assert (leg.id, leg.group, leg.is_leg, leg.leaves) == ("b1", "b0", True, 60)
    kind = (alone.name, alone.symbol, alone.side, alone.type, alone.order_class)
    assert kind == ("c1", "AAPL", m.OrderSide.SELL, m.OrderType.MARKET, m.OrderClass.SIMPLE)
    assert protective.of_report(told, None, "USD/AAPL").holding == "USD/AAPL"
    over = report("filled", 101, 89).report
    assert protective.of_report(over, None).leaves == 0
    by_notional = report("new", terms=terms(qty=None, notional=Decimal(100))).report
    assert protective.of_report(by_notional, None).leaves is None
