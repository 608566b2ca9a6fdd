"""An OCO that is one order: a take profit, and a stop that becomes a limit order."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from tests.core.plans.situations import CAN, did, order, position, protection, quote, verdict

C = m.CoverState
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
