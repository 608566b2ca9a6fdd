"""Checks before an order: what a broker takes, what is closed for new risk, what reduces."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core import checks
from tests.core.records import AT, Records, fill, intended, report, request, terms, void

PLAIN = m.Capabilities(
    order_types=frozenset({m.OrderType.MARKET, m.OrderType.LIMIT}),
    times_in_force=frozenset({m.TimeInForce.DAY}),
)


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        ({}, None),
        ({"limit_price": 9}, None),
        ({"stop_price": 9}, "stop orders"),
        ({"time_in_force": "gtc"}, "time in force gtc"),
        ({"limit_price": 9, "take_profit": 12, "stop_loss": 8}, "bracket orders"),
        ({"qty": None, "notional": 50}, "orders by notional"),
        ({"limit_price": 9, "extended_hours": True}, "extended hours"),
        ({"qty": "1.5"}, "fractions of a share"),
    ],
)
def test_what_a_broker_cannot_do_is_refused_by_name(wish, what):
    reason = checks.unsupported(request(**wish), PLAIN)
    refused = what and checks.Reason("unsupported", f"this broker does not take {what}")
    assert reason == refused


@pytest.mark.parametrize(
    "wish",
    [
        {"qty": None, "notional": 50},
        {"qty": "1.5"},
        {"limit_price": 9, "extended_hours": True},
    ],
)
def test_what_a_broker_declares_passes(wish):
    able = m.Capabilities(
        order_types=PLAIN.order_types,
        times_in_force=PLAIN.times_in_force,
        notional=True,
        fractional=True,
        extended_hours=True,
    )
    assert checks.unsupported(request(**wish), able) is None


def holding(qty, fee_due=0):
    return m.Position(
        symbol="AAPL", account=m.Holding(qty=Decimal(qty)), fee_due=Decimal(str(fee_due))
    )


def order(client_order_id="c1", word="new", parent=None, **wish):
    """An order as a bot sees it; seen by the broker unless *word* is None."""
    records = Records()
    records.take(intended(client_order_id, **wish))
    if word is not None:
        records.take(report(word, client_order_id=client_order_id, terms=terms(**wish)))
    found = records.order(client_order_id)
    return found if parent is None else m.Order(**{**fields(found), "parent": parent})


def fields(value):
    return {a.name: getattr(value, a.name) for a in m.Order.__attrs_attrs__}


SELL = {"side": "sell"}


@pytest.mark.parametrize(
    ("side", "held", "orders", "expected"),
    [
        ("sell", 10, [], 10),
        ("buy", 10, [], 0),  # it adds
        ("sell", 0, [], 0),
        ("sell", -10, [], 0),
        ("buy", -10, [], 10),
        ("sell", 10, [order(qty=4, **SELL)], 6),
        ("sell", 10, [order(qty=4, word=None, **SELL)], 6),  # unproven is alive
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
    assert checks.closable(m.OrderSide(side), holding(held), orders) == expected


def test_the_exits_of_one_bracket_count_once():
    """Only one of them can fill, and the larger counts."""
    exits = [order("t1", parent="c1", qty=4, **SELL), order("s1", parent="c1", qty=6, **SELL)]
    assert checks.closable(m.OrderSide.SELL, holding(10), exits) == 4
    assert checks.closable(m.OrderSide.SELL, holding(10), exits[::-1]) == 4


def test_the_children_of_an_oco_count_with_it_once():
    parent = order("o1", qty=6, **SELL)
    child = order("o2", parent="o1", qty=6, **SELL)
    assert checks.closable(m.OrderSide.SELL, holding(10), [parent, child]) == 4


def test_units_that_a_fee_may_still_take_cannot_be_closed():
    assert checks.closable(m.OrderSide.SELL, holding(10, fee_due="0.25"), []) == Decimal("9.75")
    assert checks.closable(m.OrderSide.BUY, holding(-10, fee_due="0.25"), []) == 10


def test_nothing_is_closable_without_a_position():
    assert checks.closable(m.OrderSide.SELL, None, []) == 0


UNPROVEN = order("c9", word=None, qty=5)
DRIFT = m.OpenDrift("position/AAPL", m.Phantom("AAPL", Decimal(3)), AT)
ELSEWHERE = m.OpenDrift("position/MSFT", m.Phantom("MSFT", Decimal(3)), AT)
MONEY = m.OpenDrift("cash", m.WrongCash(Decimal(1), Decimal(2)), AT)


def disputed():
    records = Records()
    records.take(intended())
    for fact in (report("new"), fill("f1", 10, 9, cum=10)):
        records.take(fact)
    records.take(void("other", source="history"))
    return records.order()


@pytest.mark.parametrize(
    ("wish", "orders", "drifts", "word"),
    [
        ({}, [], [], None),
        ({}, [order("c2")], [], None),  # a working order is no reason
        ({}, [UNPROVEN], [], "order c9 is unproven"),
        ({"symbol": "MSFT"}, [UNPROVEN], [DRIFT, MONEY], None),
        ({}, [], [DRIFT], "our record and the broker differ"),
        ({}, [], [ELSEWHERE, MONEY], None),
        ({"side": "sell", "qty": 10}, [UNPROVEN], [DRIFT], None),  # it reduces in the worst case
        ({"side": "sell", "qty": 11}, [UNPROVEN], [], "order c9 is unproven"),
        ({"side": "sell", "qty": None, "notional": 1}, [], [DRIFT], "differ"),  # of unknown size
    ],
)
def test_a_symbol_is_closed_for_new_risk_and_open_for_less(wish, orders, drifts, word):
    reason = checks.locked(request(**wish), holding(10), orders, drifts)
    if word is None:
        assert reason is None
    else:
        assert reason.code == "symbol_locked"
        assert word in reason.message


def test_a_disputed_order_closes_its_symbol():
    dispute = disputed()
    assert dispute.status is m.OrderStatus.DISPUTED
    assert "c1 is disputed" in checks.locked(request(), None, [dispute], []).message
