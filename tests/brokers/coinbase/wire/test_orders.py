"""Orders of every year, as Coinbase has sent them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fillbook import model as m
from fillbook.brokers.coinbase.wire import orders
from fillbook.errors import InvalidValue
from tests.brokers.coinbase.payloads import ID, configured, order, read

D, S = Decimal, m.OrderStatus


def decoded(**more: Any) -> m.OrderReport:
    return orders.order(read({"order": order(**more)}))


def test_an_order_is_read_to_the_last_digit() -> None:
    """Every field that the record needs; there is no clock."""
    report = decoded()
    assert report == m.OrderReport(
        broker_order_id=ID,
        client_order_id="mine-1",
        terms=m.Terms(
            symbol="BTC/USD",
            side=m.OrderSide.BUY,
            type=m.OrderType.LIMIT,
            time_in_force=m.TimeInForce.GTC,
            qty=D("0.5"),
            limit_price=D(20_000),
        ),
        status=S.PARTIALLY_FILLED,
        raw_status="OPEN",
        filled_qty=D("0.2"),
        avg_price=D(19_990),
        filled_value=D(3_998),
        fill_count=2,
        created_at=m.timestamp("2026-03-02T15:00:00.123456Z"),
        last_fill_at=m.timestamp("2026-03-02T15:00:05.5Z"),
    )


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"status": "PENDING", "filled_size": "0"}, S.PENDING_NEW),
        ({"status": "QUEUED"}, S.ACCEPTED),
        ({"filled_size": "0"}, S.NEW),
        ({}, S.PARTIALLY_FILLED),
        ({"pending_cancel": True}, S.PENDING_CANCEL),
        ({"status": "PENDING", "pending_cancel": True}, S.PENDING_CANCEL),
        ({"status": "FILLED", "pending_cancel": True}, S.FILLED),
        ({"status": "CANCEL_QUEUED"}, S.PENDING_CANCEL),
        ({"status": "EDIT_QUEUED"}, S.PENDING_REPLACE),
        ({"status": "FILLED"}, S.FILLED),
        ({"status": "CANCELLED"}, S.CANCELED),
        ({"status": "EXPIRED"}, S.EXPIRED),
        ({"status": "FAILED"}, S.REJECTED),
        ({"status": "UNKNOWN_ORDER_STATUS"}, S.UNRECOGNISED),
        ({"status": "HALF_OPEN"}, S.UNRECOGNISED),
        ({"status": ""}, S.UNRECOGNISED),
    ],
)
def test_statuses(more: dict[str, Any], status: m.OrderStatus) -> None:
    """A partial fill stays OPEN, and what is unknown is neither open nor done."""
    assert decoded(**more).status is status


def test_an_order_sized_in_the_quote_has_a_notional() -> None:
    """With the sixteen places of its quantity."""
    report = decoded(
        **configured("market_market_ioc", quote_size="25", base_size=None),
        size_in_quote=True,
        filled_size="0.0015092999063604",
        order_type="MARKET",
        time_in_force="IMMEDIATE_OR_CANCEL",
    )
    terms = report.terms
    assert (terms.qty, terms.notional, terms.type) == (None, D(25), m.OrderType.MARKET)
    assert report.filled_qty == D("0.0015092999063604")


def test_a_bracket_is_a_take_profit_with_a_stop() -> None:
    """One order id for both exits."""
    kind = configured(
        "trigger_bracket_gtc", base_size="0.5", limit_price="25000", stop_trigger_price="18000"
    )
    terms = decoded(**kind, side="SELL", order_type="BRACKET").terms
    assert (terms.type, terms.order_class) == (m.OrderType.LIMIT, m.OrderClass.OCO)
    assert (terms.limit_price, terms.stop_price) == (D(25_000), D(18_000))


@pytest.mark.parametrize(
    ("more", "type_", "time_in_force"),
    [
        (
            configured("stop_limit_stop_limit_gtc", base_size="1", limit_price="2", stop_price="3")
            | {"order_type": "STOP_LIMIT"},
            m.OrderType.STOP_LIMIT,
            m.TimeInForce.GTC,
        ),
        (
            configured("stop_limit_stop_limit_gtc", base_size="1", limit_price="2", stop_price="3",
                       stop_direction="STOP_DIRECTION_STOP_DOWN") | {"order_type": "STOP_LIMIT"},
            m.OrderType.UNRECOGNISED,  # a buy at a fall protects nothing
            m.TimeInForce.GTC,
        ),
        (configured("sor_limit_ioc", base_size="1", limit_price="2") | {"order_type": "",
         "time_in_force": ""}, m.OrderType.LIMIT, m.TimeInForce.IOC),
        (configured("twap_limit_gtd", base_size="1") | {"order_type": "TWAP",
         "time_in_force": "GOOD_UNTIL_DATE_TIME"}, m.OrderType.UNRECOGNISED, m.TimeInForce.GTD),
        ({"order_configuration": None}, m.OrderType.LIMIT, m.TimeInForce.GTC),
    ],
)  # fmt: skip
def test_types_come_from_the_order_or_its_configuration(
    more: dict[str, Any], type_: m.OrderType, time_in_force: m.TimeInForce
) -> None:
    """Either may be missing; a null configuration has no terms."""
    terms = decoded(**more).terms
    assert (terms.type, terms.time_in_force) == (type_, time_in_force)
    assert more["order_configuration"] is not None or terms.qty is None


def test_the_reason_of_an_end_is_kept() -> None:
    """A reject message, or its reason, or a cancel message."""
    failed = {"status": "FAILED", "reject_reason": "HOLD_FAILURE"}
    assert decoded(**failed).reason == "HOLD_FAILURE"
    assert decoded(**failed, reject_message="no funds").reason == "no funds"
    assert decoded(cancel_message="User requested cancel").reason == "User requested cancel"
    assert decoded().reason is None
    assert decoded(cancel_message="Internal error", status="FILLED").reason is None


def test_an_order_of_another_year_has_fewer_fields() -> None:
    """Only the ids, the product, the side and the status."""
    old = {
        "order_id": "o",
        "product_id": "LTC-BTC",
        "side": "SELL",
        "status": "OPEN",
    }
    report = orders.order(read({"order": old}))
    assert (report.terms.symbol, report.filled_qty, report.fill_count) == ("LTC/BTC", 0, None)


@pytest.mark.parametrize("name", ["order_id", "product_id", "side"])
def test_an_order_without_an_identity_is_unreadable(name: str) -> None:
    """A page without that row would look complete."""
    with pytest.raises(InvalidValue):
        decoded(**{name: None})


def test_a_page_has_the_spot_orders_and_its_cursor() -> None:
    """Futures and perpetuals are left out by their names."""
    future = order(order_id="f", product_id="BIT-26JAN30-CDE")
    perpetual = order(order_id="p", product_id="BTC-PERP-INTX")
    page = {"orders": [order(), future, perpetual], "sequence": "0"}
    found = orders.order_page(read({**page, "has_next": True, "cursor": "c"}))
    assert ([x.broker_order_id for x in found.reports], found.next) == ([ID], "c")
    assert orders.order_page(read({**page, "has_next": False, "cursor": "c"})).next is None
    assert orders.order_page(read({"orders": None, "has_next": False})).reports == ()


def test_a_page_without_its_list_is_unreadable() -> None:
    """A body without rows would look like an account without orders."""
    with pytest.raises(InvalidValue):
        orders.order_page(read({}))


def test_a_next_page_without_a_cursor_is_unreadable() -> None:
    """The rest of the list is unknown."""
    with pytest.raises(InvalidValue):
        orders.order_page(read({"orders": [], "has_next": True, "cursor": ""}))
