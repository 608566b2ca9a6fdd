"""The emulator over HTTP, by the generic calls of the unmodified SDK: payloads and refusals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Behavior, ClientIds, Emulator
from fillbook.venue.exchange import Exchange
from tests.venue.coinbase import keys
from tests.venue.coinbase.conftest import (
    Raw,
    created,
    limit,
    market,
    reasons,
)

D = Decimal


def test_every_payload_has_the_keys_of_the_service(raw: Raw, clock: ManualClock) -> None:
    """Key for key, as recorded in 2026."""
    bought = created(raw.create("a", market()))
    created(raw.create("b", limit()))
    clock.advance(1)
    assert all(set(x) == keys.ACCOUNT for x in raw.get("/accounts")["accounts"])
    listed = raw.get("/orders/historical/batch")
    assert set(listed) == {"orders", "sequence", "has_next", "cursor"}
    assert all(set(x) == keys.ORDER | keys.NEWER_ORDER for x in listed["orders"])
    assert set(raw.order(bought)) == keys.ORDER | keys.NEWER_ORDER
    fills = raw.get("/orders/historical/fills")
    assert set(fills) == {"fills", "cursor"}
    assert [set(x) for x in fills["fills"]] == [keys.FILL]
    products = raw.get("/products")
    assert all(set(x) == keys.PRODUCT for x in products["products"])
    assert set(raw.get("/products/BTC-USD")) == keys.PRODUCT
    summary = raw.get("/transaction_summary")
    assert set(summary) == keys.SUMMARY
    assert set(summary["fee_tier"]) == keys.FEE_TIER
    (portfolio,) = raw.get("/portfolios")["portfolios"]
    assert set(portfolio) == {"name", "uuid", "type", "deleted"}
    breakdown = raw.get(f"/portfolios/{portfolio['uuid']}")["breakdown"]
    assert set(breakdown) == keys.BREAKDOWN
    assert set(breakdown["portfolio_balances"]) == keys.BALANCES
    assert set(raw.get("/time")) == {"iso", "epochSeconds", "epochMillis"}
    book = raw.get("/best_bid_ask", product_ids=["BTC-USD"])["pricebooks"][0]
    assert set(book) == {"product_id", "bids", "asks", "time"}
    assert raw.get("/key_permissions")["portfolio_uuid"] == portfolio["uuid"]


def test_a_create_names_the_order_and_nothing_else(raw: Raw, clock: ManualClock) -> None:
    """The reply has the ids and the terms of the request; the order is PENDING, then OPEN."""
    reply = raw.create("a", limit(post_only=True))
    assert set(reply) == {"success", "success_response", "order_configuration"}
    assert reply["success_response"] == {
        "order_id": reply["success_response"]["order_id"],
        "product_id": "BTC-USD",
        "side": "BUY",
        "client_order_id": "a",
        "attached_order_id": "",
    }
    order_id = created(reply)
    assert raw.order(order_id)["status"] == "PENDING"
    clock.advance(1)
    order = raw.order(order_id)
    assert (order["status"], order["order_configuration"]) == ("OPEN", limit(post_only=True))
    assert order["outstanding_hold_amount"] == "5020"
    assert order["average_filled_price"] == order["filled_size"] == "0"


def test_a_market_order_by_the_quote_has_the_arithmetic_of_the_service(
    raw: Raw, clock: ManualClock
) -> None:
    """Value and fees are the notional exactly, and a fill has its size in the quote."""
    order_id = created(raw.create("a", market(quote_size="25")))
    clock.advance(1)
    order = raw.order(order_id)
    (fill,) = raw.get("/orders/historical/fills", order_ids=[order_id])["fills"]
    assert order["status"] == "FILLED"
    assert (order["size_in_quote"], order["size_inclusive_of_fees"]) == (True, True)
    assert order["total_value_after_fees"] == "25"
    assert D(order["filled_value"]) + D(order["total_fees"]) == 25
    assert D(order["filled_value"]) == (D(25) / D("1.006")).quantize(D("1e-16"), "ROUND_DOWN")
    assert fill["size"] == order["filled_value"]
    assert D(order["filled_size"]).as_tuple().exponent < -8
    assert order["number_of_fills"] == "1"
    assert order["completion_percentage"] == "100"


def test_holds_and_wallets_are_of_their_currency(raw: Raw, clock: ManualClock) -> None:
    """Available balance excludes holds, and both come back after a cancel."""

    def wallet(currency: str) -> tuple[Decimal, Decimal]:
        rows = {x["currency"]: x for x in raw.get("/accounts")["accounts"]}
        row = rows[currency]
        return D(row["available_balance"]["value"]), D(row["hold"]["value"])

    assert wallet("USDC") == (0, 0)
    order_id = created(raw.create("a", limit()))
    assert wallet("USD") == (100_000 - 5_030, 5_030)
    result = raw.post("/orders/batch_cancel", {"order_ids": [order_id]})["results"]
    assert result == [
        {
            "success": True,
            "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON",
            "order_id": order_id,
        }
    ]
    assert raw.order(order_id)["status"] == "CANCEL_QUEUED"
    clock.advance(1)
    assert wallet("USD") == (100_000, 0)
    order = raw.order(order_id)
    assert (order["status"], order["cancel_message"]) == ("CANCELLED", "User requested cancel")


def test_wallets_of_a_blocked_account_are_not_active(
    raw: Raw, exchange: Exchange, emulator: Emulator
) -> None:
    """In the list and by id; no order is accepted."""
    exchange.block(emulator.account)
    for row in raw.get("/accounts")["accounts"]:
        assert (row["active"], row["ready"]) == (False, False)
        assert raw.get(f"/accounts/{row['uuid']}")["account"] == row
    assert reasons(raw.create("a", limit()))[0] == "GEOFENCING_RESTRICTION"


def test_a_batch_cancel_has_a_result_an_id(raw: Raw, clock: ManualClock) -> None:
    """Each id has its own result; more than a hundred ids are refused."""
    filled, resting, gone = (
        created(raw.create(name, terms))
        for name, terms in (("a", market()), ("b", limit()), ("c", limit()))
    )
    clock.advance(1)
    raw.post("/orders/batch_cancel", {"order_ids": [gone]})
    results = raw.post("/orders/batch_cancel", {"order_ids": [filled, resting, gone, "x"]})
    words = {x["order_id"]: x["failure_reason"] for x in results["results"]}
    assert words == {
        filled: "ORDER_IS_FULLY_FILLED",
        resting: "UNKNOWN_CANCEL_FAILURE_REASON",
        gone: "DUPLICATE_CANCEL_REQUEST",
        "x": "UNKNOWN_CANCEL_ORDER",
    }
    refused = raw.refused("post", "/orders/batch_cancel", body={"order_ids": ["x"] * 101})
    assert (refused.status_code, refused.json()["error"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"size": "0.1", "price": "50000"}, "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"),
        ({"price": "49000"}, "INVALID_EDITED_SIZE"),
        ({"size": "0.2"}, "INVALID_EDITED_PRICE"),
        ({"size": "0.03", "price": "50000"}, "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"),
        ({"size": "0.2", "price": "50000.001"}, "INVALID_EDITED_PRICE"),
        ({"size": "0.2000000001", "price": "50000"}, "INVALID_EDITED_SIZE"),
        ({"size": "much", "price": "50000"}, "INVALID_EDITED_SIZE"),
        ({"size": "0.2", "price": "50000", "stop_price": "1"}, "FIELD_STOPPRICE_NOT_SUPPORTED"),
    ],
)
def test_an_edit_needs_both_terms_and_a_change(
    raw: Raw, clock: ManualClock, exchange: Exchange, change: dict[str, str], word: str
) -> None:
    """What is refused changes nothing."""
    order_id = created(raw.create("a", limit()))
    clock.advance(1)
    exchange.fill(order_id, "0.04")
    reply = raw.post("/orders/edit", {"order_id": order_id, **change})
    assert reply["success"] is False
    assert reply["errors"][0]["edit_failure_reason"] == word
    assert raw.order(order_id)["order_configuration"] == limit(post_only=False)


def test_an_edit_keeps_the_ids_and_its_size_is_the_total(
    raw: Raw, clock: ManualClock, exchange: Exchange
) -> None:
    """EDIT_QUEUED, then OPEN with the new configuration; a preview of it changes nothing."""
    order_id = created(raw.create("a", limit()))
    clock.advance(1)
    exchange.fill(order_id, "0.04")
    change = {"order_id": order_id, "size": "0.2", "price": "49000"}
    preview = raw.post("/orders/edit_preview", change)
    assert set(preview) == keys.EDIT_PREVIEW
    assert D(preview["quote_size"]) == D("0.16") * 49_000
    assert raw.post("/orders/edit", change) == {"success": True, "errors": []}
    assert raw.order(order_id)["status"] == "EDIT_QUEUED"
    again = raw.post("/orders/edit", {**change, "size": "0.3"})
    assert again["errors"][0]["edit_failure_reason"] == "ORDER_IS_ALREADY_BEING_REPLACED"
    clock.advance(1)
    order = raw.order(order_id)
    assert order["order_configuration"] == limit("0.2", "49000", post_only=False)
    assert (order["client_order_id"], order["filled_size"]) == ("a", "0.04")
    edit = {"price": "49000", "size": "0.2", "replace_accept_timestamp": order["last_update_time"]}
    assert order["edit_history"] == [edit]


def test_a_preview_places_nothing(raw: Raw) -> None:
    """It has the figures of the order, or the reasons why it would be refused, as strings."""
    body = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": limit()}
    preview = raw.post("/orders/preview", body)
    assert set(preview) - {"pnl_configuration"} == keys.PREVIEW
    assert (preview["errs"], preview["order_total"]) == ([], "5030")
    body["order_configuration"] = limit("100")
    assert raw.post("/orders/preview", body)["errs"] == ["PREVIEW_INSUFFICIENT_FUND"]
    assert raw.get("/orders/historical/batch")["orders"] == []


@pytest.mark.parametrize(
    ("configuration", "body", "preview"),
    [
        (limit("0.1", "50000.001"), {}, "PREVIEW_INVALID_PRICE_PRECISION"),
        (limit("0.000000001"), {}, "PREVIEW_INVALID_SIZE_PRECISION"),
        (limit("100"), {}, "PREVIEW_INSUFFICIENT_FUND"),
        (limit("x"), {}, "PREVIEW_NON_NUMERIC_ORDER_SIZE"),
        (limit(), {"product_id": "DOGE-USD"}, "PREVIEW_INVALID_PRODUCT_ID"),
        (limit(), {"product_id": "BTC/USD"}, "PREVIEW_INVALID_PRODUCT_ID"),
        (limit(), {"side": "HOLD"}, "PREVIEW_INVALID_SIDE"),
        (market(quote_size="5"), {"side": "SELL"}, "PREVIEW_INVALID_ORDER_CONFIG"),
        ({"market_market_fok": {"base_size": "1"}}, {}, "PREVIEW_INVALID_ORDER_CONFIG"),
        ({"limit_limit_gtd": {**limit()["limit_limit_gtc"], "end_time": "2020-01-01T00:00:00Z"}},
         {}, "PREVIEW_END_TIME_IS_IN_THE_PAST"),
        ({"limit_limit_gtd": limit()["limit_limit_gtc"]}, {},
         "PREVIEW_GTD_ORDERS_MUST_HAVE_END_TIME"),
        ({"limit_limit_gtd": {**limit()["limit_limit_gtc"], "end_time": "soon"}}, {},
         "PREVIEW_INVALID_END_TIME"),
        ({"twap_limit_gtd": {"base_size": "1", "limit_price": "1", "start_time": "x",
          "number_buckets": "2", "bucket_duration": "300s"}}, {}, "PREVIEW_INVALID_ORDER_CONFIG"),
        ({"trigger_bracket_gtc": {"base_size": "1", "limit_price": "1", "stop_trigger_price": "2"}},
         {}, "PREVIEW_INVALID_BRACKET_ORDER_SIDE"),
        (limit(), {"attached_order_configuration": {"trigger_bracket_gtc": {
          "limit_price": "70000", "stop_trigger_price": "40000"}}},
         "PREVIEW_INVALID_ORDER_TYPE_FOR_ATTACHED"),
    ],
)  # fmt: skip
def test_a_refused_create_is_a_success_of_http(
    raw: Raw, configuration: dict[str, Any], body: dict[str, Any], preview: str
) -> None:
    """HTTP 200, `success` false, and a reason; nothing is placed."""
    assert reasons(raw.create("a", configuration, **body))[1] == preview
    assert raw.get("/orders/historical/batch")["orders"] == []


def test_a_list_has_its_rules(raw: Raw, clock: ManualClock) -> None:
    """OPEN stands alone and excludes PENDING; a singular name filters nothing."""
    resting = created(raw.create("a", limit()))
    clock.advance(1)
    pending = created(raw.create("b", limit(), product_id="ETH-USD"))

    def ids(**params: Any) -> list[str]:
        return [x["order_id"] for x in raw.get("/orders/historical/batch", **params)["orders"]]

    assert ids() == [pending, resting]
    assert ids(order_status="OPEN") == [resting]
    assert ids(order_status=["PENDING", "CANCEL_QUEUED"]) == [pending]
    assert ids(product_ids=["ETH-USD"]) == [pending]
    assert ids(product_id="ETH-USD") == [pending, resting]
    assert ids(start_date="2026-11-20T15:00:01Z") == [pending]
    for params in (
        {"order_status": ["OPEN", "FILLED"]},
        {"order_status": "RUNNING"},
        {"product_type": "OPTIONS"},
    ):
        refused = raw.refused("get", "/orders/historical/batch", **params)
        assert refused.status_code == 400
    assert '"OPTIONS" is not a valid value' in refused.json()["message"]


def test_pages_follow_cursors_to_their_end(
    raw: Raw, clock: ManualClock, emulator: Emulator
) -> None:
    """Orders, fills and accounts by pages have each row once."""
    emulator.behavior = Behavior(page_max=2, extra_accounts=60)
    placed = [created(raw.create(f"o{n}", market(base_size="0.01"))) for n in range(5)]
    clock.advance(1)

    def walk(path: str, rows: str, key: str, **params: Any) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            page = raw.get(path, cursor=cursor or None, **params)
            found += [x[key] for x in page[rows]]
            cursor = page["cursor"]
            assert page.get("has_next", bool(cursor)) == bool(cursor)
            if not cursor:
                return found

    assert walk("/orders/historical/batch", "orders", "order_id") == placed[::-1]
    assert walk("/orders/historical/fills", "fills", "order_id") == placed[::-1]
    assert len(set(walk("/accounts", "accounts", "currency"))) == 64


def test_a_used_client_order_id(raw: Raw, emulator: Emulator, clock: ManualClock) -> None:
    """Echoed with the old id and the new terms; or refused; or forgotten, at once or later."""
    old = created(raw.create("a", limit()))
    again = raw.create("a", limit("0.2"), side="SELL")
    assert created(again) == old
    assert again["success_response"]["side"] == "SELL"
    assert again["order_configuration"] == limit("0.2")
    emulator.behavior = Behavior(client_ids=ClientIds.REFUSE)
    assert reasons(raw.create("a", limit()))[0] == "DUPLICATE_CLIENT_ORDER_ID"
    emulator.behavior = Behavior(client_ids=ClientIds.FORGET)
    assert created(raw.create("a", limit())) != old
    emulator.behavior = Behavior(ids_kept_s=60)
    assert created(raw.create("a", limit())) == old
    clock.advance(61)
    assert created(raw.create("a", limit())) != old


def test_flags_of_a_product_decide(raw: Raw, emulator: Emulator, exchange: Exchange) -> None:
    """A product that is limited or halted refuses orders, and says so in its flags."""
    emulator.behavior = Behavior(flags={"BTC-USD": frozenset({"limit_only"})})
    assert raw.get("/products/BTC-USD")["limit_only"] is True
    assert reasons(raw.create("a", market()))[0] == "ORDER_ENTRY_DISABLED"
    created(raw.create("b", limit()))
    exchange.halt("ETH/USD")
    assert raw.get("/products/ETH-USD")["trading_disabled"] is True
    assert reasons(raw.create("c", limit(), product_id="ETH-USD"))[0] == "ORDER_ENTRY_DISABLED"


def test_a_bracket_and_a_stop_limit_wait_for_their_stop(
    raw: Raw, clock: ManualClock, exchange: Exchange
) -> None:
    """Each is one sale; the bracket's stop is a limit 5 % beyond it, and its terms stay."""
    created(raw.create("a", market(base_size="0.4")))
    clock.advance(1)
    bracket = {
        "trigger_bracket_gtc": {
            "base_size": "0.2",
            "limit_price": "70000",
            "stop_trigger_price": "60000",
        }
    }
    stop = {
        "stop_limit_stop_limit_gtc": {
            "base_size": "0.2",
            "limit_price": "59000",
            "stop_price": "60000",
            "stop_direction": "STOP_DIRECTION_STOP_DOWN",
        }
    }
    ids = [created(raw.create(x, y, side="SELL")) for x, y in (("b", bracket), ("c", stop))]
    clock.advance(1)
    kinds = [(raw.order(x)["order_type"], raw.order(x)["trigger_status"]) for x in ids]
    assert kinds == [("BRACKET", "STOP_PENDING"), ("STOP_LIMIT", "STOP_PENDING")]
    assert [raw.order(x)["order_configuration"] for x in ids] == [bracket, stop]
    over = raw.create("d", bracket, side="SELL")
    assert reasons(over)[1] == "PREVIEW_BRACKET_ORDER_SIZE_EXCEEDS_POSITION"
    exchange.quote("BTC/USD", 58_000, 58_010)
    assert [raw.order(x)["status"] for x in ids] == ["FILLED", "OPEN"]
    assert raw.order(ids[1])["trigger_status"] == "STOP_TRIGGERED"
    assert raw.order(ids[0])["order_configuration"] == bracket


def test_a_stop_has_a_direction(raw: Raw, clock: ManualClock, exchange: Exchange) -> None:
    """A sale above the market waits for a rise, a buy below it for a fall; else by the side."""

    def stop(price: str, way: str | None) -> dict[str, Any]:
        terms = {"base_size": "0.1", "limit_price": price, "stop_price": price}
        more = {} if way is None else {"stop_direction": f"STOP_DIRECTION_STOP_{way}"}
        return {"stop_limit_stop_limit_gtc": terms | more}

    created(raw.create("held", market(base_size="0.5")))
    clock.advance(1)
    profit = created(raw.create("p", stop("70000", "UP"), side="SELL"))
    loss = created(raw.create("l", stop("60000", None), side="SELL"))
    dip = created(raw.create("d", stop("62000", "DOWN")))
    for name, price, way, where in (
        ("1", "60000", "UP", "BELOW"),
        ("2", "70000", "DOWN", "ABOVE"),
    ):
        refused = raw.create(name, stop(price, way), side="SELL")
        assert reasons(refused)[1] == f"PREVIEW_STOP_PRICE_{where}_LAST_TRADE_PRICE"
    assert reasons(raw.create("3", stop("60000", "SIDEWAYS")))[1] == "PREVIEW_INVALID_STOP_PRICE"
    clock.advance(1)
    assert raw.order(profit)["order_configuration"] == stop("70000", "UP")
    assert raw.order(loss)["order_configuration"] == stop("60000", "DOWN")
    exchange.quote("BTC/USD", 61_900, 61_910)
    assert [raw.order(x)["status"] for x in (profit, loss, dip)] == ["OPEN", "OPEN", "FILLED"]
    exchange.quote("BTC/USD", 70_100, 70_110)
    assert [raw.order(x)["status"] for x in (profit, loss)] == ["FILLED", "OPEN"]
