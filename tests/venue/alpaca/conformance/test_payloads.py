"""The payloads of the emulator equal Alpaca's in raw alpaca-py: key for key, and by page."""

from __future__ import annotations

from typing import Any

import pytest
from alpaca.trading.client import TradingClient

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Behavior, Emulator
from fillbook.venue.exchange import Exchange
from tests.venue.alpaca.conformance.bot import bought, resting
from tests.venue.alpaca.conformance.keys import (
    ACCOUNT,
    CLOCK,
    COIN,
    DAY,
    FEE,
    FILL,
    ORDER,
    POSITION,
    SHARE,
)
from tests.venue.exchange.floor import ticket


def test_every_payload_has_the_keys_of_the_real_one(
    raw: TradingClient, clock: ManualClock, exchange: Exchange
) -> None:
    order = bought(raw, clock)
    coin = bought(raw, clock, "BTC/USD", 0.01)
    clock.advance(24 * 3600)
    assert ORDER == set(order) == set(coin)
    assert all(set(each) == ORDER for each in raw.get_orders())
    assert all(set(each) == POSITION for each in raw.get_all_positions())
    assert set(raw.get_account()) == ACCOUNT
    assert all(set(each) == FILL for each in raw.get("/account/activities/FILL"))
    assert [set(each) for each in raw.get("/account/activities/CFEE")] == [FEE]
    assert {frozenset(SHARE)} == {frozenset(each) for each in raw.get("/assets")}
    coins = raw.get("/assets", {"asset_class": "crypto"})
    assert {frozenset(COIN)} == {frozenset(each) for each in coins}
    assert {frozenset(DAY)} == {frozenset(each) for each in raw.get("/calendar")}
    assert set(raw.get_clock()) == CLOCK


def test_numbers_are_text_and_an_order_without_fills_has_no_price(
    raw: TradingClient, clock: ManualClock
) -> None:
    order = resting(raw, clock)
    assert (
        order["qty"],
        order["limit_price"],
        order["filled_qty"],
        order["filled_avg_price"],
        order["order_class"],
    ) == ("2", "150.5", "0", None, "")
    assert (order["type"], order["order_type"], order["legs"]) == ("limit", "limit", None)


def test_crypto_has_one_symbol_in_orders_and_another_in_positions(
    raw: TradingClient, clock: ManualClock
) -> None:
    order = bought(raw, clock, "BTC/USD", 0.01)
    (position,) = raw.get_all_positions()
    assert (order["symbol"], position["symbol"]) == ("BTC/USD", "BTCUSD")
    # The fee is taken from what was received.
    assert (position["qty"], position["asset_class"]) == ("0.009975", "crypto")
    for spelling in ("BTCUSD", "BTC%2FUSD", "BTC/USD", position["asset_id"]):
        assert raw.get(f"/positions/{spelling}")["symbol"] == "BTCUSD"


def test_the_history_is_paged_by_ids_that_begin_with_new_yorks_time(
    raw: TradingClient, clock: ManualClock
) -> None:
    for _ in range(3):
        bought(raw, clock, qty=1)
    query = {"direction": "asc", "page_size": 2}
    first = raw.get("/account/activities/FILL", query)
    rest = raw.get("/account/activities/FILL", query | {"page_token": first[-1]["id"]})
    assert (len(first), len(rest)) == (2, 1)
    assert first[0]["id"].startswith("20261120100000")
    assert "::" in first[0]["id"]
    assert first[0]["transaction_time"].startswith("2026-11-20T15:00:00")
    newest = raw.get("/account/activities", {"page_size": 1})
    assert newest[0]["id"] == rest[0]["id"]
    assert [rest[0]["id"]] == [
        each["id"]
        for each in raw.get("/account/activities/FILL", {"order_id": rest[0]["order_id"]})
    ]
    assert len(raw.get("/account/activities", {"after": first[0]["transaction_time"]})) == 2
    assert raw.get("/account/activities", {"category": "non_trade_activity"}) == []


def test_the_history_of_a_day_is_one_page_and_any_other_has_pages(
    raw: TradingClient, emulator: Emulator, exchange: Exchange, clock: ManualClock
) -> None:
    order = emulator.account.submit(ticket(qty=102, limit_price=100, time_in_force="gtc"))
    clock.advance(2)
    for _ in range(101):
        exchange.fill(order.id, 1)
    clock.advance(3 * 24 * 3600)
    exchange.fill(order.id, 1)
    exchange.deposit(emulator.account, 5)

    def count(**query: str) -> int:
        return len(raw.get("/account/activities", query))

    assert (count(), count(date="2026-11-20"), count(date="2026-11-23")) == (100, 101, 2)
    assert count(date="2026-11-23", category="trade_activity") == 1
    assert 1 == count(category="non_trade_activity") == count(activity_types="CSD")
    last = raw.get("/account/activities", {"direction": "asc"})[-1]["id"]
    assert count(direction="asc", page_token=last) == 3


def test_orders_are_paged_by_id(raw: TradingClient, clock: ManualClock) -> None:
    ids = [resting(raw, clock)["id"] for _ in range(3)]
    query = {"status": "all", "direction": "asc", "limit": 2}
    first = raw.get("/orders", query)
    rest = raw.get("/orders", query | {"after_order_id": first[-1]["id"]})
    assert ids == [each["id"] for each in first + rest]
    before = raw.get("/orders", {"status": "all", "before_order_id": ids[1]})
    assert ids[:1] == [each["id"] for each in before]


@pytest.mark.parametrize(("count", "requests"), [(999, 2), (1000, 3)])
def test_open_orders_are_listed_in_as_many_requests_as_there_are_pages(
    raw: TradingClient, emulator: Emulator, clock: ManualClock, count: int, requests: int
) -> None:
    """Pages of 500, and a last one that is not full: floor(n / 500) + 1."""
    wish = ticket(qty=1, limit_price=50, time_in_force="gtc")
    placed = [emulator.account.submit(wish).id for _ in range(count)]
    clock.advance(60)
    query = {"status": "open", "direction": "asc", "limit": 500}
    pages = [raw.get("/orders", query)]
    while len(pages[-1]) == 500:
        pages.append(raw.get("/orders", query | {"after_order_id": pages[-1][-1]["id"]}))
    assert placed == [row["id"] for page in pages for row in page]
    assert requests == len(pages)


def test_quotes_are_served_as_the_data_host_does(emulator: Emulator, http: Any) -> None:
    shares = http("GET", "/v2/stocks/quotes/latest?symbols=AAPL,NOPE").json()["quotes"]
    assert {"AAPL"} == set(shares)
    assert {"ap", "as", "ax", "bp", "bs", "bx", "c", "t", "z"} == set(shares["AAPL"])
    coins = http("GET", "/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD").json()["quotes"]
    assert {k: coins["BTC/USD"][k] for k in ("ap", "bp")} == {"ap": 64260.0, "bp": 64250.0}
    assert m.timestamp(coins["BTC/USD"]["t"]).startswith("2026-11-20T15:00:00")


def test_assets_may_lack_the_field_easy_to_borrow(exchange: Exchange) -> None:
    with Emulator(exchange, behavior=Behavior(easy_to_borrow=False)) as emulator:
        client = TradingClient(
            emulator.key, emulator.secret, url_override=emulator.url, raw_data=True
        )
        (shares,) = {frozenset(each) for each in client.get("/assets")}
        client._session.close()
    assert SHARE - {"easy_to_borrow"} == shares
