"""The rebalance: open orders on its symbols, in their worst case."""

import fillbook as fb
from tests.core.plans.test_rebalance_rules import ALL, TEN, R, alone, plan, traded


def order(side="buy", qty=5, reserve=0, **kw):
    return fb.WorkingOrder(client_order_id="o1", side=side, leaves_qty=qty, reserve=reserve, **kw)


def held_with(*orders, qty=10):
    return [fb.HeldPosition(symbol="A", qty=qty, orders=orders)]


def test_a_live_order_of_the_bot_keeps_its_symbol_out_or_is_canceled():
    args = ({"A": "0.5", "B": "0.5"}, held_with(order(reserve=50)), TEN, 900)
    found = plan(*args, **ALL)
    assert (found.base, traded(found), found.cancels) == (950, [("B", 47)], ())
    assert alone(found) == {"A": R.OPEN_ORDERS}
    found = plan(*args, open_orders="cancel", **ALL)
    assert (found.base, traded(found), found.cancels) == (1000, [("A", 40), ("B", 50)], ("o1",))


def test_an_unconfirmed_order_is_neither_canceled_nor_traded_over():
    orders = (order(is_confirmed=False), order("sell", reserve=3))
    found = plan({"A": 1}, held_with(*orders), TEN, 900, open_orders="cancel", **ALL)
    assert (found.trades, found.cancels) == ((), ())
    assert (alone(found), found.base) == ({"A": R.UNCONFIRMED_ORDER}, 997)


def test_an_order_of_somebody_else_counts_in_its_worst_case():
    """What it may sell cannot be sold again; what it may buy counts for the leverage."""
    sale = held_with(order("sell", 8, is_ours=False))
    found = plan({"A": 0}, sale, TEN, 900)
    assert (traded(found), alone(found)) == ([("A", -2)], {"A": R.OPEN_ORDERS})
    buy = held_with(order("buy", 30, reserve=300, is_ours=False))
    found = plan({"A": "0.1", "B": "0.9"}, buy, TEN, 900, **ALL)
    assert (found.base, traded(found)) == (700, [("A", -3), ("B", 63)])
    found = plan({"A": 1}, held_with(order("buy", 30, is_ours=False)), TEN, 900, **ALL)
    assert traded(found) == [("A", 60)]
    cover = held_with(order("buy", 8, is_ours=False), qty=-10)
    assert traded(plan({"A": 0}, cover, TEN, 900)) == [("A", 2)]


def test_an_order_of_a_position_without_a_price_is_counted_too():
    unvalued = held_with(order(reserve=7, is_ours=False))
    assert plan({"B": 1}, unvalued, {"B": 10}, 107, **ALL).base == 100


def test_exits_do_not_keep_a_symbol_out_and_are_named():
    exits = held_with(order("sell", 10, is_exit=True))
    (trade,) = plan({"A": "0.05"}, exits, TEN, 900, **ALL).trades
    assert (trade.qty, trade.exits) == (5, ("o1",))
