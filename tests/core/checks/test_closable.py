"""The closable part of a position: all but what live orders may still close."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.checks import context
from tests.core.checks.contexts import SELL, holding, order


@pytest.mark.parametrize(
    ("side", "held", "orders", "expected"),
    [
        ("sell", 10, [], 10),
        ("buy", 10, [], 0),  # it adds
        ("sell", 0, [], 0),
        ("sell", -10, [], 0),
        ("buy", -10, [], 10),
        ("sell", 10, [order(qty=4, **SELL)], 6),
        ("sell", 10, [order(qty=4, word=None, **SELL)], 6),  # unconfirmed is live
        ("sell", 10, [order(qty=4, word="unrecognised", **SELL)], 6),
        ("sell", 10, [order(qty=4, word="canceled", **SELL)], 10),
        ("sell", 10, [order(qty=4)], 10),  # of the other side
        ("sell", 10, [order(qty=4, **SELL), order("c2", qty=4, **SELL)], 2),
        ("sell", 10, [order(qty=14, **SELL)], 0),
        ("sell", 10, [order("c2", qty=None, notional=5, **SELL)], 0),  # of unknown size
    ],
)
def test_what_may_be_closed_is_the_position_less_what_may_still_close_it(
    side, held, orders, expected
):
    assert context.closable(m.OrderSide(side), holding(held), orders) == expected


def test_the_exits_of_one_bracket_count_once():
    """Only one of them can fill, and the larger one counts."""
    exits = [order("t1", parent="c1", qty=4, **SELL), order("s1", parent="c1", qty=6, **SELL)]
    assert context.closable(m.OrderSide.SELL, holding(10), exits) == 4
    assert context.closable(m.OrderSide.SELL, holding(10), exits[::-1]) == 4


def test_the_children_of_an_oco_count_with_it_once():
    parent = order("o1", qty=6, **SELL)
    child = order("o2", parent="o1", qty=6, **SELL)
    assert context.closable(m.OrderSide.SELL, holding(10), [parent, child]) == 4


def test_units_that_a_fee_may_still_take_cannot_be_closed():
    assert context.closable(m.OrderSide.SELL, holding(10, fee_due="0.25"), []) == Decimal("9.75")
    assert context.closable(m.OrderSide.BUY, holding(-10, fee_due="0.25"), []) == 10


@pytest.mark.parametrize(
    ("held", "differences", "expected"),
    [
        (10, [], "9.75"),
        (10, ["-4"], "5.75"),
        (10, ["4"], "9.75"),
        (10, ["-14"], 0),  # the broker may be short
        (-10, [], -10),
        (-10, ["4"], -6),
        (0, ["4"], 0),
        (0, ["-4"], 0),
    ],
)
def test_the_smallest_position_that_the_evidence_allows(held, differences, expected):
    """With the sign of the position; fees that are due take from a long one."""
    found = context.smallest_position(holding(held, fee_due="0.25"), map(Decimal, differences))
    assert found == Decimal(expected)


def test_nothing_is_closable_without_a_position():
    assert context.closable(m.OrderSide.SELL, None, []) == 0


@pytest.mark.parametrize(
    ("qty", "fee_due", "held", "unattributed"),
    [(10, "0.5", "3.8", "5.7"), (1, "0.5", "0.2", "0.3"), (10, 0, 4, 6)],
)
def test_a_fee_that_is_due_takes_its_share_of_every_part(qty, fee_due, held, unattributed):
    parts = {"a": Decimal("0.4") * qty, "": Decimal("0.6") * qty}
    position = evolve(
        holding(qty, fee_due), by_strategy=tuple((x, m.Holding(qty=y)) for x, y in parts.items())
    )
    part = context.strategy_part("a", m.OrderSide.SELL, position, [])
    assert (part.held, part.unattributed) == (Decimal(held), Decimal(unattributed))
    short = context.strategy_part("a", m.OrderSide.BUY, position, [])
    assert (short.held, short.unattributed) == (0, 0)
