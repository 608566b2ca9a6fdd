"""What a corporate action does to the parts of the strategies, as a fold (P9)."""

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import position
from fillbook.core.holdings import restated_units
from tests.core.test_position import FILL, move

RATIO, REMOVED, RECEIVED = m.MoveKind.RATIO, m.MoveKind.REMOVED, m.MoveKind.RECEIVED
D = Decimal


def held(*parts, price=10):
    """The movements of fills of these quantities, by strategy a, b, …"""
    return [
        move(second, FILL, qty, price, strategy=name)
        for second, (name, qty) in enumerate(zip("abc", parts, strict=False))
    ]


def act(kind, qty=0, **kw):
    return move(30, kind, qty, None, **{k: D(str(v)) for k, v in kw.items()})


def after(history, *moves):
    found, trades = position.refold("AAPL", [*history, *moves])
    assert sum((x.qty for _, x in found.by_strategy), D(0)) == found.qty
    return found, trades


def parts_of(found):
    return {name: part.qty for name, part in found.by_strategy if part.qty}


@pytest.mark.parametrize(
    ("parts", "action", "expected"),
    [
        ((4, 6), {"ratio": 3}, (12, 18)),
        ((4, 6), {"ratio": "0.1", "qty": 1}, ("0.8", "1.2")),  # 1 and 1 more
        ((4, 6), {"qty": 30, "from_qty": 10}, (12, 18)),
        ((-4, -6), {"qty": 10, "from_qty": 30}, (-12, -18)),  # a short one adds what it removes
        ((4, 8), {"qty": 30, "from_qty": 10}, (12, 24)),  # our record had other units
        ((4, 6), {"qty": 20}, (12, 18)),
        ((-4, -6), {"qty": 5}, (-2, -3)),
        ((4, 6), {"qty": -10}, (4, 6)),  # the other row is not known yet
        ((4, 6), {"qty": -12}, (4, 6)),
        ((5, -5), {"ratio": 2}, (10, -10)),
    ],
)
def test_the_units_of_one_symbol_are_restated(parts, action, expected):
    found, trades = after(held(*parts), act(RATIO, **action))
    assert parts_of(found) == dict(zip("ab", map(D, map(str, expected)), strict=True))
    costs = {name: part.cost for name, part in found.by_strategy}
    assert costs == {name: abs(qty) * 10 for name, qty in zip("ab", parts, strict=True)}
    assert (trades, found.account.realized) == ([], 0)


def test_units_that_nobody_held_are_nobodys():
    found, _ = after([], act(RATIO, qty=30, from_qty=10))
    assert parts_of(found) == {"": 20}
    assert found.account.cost is None


@pytest.mark.parametrize(("sign", "cash", "cost", "realized"), [(1, 30, 70, 0), (1, 130, 0, 30)])
@pytest.mark.parametrize("short", [False, True])
def test_cash_beside_units_reduces_the_cost_and_realizes_what_exceeds_it(
    sign, cash, cost, realized, short
):
    sign = -sign if short else sign
    action = act(RATIO, qty=5, from_qty=10, cash=cash * sign)
    if short:
        action = act(RATIO, qty=10, from_qty=5, cash=cash * sign)
    found, trades = after(held(4 * sign, 6 * sign), action)
    assert (found.account.cost, found.account.realized, trades) == (cost, realized, [])
    assert {x.cost for _, x in found.by_strategy} == {cost * D("0.4"), cost * D("0.6")}


def test_cash_beside_units_of_unknown_cost_leaves_it_unknown():
    history = held(4, 6, price=None)
    found, _ = after(history, act(RATIO, qty=5, from_qty=10, cash=30))
    assert (found.account.cost, found.account.realized) == (None, 0)
    unknown = [*history, move(20, FILL, -1, 9, strategy="a")]
    found, _ = after([*unknown], act(RATIO, qty=5, from_qty=9, cash=30))
    assert found.account.realized is None


@pytest.mark.parametrize("qty", [{"qty": -10}, {"ratio": "0.01", "qty": "-0.1"}])
def test_a_position_that_is_paid_out_realizes_the_difference(qty):
    found, trades = after(held(4, 6), act(RATIO, cash=130, **qty))
    assert (found.qty, found.account.realized, trades) == (0, 30, [])
    assert [x.realized for _, x in found.by_strategy] == [12, 18]


@pytest.mark.parametrize(
    ("parts", "qty", "cash", "left", "realized"),
    [
        ((4, 6), -10, None, {}, 0),
        ((4, 6), -10, 150, {}, 50),
        ((-4, -6), 10, -150, {}, -50),
        ((4, 6), -5, 75, {"a": 2, "b": 3}, 25),
        ((4, 6), -12, None, {"": -2}, 0),  # more than was held
        ((4, 6), 3, None, {"": 3, "a": 4, "b": 6}, 0),  # it removes nothing of these
        ((0,), -3, None, {"": -3}, 0),
    ],
)
def test_units_are_removed_in_proportion(parts, qty, cash, left, realized):
    known = {} if cash is None else {"cash": cash}
    history = [x for x in held(*parts) if x.qty]
    found, trades = after(history, act(REMOVED, qty, **known))
    assert (parts_of(found), found.account.realized, trades) == (left, realized, [])


def test_units_of_unknown_cost_that_are_paid_out_have_an_unknown_result():
    found, _ = after(held(4, 6, price=None), act(REMOVED, -10, cash=150))
    assert found.account.realized is None
    sold = [*held(4, 6, price=None), move(20, FILL, -1, 9, strategy="a")]
    assert after(sold, act(REMOVED, -9, cash=150))[0].account.realized is None


def received(qty, from_qty, source, **kw):
    action = act(RECEIVED, qty, from_qty=from_qty, **kw)
    return evolve(action, parts=restated_units.received_parts(action, source))


def test_units_are_received_in_proportion_with_their_cost_and_round_trip():
    source, _ = after(held(4, 6))
    action = evolve(act(RECEIVED, 5, from_qty=-10), follows_cost=True)
    action = evolve(action, parts=restated_units.received_parts(action, source))
    found, trades = after([], action)
    assert (parts_of(found), trades) == ({"a": 2, "b": 3}, [])
    assert [x.cost for _, x in found.by_strategy] == [40, 60]
    assert found.account.opened_at == source.account.opened_at
    sold, trades = after([action], move(40, FILL, -2, 25, strategy="a"))
    assert [(x.qty, x.entry_price, x.pnl) for x in trades] == [(2, 20, 10)]
    assert sold.account.realized == 10


def test_a_part_of_the_units_takes_a_part_of_the_cost():
    source, _ = after(held(4, 6))
    action = evolve(act(RECEIVED, 5, from_qty=-5, cash=10), follows_cost=True)
    parts = restated_units.received_parts(action, source)
    assert [(x.qty, x.cost) for _, x in parts] == [(2, 16), (3, 24)]


def test_units_beside_others_have_an_unknown_cost():
    source, _ = after(held(4, 6))
    found, _ = after([], received(1, 0, source))
    assert parts_of(found) == {"a": D("0.4"), "b": D("0.6")}
    assert (found.account.cost, found.account.entry_value) == (None, None)


def test_what_nobody_is_entitled_to_is_unattributed_unless_it_was_assigned():
    empty = m.Position(symbol="OLD")
    assert parts_of(after([], received(5, -10, empty))[0]) == {"": 5}
    assigned = evolve(received(5, -10, empty), strategy="s")
    assert parts_of(after([], assigned)[0]) == {"s": 5}
    source, _ = after([move(1, FILL, 3, 10)])
    more = evolve(received(3, -3, source), qty=D(5))
    assert parts_of(after([], more)[0]) == {"": 5}


def test_a_share_that_is_too_small_is_not_received():
    source, _ = after(held("0.000000001", 10))
    assert [name for name, _ in received("0.000000001", 0, source).parts] == ["b"]


def test_units_of_the_other_sign_close_each_other_at_an_unknown_result():
    source, _ = after(held(4, 6))
    found, _ = after(held(-1, 7), received(5, -10, source))
    assert parts_of(found) == {"a": 1, "b": 10}
    assert dict(found.by_strategy)["a"].realized is None
    found, _ = after(held(-2), received(5, -10, source))
    assert parts_of(found) == {"b": 3}
    found, _ = after(held(-3), received(5, -10, source))
    assert parts_of(found) == {"a": -1, "b": 3}


def test_quantities_that_do_not_end_are_cut_and_sum_exactly():
    found, _ = after(held(35, 70), act(RATIO, qty=10, from_qty=105))
    assert parts_of(found) == {"a": D("3.333333333"), "b": D("6.666666667")}


quantities = st.decimals(1, 1000, places=3)


@given(st.lists(quantities, min_size=1, max_size=3), quantities, st.sampled_from((1, -1)))
def test_the_parts_sum_to_the_account_and_keep_their_proportion(parts, new, sign):
    """Whatever the quantities: within a billionth, and the sum exactly."""
    whole = sum(parts)
    history = held(*(x * sign for x in parts))
    pair = (new, whole) if sign > 0 else (whole, new)
    found, _ = after(history, act(RATIO, pair[0], from_qty=pair[1]))
    assert found.qty == new * sign
    for name, qty in zip("abc", parts, strict=False):
        exact = qty * new / whole
        assert abs(abs(dict(found.by_strategy)[name].qty) - exact) < D("3e-9")


def test_a_strategy_that_holds_nothing_any_more_is_not_paid():
    closed = [*held(4, 6), move(20, FILL, -4, 11, strategy="a")]
    found, _ = after(closed, act(REMOVED, -6, cash=90))
    assert [x.realized for _, x in found.by_strategy] == [4, 30]
