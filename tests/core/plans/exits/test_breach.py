"""A market that is beyond the stop when the stop is to be placed."""

from datetime import timedelta

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.plans.exits import breach, comparison
from tests.core.plans.situations import (
    CAN,
    COIN,
    NOON,
    SESSION,
    position,
    protection,
    quote,
    situation,
)
from tests.core.plans.test_plan import plan

SEEN = {"applied": True}


def judged(*bids, stop=90, on_breach="market", apart=10, held=None, fields=(), qty=10, **kw):
    policy = protection(stop_price=stop, on_breach=on_breach, **{**SEEN, **dict(fields)})
    quotes = [quote(x, seconds_ago=apart * (len(bids) - i)) for i, x in enumerate(bids)]
    context = situation(policy, quotes=quotes, held=held, **kw)
    current = comparison.compare(context)[0].protection
    return breach.judge(current, m.number(qty), context)


def test_two_quotes_beyond_the_stop_close_the_position():
    found = judged(89, 88)
    assert isinstance(found, breach.Act)
    assert (found.request.type, found.request.qty) == (m.OrderType.MARKET, 10)
    assert found.request.reduce_only


def test_at_a_limit():
    request = judged(89, 88, on_breach="limit").request
    assert (request.type, request.limit_price) == (m.OrderType.LIMIT, m.number("86.24"))


@pytest.mark.parametrize("bids", [(), (90.01,), (89, 91)])
def test_no_breach(bids):
    assert isinstance(judged(*bids), breach.NoBreach)


@pytest.mark.parametrize(
    ("bids", "fields"),
    [((89,), {}), ((91, 89), {}), ((89, 89), {"apart": 2}), ((89, 89), {"apart": 200})],
)
def test_one_bad_quote_sells_nothing(bids, fields):
    found = judged(*bids, **fields)
    assert isinstance(found, breach.Undecided)
    assert not found.at_open


@pytest.mark.parametrize(
    "now",
    [
        SESSION.opens - timedelta(hours=4),
        SESSION.opens + timedelta(seconds=30),
        SESSION.closes + timedelta(seconds=1),
    ],
)
def test_outside_the_session_it_is_decided_at_the_open(now):
    found = judged(89, 88, now=now)
    assert isinstance(found, breach.Undecided)
    assert found.at_open
    context = situation(protection(stop_price=90), quotes=[quote(89)], now=now)
    (verdict,) = comparison.compare(context)
    assert (verdict.protection.cover, verdict.steps) == (m.CoverState.AT_OPEN, ())


def test_a_wide_spread_says_nothing():
    wide = [quote(85, 89, seconds_ago=20), quote(85, 89)]
    policy = protection(stop_price=90, **SEEN)
    context = situation(policy, quotes=wide)
    found = breach.judge(comparison.compare(context)[0].protection, 10, context)
    assert isinstance(found, breach.Undecided)


def test_the_policy_may_only_alert():
    assert isinstance(judged(89, 88, on_breach="alert"), breach.Undecided)


def test_far_beyond_needs_an_approval():
    assert isinstance(judged(60, 60), breach.Propose)


def test_a_price_that_was_passed_when_it_was_asked_for_needs_an_approval():
    """A policy that is switched on sells nothing that was held before."""
    assert isinstance(judged(89, 88, fields={"applied": False}), breach.Propose)
    policy = protection(stop_price=90)
    quotes = [quote(89, seconds_ago=20), quote(89)]
    (verdict,) = comparison.compare(situation(policy, quotes=quotes))
    assert verdict.needs_approval
    assert verdict.protection.cover is m.CoverState.PROPOSED


def test_a_breach_is_acted_on():
    policy = protection(stop_price=90, **SEEN)
    quotes = [quote(89, seconds_ago=20), quote(89)]
    (verdict,) = comparison.compare(situation(policy, quotes=quotes))
    (step,) = verdict.steps
    assert step.action.fills
    (waits,) = comparison.compare(situation(policy, quotes=quotes[1:]))
    assert (waits.protection.cover, waits.steps) == (m.CoverState.NAKED, ())


def test_a_short_position_is_bought_back():
    """Its stop is above the market: the ask counts."""
    found = judged(111, 112, stop=110, held=position(s=-10))
    assert found.request.side is m.OrderSide.BUY
    assert isinstance(judged(108, 109, stop=110, held=position(s=-10)), breach.NoBreach)


def test_a_coin_has_no_session():
    found = judged(89, 88, instrument=COIN, session=None, now=NOON)
    assert found.request.time_in_force is m.TimeInForce.GTC
    assert isinstance(judged(89, 88, session=None), breach.Act)


# -- extended hours --------------------------------------------------------------------

EXTENDED = {
    "fields": {"extended_hours": True},
    "now": SESSION.opens - timedelta(hours=4),
    "capabilities": evolve(CAN, extended_hours=True),
}


@pytest.mark.parametrize(
    "now", [SESSION.opens - timedelta(hours=4), SESSION.closes + timedelta(minutes=1)]
)
def test_in_extended_hours_a_limit_order_closes_it_if_the_policy_says_so(now):
    found = judged(89, 88, **{**EXTENDED, "now": now})
    assert isinstance(found, breach.Act)
    assert found.request.extended_hours
    assert (found.request.type, found.request.limit_price) == (m.OrderType.LIMIT, m.number("86.24"))
    assert found.request.time_in_force is m.TimeInForce.DAY


def test_what_does_not_fill_there_soon_is_judged_again():
    policy = protection(stop_price=90, extended_hours=True, naked_max_s=30, **SEEN)
    quotes = [quote(89, seconds_ago=20), quote(89)]
    rest = {"now": EXTENDED["now"], "capabilities": EXTENDED["capabilities"]}
    (found,) = comparison.compare(situation(policy, quotes=quotes, **rest))
    (step,) = found.steps
    assert (step.action.within_s, step.action.as_stop) == (30, True)


@pytest.mark.parametrize(
    "fields",
    [
        {"capabilities": CAN},
        {"now": SESSION.extended_opens + timedelta(seconds=30)},
        {"now": SESSION.extended_closes},
        {"now": SESSION.extended_opens - timedelta(seconds=1)},
        {"qty": "0.5"},
    ],
    ids=["not taken", "just opened", "after", "before", "a fraction"],
)
def test_what_waits_for_the_open_all_the_same(fields):
    found = judged(89, 88, **{**EXTENDED, **fields})
    assert isinstance(found, breach.Undecided)
    assert found.at_open


# -- several at once -------------------------------------------------------------------


def closing(symbol, notional=100):
    request = m.OrderRequest(symbol=symbol, side="sell", qty=10)
    steps = (m.PlanStep(action=m.PlaceOrder(request, fills=True, as_stop=True)),)
    impact = m.PlanImpact(notional=None if notional is None else m.number(notional))
    return evolve(plan(), symbols=(symbol,), steps=steps, impact=impact)


@pytest.mark.parametrize(
    ("worth", "others", "equity", "expected"),
    [
        (900, [], None, True),  # the first, whatever it is worth
        (900, [("A", 900)], None, True),  # the same once more
        (100, [("B", 100)], 1000, True),
        (101, [("B", 100)], 1000, False),
        (100, [("B", 100), ("B", 90)], 1000, True),
        (100, [("B", 100)], None, False),
        (None, [("B", 1)], 1000, False),
        (1, [("B", None)], 1000, False),
        (1, [("B", 1), ("C", 1)], 1000, True),
        (1, [("B", 1), ("C", 1), ("D", 1)], 1000, False),
    ],
)
def test_the_first_closes_and_others_up_to_a_share_of_the_equity(worth, others, equity, expected):
    known = [closing(*x) for x in others]
    equity = None if equity is None else m.number(equity)
    assert breach.is_within_limits(closing("A", worth), known, equity) is expected


def test_which_plans_close_by_price():
    assert breach.closes_by_price(closing("A"))
    assert not breach.closes_by_price(plan())


def test_which_proposals_are_the_same():
    def at(limit):
        (step,) = closing("A").steps
        request = evolve(step.action.request, limit_price=m.number(limit), type=m.OrderType.LIMIT)
        return evolve(plan(), steps=(evolve(step, action=evolve(step.action, request=request)),))

    assert breach.is_like(closing("A"), closing("A", notional=50))
    assert not breach.is_like(closing("A"), closing("B"))
    assert not breach.is_like(closing("A"), plan())
    assert breach.is_like(at("100"), at("99"))
    assert not breach.is_like(at("100"), at("98.99"))
    assert not breach.is_like(at("100"), closing("A"))
    cancels = evolve(plan(), steps=(m.PlanStep(action=m.CancelOrder("x1")),))
    assert breach.is_like(cancels, cancels)
    assert not breach.is_like(cancels, closing("A"))


# -- what is refused when it is asked for ----------------------------------------------


@pytest.mark.parametrize(
    ("fields", "bids", "held", "now", "found"),
    [
        ({"stop_price": 110}, (100,), 10, NOON, "the stop, 110, is above the market, 100: it w"),
        ({"stop_price": 100}, (100,), 10, NOON, "the stop, 100, is at the market, 100: it would"),
        ({"stop_price": 99}, (100,), 10, NOON, ""),
        ({"stop_price": 110}, (), 10, NOON, ""),
        ({"stop_price": 110}, ((90, 100),), 10, NOON, ""),
        ({"take_profit": 90}, (100,), 10, NOON, "the take profit, 90, is below the market, 100"),
        ({"take_profit": 110}, (100,), 10, NOON, ""),
        ({"stop_price": 80}, ((90, 91),), -10, NOON, "the stop, 80, is below the market, 91: it"),
        (
            {"stop_price": 110, "take_profit": 100},
            ((90, 91),),
            -10,
            NOON,
            "the take profit, 100, i",
        ),
        ({"stop_price": 110}, (100,), 10, SESSION.opens - timedelta(hours=1), ""),
        ({"stop_price": 110}, (100,), 10, SESSION.opens + timedelta(seconds=30), ""),
        ({"stop_price": 130}, (100,), 10, SESSION.opens - timedelta(hours=1), "the stop, 130, is"),
    ],
)
def test_a_price_that_the_market_has_reached(fields, bids, held, now, found):
    quotes = [quote(*(x if isinstance(x, tuple) else (x,))) for x in bids]
    context = situation(protection(**fields), quotes=quotes, held=position(s=held), now=now)
    current = comparison.compare(context)[0].protection
    said = breach.reached_price(current, context)
    assert said.startswith(found)
    assert bool(said) == bool(found)
    assert (f"would {'sell' if held > 0 else 'buy'} at once" in said) == bool(found)
