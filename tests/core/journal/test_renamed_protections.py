"""Protections, their plans and the cooldowns of a symbol that has another name from now on."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from tests.core.checks.test_placed_exits import KEPT as PLANNED
from tests.core.checks.test_placed_exits import plan
from tests.core.journal.test_corporate_actions import LATER, K, made, row
from tests.core.records import AT

POLICY = m.ExitPolicy(stop_price=5)
KEPT = m.Protection(symbol="AAPL", strategy="s", policy=POLICY, set_at=AT, applied=True)
RENAMED = (row("1", K.SYMBOL_CHANGE, "AAPL", -10), row("2", K.SYMBOL_CHANGE, "APLE", 10))
D = Decimal


def alerts(records):
    return [x.alert.message for x in records.all(m.Event) if x.alert is not None]


def test_the_plans_of_a_protection_are_of_its_occasion_still():
    records = made(m.ProtectionSet(PLANNED), m.PlanMade(plan()), *RENAMED)
    (kept,) = records.all(m.Protection)
    assert [x.occasion for x in records.all(m.Plan)] == [kept.occasion]
    assert "APLE" in kept.occasion
    assert alerts(records) == []


@pytest.mark.parametrize("newest", ["AAPL", "APLE"])
def test_of_two_protections_of_one_part_the_last_one_set_goes_on(newest):
    other = evolve(KEPT, symbol="APLE", pending=True, number=3, policy=m.ExitPolicy(stop_price=4))
    pair = [evolve(x, set_at=LATER if x.symbol == newest else AT) for x in (KEPT, other)]
    records = made(*(m.ProtectionSet(x) for x in pair), *RENAMED)
    (found,) = records.all(m.Protection)
    is_old = newest == "AAPL"
    assert (found.key, found.number, found.pending) == ("APLE/s", 4, False)
    assert (found.policy.stop_price, found.applied) == ((5, True) if is_old else (4, False))
    (text,) = alerts(records)
    assert text == (
        "two protections of APLE (s) became one, because a symbol has another name: the one that "
        f"was set at {LATER} goes on for all of its units"
    )


@pytest.mark.parametrize(("old", "new", "left"), [(LATER, AT, LATER), (AT, LATER, LATER)])
def test_of_two_cooldowns_the_longer_one_holds(old, new, left):
    ends = [
        m.Cooldown(symbol=x, strategy="b", until=until, order="x")
        for x, until in (("AAPL", old), ("APLE", new))
    ]
    records = made(*(m.ProtectionEnded(x.symbol, "b", "a stop", x) for x in ends), *RENAMED)
    assert [(x.symbol, x.until) for x in records.all(m.Cooldown)] == [("APLE", left)]
