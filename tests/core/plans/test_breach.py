"""A market that is beyond the stop when the stop is to be placed."""

from datetime import timedelta

import pytest

from fillbook import model as m
from fillbook.core.plans import breach, exits
from tests.core.plans.situations import (
    COIN,
    NOON,
    SESSION,
    position,
    protection,
    quote,
    situation,
)

SEEN = {"applied": True}


def judged(*bids, stop=90, on_breach="market", apart=10, held=None, fields=(), **kw):
    policy = protection(stop_price=stop, on_breach=on_breach, **{**SEEN, **dict(fields)})
    quotes = [quote(x, seconds_ago=apart * (len(bids) - i)) for i, x in enumerate(bids)]
    context = situation(policy, quotes=quotes, held=held, **kw)
    current = exits.compare(context)[0].protection
    return breach.judge(current, 10, context)


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
    (verdict,) = exits.compare(context)
    assert (verdict.protection.cover, verdict.steps) == (m.CoverState.AT_OPEN, ())


def test_a_wide_spread_says_nothing():
    wide = [quote(85, 89, seconds_ago=20), quote(85, 89)]
    policy = protection(stop_price=90, **SEEN)
    context = situation(policy, quotes=wide)
    found = breach.judge(exits.compare(context)[0].protection, 10, context)
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
    (verdict,) = exits.compare(situation(policy, quotes=quotes))
    assert verdict.needs_approval
    assert verdict.protection.cover is m.CoverState.PROPOSED


def test_a_breach_is_acted_on():
    policy = protection(stop_price=90, **SEEN)
    quotes = [quote(89, seconds_ago=20), quote(89)]
    (verdict,) = exits.compare(situation(policy, quotes=quotes))
    (step,) = verdict.steps
    assert step.action.fills
    (waits,) = exits.compare(situation(policy, quotes=quotes[1:]))
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
