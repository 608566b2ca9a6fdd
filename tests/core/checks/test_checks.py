"""Checks before an order: their sequence, a bot's own checks, and their inputs."""

from datetime import UTC, datetime

import pytest

from fillbook import model as m
from fillbook.core import checks
from fillbook.errors import InvalidValue
from tests.core.checks.contexts import DRIFT, D, a_context, order
from tests.core.records import request


def test_checks_run_in_the_order_in_which_they_are_listed():
    """The first that fails gives the result, and each is in the table."""
    assert [check.__name__ for check in checks.CHECKS] == [
        *("not_halted", "not_blocked", "market_open", "supported", "tradable", "sized", "priced"),
        *("position", "strategy_position", "wash", "duplicate"),
        *("order_notional", "symbol_notional", "day_notional"),
        *("orders_per_minute", "position_limit", "price_collar", "unlocked", "no_plan"),
        *("no_cooldown", "in_sync", "affordable"),
    ]
    known = {"halted": "x", "drifts": (DRIFT,), "reserve_amount": D(9999)}
    assert checks.denial_reason(request(), a_context(**known)).code == "halted"


def no_fridays(wish, known):
    """A check of the bot."""
    return m.Reason("friday", "not on a Friday") if known.now.weekday() == 4 else None


def test_a_bot_adds_its_own_checks_by_value():
    friday = a_context(now=datetime(2026, 3, 6, tzinfo=UTC))
    assert checks.denial_reason(request(), friday) is None
    assert checks.denial_reason(request(), friday, (*checks.CHECKS, no_fridays)).code == "friday"


def test_every_check_has_a_result_and_the_first_denial_is_the_reason():
    """A preview shows them all."""
    wish, known = request(), a_context(halted="x", drifts=(DRIFT,), reserve_amount=D(9999))
    results = list(checks.run(wish, known, checks.CHECKS, lambda name, error: None))
    assert [x.name for x in results] == [check.__name__ for check in checks.CHECKS]
    denials = [x.reason for x in results if x.reason is not None]
    assert len(denials) > 1
    assert denials[0] == checks.denial_reason(wish, known)


def test_a_check_that_raises_denies():
    """An order that cannot be checked is not sent; the error of the check is reported."""

    class Broken:
        def __call__(self, wish, known):
            return 1 / 0

    told = []
    reason = checks.denial_reason(
        request(), a_context(), (Broken(),), lambda *why: told.append(why)
    )
    assert reason.code == "check_failed"
    assert "Broken raised ZeroDivisionError" in reason.message
    assert [(name, type(error)) for name, error in told] == [("Broken", ZeroDivisionError)]
    assert checks.denial_reason(request(), a_context(), (Broken(),)).code == "check_failed"


@pytest.mark.parametrize("word", [True, False, "no", 0])
def test_a_check_that_returns_no_reason_denies(word):
    """The result of the check is unclear: nothing is sent, and the message has the reason."""
    reason = checks.denial_reason(request(), a_context(), (lambda request, context: word,))
    assert reason.code == "check_failed"
    assert "is not a Reason" in reason.message


def test_the_orders_of_a_context_are_those_of_its_symbols_or_all():
    """A check may read every order; ours read those of one symbol."""
    ours, theirs = order(), order("c2", symbol="MSFT")
    context = a_context(orders=(ours, theirs))
    assert context.orders_on("AAPL") == (ours,)
    assert (len(context.orders), list(context.orders), theirs in context.orders) == (
        2,
        [ours, theirs],
        1,
    )
    left = context.orders.without(ours.client_order_id)
    assert (ours in left, left.for_symbol("AAPL"), left.for_symbol("MSFT")) == (
        False,
        (),
        (theirs,),
    )


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        ("order_notional_max", 0),
        ("price_collar", "-0.1"),
        ("orders_per_minute_max", 0),
        ("orders_per_minute_max", True),
        ("orders_per_minute_max", 1.5),
        ("duplicate_s", -1),
        ("quote_age_max_s", 0),
        ("strategy_oversell", "sell"),
        ("strategy_oversell", None),
        ("oversell", "sell"),
        ("oversell", None),
    ],
)
def test_limits_that_make_no_sense_are_refused(bound, value):
    with pytest.raises(InvalidValue, match=bound):
        m.Limits(**{bound: value})


def test_a_change_is_held_to_what_is_about_the_order_that_it_makes():
    """The bot's own checks apply too; checks of new risk only if the change adds some."""

    def mine(request, context):
        return None

    every = (*checks.CHECKS, mine)
    adding, sparing = (checks.for_change(every, adds=adds) for adds in (True, False))
    assert set(every) - set(adding) == checks.NEW_ORDER_CHECKS
    assert set(adding) - set(sparing) == checks.NEW_RISK_CHECKS
    assert mine in sparing
