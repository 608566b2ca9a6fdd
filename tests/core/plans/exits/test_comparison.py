"""What a protected part lacks: its cover, and the steps that make it right."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.exits import comparison, triggers
from tests.core.plans.situations import (
    COIN,
    NOON,
    SESSION,
    did,
    holding,
    oco,
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


# -- what has no exit ------------------------------------------------------------------


def test_a_part_without_an_exit_gets_one():
    found = verdict()
    assert (found.protection.cover, did(found)) == (C.NAKED, [(0, "stop", 10)])
    (step,) = found.steps
    request = step.action.request
    assert request.reduce_only
    assert (request.side, request.stop_price, request.strategy) == (m.OrderSide.SELL, 90, "s")


def test_a_covered_part_needs_nothing():
    found = verdict(orders=[stop()])
    assert (found.protection.cover, found.steps) == (C.COVERED, ())
    assert found.protection.applied


def test_an_exit_that_ends_covers_nothing_and_may_still_fill():
    found = verdict(orders=[stop(pending=m.Command.CANCEL)], held=position(s=6))
    assert (found.protection.cover, found.has_excess) == (C.NAKED, True)
    assert found.protection.why == "6 of 6 have no stop; exits for 10 may still fill"


def test_a_gap_is_filled_beside_what_is_there():
    found = verdict(orders=[stop(qty=4)])
    assert (found.protection.cover, did(found)) == (C.PARTLY, [(0, "stop", 6)])


def test_an_oco_counts_once():
    found = verdict(protection(stop_price=90, take_profit=120), orders=oco())
    assert (found.protection.cover, found.steps) == (C.COVERED, ())


def test_an_exit_covers_until_its_cancel_has_left():
    """The broker works it; nothing is planned beside a cancel that is open."""
    canceled = stop(pending=m.Command.CANCEL)
    found = verdict(orders=[canceled])
    assert (found.protection.cover, found.steps) == (C.NAKED, ())
    found = verdict(orders=[canceled], unsent=frozenset({canceled.client_order_id}))
    assert (found.protection.cover, found.steps) == (C.COVERED, ())


def test_an_unconfirmed_exit_covers_nothing_and_holds_the_units():
    found = verdict(orders=[stop(status="unproven")])
    assert (found.protection.cover, found.steps) == (C.NAKED, ())


def test_of_a_quantity_that_changes_the_smaller_covers():
    moving = stop(pending="replace", status="pending_replace")
    found = verdict(orders=[moving], least={"x1": D(4)})
    assert (found.protection.cover, found.steps) == (C.PARTLY, ())


@pytest.mark.parametrize("pending", ["cancel", "replace"])
def test_nothing_is_done_while_an_exit_moves(pending):
    assert verdict(orders=[stop(qty=4, pending=pending)]).steps == ()


def test_the_legs_of_an_entry_that_fills_are_no_exits():
    entry = order("e", side="buy", limit_price=99, order_class="bracket", status="new")
    leg = stop("e-leg", parent="e", order_class="bracket", status="held")
    found = verdict(orders=[entry, leg], ours=())
    assert found.protection.cover is C.NAKED


def test_a_take_profit_alone_is_a_limit_order():
    found = verdict(protection(take_profit=120))
    assert did(found) == [(0, "limit", 10)]
    assert verdict(protection(take_profit=120), orders=[order(limit_price=120)]).steps == ()


def test_a_limit_order_of_the_bot_holds_the_units():
    found = verdict(orders=[order(limit_price=120)], ours=())
    assert (found.protection.cover, found.steps) == (C.NAKED, ())
    assert "order x1 holds them" in found.protection.why


@pytest.mark.parametrize(
    ("qty", "policy", "expected"),
    [
        (10, {"stop_price": "90.1234"}, "stop_price 90.1234 is rounded to 90.12"),
        (-10, {"stop_price": "120.1234"}, "stop_price 120.1234 is rounded to 120.13"),
        (
            10,
            {"stop_price": "90.1234", "take_profit": "120.1234"},
            "stop_price 90.1234 is rounded to 90.12, take_profit 120.1234 is rounded to 120.13",
        ),
        (10, {"stop_price": "90.12"}, ""),
        (10, {"stop_loss": "9.8766%"}, ""),
        (10, {"trail": "5%"}, ""),
    ],
)
def test_a_given_price_is_rounded_away_from_the_market(qty, policy, expected):
    """The stop of a sale down, of a buy up; a price from a percentage was not given."""
    context = situation(protection(**policy), held=position(s=qty))
    [found] = comparison.compare(context)
    assert triggers.sentence_of_rounded(found.protection, context) == expected
    split = ((m.timestamp(NOON + timedelta(days=1)), D(2)),)
    assert not triggers.sentence_of_rounded(found.protection, evolve(context, restated=split))


def test_an_exit_without_a_price_is_impossible():
    found = verdict(protection(stop_loss="8%"), held=position(s=10, price=None))
    assert (found.protection.cover, found.steps) == (C.IMPOSSIBLE, ())
    assert "absolute price" in found.protection.why


def test_what_was_held_before_is_proposed():
    found = verdict(protection(approved=False, stop_price=90))
    assert (found.protection.cover, found.needs_approval) == (C.PROPOSED, True)
    assert did(found) == [(0, "stop", 10)]
    assert verdict(protection(approved=False, stop_price=90), orders=[stop(price="80")]).steps == ()


# -- how it looks ----------------------------------------------------------------------


def test_a_fraction_is_a_day_order_beside_the_whole():
    found = verdict(protection(stop_price=90, take_profit=120), held=position(s="10.5"))
    assert did(found) == [(0, "oco", 10), (0, "stop", D("0.5"))]
    whole, part = (x.action.request for x in found.steps)
    assert (whole.time_in_force, part.time_in_force) == (m.TimeInForce.GTC, m.TimeInForce.DAY)


def test_a_fraction_alone():
    found = verdict(protection(stop_price=90, take_profit=120), held=position(s="0.5"))
    assert did(found) == [(0, "stop", D("0.5"))]


def test_a_fraction_is_closed_once_the_whole_was():
    found = verdict(protection(stop_price=90), held=position(s="0.5"), exited=frozenset({"s"}))
    assert did(found) == [(0, "market", D("0.5"))]


def test_a_fraction_that_cannot_be_traded_is_left():
    whole = evolve(situation().instrument, fractionable=False)
    found = verdict(held=position(s="10.5"), instrument=whole)
    assert did(found) == [(0, "stop", 10)]
    found = verdict(held=position(s="0.5"), instrument=whole)
    assert (found.protection.cover, found.steps) == (C.COVERED, ())


@pytest.mark.parametrize("rules", [{"qty_increment": D(10)}, {"min_qty": D(10)}])
@pytest.mark.parametrize("bid", ["100", "80"])
def test_what_is_less_than_any_order_has_no_exit_and_that_is_said(rules, bid):
    """No order is sent again and again, whether its stop is to be placed or was passed."""
    lots = evolve(situation().instrument, fractionable=False, **rules)
    quotes = (quote(bid, seconds_ago=10), quote(bid))
    found = verdict(held=position(s=15), orders=(stop(),), instrument=lots, quotes=quotes)
    assert (found.protection.cover, found.steps) == (C.IMPOSSIBLE, ())
    assert found.protection.why == "5 of 15 have no stop: no order is smaller than 10"
    old = protection(max_age_s=60, stop_price=90, approved=True)
    found = verdict(old, held=position(s=5), instrument=lots, quotes=quotes)
    assert found.steps == ()


def test_a_short_position_has_buy_exits():
    found = verdict(protection(stop_loss="10%", take_profit="10%"), held=position(s=-10))
    (step,) = found.steps
    request = step.action.request
    assert (request.side, request.stop_loss, request.take_profit) == (m.OrderSide.BUY, 110, 90)


def test_a_coin_has_a_stop_limit_order():
    found = verdict(instrument=COIN, session=None, held=position(s=1))
    (step,) = found.steps
    request = step.action.request
    assert (request.type, request.stop_price, request.limit_price) == ("stop_limit", 90, D("88.2"))


def test_a_trailing_stop():
    found = verdict(protection(trail="5%"))
    assert did(found) == [(0, "trailing_stop", 10)]
    assert found.steps[0].action.request.trail_percent == 5
    assert verdict(protection(trail=3)).steps[0].action.request.trail_price == 3
    moving = stop(type="trailing_stop", price="95", trail_percent="5")
    assert verdict(protection(trail="5%"), orders=[moving]).steps == ()
    assert did(verdict(protection(stop_price=90), orders=[moving])) == [
        (0, "cancel", "x1"),
        (1, "stop", 10),
    ]


def test_a_fraction_has_no_trailing_stop():
    """The trail is resolved to a stop price, for one session."""
    found = verdict(protection(trail="5%"), held=position(s="0.5"), quotes=[quote(100)])
    assert found.steps[0].action.request.stop_price == 95
    found = verdict(
        protection(trail="5%"),
        held=position(s="0.5"),
        orders=[stop(qty="0.5", price="94", time_in_force="day")],
        quotes=[quote(100)],
    )
    assert found.steps == ()


@pytest.mark.parametrize(("bid", "kind"), [(94, "stop"), (96, "trailing_stop")])
def test_of_a_stop_and_a_trail_the_tighter_one_holds(bid, kind):
    """A stop at 90, and a trail of 5 below the market."""
    both = protection(stop_price=90, trail=5)
    found = verdict(both, quotes=[quote(bid)])
    assert did(found) == [(0, kind, 10)]
    assert comparison.needs_quotes(found.protection, situation())
    assert not comparison.needs_quotes(protection(), situation())
    assert comparison.needs_quotes(protection(), situation(instrument=COIN))


def test_a_trail_that_is_placed_anew_starts_no_looser():
    """The best stop that it reached is stored: a stop there, until the trail is tighter again."""
    moving = stop(type="trailing_stop", price="95", trail_percent="5")
    first = verdict(protection(trail="5%"), orders=[moving]).protection
    assert first.stop_price == 95
    assert verdict(first, orders=[moving]).protection == first
    lower = stop(type="trailing_stop", price="94", trail_percent="5")
    assert did(verdict(first, orders=[lower])) == [(0, "cancel", "x1"), (1, "stop", 10)]
    assert did(verdict(first, quotes=[quote(98)])) == [(0, "stop", 10)]
    assert did(verdict(first, quotes=[quote(102)])) == [(0, "trailing_stop", 10)]
    short = stop(type="trailing_stop", price="105", trail_percent="5", side="buy")
    held = position(s=-10)
    found = verdict(protection(trail="5%"), held=held, orders=[short], ours={"x1"})
    assert found.protection.stop_price == 105


def test_without_a_quote_the_stop_of_both_stands():
    assert did(verdict(protection(stop_price=90, trail=5))) == [(0, "stop", 10)]


# -- other terms -----------------------------------------------------------------------


def test_an_exit_at_another_price_is_replaced():
    found = verdict(orders=[stop(price="80")])
    assert did(found) == [(0, "cancel", "x1"), (1, "stop", 10)]
    assert found.steps[1].action.after == ("x1",)


def test_an_exit_of_somebody_else_stays_at_its_price():
    assert verdict(orders=[stop(price="80")], ours=()).steps == ()


def test_what_an_exit_has_filled_is_not_placed_again():
    found = verdict(held=position(s=7), orders=[stop(price="80", qty=10, filled=3)])
    place = found.steps[1].action
    assert (place.request.qty, place.filled_before) == (7, 3)


def test_a_new_kind_of_exit_replaces_the_old_one():
    found = verdict(protection(stop_price=90, take_profit=120), orders=[stop()])
    assert did(found) == [(0, "cancel", "x1"), (1, "oco", 10)]
    found = verdict(protection(take_profit=125), orders=[order(limit_price=120)])
    assert did(found) == [(0, "cancel", "x1"), (1, "limit", 10)]


def test_an_exit_without_the_take_profit_that_was_dropped():
    found = verdict(protection(stop_price=90), orders=oco())
    assert did(found) == [(0, "cancel", "x1"), (1, "stop", 10)]


def test_a_stop_gives_way_to_a_tighter_trail():
    found = verdict(protection(stop_price=90, trail=5), orders=[stop()], quotes=[quote(96)])
    assert did(found) == [(0, "cancel", "x1"), (1, "trailing_stop", 10)]


def test_an_exit_stays_while_its_price_is_not_known():
    found = verdict(protection(stop_loss="8%"), held=position(s=10, price=None), orders=[stop()])
    assert (found.protection.cover, found.steps) == (C.COVERED, ())


def test_an_exit_that_ends_soon_is_renewed_in_the_session():
    ends = {"x1": m.timestamp(NOON + timedelta(days=3))}
    found = verdict(orders=[stop()], expires=ends)
    assert found.protection.cover is C.EXPIRING
    assert did(found) == [(0, "cancel", "x1"), (1, "stop", 10)]
    night = verdict(orders=[stop()], expires=ends, now=SESSION.closes + timedelta(hours=2))
    assert (night.protection.cover, night.steps) == (C.EXPIRING, ())
    later = {"x1": m.timestamp(NOON + timedelta(days=30))}
    assert verdict(orders=[stop()], expires=later).protection.cover is C.COVERED


def test_an_exit_is_not_replaced_by_one_that_the_market_has_passed():
    found = verdict(orders=[stop(price="80")], quotes=[quote(85)])
    assert found.steps == ()


# -- prices ----------------------------------------------------------------------------


def test_a_percentage_is_of_the_cost_of_the_part():
    found = verdict(protection(stop_loss="8%", take_profit="20%"))
    request = found.steps[0].action.request
    assert (request.stop_loss, request.take_profit) == (92, 120)
    assert found.protection.entered == 10


@pytest.mark.parametrize(("on_add", "price"), [("keep", 92), ("average", 46)])
def test_an_entry_fill_moves_a_percentage_but_never_looser(on_add, price):
    first = verdict(protection(stop_loss="8%", on_add=on_add)).protection
    again = comparison.compare(situation(first, held=position(s=20, price=50)))[0]
    assert again.protection.stop_price == price


def later_part(name, minutes=1):
    """A position of 5 that another fill opened, after the prices were resolved."""
    opened_at = m.timestamp(NOON + timedelta(minutes=minutes))
    part = evolve(holding(5), opened_by=name, opened_at=opened_at)
    return evolve(position(s=5), by_strategy=(("s", part),))


def test_another_round_trip_begins_anew():
    """A protection does not outlive its position, even if nobody saw it flat; nor do its exits."""
    first = verdict(protection(stop_loss="8%")).protection
    assert comparison.compare(situation(first, held=later_part("o2@5")))[0].ended
    left = comparison.compare(situation(first, held=later_part("o2@5"), orders=[stop()]))[0]
    assert (left.ended, did(left)) == ("", [(0, "cancel", "x1")])
    found = comparison.compare(situation(first, held=later_part("o2@5", minutes=-120)))[0]
    assert (found.ended, found.protection.stop_price) == ("", 92)


@pytest.mark.parametrize("name", ["o@2", "o/history/e2"])
def test_a_correction_of_the_opening_fill_is_no_other_round_trip(name):
    """The first fill of the same order has another total, and a later time."""
    first = verdict(protection(stop_loss="8%")).protection
    found = comparison.compare(situation(first, held=later_part(name), orders=[stop(qty=5)]))[0]
    assert (found.ended, found.protection.stop_price) == ("", 92)


def test_a_split_restates_the_stored_price():
    first = verdict(protection(stop_price=90, take_profit=120, trail=5)).protection
    split = (m.timestamp(NOON + timedelta(hours=12)), D(2))
    later = NOON + timedelta(hours=13)
    held = position(s=20, price=50)
    context = situation(first, held=held, restated=(split,), now=later)
    found = comparison.compare(context)[0]
    request = found.steps[0].action.request
    assert (request.stop_loss, request.take_profit) == (45, 60)
    adjusted = oco(qty=20, stop="45", limit="60")
    ours = evolve(context, orders=adjusted, ours=frozenset({"x1"}))
    assert comparison.compare(ours)[0].steps == ()
    percent = verdict(protection(stop_loss="10%")).protection
    context = situation(percent, held=held, restated=(split,), now=later)
    assert comparison.compare(context)[0].steps[0].action.request.stop_price == 45


def test_a_trail_is_restated():
    first = verdict(protection(trail=4)).protection
    split = (m.timestamp(NOON + timedelta(hours=12)), D(2))
    held = evolve(position(s=10), by_strategy=(("s", holding(10)),))
    context = situation(
        first, held=held, restated=(split,), now=NOON + timedelta(hours=13), quotes=[quote(100)]
    )
    assert comparison.compare(context)[0].steps[0].action.request.trail_price == 2


def test_a_quantity_that_changed_without_a_fill_may_be_a_split():
    found = verdict(orders=[stop()], differs=D(10))
    assert (found.protection.cover, found.steps) == (C.SPLIT_SUSPECTED, ())
    assert verdict(orders=[stop()], differs=D(1)).protection.cover is C.COVERED
    assert verdict(orders=[stop()], differs=D(-10)).protection.cover is C.COVERED
    coin = verdict(orders=[stop()], differs=D(10), instrument=COIN)
    assert coin.protection.cover is C.COVERED


# -- too much --------------------------------------------------------------------------


def test_the_fewest_exits_are_canceled_and_the_rest_comes_back():
    found = verdict(held=position(s=6), orders=[stop("a", qty=7), stop("b", qty=3)])
    assert found.protection.cover is C.EXCESS
    assert did(found) == [(0, "cancel", "a"), (1, "stop", 3)]
    found = verdict(held=position(s=7), orders=[stop("a", qty=7), stop("b", qty=3)])
    assert did(found) == [(0, "cancel", "b")]
    found = verdict(held=position(s=1), orders=[stop("a", qty=3), stop("b", qty=3)])
    assert did(found) == [(0, "cancel", "b"), (0, "cancel", "a"), (1, "stop", 1)]


def test_no_more_exits_are_canceled_than_the_excess():
    orders = [stop("a", qty=3), stop("b", qty=3), stop("c", qty=1)]
    found = verdict(held=position(s=2), orders=orders)
    assert did(found) == [(0, "cancel", "b"), (0, "cancel", "a"), (1, "stop", 1)]


@pytest.mark.parametrize(("differs", "back"), [("-0.5", 6), ("0.5", "6.5")])
def test_an_excess_is_reduced_although_the_broker_shows_another_quantity(differs, back):
    """A small difference may stand for days: the larger of both quantities keeps its exits."""
    found = verdict(held=position(s=6), orders=[stop()], differs=D(differs), instrument=COIN)
    canceled, placed = found.steps
    assert canceled.action == m.CancelOrder("x1")
    assert placed.action.request.qty == D(back)


def test_an_excess_that_is_not_settled_is_left():
    assert verdict(held=position(s=6), orders=[stop()], is_settled=False).steps == ()


def test_orders_of_others_are_not_canceled():
    found = verdict(held=position(s=6), orders=[stop()], ours=())
    assert (found.protection.cover, found.steps) == (C.EXCESS, ())
