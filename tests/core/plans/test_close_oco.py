"""A close of what one OCO covers: its take profit is moved to the market first."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.close import close_steps
from fillbook.core.plans.cover import ExitGroup

D = Decimal
OCO = ExitGroup(
    name="p",
    strategy="",
    leaves=D(10),
    stop=D(90),
    limit=D(120),
    stop_order="p/stop",
    limit_order="p",
)
CLOSE = m.PlaceOrder(
    m.OrderRequest(symbol="AAPL", side=m.OrderSide.SELL, qty=D(10), reduce_only=True), fills=True
)


def kinds(group, close=CLOSE, filled=None, others=()):
    steps = close_steps(close, D(10), D(0), [group, *others], {}, filled)
    return [(x.action.__class__.__name__, x.stage) for x in steps]


def test_its_take_profit_is_replaced_then_canceled_and_the_rest_is_sold():
    steps = close_steps(CLOSE, D(10), D(0), [OCO], {}, {"p": D(3), "p/stop": D(1)})
    replace, cancel, place = (x.action for x in steps)
    assert replace == m.ReplaceOrder(client_order_id="p", collar=D(2), beyond=D(90), within_s=10)
    assert cancel == m.CancelOrder("p")
    assert (place.after, place.filled_before) == (("p", "p/stop"), 4)
    assert [x.stage for x in steps] == [0, 1, 2]


@pytest.mark.parametrize(
    ("group", "filled"),
    [
        (OCO, None),
        (evolve(OCO, limit_order=None), {}),
        (evolve(OCO, stop_order=None), {}),
        (evolve(OCO, stop_order="p"), {}),
        (evolve(OCO, leaves=D(12)), {}),
        (evolve(OCO, is_moving=True), {}),
    ],
    ids=["no replace", "a stop", "a limit", "one order", "more than that", "it changes"],
)
def test_any_other_exit_is_canceled(group, filled):
    assert kinds(group, filled=filled) == [("CancelOrder", 0), ("PlaceOrder", 1)]


def test_of_two_exits_both_are_canceled():
    half, other = evolve(OCO, leaves=D(5)), evolve(OCO, name="q", leaves=D(5))
    assert kinds(half, filled={}, others=(other,)) == [
        ("CancelOrder", 0),
        ("CancelOrder", 0),
        ("PlaceOrder", 1),
    ]
