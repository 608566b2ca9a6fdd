"""The exits of the parts of a position, beside entries, and at watched prices."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.exits import comparison
from tests.core.plans.situations import (
    COIN,
    NOON,
    did,
    order,
    position,
    protection,
    quote,
    situation,
    stop,
    verdict,
)

C = m.CoverState
D = Decimal


# -- parts -----------------------------------------------------------------------------


def test_parts_of_the_other_sign_are_covered_by_the_rest():
    """Long 10 and short 4 are a net of 6: the nearest stop has it."""
    held = position(far=10, near=10, short=-14)
    found = comparison.compare(
        situation(
            protection("far", stop_price=80),
            protection("near", stop_price=90),
            protection("short", stop_price=130),
            held=held,
        )
    )
    far, near, short = found
    assert did(near) == [(0, "stop", 6)]
    assert (far.protection.cover, short.protection.cover) == (C.COVERED, C.COVERED)
    assert "offset" in far.protection.why


def test_an_exit_by_hand_covers_the_part_that_lacks_it():
    hand = stop("hand", strategy=None, origin=m.Origin.EXTERNAL)
    found = verdict(orders=[hand], ours=())
    assert found.protection.cover is C.COVERED
    both = comparison.compare(
        situation(
            protection("a", stop_price=90),
            protection("b", stop_price=80),
            held=position(a=10, b=10),
            orders=[hand, stop("x", strategy="a")],
            ours={"x"},
        )
    )
    assert [x.protection.cover for x in both] == [C.COVERED, C.COVERED]


def test_an_exit_by_hand_that_nobody_needs_is_nobodys():
    hand = stop("hand", strategy=None)
    found = verdict(orders=[hand, stop("x")], ours={"x"})
    assert found.protection.cover is C.COVERED


def test_an_exit_by_hand_that_nobody_needs_is_of_the_part_without_a_strategy():
    hand = stop("hand", strategy=None)
    found = comparison.compare(
        situation(
            protection("", stop_price=90),
            protection("a", stop_price=90),
            held=position(none=4, a=10),
            orders=[hand, stop("x", strategy="a")],
            ours={"x"},
        )
    )
    assert [x.protection.cover for x in found] == [C.EXCESS, C.COVERED]


def test_the_exit_of_a_protection_covers_no_other_part():
    """The part without a strategy has its own exit; the part without a protection has none."""
    own = stop("x", strategy=None)
    found = verdict(protection("", stop_price=90), held=position(none=10, a=5), orders=[own])
    assert (found.protection.cover, found.steps) == (C.COVERED, ())


def test_exits_of_a_part_that_is_not_held_any_more_are_canceled():
    flat = verdict(held=position(), orders=[stop()])
    assert did(flat) == [(0, "cancel", "x1")]
    assert flat.protection.cover is C.EXCESS
    assert verdict(held=position(), orders=[stop(pending="cancel")]).steps == ()
    assert verdict(held=position()).ended
    assert verdict(held=position(), orders=[stop()], ours=()).ended


def test_a_pending_protection_waits():
    found = verdict(protection(stop_price=90, pending=True), held=position())
    assert found.protection.cover is C.PENDING
    found = verdict(protection(stop_price=90, pending=True))
    assert not found.protection.pending
    assert did(found) == [(0, "stop", 10)]


def test_a_suspended_protection_does_nothing():
    found = verdict(protection(stop_price=90, suspended="the bot canceled it"))
    assert (found.protection.cover, found.steps) == (C.SUSPENDED, ())


def test_nothing_is_decided_while_something_is_not_confirmed():
    found = verdict(unconfirmed="order x is disputed")
    assert (found.protection.cover, found.steps) == (C.UNKNOWN, ())
    assert found.protection.why == "order x is disputed"


def test_pending_fees_are_not_covered():
    found = verdict(
        instrument=COIN, session=None, held=position(s=1, fee_due="0.1"), quotes=[quote(100)]
    )
    assert found.steps[0].action.request.qty == D("0.9")


def test_too_little_for_an_order_is_no_lack():
    found = verdict(instrument=COIN, session=None, held=position(s="0.05"), quotes=[quote(100)])
    assert (found.protection.cover, found.steps) == (C.COVERED, ())
    short = order(qty="0.95", stop_price=90, limit_price="88.2", type="stop_limit")
    found = verdict(
        instrument=COIN, session=None, held=position(s=1), orders=[short], quotes=[quote(100)]
    )
    assert (found.protection.cover, found.steps) == (C.COVERED, ())
    least = evolve(COIN, min_notional=None, min_qty=D("0.1"))
    found = verdict(instrument=least, session=None, held=position(s="0.05"))
    assert found.protection.cover is C.COVERED
    assert verdict(instrument=None, held=position(s="0.05")).steps


# -- entries ---------------------------------------------------------------------------


def test_an_entry_that_fills_is_given_some_time():
    entry = order("e", side="buy", limit_price=99, filled=5, qty=10)
    found = verdict(held=position(s=5), orders=[entry])
    assert (found.protection.cover, found.steps) == (C.NAKED, ())
    since = m.timestamp(NOON - timedelta(seconds=30))
    late = protection(stop_price=90, cover=C.NAKED, since=since)
    found = verdict(late, held=position(s=5), orders=[entry])
    assert did(found) == [(0, "cancel", "e"), (1, "stop", 5)]


def test_an_exit_outranks_an_entry_that_blocks_it():
    entry = order("e", side="buy", limit_price=95)
    assert did(verdict(orders=[entry])) == [(0, "cancel", "e"), (1, "stop", 10)]
    other = order("e", side="buy", limit_price=95, origin=m.Origin.EXTERNAL)
    found = verdict(orders=[other])
    assert found.steps == ()
    assert "order e blocks the exit" in found.protection.why
    oco_stands = verdict(protection(stop_price=90, take_profit=120), orders=[entry])
    assert did(oco_stands) == [(0, "oco", 10)]


# -- watched prices --------------------------------------------------------------------


def coin_stop(price="90", limit="88.2"):
    return order(qty=1, stop_price=price, limit_price=limit, type="stop_limit")


def coin(*bids, orders=None, **kw):
    policy = protection(stop_price=90, take_profit=120)
    quotes = [quote(x, seconds_ago=10 * (len(bids) - i)) for i, x in enumerate(bids)]
    orders = [coin_stop()] if orders is None else orders
    return verdict(
        policy,
        instrument=COIN,
        session=None,
        held=position(s=1),
        orders=orders,
        quotes=quotes,
        **kw,
    )


def test_a_take_profit_that_no_order_watches():
    found = coin(121, 120)
    assert did(found) == [(0, "cancel", "x1"), (1, "limit", 1)]
    sale = found.steps[1].action
    assert (sale.request.limit_price, sale.fills, sale.within_s) == (120, True, 60)


@pytest.mark.parametrize("bids", [(), (121,), (119, 121), (121, 119)])
def test_one_quote_closes_nothing(bids):
    assert coin(*bids).steps == ()


def test_it_is_not_tried_again_at_once():
    assert coin(121, 121, is_trying_to_close=True).steps == ()


def test_a_limit_that_the_market_has_passed():
    found = coin(85, 86)
    assert did(found) == [(0, "cancel", "x1"), (1, "market", 1)]
    assert coin(85, 89).steps == ()
