"""OCO exits: of one order, and of two, where the close of what one covers moves its take profit."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.close import close_steps
from fillbook.core.plans.exits.cover import ExitGroup
from tests.core.plans.situations import CAN, did, order, position, protection, quote, verdict

C, D = m.CoverState, Decimal
ONE = evolve(CAN, oco_stop_collar=Decimal("0.05"))


def both(**kw):
    terms = {"limit_price": "120", "stop_price": "90", "type": "limit", "order_class": "oco"}
    return order("x1", **{**terms, **kw})


def judged(*orders, can=ONE, **kw):
    wanted = protection(stop_price=90, take_profit=120, applied=True)
    return verdict(wanted, orders=orders, capabilities=can, **kw)


def test_it_covers_both_and_the_state_names_the_limit():
    found = judged(both())
    assert (found.protection.cover, found.steps) == (C.COVERED, ())
    assert found.protection.why == "stop limited: beyond 85.5 it does not trade"


def test_of_a_short_position_the_limit_is_above():
    wanted = protection(stop_price=110, take_profit=80, applied=True)
    exit_ = both(side="buy", limit_price="80", stop_price="110")
    found = verdict(wanted, orders=[exit_], ours={"x1"}, held=position(s=-10), capabilities=ONE)
    assert found.protection.why == "stop limited: beyond 115.5 it does not trade"


def test_without_a_collar_its_stop_has_no_limit():
    found = judged(both(), can=CAN)
    assert (found.protection.cover, found.protection.why) == (C.COVERED, "")


def test_a_part_of_it_is_no_whole_cover():
    found = judged(both(qty=4))
    assert (found.protection.cover, did(found)) == (C.PARTLY, [(0, "oco", 6)])


def test_other_prices_replace_it():
    found = judged(both(stop_price="89"))
    assert did(found) == [(0, "cancel", "x1"), (1, "oco", 10)]


@pytest.mark.parametrize(
    ("bids", "steps"),
    [
        ((87, 86), []),
        ((86, 85), []),
        ((85, 85), [(0, "cancel", "x1"), (1, "market", 10)]),
        # The broker watches the take profit itself.
        ((121, 121), []),
    ],
)
def test_beyond_its_limit_the_part_is_closed(bids, steps):
    quotes = [quote(bid, seconds_ago=10 * (2 - i)) for i, bid in enumerate(bids)]
    assert did(judged(both(), quotes=quotes)) == steps


# -- a close of what one OCO covers --------------------------------------------------

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


def kinds(group, *others, can_replace=True):
    steps = close_steps(
        CLOSE, D(10), D(0), [group, *others], {}, is_taken=lambda _: True, can_replace=can_replace
    )
    return [(x.action.__class__.__name__, x.stage) for x in steps]


def test_its_take_profit_is_replaced_then_canceled_and_the_rest_is_sold():
    filled = {"p": {"p": D(3), "p/stop": D(1)}}
    steps = close_steps(
        CLOSE, D(10), D(0), [OCO], {}, filled, is_taken=lambda _: True, can_replace=True
    )
    replace, cancel, place = (x.action for x in steps)
    assert replace == m.ReplaceOrder(client_order_id="p", collar=D(2), beyond=D(90), within_s=10)
    assert cancel == m.CancelOrder("p")
    assert (place.after, place.filled_before) == (("p", "p/stop"), 4)
    assert [x.stage for x in steps] == [0, 1, 2]


@pytest.mark.parametrize(
    ("group", "can_replace"),
    [
        (OCO, False),
        (evolve(OCO, limit_order=None), True),
        (evolve(OCO, stop_order=None), True),
        (evolve(OCO, stop_order="p"), True),
        (evolve(OCO, leaves=D(12)), True),
        (evolve(OCO, is_moving=True), True),
    ],
    ids=["no replace", "a stop", "a limit", "one order", "more than that", "it changes"],
)
def test_any_other_exit_is_canceled(group, can_replace):
    assert kinds(group, can_replace=can_replace) == [("CancelOrder", 0), ("PlaceOrder", 1)]


def test_of_two_exits_both_are_canceled():
    half, other = evolve(OCO, leaves=D(5)), evolve(OCO, name="q", leaves=D(5))
    assert kinds(half, other) == [
        ("CancelOrder", 0),
        ("CancelOrder", 0),
        ("PlaceOrder", 1),
    ]
