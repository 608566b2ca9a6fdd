"""The trading hours of the exchange, and its orders at the open and the close."""

from __future__ import annotations

from datetime import date

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Configurations
from fillbook.venue.exchange.market import sessions
from tests.venue.exchange.floor import D, Day, at


@pytest.mark.parametrize(
    "shut",
    [
        date(2026, 1, 1),
        date(2026, 1, 19),
        date(2026, 2, 16),
        date(2026, 4, 3),  # Good Friday
        date(2026, 5, 25),
        date(2026, 6, 19),
        date(2026, 7, 3),  # the fourth is a Saturday
        date(2026, 9, 7),
        date(2026, 11, 26),
        date(2026, 12, 25),
        date(2027, 3, 26),
        date(2027, 12, 24),
        date(2026, 11, 21),  # a Saturday
    ],
)
def test_the_exchange_is_shut_on_holidays_and_weekends(shut: date) -> None:
    assert sessions.session(shut) is None


def test_new_years_day_on_a_saturday_is_not_kept_on_friday() -> None:
    assert sessions.session(date(2021, 12, 31)) is not None


def test_a_session_is_in_new_yorks_time_summer_and_winter() -> None:
    winter, summer = sessions.session(date(2026, 1, 5)), sessions.session(date(2026, 7, 6))
    assert winter is not None
    assert summer is not None
    assert (at("2026-01-05 14:30"), at("2026-01-05 21:00")) == (winter.opens, winter.closes)
    assert (at("2026-07-06 13:30"), at("2026-07-06 20:00")) == (summer.opens, summer.closes)


def test_the_day_after_thanksgiving_closes_at_one() -> None:
    found = sessions.session(date(2026, 11, 27))
    assert found is not None
    assert at("2026-11-27 18:00") == found.closes


def test_a_market_order_on_a_saturday_waits_for_mondays_open() -> None:
    day = Day(at("2026-11-21 15:00"))
    order = day.worked()
    assert (order.status, order.is_queued) == ("accepted", True)
    day.to(at("2026-11-23 14:29"))
    assert day.status(order.id) == "accepted"
    day.to(at("2026-11-23 14:31"))
    assert day.status(order.id) == "filled"


def test_a_day_order_placed_after_the_close_expires_at_the_next_close() -> None:
    day = Day(at("2026-11-20 22:00"))
    order = day.worked(limit_price="100")
    assert m.timestamp(at("2026-11-23 21:00")) == order.expires_at
    day.to(at("2026-11-23 21:00"))
    assert day.status(order.id) == "expired"


def test_an_order_in_extended_hours_fills_before_the_open() -> None:
    day = Day(at("2026-11-20 12:00"))
    plain = day.worked(limit_price="190")
    early = day.worked(limit_price="190", extended_hours=True)
    assert [plain.status, early.status] == ["accepted", "filled"]


def test_a_resting_order_does_not_fill_over_night() -> None:
    day = Day()
    order = day.worked(limit_price="150", time_in_force="gtc")
    day.to(at("2026-11-21 02:00"))
    day.exchange.quote("AAPL", "140", "140.02")
    assert day.status(order.id) == "new"
    day.to(at("2026-11-23 14:31"))
    assert ("filled", D("140.02")) == (day.status(order.id), day.truth.fills()[0].price)


def test_a_good_till_canceled_order_is_canceled_after_ninety_days() -> None:
    day = Day()
    order = day.worked(limit_price="150", time_in_force="gtc")
    assert m.timestamp(at("2027-02-18 21:15")) == order.expires_at
    day.to(at("2027-02-18 21:16"))
    assert day.status(order.id) == "canceled"


def test_crypto_trades_on_a_sunday() -> None:
    day = Day(at("2026-11-22 03:00"))
    assert day.worked(symbol="BTC/USD", qty="0.1").status == "filled"


# Through the night ----------------------------------------------------------------------------

NIGHT = {"limit_price": "190", "extended_hours": True}


@pytest.mark.parametrize(
    ("moment", "is_traded"),
    [
        ("2026-11-21 00:59", False),  # Friday 19:59
        ("2026-11-21 01:00", False),  # Friday 20:00: no Saturday follows
        ("2026-11-22 12:00", False),
        ("2026-11-23 00:59", False),
        ("2026-11-23 01:00", True),  # Sunday 20:00
        ("2026-11-23 08:59", True),
        ("2026-11-23 09:00", False),  # Monday 4:00: extended hours from here
        ("2026-11-24 01:00", True),
        ("2026-11-26 01:00", False),  # before Thanksgiving
        ("2026-11-27 01:00", True),  # after it
    ],
)
def test_the_night_before_a_session_is_traded_through(moment: str, is_traded: bool) -> None:
    assert is_traded == sessions.is_overnight(at(moment))


def test_an_extended_order_fills_in_the_night_if_its_share_trades_then() -> None:
    day = Day(at("2026-11-24 03:00"))  # Monday 22:00
    assert day.worked(**NIGHT).status == "filled"
    other = day.worked(symbol="BRKX", **NIGHT)
    assert (other.status, other.is_queued) == ("accepted", True)
    day.to(at("2026-11-24 09:01"))
    assert day.status(other.id) == "filled"


def test_its_owner_may_keep_an_account_out_of_the_night() -> None:
    day = Day(at("2026-11-24 03:00"))
    day.account.configure(Configurations(disable_overnight_trading=True))
    order = day.worked(**NIGHT)
    day.to(at("2026-11-24 08:59"))
    assert day.status(order.id) == "accepted"
    day.to(at("2026-11-24 09:01"))
    assert day.status(order.id) == "filled"


def test_an_order_of_the_weekend_waits_for_sundays_night() -> None:
    day = Day(at("2026-11-21 15:00"))
    order = day.worked(**NIGHT)
    day.to(at("2026-11-23 00:59"))
    assert day.status(order.id) == "accepted"
    day.to(at("2026-11-23 01:01"))
    assert day.status(order.id) == "filled"


def test_a_resting_order_good_till_canceled_fills_at_nightfall() -> None:
    day = Day(at("2026-11-23 15:00"))
    order = day.worked(limit_price="150", extended_hours=True, time_in_force="gtc")
    day.exchange.halt("AAPL")
    day.exchange.quote("AAPL", 140, 140)
    day.to(at("2026-11-24 00:59"))
    day.exchange.resume("AAPL")
    assert day.status(order.id) == "filled"
    late = day.worked(limit_price="130", extended_hours=True, time_in_force="gtc")
    plain = day.worked(limit_price="130", time_in_force="gtc")
    day.to(at("2026-11-24 03:00"))
    day.exchange.quote("AAPL", 120, 120)
    assert (day.status(late.id), day.status(plain.id)) == ("filled", "accepted")


def test_what_is_listed_may_trade_at_night_and_keeps_that_with_its_name() -> None:
    day = Day(at("2026-11-24 03:00"))
    share = m.Instrument("NITE", m.AssetClass.EQUITY)
    day.exchange.list_instrument(share, 10, 10, overnight=True)
    assert day.exchange.is_overnight("NITE")
    day.exchange.rename("NITE", "NIGHT")
    assert [day.exchange.is_overnight(each) for each in ("NITE", "NIGHT")] == [False, True]
    assert day.worked(symbol="NIGHT", limit_price=11, extended_hours=True).status == "filled"
