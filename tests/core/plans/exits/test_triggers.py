"""What moves the exits of a part, or ends it: break-even, a later trail, age; changes of prices."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.close import market_limit
from fillbook.core.plans.exits import comparison, triggers
from tests.core.plans.situations import (
    CAN,
    NOON,
    OPENED_AT,
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

CHANGES = {"capabilities": evolve(CAN, replace=True)}


def two(bid, **kw):
    """Two quotes that confirm each other."""
    return [quote(bid, seconds_ago=10, **kw), quote(bid, **kw)]


def resolved(**fields):
    """A protection whose stop of 90 stands."""
    own = {"priced_at": OPENED_AT, "entered": Decimal(10), "opened_by": "o"}
    found = protection(stop_price=90, applied=True, **own, **fields)
    return evolve(found, stop_price=Decimal(90))


def changes(found):
    return [
        (x.action.client_order_id, x.action.stop_price, x.action.limit_price)
        for x in found.steps
        if isinstance(x.action, m.ReplaceOrder)
    ]


@pytest.mark.parametrize("level", ["4%", "104"])
def test_the_stop_moves_to_the_cost(level):
    found = verdict(resolved(break_even=level), orders=[stop()], quotes=two(104), **CHANGES)
    assert (found.protection.stop_price, found.protection.at_break_even) == (100, True)
    assert changes(found) == [("x1", 100, None)]


@pytest.mark.parametrize(
    ("quotes", "fields"),
    [
        ((), {}),
        ([quote(110)], {}),
        (two("103.99"), {}),
        ([quote(103, seconds_ago=10), quote(104)], {}),
        ([quote(104, 110, seconds_ago=10), quote(104, 110)], {}),
        (two(104), {"now": SESSION.opens + timedelta(seconds=30)}),
        (two(104), {"now": SESSION.closes}),
        (two(104), {"differs": Decimal(90)}),
        (two(104), {"held": position(s=10, price=None)}),
    ],
)
def test_the_stop_stays(quotes, fields):
    found = verdict(resolved(break_even="4%"), orders=[stop()], quotes=quotes, **fields, **CHANGES)
    assert (found.protection.stop_price, found.protection.at_break_even) == (90, False)
    assert found.steps == ()


def test_a_price_is_reached_without_a_known_cost():
    """The stop has nowhere to move: the protection says so by staying as it is."""
    held = position(s=10, price=None)
    found = verdict(resolved(break_even="104"), held=held, orders=[stop()], quotes=two(104))
    assert not found.protection.at_break_even


def test_a_tighter_stop_stays():
    tight = evolve(resolved(break_even="4%"), stop_price=Decimal(102))
    found = verdict(tight, orders=[stop(price="102")], quotes=two(104), **CHANGES)
    assert (found.protection.stop_price, found.protection.at_break_even) == (102, True)
    assert found.steps == ()


def test_a_trail_alone_gets_a_stop_at_the_cost():
    kept = protection(trail="10%", break_even="4%", applied=True)
    found = verdict(kept, quotes=two(104))
    assert found.protection.stop_price == 100
    assert did(found) == [(0, "stop", 10)]


def test_a_price_of_before_a_split_is_restated():
    """104 of before a split of 2:1 is 52 now."""
    own = {"set_at": OPENED_AT, "break_even": "104"}
    split = {"restated": ((m.timestamp(NOON), Decimal(2)),), "held": position(s=20, price=50)}
    kept = evolve(resolved(**own), entered=Decimal(20))
    for bid, moves in (("51.9", False), (52, True)):
        found = verdict(kept, orders=[stop(qty=20, price="45")], quotes=two(bid), **split)
        assert found.protection.at_break_even is moves
        if moves:
            assert found.protection.stop_price == 100  # in the units of before


@pytest.mark.parametrize(("price", "wanted"), [(103, 103), (98, 100)])
def test_an_entry_fill_moves_it_up_only(price, wanted):
    kept = evolve(resolved(break_even="4%"), stop_price=Decimal(100), at_break_even=True)
    found = verdict(kept, held=position(s=20, price=price))
    assert (found.protection.stop_price, found.protection.at_break_even) == (wanted, True)


def test_it_stays_where_it_was_if_the_cost_is_not_known_any_more():
    kept = evolve(resolved(break_even="4%"), stop_price=Decimal(100), at_break_even=True)
    found = verdict(kept, held=position(s=20, price=None))
    assert found.protection.stop_price == 100


def test_a_part_whose_stop_is_not_known_moves_to_its_cost():
    kept = evolve(
        protection(trail="5%", break_even="4%", entered=Decimal(5), opened_by="o"),
        priced_at=OPENED_AT,
        at_break_even=True,
    )
    assert verdict(kept, quotes=two(104)).protection.stop_price == 100


def test_another_round_trip_begins_without_what_was_reached():
    kept = evolve(
        resolved(break_even="4%", trail="5%", trail_after="4%"),
        at_break_even=True,
        trail_begun=True,
        opened_by="earlier",
        priced_at=None,
    )
    found = verdict(kept).protection
    assert (found.at_break_even, found.trail_begun, found.trail) == (False, False, None)


def test_a_trail_begins_at_its_price():
    kept = resolved(trail="5%", trail_after="10%")
    before = verdict(kept, orders=[stop()], quotes=two(109), **CHANGES)
    assert (before.steps, before.protection.trail) == ((), None)
    found = verdict(kept, orders=[stop()], quotes=two(110), **CHANGES)
    assert found.protection.trail_begun
    assert did(found) == [(0, "cancel", "x1"), (1, "trailing_stop", 10)]


def test_a_short_moves_down():
    kept = evolve(resolved(break_even="4%"), stop_price=Decimal(110))
    buys = [stop(price="110", side="buy")]
    context = situation(
        kept, held=position(s=-10), orders=buys, ours={"x1"}, quotes=two("95.9", ask=96), **CHANGES
    )
    (found,) = comparison.compare(context)
    assert found.protection.stop_price == 100
    assert changes(found) == [("x1", 100, None)]


# -- changes of prices -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "orders", "expected"),
    [
        ({"stop_price": 95}, [stop()], [("x1", 95, None)]),
        ({"take_profit": 130}, [order(limit_price="120")], [("x1", None, 130)]),
        ({"stop_price": 95, "take_profit": 120}, oco(), [("x1-leg", 95, None)]),
        (
            {"stop_price": 95, "take_profit": 130},
            oco(),
            [("x1-leg", 95, None), ("x1", None, 130)],
        ),
        ({"stop_price": 95, "take_profit": 130}, [stop()], []),
        ({"stop_price": 95}, oco(), []),
        ({"stop_price": 95}, [order(limit_price="120")], []),
        ({"stop_price": 95}, [stop(type="stop_limit", limit_price="88")], []),
        ({"trail": "5%"}, [stop()], []),
    ],
)
def test_an_exit_at_another_price_is_changed_if_it_can_be(policy, orders, expected):
    context = situation(protection(**policy), orders=orders, quotes=[quote(100)], **CHANGES)
    (found,) = comparison.compare(context)
    assert changes(found) == expected
    assert [x.stage for x in found.steps][: len(expected)] == list(range(len(expected)))


def test_a_stop_limit_order_is_changed_in_both_prices():
    coins = evolve(CAN, replace=True, takes=(), order_types=frozenset({m.OrderType.STOP_LIMIT}))
    orders = [stop(type="stop_limit", limit_price="88.2")]
    found = verdict(protection(stop_price=95), orders=orders, capabilities=coins)
    assert changes(found) == [("x1", 95, Decimal("93.10"))]


def test_what_has_no_exit_gets_one_before_the_price_of_another_is_changed():
    found = verdict(protection(stop_price=95), orders=[stop()], **CHANGES, held=position(s=12))
    assert did(found) == [(0, "stop", 2)]


def test_after_a_split_the_exits_in_old_units_are_placed_anew_first():
    before = evolve(stop(), created_at=OPENED_AT)
    split = ((m.timestamp(NOON), Decimal(2)),)
    found = verdict(
        protection(stop_price=45), orders=[before], restated=split, held=position(s=20), **CHANGES
    )
    assert did(found) == [(0, "cancel", "x1"), (1, "stop", 10)]


@pytest.mark.parametrize(
    ("price", "steps"), [(95, [(0, "cancel", "x1"), (1, "stop", 10)]), ("47.5", [])]
)
def test_a_trailing_stop_that_a_split_did_not_adjust_is_placed_anew(price, steps):
    """It would sell at the open; the best price that is stored tells in which units it is."""
    moving = stop(type="trailing_stop", price=price, trail_percent="5")
    first = verdict(protection(trail="5%"), orders=[stop(type="trailing_stop", price=95)])
    split = ((m.timestamp(NOON + timedelta(hours=12)), Decimal(2)),)
    found = verdict(
        first.protection,
        orders=[evolve(moving, created_at=OPENED_AT)],
        restated=split,
        held=position(s=20, price=50),
        now=NOON + timedelta(hours=13),
    )
    assert did(found)[:2] == (steps or [(0, "stop", 10)])
    assert found.protection.stop_price == Decimal("47.5")


def test_the_distance_of_a_trail_is_that_of_when_it_was_given():
    """An entry after a split resolves the prices anew, and leaves the policy as it is."""
    kept = protection(trail=4, set_at=m.timestamp(NOON))
    split = ((m.timestamp(NOON + timedelta(hours=12)), Decimal(2)),)
    found = verdict(kept, restated=split, held=position(s=20), now=NOON + timedelta(hours=13))
    assert found.steps[0].action.request.trail_price == 2


@pytest.mark.parametrize("fields", [{}, {**CHANGES, "fixed": frozenset({"x1"})}])
def test_what_cannot_be_changed_is_placed_anew(fields):
    found = verdict(protection(stop_price=95), orders=[stop()], **fields)
    assert did(found) == [(0, "cancel", "x1"), (1, "stop", 10)]


# -- age -------------------------------------------------------------------------------

OLD = {"max_age_s": 3600, "stop_price": 90}


def by_age(found):
    """Whether the part is closed because of its age."""
    closes = any(isinstance(x.action, m.PlaceOrder) and x.action.fills for x in found.steps)
    return closes and "longer than its max_age_s" in found.protection.why


def test_a_part_of_its_age_is_closed():
    found = verdict(protection(**OLD, approved=True, set_at=OPENED_AT), quotes=[quote(100)])
    assert did(found) == [(1, "market", 10)]
    assert (by_age(found), found.needs_approval) == (True, False)
    assert not found.steps[0].action.as_stop  # its price is none of a breach


def test_its_exits_are_canceled_first_and_those_by_hand_stay():
    orders = [stop(qty=6), order("by-hand", qty=4, limit_price="150")]
    kept = protection(**OLD, set_at=OPENED_AT)
    found = verdict(kept, orders=orders, ours={"x1"}, quotes=[quote(100)])
    assert did(found) == [(0, "cancel", "x1"), (1, "market", 6)]
    found = verdict(kept, orders=[order("by-hand", limit_price="150")], ours=(), quotes=two(100))
    assert not by_age(found)


@pytest.mark.parametrize(
    "fields",
    [
        {"now": NOON - timedelta(seconds=1)},
        {"now": SESSION.closes},
        {"quotes": ()},
        {"is_trying_to_close": True},
        {"is_settled": False},
        {"differs": Decimal(90)},
    ],
)
def test_it_is_not_closed(fields):
    own = {"orders": [stop()], "quotes": [quote(100)]}
    found = verdict(protection(**OLD, set_at=OPENED_AT), **{**own, **fields})
    assert not by_age(found)


@pytest.mark.parametrize("fields", [{"set_at": None}, {"set_at": m.timestamp(NOON)}])
def test_a_part_that_was_older_when_the_policy_was_set_is_proposed(fields):
    """Its exits are made right meanwhile."""
    kept = protection(**OLD, **fields)
    found = verdict(kept, orders=[stop()], quotes=[quote(100)])
    assert (by_age(found), found.needs_approval) == (True, True)
    assert found.protection.cover is m.CoverState.COVERED
    found = verdict(kept, orders=[stop(qty=4)], quotes=[quote(100)])
    assert did(found) == [(0, "stop", 6)]


def test_a_proposal_says_when_it_is_closed():
    found = verdict(protection(**OLD, approved=False), now=NOON - timedelta(minutes=5))
    assert "it is closed 3600 s (max_age_s) after its entry" in found.protection.why


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"break_even": "4%"}, "break_even: the average cost is not known"),
        ({"break_even": 120}, "break_even: the average cost is not known"),
        ({"take_profit": "9%"}, "take_profit: the average cost"),
        ({"take_profit": 120}, ""),
        ({"trail": "2%", "trail_after": "4%", "break_even": "4%"}, "break_even, trail_after: the"),
        ({"max_age_s": 60}, "max_age_s: it is not known since when it is held"),
    ],
)
def test_a_rule_that_cannot_be_applied_says_why(policy, expected):
    """The stop stands, so that the part is covered."""
    part = evolve(holding(10, price=None), opened_at=None)
    held = evolve(position(), account=part, by_strategy=(("s", part),))
    found = verdict(protection(stop_price=90, **policy), orders=[stop()], held=held)
    assert found.protection.cover is m.CoverState.COVERED
    assert found.protection.why.startswith(expected)
    assert bool(found.protection.why) is bool(expected)


@pytest.mark.parametrize(
    ("qty", "policy", "expected"),
    [
        (10, {"stop_loss": "99.9%", "take_profit": "180%"}, ""),
        (
            10,
            {"stop_loss": "100%"},
            "stop_loss must be below 100 % for a long position, not 100%: give a smaller one",
        ),
        (
            10,
            {"trail": "180%"},
            "trail must be below 100 % for a long position, not 180%: give a smaller one",
        ),
        (10, {"trail": 180}, ""),
        (-10, {"stop_loss": "180%"}, ""),
        (
            -10,
            {"take_profit": "180%"},
            "take_profit must be below 100 % for a short position, not 180%: give a smaller one",
        ),
    ],
)
def test_a_percentage_that_is_no_price_is_reported_as_such(qty, policy, expected):
    """Also where nothing was held when the policy was set; the average cost is known."""
    kept = protection(**policy)
    assert triggers.sentence_of_impossible(kept.policy, 1 if qty > 0 else -1) == expected
    is_no_price = bool(expected) and "trail" not in policy
    found = verdict(kept, held=position(s=qty)).protection
    assert (found.cover is m.CoverState.IMPOSSIBLE, found.why == expected) == (
        is_no_price,
        is_no_price,
    )


def test_quotes_are_needed_for_what_they_decide():
    def needs(kept, **fields):
        return comparison.needs_quotes(kept, situation(kept, **fields))

    assert needs(protection(**OLD))
    assert not needs(protection(**OLD), now=NOON - timedelta(minutes=5))
    assert not needs(protection(**OLD), now=SESSION.closes)
    assert needs(protection(stop_price=90, break_even="4%"))
    assert not needs(protection(stop_price=90, break_even="4%", at_break_even=True))
    assert needs(protection(stop_price=90, trail="5%", trail_after="4%"))
    assert not needs(protection(stop_price=90, break_even="4%"), held=position(s=0))
    assert not needs(protection(stop_price=90, break_even="4%"), held=position(t=1))


# -- since -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "since"),
    [({}, 0), ({"s": -20}, -20), ({"s": -200}, 0), ({"t": -20}, 0)],
)
def test_cover_is_lost_when_the_exit_ended(ended, since):
    """Not when a pass found it: the desk may tick once a minute."""
    when = {name: m.timestamp(NOON + timedelta(seconds=x)) for name, x in ended.items()}
    kept = protection(cover=m.CoverState.COVERED, since=m.timestamp(NOON - timedelta(seconds=100)))
    found = verdict(kept, ended=when)
    assert found.protection.since == m.timestamp(NOON + timedelta(seconds=since))


# -- a limit price at the market ---------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "price", "beyond", "tick", "expected"),
    [
        ("sell", "100", None, "0.01", "98.00"),
        ("sell", "100.03", None, "0.05", "98.05"),
        ("sell", "100", "99", "0.01", "99.01"),
        ("sell", "100", "99.995", "0.01", None),
        ("sell", "100", "90", None, "98.00"),
        ("buy", "100", None, "0.01", "102.00"),
        ("buy", "100", "101", "0.01", "100.99"),
        ("buy", "100", "100", "0.01", None),
    ],
)
def test_a_limit_that_trades_at_once(side, price, beyond, tick, expected):
    found = market_limit(
        m.OrderSide(side), *(m.number_or_none(x) for x in (price, 2, beyond, tick))
    )
    assert found == m.number_or_none(expected)
