"""Every reason of a denial, by its context."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core import checks
from fillbook.core.checks import buying_power
from fillbook.core.checks.context import CheckContext
from tests.core.checks.contexts import (
    A_BRACKET,
    A_BUY,
    A_PART,
    A_SALE,
    A_STOP,
    A_TRAIL,
    ABLE,
    ACCOUNT,
    AN_EXIT,
    BTC,
    COIN,
    DRIFT,
    ELSEWHERE,
    ENDED,
    HOUR,
    LONG,
    LOTS,
    MISSING,
    MONEY,
    OTHER,
    PARTED,
    PLAIN,
    QUOTE,
    READS_FEE,
    RESERVE,
    SELL,
    SHARE,
    SHORT,
    TAKE,
    UNPROVEN,
    UNSEEN,
    UNTOLD,
    WHOLE,
    D,
    a_context,
    a_plan,
    cooling,
    holding,
    limits,
    order,
    sent,
    session,
)
from tests.core.records import AT, Records, bust, fill, intended, pair_of, report, request

REASONS = [
    # code, the request (default: a market buy of ten AAPL), the context
    ("halted", {}, {"halted": "the model is wrong"}),
    ("account_blocked", {}, {"account": ACCOUNT}),
    (None, {}, {"account": m.AccountSnapshot(ACCOUNT.account, "USD", D(1), D(1), D(1))}),
    ("market_closed", {"time_in_force": "ioc"}, {"session": session(-HOUR)}),
    ("market_closed", {"time_in_force": "fok"}, {"session": session(7 * HOUR)}),
    (None, {"time_in_force": "ioc"}, {"session": session(HOUR)}),
    (None, {"time_in_force": "ioc"}, {"session": None}),
    (None, {}, {"session": session(-HOUR)}),  # it rests until the market opens
    (None, {**BTC, "time_in_force": "ioc"}, {"session": session(-HOUR)}),
    (None, {"time_in_force": "opg"}, {"session": session(-timedelta(minutes=3))}),
    ("market_closed", {"time_in_force": "opg"}, {"session": session(-timedelta(minutes=2))}),
    ("market_closed", {"time_in_force": "opg"}, {"session": session(9 * HOUR)}),
    (None, {"time_in_force": "opg"}, {"session": session(9.5 * HOUR)}),
    (None, {"time_in_force": "cls"}, {"session": session(6 * HOUR)}),
    ("market_closed", {"time_in_force": "cls"}, {"session": session(6.5 * HOUR)}),
    ("unsupported", {}, {"instrument": m.Instrument("AAPL", m.AssetClass.OPTION)}),
    ("unsupported", {"stop_price": 109}, {"capabilities": PLAIN}),
    ("unsupported", {"time_in_force": "gtc"}, {"capabilities": PLAIN}),
    ("unsupported", {"limit_price": 9, "take_profit": 12, "stop_loss": 8}, {"capabilities": PLAIN}),
    ("unsupported", {"qty": None, "notional": 50}, {"capabilities": PLAIN}),
    ("unsupported", {"limit_price": 9, "extended_hours": True}, {"capabilities": PLAIN}),
    ("unsupported", {"limit_price": 9, "post_only": True}, {"capabilities": PLAIN}),
    (None, {"limit_price": 9, "post_only": True}, {"capabilities": evolve(ABLE, post_only=True)}),
    ("unsupported", {"qty": "1.5"}, {"capabilities": PLAIN}),
    (None, {"limit_price": 9}, {"capabilities": PLAIN}),
    ("unsupported", {"qty": "1.5", "time_in_force": "gtc"}, {}),
    ("unsupported", {"qty": "1.5", "stop_price": 109}, {}),
    (None, {"qty": "1.5", "limit_price": 9}, {}),
    ("unsupported", {"extended_hours": True}, {}),
    ("unsupported", {"limit_price": 9, "extended_hours": True, "time_in_force": "gtc"}, {}),
    ("unsupported", {"limit_price": 9, "take_profit": 12}, {}),  # an OTO
    ("unsupported", {**BTC, "time_in_force": "day"}, {}),
    (None, {**SELL, "order_class": "oco", "take_profit": 120, "stop_loss": 90}, LONG),
    ("unknown_symbol", {}, {"instrument": m.Absent()}),
    ("not_tradable", {}, {"instrument": m.Instrument("AAPL", m.AssetClass.EQUITY, (), False)}),
    ("not_fractionable", {"qty": "10.5"}, {"instrument": WHOLE}),
    ("not_fractionable", {"qty": None, "notional": 50}, {"instrument": WHOLE}),
    ("not_shortable", SELL, {"instrument": WHOLE}),
    ("not_shortable", SELL, {"instrument": WHOLE, **SHORT}),
    (None, SELL, {"instrument": WHOLE, **LONG}),
    (None, SELL, {"instrument": WHOLE, "position": None}),  # not known to hold nothing
    ("quantity", {"qty": "0.0009"}, {"instrument": SHARE}),
    ("quantity", {"qty": 4}, {"instrument": WHOLE}),
    ("quantity", {"qty": 5}, {"instrument": LOTS}),
    ("not_fractionable", {"qty": "15.5"}, {"instrument": LOTS}),
    (None, {"qty": 10}, {"instrument": LOTS}),
    ("quantity", {**BTC, "qty": "0.00001"}, {"instrument": COIN}),
    ("quantity", {**BTC, "qty": "0.01"}, {"instrument": COIN}),
    ("quantity", {**BTC, "qty": None, "notional": 9}, {"instrument": COIN}),
    (None, {**BTC, "qty": "0.01"}, {"instrument": COIN, "quote": None}),
    (None, {**BTC, "qty": 1}, {"instrument": COIN}),
    (None, {}, {"instrument": WHOLE}),
    ("price", {"limit_price": "9.005"}, {}),
    (None, {"limit_price": "0.9005"}, {}),
    ("price", {"limit_price": 9, "take_profit": 12, "stop_loss": "8.001"}, {}),
    ("price", {**BTC, "limit_price": "9.25"}, {"instrument": COIN, "limits": m.Limits()}),
    ("price", {"stop_price": 100}, {}),
    ("price", {**SELL, "stop_price": 99}, LONG),
    (None, {"stop_price": 101}, {}),
    (None, {"stop_price": 100}, {"quote": evolve(QUOTE, bid=D(97))}),  # its spread is too wide
    ("price", {**SELL, "order_class": "oco", "take_profit": 120, "stop_loss": 99}, LONG),
    (None, {"stop_price": 100}, {"quote": None}),
    ("price", {"limit_price": 100, "take_profit": 100, "stop_loss": 90}, {}),
    ("price", {"limit_price": 100, "take_profit": 110, "stop_loss": 100}, {}),
    ("price", {"take_profit": 110, "stop_loss": 105}, {}),  # the market is at 100
    (None, {"take_profit": 110, "stop_loss": 105}, {"quote": None}),
    (None, {"limit_price": 100, "take_profit": 110, "stop_loss": 90}, {}),
    (None, {**SELL, "limit_price": 100, "take_profit": 90, "stop_loss": 110}, {}),
    ("price", {**SELL, "order_class": "oco", "take_profit": 90, "stop_loss": 95}, LONG),
    ("no_position", SELL, {"capabilities": PLAIN}),
    ("no_position", {**SELL, **BTC}, {}),
    (None, SELL, {}),
    (None, {**SELL, **BTC}, {"position": None}),
    (None, SELL, LONG),
    (None, {}, SHORT),
    ("through_zero", {**SELL, "qty": 11}, LONG),
    ("through_zero", {"qty": 11}, SHORT),
    ("through_zero", {**SELL, "qty": None, "notional": 1000}, LONG),
    (None, {**SELL, "qty": None, "notional": 990}, LONG),
    ("units_held", SELL, {**LONG, "orders": (order("c2", qty=4, limit_price=120, **SELL),)}),
    ("strategy_position", {**SELL, "strategy": "a", "qty": 7}, PARTED),
    (None, {**SELL, "strategy": "a", "qty": 6}, PARTED),
    ("strategy_position", {**SELL, "strategy": "c"}, PARTED),
    ("strategy_position", {**SELL, "strategy": "a", "qty": 3}, {**PARTED, "orders": (A_PART,)}),
    (None, {**SELL, "strategy": "a", "qty": 2}, {**PARTED, "orders": (A_PART,)}),
    (None, {**SELL, "strategy": "a", "qty": 7}, {**PARTED, "limits": TAKE}),
    ("strategy_position", {**SELL, "strategy": "a", "qty": 9}, {**PARTED, "limits": TAKE}),
    ("no_price", {**SELL, "strategy": "a", "qty": None, "notional": 9}, {**PARTED, "quote": None}),
    (None, {**SELL, "strategy": "c"}, SHORT),
    ("strategy_position", {"strategy": "c"}, SHORT),
    ("wash_trade", {}, A_SALE),
    ("wash_trade", SELL, {**LONG, **A_BUY}),  # also what reduces
    ("wash_trade", {"limit_price": 50}, A_STOP),
    ("wash_trade", {"limit_price": 110}, A_SALE),
    (None, {"limit_price": 109}, A_SALE),
    (None, {"limit_price": 110}, UNTOLD),
    ("wash_trade", {**SELL, "limit_price": 50}, {**LONG, **A_BUY}),
    (None, {**SELL, "limit_price": 51}, {**LONG, **A_BUY}),
    (None, {"limit_price": 100, "take_profit": 120, "stop_loss": 90}, A_STOP),
    (None, {"trail_price": 9}, A_STOP),
    (None, {}, A_TRAIL),
    (None, {}, {**A_BUY, "limits": m.Limits()}),  # of the same side
    (None, SELL, {**LONG, **A_BRACKET}),
    (None, {}, AN_EXIT),
    (None, {}, ENDED),
    ("symbol_locked", {}, UNSEEN),  # unconfirmed: not for the wash rule
    (None, {}, {**A_STOP, "capabilities": PLAIN}),  # a broker without the rule
    ("duplicate", {}, {"recent": (sent(0.5),)}),
    (None, {}, {"recent": (sent(0.5, key="a"),)}),
    (None, {}, {"recent": (sent(0.5),), "key": "b"}),
    (None, {}, {"recent": (sent(0.5),), **limits(duplicate_s=0)}),
    (None, {}, {"recent": (sent(1),)}),
    ("duplicate", {}, {"recent": (sent(2),), **limits(duplicate_s="2.5")}),
    (None, {}, {"recent": (sent(0.5, qty=11), sent(0.5, side="sell"))}),
    ("order_notional", {}, limits(order_notional_max="999.99")),
    (None, {}, limits(order_notional_max=1000)),
    ("order_notional", {"qty": None, "notional": 1001}, limits(order_notional_max=1000)),
    ("no_price", {}, {"quote": None, **limits(order_notional_max=1000)}),
    (None, SELL, {**LONG, **limits(order_notional_max=1, symbol_notional_max=1)}),
    ("symbol_notional", {}, {**LONG, **limits(symbol_notional_max=1999)}),
    (None, {}, {**LONG, **limits(symbol_notional_max=2000)}),
    ("no_price", {}, {"quote": None, **limits(symbol_notional_max=2000)}),
    (None, {"reference_price": 100}, {"quote": None, **limits(symbol_notional_max=2000)}),
    ("day_notional", {}, {"recent": (sent(86_399, worth=1),), **limits(day_notional_max=1000)}),
    (None, {}, {"recent": (sent(86_400, worth=1),), **limits(day_notional_max=1000)}),
    ("no_price", {}, {"recent": (sent(9, worth=None),), **limits(day_notional_max=1000)}),
    (None, {}, {"recent": (sent(86_400, worth=None),), **limits(day_notional_max=1000)}),
    (None, {}, {"recent": (sent(9, worth=None, opens=False),), **limits(day_notional_max=1000)}),
    (None, SELL, {**LONG, "recent": (sent(9, worth=None),), **limits(day_notional_max=1000)}),
    (None, SELL, {**LONG, "recent": (sent(9, worth=1),), **limits(day_notional_max=1)}),
    ("orders_per_minute", {}, {"recent": (sent(59),), **limits(orders_per_minute_max=1)}),
    (None, {}, {"recent": (sent(60),), **limits(orders_per_minute_max=1)}),
    (None, SELL, {**LONG, "recent": (sent(9),), **limits(orders_per_minute_max=1)}),
    ("position", {}, {**A_BUY, **limits(position_max="10.5")}),
    (None, {}, {**A_BUY, **limits(position_max=11)}),
    ("position", SELL, limits(position_max=9)),
    (None, SELL, {**LONG, **limits(position_max=9)}),
    ("no_price", {"qty": None, "notional": 9}, {"quote": None, **limits(position_max=9)}),
    ("price_collar", {"limit_price": 106}, limits(price_collar="0.05")),
    (None, {"limit_price": 105}, limits(price_collar="0.05")),
    (None, {"limit_price": 50}, limits(price_collar="0.05")),  # better is no slip
    ("price_collar", {**SELL, "limit_price": 90}, limits(price_collar="0.05")),
    ("no_price", {"limit_price": 90}, {"quote": None, **limits(price_collar="0.05")}),
    (None, {}, limits(price_collar="0.05")),
    ("symbol_locked", {}, {"orders": (UNPROVEN,)}),
    ("symbol_locked", {}, {"orders": (MISSING,)}),
    (None, {}, {"orders": (evolve(MISSING, broker_order_id="b2"),)}),  # an earlier id
    (None, {}, {"orders": (evolve(MISSING, is_final=True),)}),
    ("symbol_locked", {}, {"orders": (OTHER,)}),
    (None, {}, {"orders": (evolve(OTHER, is_final=True),)}),
    (None, {**BTC, "time_in_force": "gtc"}, {"orders": (UNPROVEN,), "drifts": (DRIFT, MONEY)}),
    ("symbol_locked", {}, {"drifts": (DRIFT,)}),
    (None, {}, {"drifts": (ELSEWHERE, MONEY)}),
    (None, SELL, {**LONG, "orders": (UNPROVEN,), "drifts": (DRIFT,)}),
    ("plan_running", {}, {"plans": (a_plan(),)}),
    ("plan_running", {}, {"plans": (a_plan(), a_plan("p2", "paused"))}),
    ("plan_running", SELL, {"position": holding(0), "plans": (a_plan(),)}),
    ("plan_running", {}, {"plans": (a_plan(),), "plan": "p2"}),
    (None, {}, {"plans": (a_plan(),), "plan": "p1"}),  # its own order
    (None, {}, {"plans": (a_plan(state="proposed"), a_plan("p2", "approved"))}),
    (None, {}, {"plans": (a_plan(symbol="MSFT"),)}),
    (None, SELL, {**LONG, "plans": (a_plan(),)}),
    ("cooldown", {}, {"cooldown": cooling(1)}),
    (None, {}, {"cooldown": cooling(0)}),
    (None, SELL, {**LONG, "cooldown": cooling(1)}),
    ("no_position", {**SELL, "reduce_only": True}, {}),
    ("no_position", {"reduce_only": True}, {}),
    ("no_position", {"reduce_only": True}, LONG),
    (None, {**SELL, "reduce_only": True}, LONG),
    (None, {**SELL, "reduce_only": True}, {**LONG, "halted": "why", "plan": "p1"}),
    ("halted", {**SELL, "reduce_only": True}, {**LONG, "halted": "why"}),
    ("halted", SELL, {**LONG, "halted": "why", "plan": "p1"}),
    ("halted", {"reduce_only": True}, {**LONG, "halted": "why", "plan": "p1"}),
    ("not_in_sync", {}, {"in_sync": False}),
    (None, SELL, {**LONG, "in_sync": False}),
    ("not_in_sync", {}, {"snapshot_age": timedelta(seconds=300.1)}),
    (None, {}, {"snapshot_age": timedelta(seconds=300)}),
    (None, {}, {"snapshot_age": timedelta(hours=1), **limits(snapshot_age_max_s=3600)}),
    (None, SELL, {**LONG, "snapshot_age": timedelta(days=1)}),
    ("no_price", {}, {"reserve": None}),
    ("no_fee_rate", {}, {"capabilities": READS_FEE}),
    (None, {}, {"capabilities": READS_FEE, "reserve": evolve(RESERVE, fee=D("0.01"))}),
    (None, {}, {"capabilities": READS_FEE, "reserve": m.Reserve(opens=False)}),
    ("no_price", {}, {**limits(order_notional_max=5000), "rate": None}),
    ("no_price", {}, {**limits(symbol_notional_max=5000), "rate": None}),
    ("no_price", {}, {**limits(day_notional_max=5000), "rate": None}),
    ("order_notional", {}, {**limits(order_notional_max=5000), "rate": D("5.01")}),
    (None, {}, {**limits(order_notional_max=5000), "rate": D(5)}),
    ("symbol_notional", {}, {**limits(symbol_notional_max=5000), "rate": D("5.01")}),
    ("units_held", {**SELL, "qty": 8}, {**LONG, "reserved_units": D(3)}),
    ("no_funds_read", {}, {"funds": None}),
    ("buying_power", {}, {"reserve_amount": D("1000.01")}),
    (
        "buying_power",
        BTC,
        {"reserve": m.Reserve(opens=True, margin=False), "reserve_amount": D(1001)},
    ),
    (None, {}, {"reserve": m.Reserve(opens=False), "funds": None}),
    (None, SELL, {**LONG, "reserve": None, "funds": None, "reserve_amount": D(9999)}),
]


@pytest.mark.parametrize(("code", "wish", "known"), REASONS)
def test_a_request_is_denied_for_the_reason_that_its_context_has(code, wish, known):
    """The table of reasons; None: every check passes."""
    asked = request(**{"qty": 10, **wish})
    reason = checks.denial_reason(asked, a_context(pair=pair_of(asked.symbol), **known))
    assert code == (None if reason is None else reason.code)
    if reason is not None:
        assert str(reason) == reason.message
        assert all(isinstance(value, str | Decimal) for _, value in reason.figures)


def test_every_reason_of_ours_is_in_the_table_but_that_of_a_broken_check():
    assert {code for code, _, _ in REASONS} == {None, *m.ReasonCode} - {"check_failed"}


def test_a_buy_beyond_the_buying_power_is_denied_with_both_numbers():
    """$52,596 of stock with $3,432.62 available: the message has both."""
    known = {"reserve_amount": D(52596), "funds": m.Funds(D("3432.62"), D("3432.62"))}
    reason = checks.denial_reason(request(), a_context(**known))
    assert "52,596.00" in reason.message
    assert "3,432.62" in reason.message
    assert dict(reason.figures) == {"needed": 52596, "available": D("3432.62")}


def test_an_order_through_zero_is_denied_with_the_two_orders_it_needs():
    reason = checks.denial_reason(request(qty=25, **SELL), a_context(**LONG))
    assert dict(reason.figures) == {"asked": 25, "held": 10, "first": 10, "then": 15}


def test_a_disputed_order_closes_its_symbol():
    records = Records()
    records.take(intended())
    for fact in (report("new"), fill("f1", 10, 9, cum=10)):
        records.take(fact)
    records.take(bust("other", source="history"))
    dispute = records.order()
    assert dispute.status is m.OrderStatus.DISPUTED
    reason = checks.denial_reason(request(), a_context(orders=(dispute,)))
    assert "c1 is disputed" in reason.message


def test_a_sale_without_an_opening_balance_is_denied_with_what_to_do():
    """The position was never read, so it counts as a short sale; a sync ends that."""
    wish = request(side="sell", limit_price=10)
    poor = CheckContext(
        now=m.moment(AT),
        capabilities=m.Capabilities(order_types=frozenset(), times_in_force=frozenset()),
        reserve=m.Reserve(opens=True),
        reserve_amount=Decimal(1000),
        funds=m.Funds(Decimal(5), Decimal(5)),
    )
    assert "`fillbook sync` reads them" in buying_power.affordable(wish, poor).message
    opened = evolve(poor, position=m.Position(symbol="AAPL"))
    assert "sync" not in buying_power.affordable(wish, opened).message


@pytest.mark.parametrize(
    ("kw", "words"),
    [
        ({}, "the order needs up to 1,000.00, and 0.50 is available"),
        ({"currency": "EUR"}, "the order needs up to 1000 EUR, and 0.5 EUR is available"),
        (
            {"currency": "BTC", "paid_from": "BTC/USD"},
            "the position in BTC/USD has 0.5 BTC available",
        ),
    ],
)
def test_a_denial_for_lack_of_funds_names_what_is_lacking(kw, words):
    reserve = m.Reserve(opens=True, **kw)
    context = a_context(funds=m.Funds(D("0.5"), D("0.5")), reserve=reserve)
    assert words in str(checks.denial_reason(request(), context))
