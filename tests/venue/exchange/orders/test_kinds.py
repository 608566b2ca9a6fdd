"""Kinds of orders: trailing, immediate, at an auction, or rejected."""

from __future__ import annotations

from typing import Any

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Amendment, Refused
from fillbook.venue.exchange.kinds import SUPPORTED, OrderSort, table
from tests.venue.exchange.floor import D, Day, at

TRAIL = {"side": "sell", "type": "trailing_stop", "time_in_force": "gtc"}
PRICES = {
    "limit_price": {"limit_price": "180"},
    "stop_price": {"stop_price": "200"},
    "trail_price": {"trail_price": "2"},
}


def trail_of(day: Day, order_id: str) -> tuple[object, object]:
    order = day.truth.order(order_id)
    return order.hwm, order.stop_price


def test_a_trailing_sell_follows_the_market_up_and_never_down() -> None:
    day = Day()
    day.worked()
    stop = day.worked(**TRAIL, trail_price="5")
    assert (D("187.00"), D("182.00")) == trail_of(day, stop.id)
    day.exchange.quote("AAPL", "195", "195.02")
    assert (D(195), D(190)) == trail_of(day, stop.id)
    day.exchange.quote("AAPL", "191", "191.02")
    assert (D(195), D(190)) == trail_of(day, stop.id)
    day.exchange.quote("AAPL", "189.50", "189.52")
    assert ("filled", D("189.50")) == (day.status(stop.id), day.truth.fills()[-1].price)


def test_a_trailing_buy_follows_the_market_down_by_its_share() -> None:
    day = Day()
    stop = day.worked(type="trailing_stop", trail_percent="10")
    day.exchange.quote("AAPL", "99.98", "100")
    assert (D(100), D(110)) == trail_of(day, stop.id)
    day.exchange.quote("AAPL", "109.98", "110")
    assert day.status(stop.id) == "filled"


def test_a_trailing_stop_is_inactive_outside_regular_hours() -> None:
    day = Day()
    day.worked()
    stop = day.worked(**TRAIL, trail_price="5")
    day.to(at("2026-11-20 22:00"))
    day.exchange.quote("AAPL", "210", "210.02")
    assert (D("187.00"), D("182.00")) == trail_of(day, stop.id)


def test_another_trail_begins_at_the_market_of_its_moment() -> None:
    day = Day()
    day.worked()
    stop = day.worked(**TRAIL, trail_price="5")
    day.exchange.quote("AAPL", "195", "195.02")
    day.exchange.quote("AAPL", "192", "192.02")
    new = day.account.replace(stop.id, Amendment(trail=D(3)))
    day.pass_(1)
    assert (D(192), D(189)) == trail_of(day, new.id)
    assert (D(3), "new") == (day.truth.order(new.id).trail_price, day.status(new.id))
    with pytest.raises(Refused, match="must not have a stop price"):
        day.account.replace(new.id, Amendment(stop_price=D(180)))


def test_a_trailing_buy_reserves_its_stop_with_a_margin() -> None:
    day = Day()
    day.worked(type="trailing_stop", trail_price="12.98")
    assert D(200_000) - 10 * D(200) * D("1.025") == day.account.report().buying_power


def test_a_trailing_stop_may_rest_on_the_other_side_of_an_order() -> None:
    day = Day()
    day.worked()
    day.worked(**TRAIL, trail_price="5")
    assert day.worked(qty=1).status == "filled"


def test_all_or_nothing_is_nothing_where_only_a_part_would_trade() -> None:
    day = Day(partial_rate=1.0)
    order = day.worked(qty=100, time_in_force="fok")
    assert ("canceled", D(0)) == (order.status, order.filled_qty)
    assert Day().worked(qty=100, time_in_force="fok").status == "filled"


def test_an_order_for_the_opening_auction_trades_in_it_or_is_canceled() -> None:
    day = Day(at("2026-11-20 13:00"))  # 8:00 in New York
    good = day.worked(time_in_force="opg")
    low = day.worked(limit_price="150", time_in_force="opg")
    assert (good.status, low.status) == ("accepted", "accepted")
    day.to(at("2026-11-20 14:31"))
    assert (day.status(good.id), day.status(low.id)) == ("filled", "canceled")


def test_an_order_for_the_close_waits_for_it_and_trades_there() -> None:
    day = Day()
    good = day.worked(time_in_force="cls")
    low = day.worked(limit_price="150", time_in_force="cls")
    day.to(at("2026-11-20 20:59"))
    assert (day.status(good.id), day.status(low.id)) == ("accepted", "accepted")
    day.to(at("2026-11-20 21:00"))
    assert (day.status(good.id), day.status(low.id)) == ("filled", "canceled")


@pytest.mark.parametrize(
    ("tif", "moment", "is_taken"),
    [
        ("opg", "14:27", True),
        ("opg", "14:28", False),
        ("opg", "23:59", False),
        ("cls", "20:49", True),
        ("cls", "20:50", False),
    ],
)
def test_an_auction_is_shut_shortly_before_it(tif: str, moment: str, is_taken: bool) -> None:
    day = Day(at(f"2026-11-20 {moment}"))
    if is_taken:
        assert day.worked(time_in_force=tif).status == "accepted"
    else:
        assert "are not accepted between" in day.refusal(time_in_force=tif).message


def test_a_good_till_canceled_order_is_canceled_for_its_age_as_by_a_client() -> None:
    day = Day()
    order = day.worked(limit_price="150", time_in_force="gtc")
    day.faults.fail("asked-cancel", "cancel-never-ends")
    day.to(at("2027-02-18 21:16"))
    assert day.status(order.id) == "pending_cancel"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"trail_price": None}, "trailing_stop orders require trail p"),
        ({"trail_percent": "3"}, "trailing_stop orders must not have a trail percent"),
        ({"limit_price": "150"}, "must not have a limit price"),
        ({"trail_price": None, "trail_percent": "100"}, "trail_percent must be between"),
        ({"qty": "1.5", "time_in_force": "day"}, "fractional orders must be market, limit"),
        ({"extended_hours": True}, "extended hours order must be"),
        ({"order_class": "oto", "stop_loss": "200"}, "trailing stop orders must be simple"),
        ({"time_in_force": "ioc"}, "invalid time_in_force"),
        ({"symbol": "BTC/USD"}, "invalid order type for crypto order"),
    ],
)
def test_a_trailing_stop_that_is_none(wish: dict[str, Any], words: str) -> None:
    day = Day()
    day.worked()
    fields = {**TRAIL, "trail_price": "5"} | wish
    assert words in day.refusal(**{k: v for k, v in fields.items() if v is not None}).message


@pytest.mark.parametrize("tif", [x for x in m.TimeInForce if x is not m.TimeInForce.UNRECOGNISED])
@pytest.mark.parametrize("kind", sorted(SUPPORTED[OrderSort.WHOLE]))
@pytest.mark.parametrize("sort", list(OrderSort))
def test_the_exchange_accepts_the_orders_of_its_table(
    sort: OrderSort, kind: m.OrderType, tif: m.TimeInForce
) -> None:
    """Every type of order with every time in force, of each sort, at 9:00 in New York."""
    day = Day(at("2026-11-20 14:00"))
    needed = m.PRICES[kind] - {"trail_percent"}
    prices = {name: value for each in needed for name, value in PRICES[each].items()}
    of_sort: dict[OrderSort, dict[str, Any]] = {
        OrderSort.WHOLE: {},
        OrderSort.FRACTION: {"qty": "1.5"},
        OrderSort.EXTENDED: {"extended_hours": True},
        OrderSort.CRYPTO: {"symbol": "BTC/USD", "qty": "0.1"},
    }
    if sort is OrderSort.CRYPTO:
        prices = {name: str(D(value) * 400) for name, value in prices.items()}
    wish = {**of_sort[sort], **prices, "type": kind, "time_in_force": tif}
    if tif in SUPPORTED[sort].get(kind, ()):
        assert day.submit(**wish).type is kind
    else:
        assert day.refusal(**wish).kind is m.RejectKind.UNSUPPORTED


def test_the_table_is_printed_with_a_row_for_each_sort() -> None:
    head, *rows = table()
    assert head == ["", "market", "limit", "stop", "stop_limit", "trailing_stop"]
    assert rows[1] == ["fractional or notional", "day", "day", "day", "day", "–"]
    assert {len(row) for row in rows} == {6}
