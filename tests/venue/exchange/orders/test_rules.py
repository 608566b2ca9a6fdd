"""The rejects of the exchange, with their messages, and the reserves of open orders."""

from __future__ import annotations

from typing import Any

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Amendment, Configurations, Refused
from tests.venue.exchange.floor import D, Day, at

K = m.RejectKind
BTC = {"symbol": "BTC/USD"}
EXITS = {"take_profit": "200", "stop_loss": "180"}

#: Orders on an empty account, and their reject: status, code, kind, message.
REFUSED: list[tuple[dict[str, Any], int, int, m.RejectKind, str]] = [
    ({"client_order_id": "x" * 129}, 422, 40010001, K.INPUT, "no more than 128 characters"),
    ({"symbol": "NOPE"}, 422, 42210000, K.INSTRUMENT, 'asset "NOPE" not found'),
    ({"qty": None}, 422, 40010001, K.QUANTITY, "qty or notional is required"),
    ({"qty": 1, "notional": 5}, 422, 40010001, K.QUANTITY, "qty or notional is required"),
    ({"qty": 0}, 422, 40010001, K.QUANTITY, "qty must be > 0"),
    ({"notional": "10.001"}, 422, 42210000, K.QUANTITY, "2 decimal places"),
    ({"qty": "0.0000000001"}, 422, 42210000, K.QUANTITY, "9 decimal places"),
    ({"type": "limit"}, 422, 40010001, K.PRICE, "limit orders require limit price"),
    (
        {"type": "market", "limit_price": "9"},
        422,
        40010001,
        K.PRICE,
        "market orders must not have a limit price",
    ),
    ({"type": "trailing_stop"}, 422, 40010001, K.PRICE, "orders require trail percent"),
    ({**BTC, "type": "trailing_stop"}, 422, 40010001, K.UNSUPPORTED, "invalid order type"),
    ({"time_in_force": "gtd"}, 422, 42210000, K.UNSUPPORTED, "invalid time_in_force"),
    ({**BTC, "time_in_force": "day"}, 422, 42210000, K.UNSUPPORTED, "invalid crypto time_in"),
    ({**BTC, "stop_price": "70000"}, 422, 40010001, K.UNSUPPORTED, "order type for crypto"),
    (
        {**BTC, **EXITS, "order_class": "bracket", "qty": 1},
        422,
        42210000,
        K.UNSUPPORTED,
        "crypto orders not allowed for advanced order_class: bracket",
    ),
    ({**BTC, "qty": "0.0001"}, 403, 40310000, K.QUANTITY, "minimal amount of order 10"),
    (
        {**BTC, "side": "sell", "qty": 1},
        403,
        40310000,
        K.NO_POSITION,
        "insufficient balance for BTC",
    ),
    ({"symbol": "BRKX", "qty": "1.5"}, 403, 40310000, K.QUANTITY, "is not fractionable"),
    (
        {"qty": "1.5", "time_in_force": "gtc"},
        422,
        42210000,
        K.UNSUPPORTED,
        "fractional orders must be DAY orders",
    ),
    (
        {"qty": "1.5", "order_class": "bracket", **EXITS},
        422,
        42210000,
        K.UNSUPPORTED,
        "fractional orders must be simple orders",
    ),
    ({"qty": "1.5", "side": "sell"}, 422, 42210000, K.NO_POSITION, "cannot be sold short"),
    ({"symbol": "HARD", "side": "sell"}, 422, 42210000, K.NO_POSITION, "cannot be sold short"),
    ({"extended_hours": True}, 422, 42210000, K.UNSUPPORTED, "extended hours order must be"),
    (
        {"order_class": "bracket", "take_profit": "200"},
        422,
        42210000,
        K.UNSUPPORTED,
        "bracket orders require stop_loss.stop_price",
    ),
    (
        {"order_class": "oco", "type": "limit", "side": "sell", **EXITS},
        422,
        42210000,
        K.UNSUPPORTED,
        "oco orders must be exit orders",
    ),
    ({"limit_price": "290.123"}, 422, 42210000, K.PRICE, "invalid limit_price 290.123. sub-penny"),
    ({"stop_price": "180"}, 422, 42210000, K.PRICE, "stop price must be greater than current"),
    (
        {"order_class": "bracket", "take_profit": "200", "stop_loss": "188"},
        422,
        42210000,
        K.PRICE,
        "at least 0.01 beyond the base price",
    ),
    (
        {"stop_price": "200", "time_in_force": "ioc"},
        422,
        42210000,
        K.UNSUPPORTED,
        "invalid time_in_force",
    ),
    (
        {"extended_hours": True, "limit_price": "180", "order_class": "bracket", **EXITS},
        422,
        42210000,
        K.UNSUPPORTED,
        "extended hours order must be simple orders",
    ),
    (
        {"order_class": "oto", **EXITS},
        422,
        42210000,
        K.UNSUPPORTED,
        "oto orders take no more than 1 exits",
    ),
    (
        {"order_class": "oco", "side": "sell", **EXITS},
        422,
        42210000,
        K.UNSUPPORTED,
        "oco orders must be limit orders",
    ),
    ({"limit_price": "0"}, 422, 42210000, K.PRICE, "limit_price must be > 0"),
    ({"notional": "0.50"}, 403, 40310000, K.QUANTITY, "minimal amount of order 1"),
    ({"qty": 2000}, 403, 40310000, K.FUNDS, "insufficient buying power"),
]


@pytest.mark.parametrize(("wish", "status", "code", "kind", "words"), REFUSED)
def test_invalid_orders_are_rejected_with_the_brokers_messages(
    wish: dict[str, Any], status: int, code: int, kind: m.RejectKind, words: str
) -> None:
    refused = Day().refusal(**wish)
    assert (status, code, kind) == (refused.status, refused.code, refused.kind)
    assert words in refused.message


def test_a_price_under_a_dollar_has_four_places() -> None:
    day = Day()
    assert day.submit(symbol="F", limit_price="0.1234").status == "accepted"
    assert "sub-penny" in day.refusal(symbol="F", limit_price="0.12345").message


def test_a_client_order_id_is_never_free_again() -> None:
    day = Day()
    order = day.worked(client_order_id="once", limit_price="150")
    day.account.cancel(order.id)
    day.pass_(86400 * 30)
    assert K.DUPLICATE is day.refusal(client_order_id="once").kind


def test_funds_are_refused_with_figures() -> None:
    refused = Day(cash=1000, multiplier=1).refusal(qty=6)
    assert refused.details == {"buying_power": "1000", "cost_basis": "1122.12"}


@pytest.mark.parametrize(("multiplier", "power"), [(1, 100_000), (2, 200_000), (4, 400_000)])
def test_buying_power_is_lowered_by_what_is_bought_and_what_is_open(
    multiplier: int, power: int
) -> None:
    day = Day(multiplier=multiplier)
    day.exchange.quote("AAPL", "187.00", "187.00")
    assert D(power) == day.account.report().buying_power
    day.worked(qty=100)
    day.worked(qty=10, limit_price="150")
    assert D(power) - 18_700 - 1500 == day.account.report().buying_power


@pytest.mark.parametrize(
    ("moment", "price"), [("2026-11-20T15:00", 110), ("2026-11-21T15:00", 100)]
)
def test_a_market_buy_reserves_at_the_ask_or_at_the_midpoint_while_the_market_is_closed(
    moment: str, price: int
) -> None:
    day = Day(at(moment), multiplier=1)
    day.exchange.list_instrument(m.Instrument("WIDE", m.AssetClass.EQUITY), 90, 110)
    details = day.refusal(symbol="WIDE", qty=2000).details
    assert str(2000 * price) == details["cost_basis"]
    day.submit(symbol="WIDE", qty=10)
    assert D(100_000 - 10 * price) == day.account.report().buying_power


def test_crypto_is_bought_with_cash_and_lowers_buying_power_by_the_multiplier() -> None:
    day = Day()
    day.worked(**BTC, qty="0.5", limit_price="60000")
    figures = day.account.report()
    assert (D(70_000), D(140_000)) == (figures.non_marginable_buying_power, figures.buying_power)
    assert K.FUNDS is day.refusal(**BTC, qty="1.2", limit_price="60000").kind


def test_closing_orders_cost_no_buying_power() -> None:
    day = Day(cash=1900, multiplier=1)
    day.worked(qty=10)
    day.worked(side="sell", limit_price="250", time_in_force="gtc")
    figures = day.account.report()
    assert D("29.80") == figures.buying_power
    assert figures.buying_power == figures.cash


def test_small_accounts_have_no_margin_and_sell_nothing_short() -> None:
    day = Day(cash=1999)
    assert (1, D(1999)) == (day.account.report().multiplier, day.account.report().buying_power)
    assert K.PERMISSION is day.refusal(side="sell", qty=1).kind


def test_a_short_sale_reserves_above_the_ask_and_is_covered_by_a_buy() -> None:
    day = Day()
    day.exchange.halt("AAPL")
    short = day.worked(side="sell", qty=100)
    assert D(200_000) - 100 * D("187.02") * D("1.03") == day.account.report().buying_power
    day.exchange.fill(short.id)
    day.exchange.resume("AAPL")
    assert {"AAPL": D(-100)} == day.truth.positions()
    assert day.worked(qty=100).status == "filled"
    assert day.truth.positions() == {}


def test_exits_hold_units_once_and_a_reject_names_them() -> None:
    day = Day()
    entry = day.worked(order_class="bracket", time_in_force="gtc", **EXITS)
    refused = day.refusal(side="sell", qty=1, limit_price="250")
    assert {
        "available": "0",
        "existing_qty": "10",
        "held_for_orders": "10",
        "related_orders": [entry.id],
        "symbol": "AAPL",
    } == refused.details
    holding = day.account.position("AAPL")
    assert holding is not None
    assert D(0) == holding.qty_available


def test_units_are_free_only_once_the_cancel_is_done() -> None:
    day = Day()
    day.worked()
    exit_ = day.worked(side="sell", limit_price="250", time_in_force="gtc")
    day.account.cancel(exit_.id)
    assert K.QTY_HELD is day.refusal(side="sell", limit_price="251").kind
    day.pass_(1)
    assert day.worked(side="sell", limit_price="251").status == "new"


def test_selling_the_gross_of_a_crypto_buy_is_more_than_there_is() -> None:
    day = Day()
    order = day.worked(**BTC, qty="0.2")
    refused = day.refusal(**BTC, side="sell", qty=order.filled_qty)
    assert "requested: 0.2, available: 0.1995" in refused.message
    assert day.worked(**BTC, side="sell", qty="0.1995").status == "filled"


WASHES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"limit_price": "150"}, {"side": "sell", "limit_price": "150"}),
    ({"limit_price": "150"}, {"side": "sell"}),
    ({"side": "sell", "stop_price": "170"}, {"limit_price": "150"}),
]
CLEAN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"limit_price": "150"}, {"side": "sell", "limit_price": "151"}),
    ({"side": "sell", "limit_price": "250"}, {"limit_price": "150"}),
    (
        {"side": "sell", "limit_price": "250"},
        {"order_class": "bracket", "take_profit": "300", "stop_loss": "180"},
    ),
]


def _rested(resting: dict[str, Any]) -> tuple[Day, str]:
    day = Day()
    day.exchange.transfer(day.account, "AAPL", 100, 187)
    return day, day.worked(**{"time_in_force": "gtc", **resting}).id


@pytest.mark.parametrize(("resting", "coming"), WASHES)
def test_orders_that_could_trade_with_each_other_are_a_wash(
    resting: dict[str, Any], coming: dict[str, Any]
) -> None:
    day, order_id = _rested(resting)
    refused = day.refusal(**{"time_in_force": "gtc", **coming})
    assert K.WASH_TRADE is refused.kind
    assert order_id == refused.details["existing_order_id"]


@pytest.mark.parametrize(("resting", "coming"), CLEAN)
def test_orders_that_could_not_trade_with_each_other_are_taken(
    resting: dict[str, Any], coming: dict[str, Any]
) -> None:
    day, _ = _rested(resting)
    assert day.submit(**{"time_in_force": "gtc", **coming}).status == "accepted"


def test_a_sale_through_zero_is_refused() -> None:
    day = Day()
    day.worked(qty=4)
    assert K.QTY_HELD is day.refusal(side="sell", qty=5).kind


def test_selling_when_a_market_order_waits_for_the_open_is_refused_as_held() -> None:
    day = Day()
    day.worked()
    day.to(at("2026-11-21 12:00"))
    assert day.worked(side="sell").status == "accepted"
    assert K.QTY_HELD is day.refusal(side="sell").kind


@pytest.mark.parametrize(
    ("allowed", "wish", "words"),
    [
        ({"suspend_trade": True}, {}, "new orders are rejected by user request"),
        ({"no_shorting": True}, {"side": "sell"}, "account is not allowed to short"),
        ({"fractional_trading": False}, {"qty": "1.5"}, "not allowed to trade fractions"),
        ({"max_margin_multiplier": 1}, {"qty": 600}, "insufficient buying power"),
    ],
)
def test_its_owner_may_allow_an_account_less(
    allowed: dict[str, Any], wish: dict[str, Any], words: str
) -> None:
    day = Day()
    day.account.configure(Configurations(**allowed))
    assert words in day.refusal(**wish).message
    day.account.configure(Configurations())
    assert day.worked(**wish).status == "filled"


def test_a_blocked_account_rejects_orders_until_it_is_unblocked() -> None:
    day = Day()
    day.exchange.block(day.account)
    assert day.refusal().message == "account is not authorized to trade"
    assert {"trading_blocked"} == day.account.report().blocks
    day.exchange.block(day.account, is_blocked=False)
    assert day.worked().status == "filled"


def test_a_blocked_account_may_not_even_cancel_and_a_blocked_transfer_is_none() -> None:
    day = Day()
    order = day.worked(limit_price="150")
    day.exchange.block(day.account, "account_blocked")
    assert day.refusal().message == "account is not authorized to trade"
    with pytest.raises(Refused, match="not authorized"):
        day.account.cancel(order.id)
    with pytest.raises(Refused, match="not authorized"):
        day.account.replace(order.id, Amendment(limit_price=D(151)))
    day.exchange.block(day.account, "account_blocked", is_blocked=False)
    day.exchange.block(day.account, "transfers_blocked")
    with pytest.raises(ValueError, match="transfers of 'paper' are blocked"):
        day.exchange.deposit(day.account, 100)
    assert day.worked().status == "filled"
    with pytest.raises(ValueError, match="is not a valid Block"):
        day.exchange.block(day.account, "everything")


def test_short_sales_of_what_is_hard_to_borrow_are_canceled_before_the_open() -> None:
    day = Day()
    short = day.worked(side="sell", limit_price="250", time_in_force="gtc")
    group = day.worked(
        side="sell",
        order_class="bracket",
        time_in_force="gtc",
        limit_price="260",
        take_profit="150",
        stop_loss="300",
    )
    other = day.worked(symbol="MSFT", side="sell", limit_price="500", time_in_force="gtc")
    day.exchange.borrow("AAPL", is_easy=False)
    assert "cannot be sold short" in day.refusal(side="sell").message
    assert day.status(short.id) == "new"
    day.to(at("2026-11-23 14:31"))
    ended = [short.id, group.id, *group.leg_ids]
    assert {"canceled"} == {day.status(each) for each in ended}
    assert day.truth.order(short.id).reason == "hard to borrow"
    assert day.status(other.id) == "new"
    day.exchange.borrow("AAPL", is_easy=True)
    assert day.worked(side="sell", limit_price="250").status == "new"


def test_exits_of_a_long_position_need_nothing_borrowed() -> None:
    day = Day()
    exits = EXITS | {"stop_loss": "100"}
    entry = day.worked(order_class="bracket", time_in_force="gtc", limit_price="150", **exits)
    day.exchange.transfer(day.account, "MSFT", 10, 412)
    exit_ = day.worked(symbol="MSFT", side="sell", limit_price="500", time_in_force="gtc")
    for symbol in ("AAPL", "MSFT"):
        day.exchange.borrow(symbol, is_easy=False)
    day.to(at("2026-11-23 14:31"))
    assert [day.status(each) for each in (entry.id, *entry.leg_ids, exit_.id)] == [
        "new",
        "held",
        "held",
        "new",
    ]


@pytest.mark.parametrize("side", [1, -1])
def test_a_position_of_six_times_the_equity_may_only_be_made_smaller(side: int) -> None:
    day = Day(cash=10_000)
    day.exchange.quote("AAPL", 100, 100)
    day.exchange.transfer(day.account, "AAPL", 1000 * side, 100)
    day.exchange.deposit(day.account, -100_000 * side + 5000)
    more, less = ("buy", "sell") if side > 0 else ("sell", "buy")
    refused = day.refusal(side=more, qty=1)
    assert (refused.kind, refused.message[-19:]) == (K.PERMISSION, "closing orders only")
    assert "closing orders only" in day.refusal(symbol="F", qty=1).message
    assert day.worked(side=less, qty=500).status == "filled"


#: Resting and new orders, by kind; buys far below the market, sells far above it.
SIDES: dict[str, dict[str, dict[str, Any]]] = {
    "market": {"buy": {}, "sell": {}},
    "limit low": {"buy": {"limit_price": "150"}, "sell": {"limit_price": "150"}},
    "limit high": {"buy": {"limit_price": "250"}, "sell": {"limit_price": "250"}},
    "stop": {"buy": {"stop_price": "200"}, "sell": {"stop_price": "170"}},
    "stop_limit": {
        "buy": {"stop_price": "200", "limit_price": "201"},
        "sell": {"stop_price": "170", "limit_price": "169"},
    },
    "trailing_stop": {
        "buy": {"type": "trailing_stop", "trail_price": "20"},
        "sell": {"type": "trailing_stop", "trail_price": "20"},
    },
}
_PLAIN = {"limit low", "limit high", "stop_limit"}


def is_wash(resting: str, coming: str, side: str) -> bool:
    """The broker's page: market and stop with any order, limits if they could match."""
    if "trailing_stop" in (resting, coming):
        return False
    if not {resting, coming} <= _PLAIN:
        return True
    opposite = "sell" if side == "buy" else "buy"
    limits = {side: SIDES[coming][side], opposite: SIDES[resting][opposite]}
    return D(limits["buy"]["limit_price"]) >= D(limits["sell"]["limit_price"])


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("coming", SIDES)
@pytest.mark.parametrize("resting", SIDES)
def test_every_pair_of_kinds_is_a_wash_or_not_as_documented(
    resting: str, coming: str, side: str
) -> None:
    day = Day(at("2026-11-20 12:00"), cash=1_000_000)  # 7:00: nothing trades yet
    day.exchange.transfer(day.account, "AAPL", 100, 187)
    opposite = "sell" if side == "buy" else "buy"
    first = day.submit(side=opposite, time_in_force="gtc", **SIDES[resting][opposite])
    wish = {"side": side, "time_in_force": "gtc", **SIDES[coming][side]}
    if is_wash(resting, coming, side):
        refused = day.refusal(**wish)
        assert (K.WASH_TRADE, first.id) == (refused.kind, refused.details["existing_order_id"])
    else:
        assert day.submit(**wish).status == "accepted"
