"""alpaca-py raises for the emulator's rejects as for Alpaca's."""

from __future__ import annotations

from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce

from fillbook.clock import ManualClock
from tests.venue.alpaca.conformance.bot import bought, resting


@pytest.mark.parametrize(
    ("request_", "status", "code", "words"),
    [
        ({"symbol": "NOPE"}, 422, 42210000, "NOPE.* not found"),
        ({"qty": 100000}, 403, 40310000, "insufficient buying power"),
        ({"qty": 0.5, "time_in_force": TimeInForce.GTC}, 422, 42210000, "fractional orders must"),
        ({"limit_price": 150.123}, 422, 42210000, "sub-penny increment"),
        ({"side": OrderSide.SELL, "symbol": "HARD", "limit_price": 9}, 422, 42210000, "short"),
    ],
)
def test_refusals_come_as_alpacas(
    typed: TradingClient,
    clock: ManualClock,
    request_: dict[str, Any],
    status: int,
    code: int,
    words: str,
) -> None:
    with pytest.raises(APIError, match=words) as caught:
        resting(typed, clock, **request_)
    assert (status, code) == (caught.value.status_code, caught.value.code)


def test_a_duplicate_and_a_late_cancel_are_refused(
    typed: TradingClient, clock: ManualClock
) -> None:
    order = resting(typed, clock, client_order_id="mine")
    with pytest.raises(APIError, match="client_order_id must be unique"):
        resting(typed, clock, client_order_id="mine")
    filled = bought(typed, clock)
    with pytest.raises(APIError, match=r"order is already in .*filled.* state"):
        typed.cancel_order_by_id(filled.id)
    assert order.id is not None


def test_shares_that_an_order_holds_are_named(typed: TradingClient, clock: ManualClock) -> None:
    bought(typed, clock)
    exit_ = resting(typed, clock, side=OrderSide.SELL, limit_price=250)
    with pytest.raises(APIError, match="insufficient qty available") as caught:
        resting(typed, clock, side=OrderSide.SELL, limit_price=251)
    body = caught.value.response.json()
    assert {"available", "code", "existing_qty", "held_for_orders", "message"} <= set(body)
    assert [str(exit_.id)] == body["related_orders"]
