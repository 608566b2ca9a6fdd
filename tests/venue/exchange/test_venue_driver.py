"""The methods of the driver of the exchange, and its public reads."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from fillbook import model as m
from fillbook.testing.venue_driver import PartialDriver, VenueDriver, has_method
from fillbook.venue.exchange import Refused
from tests.venue.exchange.floor import D, Day, at, ticket


def test_more_can_be_listed_and_traded() -> None:
    day = Day()
    pair = m.Instrument("SOL/USD", m.AssetClass.CRYPTO, aliases=("SOLUSD",), fractionable=True)
    day.exchange.list_instrument(pair, "140.10", "140.20")
    assert pair in day.exchange.instruments()
    assert pair == day.exchange.instrument("SOLUSD")
    assert D("140.20") == day.worked(symbol="SOLUSD", qty=1, time_in_force="gtc").filled_avg_price


def test_what_is_not_tradable_is_refused() -> None:
    day = Day()
    shut = m.Instrument("SHUT", m.AssetClass.EQUITY, tradable=False)
    day.exchange.list_instrument(shut, 5, "5.01")
    assert day.refusal(symbol="SHUT").message == 'asset "SHUT" is not tradable'


def test_an_order_is_rejected_or_expired_by_the_driver() -> None:
    day = Day()
    rejected, expired = day.worked(limit_price="150"), day.worked(limit_price="151")
    with day.heard() as events:
        day.exchange.reject(rejected.id, "halted")
        day.exchange.expire(expired.id)
    assert [event.name for event in events] == ["rejected", "expired"]
    first, second = (day.truth.order(order.id) for order in (rejected, expired))
    assert (first.status, first.reason) == ("rejected", "halted")
    assert None not in (first.failed_at, second.expired_at)
    day.exchange.reject(second.id)
    assert day.status(second.id) == "expired"


def test_a_walk_moves_the_price_in_steps_and_keeps_the_spread() -> None:
    day = Day()
    day.exchange.walk("AAPL", step_bps=5, every_s=1)
    seen = []
    for _ in range(20):
        day.pass_(1)
        quote = day.exchange.quote_of("AAPL")
        assert quote is not None
        assert D("0.02") == quote.ask - quote.bid
        seen.append(quote.bid)
    assert len(set(seen)) > 5
    assert all(abs(b - a) <= D("0.2") for a, b in itertools.pairwise(seen))


def test_a_script_may_have_things_happen_later() -> None:
    day = Day()
    order = day.worked(limit_price="150")
    day.exchange.call_later(30, lambda: day.exchange.quote("AAPL", "149", "149.02"))
    day.pass_(29)
    assert day.status(order.id) == "new"
    day.pass_(1)
    assert day.status(order.id) == "filled"


def test_a_disconnected_listener_receives_nothing_more() -> None:
    day, heard, lost = Day(), [], []
    with day.account.listen(heard.append, lambda: lost.append(True)):
        day.exchange.disconnect(day.account)
        day.worked()
    assert (heard, lost) == ([], [True])
    assert [event.name for event in day.truth.events()] == ["pending_new", "new", "fill"]


def test_the_truth_has_an_order_that_views_still_lack() -> None:
    day = Day()
    order = day.account.submit_unlisted(ticket(client_order_id="c", limit_price="150"), 60)
    found = day.truth.find("c")
    assert found is not None
    assert (order.id, None) == (found.id, day.account.find("c"))
    assert day.truth.find("d") is None


def test_unknown_ids_are_not_found() -> None:
    day = Day()
    assert (day.exchange.instrument("NOPE"), day.exchange.quote_of("NOPE")) == (None, None)
    for ask in (
        lambda: day.exchange.account("nobody"),
        lambda: day.exchange.fill("no-order"),
        lambda: day.exchange.bust("no-execution"),
    ):
        with pytest.raises(KeyError):
            ask()


def test_the_exchange_reports_its_hours() -> None:
    day = Day()
    assert day.exchange.is_open()
    days = day.exchange.sessions(date(2026, 11, 20), date(2026, 11, 23))
    assert [date(2026, 11, 20), date(2026, 11, 23)] == [each.day for each in days]
    day.to(at("2026-11-20 21:00"))
    assert not day.exchange.is_open()


def test_two_orders_of_one_group_hold_what_one_does() -> None:
    """An OCO holds its units once, and releases them once it is canceled."""
    day = Day()
    day.worked()
    oco = day.worked(
        side="sell",
        order_class="oco",
        type="limit",
        take_profit="200",
        stop_loss="180",
        time_in_force="gtc",
    )
    with pytest.raises(Refused, match="available: 0"):
        day.submit(side="sell", qty=1, limit_price="250")
    day.account.cancel(oco.leg_ids[0])
    day.pass_(1)
    assert day.status(oco.id) == "canceled"
    assert day.worked(side="sell", limit_price="250").status == "new"


class HalfDriver(VenueDriver):
    """A venue that can only let time pass."""

    def __init__(self) -> None:
        self.passed = 0.0

    def advance(self, seconds: float) -> None:
        self.passed += seconds


class NoDriver:
    """The same without the protocol as a base."""


@pytest.mark.parametrize("driver", [HalfDriver(), NoDriver()], ids=["partial", "duck"])
def test_a_case_that_needs_a_method_the_driver_lacks_is_skipped_with_its_name(driver: Any) -> None:
    with pytest.raises(pytest.skip.Exception, match="the venue driver has no method `split`"):
        PartialDriver(driver).split("AAPL", "4")


def test_a_partial_driver_passes_on_the_methods_that_it_has() -> None:
    driver = HalfDriver()
    PartialDriver(driver).advance(3)
    assert driver.passed == 3
    assert [has_method(each, "advance") for each in (driver, PartialDriver(driver))] == [True, True]
    assert not has_method(driver, "fill")
