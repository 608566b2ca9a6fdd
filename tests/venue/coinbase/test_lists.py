"""The filters of the lists of orders and of fills, their order, and reversals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Emulator
from fillbook.venue.exchange import Exchange, Ticket
from tests.venue.coinbase.conftest import Raw, created, limit, market

ORDERS, FILLS = "/orders/historical/batch", "/orders/historical/fills"


@pytest.fixture
def placed(raw: Raw, clock: ManualClock) -> dict[str, str]:
    """Five orders, one a second: their ids by name."""
    found = {}
    immediate = {"sor_limit_ioc": {"base_size": "0.1", "limit_price": "50000"}}
    for name, terms, more in (
        ("low", limit("0.1", "40000"), {}),
        ("bought", market(base_size="0.2"), {}),
        ("ether", market(quote_size="100"), {"product_id": "ETH-USD"}),
        ("high", limit("0.1", "90000"), {"side": "SELL"}),
        ("immediate", immediate, {}),
    ):
        found[name] = created(raw.create(name, terms, **more))
        clock.advance(1)
    return found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["immediate", "high", "ether", "bought", "low"]),
        ({"order_status": "OPEN"}, ["high", "low"]),
        ({"order_status": ["FILLED", "CANCELLED"]}, ["immediate", "ether", "bought"]),
        ({"order_side": "SELL"}, ["high"]),
        ({"order_side": "UNKNOWN_ORDER_SIDE", "order_types": "MARKET"}, ["ether", "bought"]),
        ({"product_ids": ["ETH-USD", "FOO-USD"]}, ["ether"]),
        ({"product_id": "ETH-USD", "order_types": "MARKET"}, ["ether", "bought"]),
        ({"asset_filters": "ETH"}, ["ether"]),
        ({"time_in_forces": "GOOD_UNTIL_CANCELLED"}, ["high", "low"]),
        ({"time_in_forces": ["IMMEDIATE_OR_CANCEL"], "order_types": ["LIMIT"]}, ["immediate"]),
        ({"order_placement_source": "RETAIL_SIMPLE"}, []),
        ({"retail_portfolio_id": "another"}, []),
        ({"product_type": "FUTURE"}, []),
        ({"product_type": "UNKNOWN_PRODUCT_TYPE", "order_side": "SELL"}, ["high"]),
        ({"start_date": "2026-11-20T15:00:03Z"}, ["immediate", "high"]),
        ({"end_date": "2026-11-20T15:00:01.5Z"}, ["bought", "low"]),
        ({"start_date": "2027-01-01T00:00:00Z", "order_status": "OPEN"}, ["high", "low"]),
        ({"sort_by": "LIMIT_PRICE", "limit": "2"}, ["high", "immediate"]),
        ({"sort_by": "LAST_FILL_TIME", "limit": "2"}, ["ether", "bought"]),
        ({"sort_by": "LAST_UPDATE_TIME", "limit": "1"}, ["immediate"]),
    ],
)
def test_orders_are_filtered_and_sorted(
    raw: Raw, placed: dict[str, str], query: dict[str, Any], names: list[str]
) -> None:
    """Newest first; the filter of open orders has no dates, and a singular name is no filter."""
    assert [x["client_order_id"] for x in raw.get(ORDERS, **query)["orders"]] == names


@pytest.mark.parametrize(
    "query",
    [
        {"order_status": "open"},
        {"order_side": "UP"},
        {"order_types": "X"},
        {"time_in_forces": "DAY"},
        {"product_type": "OPTIONS"},
        {"sort_by": "X"},
        {"start_date": "yesterday"},
        {"contract_expiry_type": "X"},
        {"order_placement_source": "X"},
    ],
)
def test_an_unknown_word_is_refused(raw: Raw, query: dict[str, str]) -> None:
    """With the words of Coinbase's parser."""
    reply = raw.refused("get", ORDERS, **query)
    [(name, word)] = query.items()
    field = name if name == "order_status" else name.removesuffix("s")
    assert reply.status_code == 400
    assert reply.json()["error_details"].startswith(f'parsing field "{field}": "{word}" is not a')


def test_an_order_of_the_app_has_its_source(
    raw: Raw, placed: dict[str, str], exchange: Exchange, emulator: Emulator
) -> None:
    """It is in the list of all orders too, with an id that no client chose."""
    terms: dict[str, Any] = {"type": m.OrderType.MARKET, "time_in_force": m.TimeInForce.IOC}
    ticket = Ticket(symbol="BTC/USD", side=m.OrderSide.BUY, qty=Decimal("0.01"), **terms)
    by_hand = exchange.trade_by_hand(emulator.account, ticket).id
    for source, ids in (("RETAIL_SIMPLE", {by_hand}), ("RETAIL_ADVANCED", {*placed.values()})):
        rows = raw.get(ORDERS, order_placement_source=source)["orders"]
        assert {x["order_id"] for x in rows} == ids
        assert {x["order_placement_source"] for x in rows} == {source}
    assert len(raw.get(ORDERS)["orders"]) == len(placed) + 1


def test_fills_are_filtered_and_sorted(raw: Raw, placed: dict[str, str]) -> None:
    """By order, trade, product and time; a singular name is no filter."""
    ether, bought = raw.get(FILLS)["fills"]
    queries: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
        ({"order_ids": placed["bought"]}, [bought]),
        ({"trade_ids": [ether["trade_id"]]}, [ether]),
        ({"product_ids": "ETH-USD"}, [ether]),
        ({"start_sequence_timestamp": ether["sequence_timestamp"]}, [ether]),
        ({"end_sequence_timestamp": "2026-11-20T15:00:02Z"}, [bought]),
        ({"retail_portfolio_id": "another"}, []),
        ({"sort_by": "PRICE"}, [bought, ether]),
        ({"sort_by": "TRADE_TIME"}, [ether, bought]),
        ({"order_id": placed["bought"]}, [ether, bought]),
    ]
    for query, rows in queries:
        assert raw.get(FILLS, **query)["fills"] == rows, query


def test_a_fill_that_was_taken_back_has_a_reversal(
    raw: Raw, placed: dict[str, str], exchange: Exchange, emulator: Emulator
) -> None:
    """A row of its own with the id of the trade; both are there."""
    [fill] = emulator.account.truth.fills(placed["bought"])
    [before] = raw.get(FILLS, order_ids=[placed["bought"]])["fills"]
    exchange.bust(fill.exec_id)
    reversal, after = raw.get(FILLS, order_ids=[placed["bought"]])["fills"]
    assert after == before
    assert reversal == before | {
        "trade_type": "REVERSAL",
        "entry_id": f"{before['entry_id']}-reversal",
    }
