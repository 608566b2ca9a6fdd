"""The texts of denials: the figures with their units, and advice that can be followed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core import checks, symbol_names
from fillbook.core.checks import broker_rules
from tests.core.checks.contexts import (
    A_PART,
    A_STOP,
    ABLE,
    ACCOUNT,
    BTC,
    COIN,
    HOUR,
    MISSING,
    NOW,
    PARTED,
    SELL,
    SHARE,
    TAKE,
    UNPROVEN,
    D,
    a_context,
    cooling,
    holding,
    limits,
    order,
    session,
)
from tests.core.records import Records, intended, pair_of, request

OPEN = evolve(ACCOUNT, blocked=())
IN_DOLLARS = {"account": OPEN}
COINS = {"instrument": COIN, "pair": pair_of("BTC/USD"), "limits": m.Limits(), **IN_DOLLARS}
RESTING = (order("c2", limit_price=120, qty=4, **SELL),)
NOTIONAL = {"qty": None, "notional": "7.8"}
ALL_OF_A = (order("c2", limit_price=120, qty=6, strategy="a", **SELL),)
TWO_PARTS = {
    "position": evolve(
        holding(10), by_strategy=(("a", m.Holding(qty=D(8))), ("b", m.Holding(qty=D(2))))
    )
}
LONG = {"position": holding(10)}
COIN_HELD = m.Position(
    symbol="BTC/USD", account=m.Holding(qty=D("0.05")), fee_due=Decimal("0.000125")
)
DEAR = m.Quote("BTC/USD", D(64_000), D(64_000), NOW)

WORDS = {
    "an order value below the minimum": (
        {**BTC, **NOTIONAL},
        COINS,
        "the order value, 7.80 USD, is below the broker's minimum of 10.00 USD",
    ),
    "a value that rounds to the minimum": (
        {**BTC, "qty": None, "notional": "9.999"},
        COINS,
        "the order value, 9.99 USD, is below the broker's minimum of 10.00 USD",
    ),
    "a quantity below the minimum": (
        {"qty": "0.0009"},
        {"instrument": SHARE},
        "the quantity, 0.0009 AAPL, is below the broker's minimum of 0.001",
    ),
    "too little buying power": (
        {},
        {**IN_DOLLARS, "reserve_amount": D("1000.001"), "funds": m.Funds(D("999.999"), D(0))},
        "insufficient buying power: the order needs up to 1,000.01 USD, and 999.99 USD is "
        "available; see `fillbook buying-power`",
    ),
    "too little of another currency": (
        {},
        {
            "reserve": m.Reserve(opens=True, currency="EUR"),
            "funds": m.Funds(D("0.5"), D("0.5")),
        },
        "insufficient buying power: the order needs up to 1000 EUR, and 0.5 EUR is available; "
        "see `fillbook buying-power`",
    ),
    "too few units to pay with": (
        {},
        {
            "reserve": m.Reserve(opens=True, currency="BTC", paid_from="BTC/USD"),
            "funds": m.Funds(D("0.5"), D("0.5")),
        },
        "insufficient BTC to pay with: the order needs up to 1000 BTC, and the position in BTC/USD "
        "has 0.5 BTC available",
    ),
    "no outcome of another order": (
        {},
        {"orders": (UNPROVEN,)},
        "AAPL is locked: order c9 has no confirmed outcome yet; until it has, only reducing orders "
        "are sent. See `fillbook order c9`",
    ),
    "an order that disappeared": (
        {},
        {"orders": (MISSING,)},
        "AAPL is locked: order c8 is no longer found at the broker, which reported it before; "
        "until that is resolved, only reducing orders are sent. If the broker confirms that it "
        'does not exist: desk.resolve("c8", "absent")',
    ),
    "a fee that is due": (
        {**BTC, **SELL, "qty": "0.05"},
        {**COINS, "position": COIN_HELD, "quote": DEAR},
        "only 0.049875 of the 0.05 BTC/USD held can be sold: 0.000125 may still be taken as a "
        "fee. Sell at most 0.049875",
    ),
    "open orders": (
        {**SELL, "qty": 8},
        {**LONG, "orders": RESTING},
        "only 6 of the 10 AAPL held can be sold: open orders reserve 4. Sell at most 6. "
        "`fillbook close AAPL --qty 8` (close_position) cancels these orders first, and places the "
        "exits of the rest again",
    ),
    "all of it in open orders": (
        {**SELL, "qty": 10},
        {**LONG, "orders": (order("c2", limit_price=120, qty=10, **SELL),)},
        "only 0 of the 10 AAPL held can be sold: open orders reserve 10. "
        "`fillbook close AAPL` (close_position) cancels these orders first, and places the exits "
        "of the rest again",
    ),
    "a part in open orders": (
        {**SELL, "qty": 10, "strategy": "a"},
        {**PARTED, "orders": ALL_OF_A},
        "only 4 of the 10 AAPL held can be sold: open orders reserve 6. "
        "`fillbook close AAPL --strategy a` (close_position) cancels these orders first, and "
        "places the exits of the rest again",
    ),
    "units of several parts in open orders": (
        {**SELL, "qty": 5},
        {**PARTED, "orders": ALL_OF_A},
        "only 4 of the 10 AAPL held can be sold: open orders reserve 6. Sell at most 4. "
        "`fillbook close AAPL --strategy NAME --qty 5` (close_position) cancels these orders "
        "first, and places the exits of the rest again",
    ),
    "units in the open orders of another strategy": (
        {**SELL, "qty": 5, "strategy": "b"},
        {**PARTED, "orders": ALL_OF_A},
        "only 4 of the 10 AAPL held can be sold: open orders reserve 6. Sell at most 2",
    ),
    "more than all parts": (
        {**SELL, "qty": 12, "strategy": "a"},
        PARTED,
        "the position is 10 AAPL, less than the order's 12, and strategy a can close 6 of it. Sell "
        "at most 6",
    ),
    "more than a part that may take": (
        {**SELL, "qty": 12, "strategy": "a"},
        {**PARTED, "limits": TAKE},
        "the position is 10 AAPL, less than the order's 12, and strategy a can close 8 of it. Sell "
        "at most 8",
    ),
    "an entry against an exit": (
        {},
        {**LONG, **A_STOP},
        "wash trade: it could match the working stop sell order c2; the broker accepts both sides "
        "only as brackets, OCO orders or trailing stops. That order is an exit of the position: "
        "send this one as a bracket, with its own take profit and stop loss, or use `fillbook "
        "rebalance`, which places the exits again",
    ),
    "an entry against an entry": (
        {},
        A_STOP,
        "wash trade: it could match the working stop sell order c2; the broker accepts both sides "
        "only as brackets, OCO orders or trailing stops. Cancel that order first, or give the "
        "entry its exits",
    ),
    "a difference": (
        {**SELL, "qty": 8},
        {**LONG, "differences": (D(-3),)},
        "only 7 of the 10 AAPL held can be sold: the broker reports 7 (see `fillbook check`). "
        "Sell at most 7",
    ),
    "a flip of shares": (
        {**SELL, "qty": 12},
        LONG,
        "it would flip the position of 10 AAPL: sell 10 first, and after its fill 2 in a second "
        "order",
    ),
    "a flip of coins": (
        {**BTC, **SELL, "qty": "0.06"},
        {**COINS, "position": evolve(COIN_HELD, fee_due=Decimal(0)), "quote": DEAR},
        "the position is 0.05 BTC/USD, less than the order's 0.06: sell at most 0.05",
    ),
    "a flip with a fee due": (
        {**BTC, **SELL, "qty": "0.06"},
        {**COINS, "position": COIN_HELD, "quote": DEAR},
        "the position is 0.05 BTC/USD, less than the order's 0.06: only 0.049875 can be sold, "
        "because 0.000125 may still be taken as a fee. Sell at most 0.049875",
    ),
    "no position": (
        {**BTC, **SELL},
        COINS,
        "there is no position in BTC/USD to sell",
    ),
    "of another strategy": (
        {**SELL, "qty": 5, "strategy": "a"},
        {**PARTED, "orders": (A_PART,)},
        "strategy a holds 6 AAPL, of which its open orders reserve 4, so it can close 2, not 5. "
        "`fillbook close AAPL --strategy a --qty 5` (close_position) cancels these orders first, "
        "and places the exits of the rest again. 2 AAPL belong to no strategy: `fillbook assign` "
        "gives them to one",
    ),
    "more than a part": (
        {**SELL, "qty": 9, "strategy": "b"},
        TWO_PARTS,
        "strategy b holds 2 AAPL, so it can close 2, not 9",
    ),
    "the close": (
        {"time_in_force": "ioc"},
        {"session": session(-HOUR)},
        f"the market is closed until {m.timestamp(NOW + HOUR)[:16]}Z, and the broker would cancel "
        "an ioc order at once; send it then, or as a day order",
    ),
    "an off-tick price": (
        {"limit_price": "9.005"},
        {},
        "limit_price 9.005 is not a multiple of the tick, 0.01; use 9 or 9.01",
    ),
    "a price far off": (
        {"limit_price": 110},
        limits(price_collar="0.05"),
        "a buy at 110 is 10% worse than the market at 100, and the price collar is 5%",
    ),
    "a limit of the bot": (
        {},
        {**IN_DOLLARS, **limits(order_notional_max=500)},
        "the notional of the order would be 10,000 USD, and order_notional_max is 500 USD",
    ),
    "a limit of orders": (
        {},
        {**IN_DOLLARS, **limits(position_max=5)},
        "the position of AAPL would be 100, and position_max is 5",
    ),
    "halted": (
        {},
        {"halted": "the model is wrong"},
        "trading is halted: the model is wrong. To resume, use desk.resume() or "
        "`fillbook halt --resume`",
    ),
    "a cooldown": (
        {"strategy": "s"},
        {"cooldown": cooling(60)},
        "the stop x1 of AAPL of strategy s was filled: until "
        f"{m.timestamp(NOW + timedelta(minutes=1))[:19]}Z only reducing orders are sent; "
        "`fillbook unprotect` ends the cooldown",
    ),
    "a cooldown of no strategy": (
        {},
        {"cooldown": evolve(cooling(60), strategy="")},
        "the stop x1 of AAPL was filled: until "
        f"{m.timestamp(NOW + timedelta(minutes=1))[:19]}Z only reducing orders are sent; "
        "`fillbook unprotect` ends the cooldown",
    ),
    "blocked": (
        {},
        {"account": ACCOUNT},
        "the broker has blocked the account (frozen): ask the broker",
    ),
    "an unsupported type": (
        {"stop_price": 109},
        {"capabilities": evolve(ABLE, order_types=frozenset({m.OrderType.MARKET}))},
        "the broker does not support stop orders",
    ),
    "a time in force of a fraction": (
        {"qty": "1.5", "time_in_force": "gtc"},
        {"instrument": SHARE},
        "the broker does not support simple market orders with gtc (fractions or notionals); it "
        "takes them with day",
    ),
    "a type of a fraction": (
        {"qty": "1.5", "stop_price": 109},
        {"instrument": SHARE},
        "the broker does not support simple stop orders with day (fractions or notionals); "
        "give a whole quantity",
    ),
    "a type in extended hours": (
        {"limit_price": None, "extended_hours": True},
        {},
        "the broker does not support simple market orders with day (extended hours); it takes "
        "limit orders",
    ),
    "a class that it does not take": (
        {"order_class": "oto", "stop_loss": 90},
        {},
        "the broker does not support oto market orders with day (whole units)",
    ),
}


@pytest.mark.parametrize("what", WORDS)
def test_a_denial_has_figures_with_units_and_advice(what):
    wish, known, words = WORDS[what]
    reason = checks.denial_reason(request(**{"reference_price": None, **wish}), a_context(**known))
    assert str(reason) == words


def test_advice_that_the_broker_would_reject_is_not_given():
    """What can be sold is worth less than the least order: it is not advised."""
    known = {**COINS, "position": COIN_HELD, "quote": DEAR, "orders": ()}
    resting = order("c2", limit_price=70_000, qty="0.0498", **BTC, **SELL)
    wish = request(**BTC, **SELL, qty="0.001")
    reason = checks.denial_reason(wish, a_context(**{**known, "orders": (resting,)}))
    assert str(reason) == (
        "only 0.000075 of the 0.05 BTC/USD held can be sold: 0.000125 may still be taken as a fee, "
        "open orders reserve 0.0498. `fillbook close BTC/USD --qty 0.001` (close_position) cancels "
        "these orders first, and places the exits of the rest again"
    )


@pytest.mark.parametrize(
    ("symbol", "similar"),
    [
        ("APPL", ("AAPL", "APP", "APPN")),
        ("MSTF", ("MSFT",)),
        ("BTC/USDD", ("BTC/USD",)),
        ("ZZZZ", ()),
    ],
)
def test_a_symbol_that_is_not_listed_has_the_listed_ones_of_its_letters(symbol, similar):
    listed = ["AAPL", "APP", "APPF", "APPN", "BTC/USD", "GME", "MSFT"]
    found = symbol_names.similar_to(symbol, listed)
    assert found == similar
    absent = a_context(instrument=m.Absent(similar=found))
    reason = broker_rules.tradable(request(symbol=symbol), absent)
    hint = f"; similar: {', '.join(similar)}" if similar else ""
    assert reason.message == f"the broker does not list {symbol}: check the symbol{hint}"


def test_a_denied_order_makes_its_symbol_no_more_known():
    records = Records()
    records.take(intended("c1", symbol="APPL"))
    records.take(intended("c2", symbol="AAPL"))
    records.take(m.IntentDenied("c1", "the broker does not list APPL"))
    assert not symbol_names.is_known(records, "APPL")
    assert symbol_names.is_known(records, "AAPL")
    error = symbol_names.unknown_symbol(records, "APPL", ["AAPL"])
    assert str(error).endswith("check the symbol; similar: AAPL")
