"""
Every reply of the emulator matches Alpaca's description, or differs in a known point.

The clients of every other test here compare their replies with the description too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.failures import Failure

from fillbook.clock import ManualClock
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Exchange
from tests.venue.alpaca.contract import CONTRACT, DIFFERS, Contract, described

LIMIT = {"side": "buy", "type": "limit", "time_in_force": "gtc", "symbol": "AAPL", "qty": "2"}
MARKET = {"side": "buy", "type": "market", "time_in_force": "day", "symbol": "AAPL", "qty": "4"}
EXITS = {"take_profit": {"limit_price": "250"}, "stop_loss": {"stop_price": "140"}}
#: One order of every kind, all of which rest or fill.
ORDERS: tuple[dict[str, Any], ...] = (
    MARKET,
    LIMIT | {"limit_price": "150"},
    LIMIT | {"limit_price": "150", "time_in_force": "day", "extended_hours": True},
    MARKET | {"qty": None, "notional": "100.5"},
    MARKET | {"qty": "0.5"},
    LIMIT | {"type": "stop", "stop_price": "600", "symbol": "MSFT"},
    LIMIT | {"type": "stop_limit", "stop_price": "600", "limit_price": "601", "symbol": "MSFT"},
    LIMIT | {"type": "trailing_stop", "trail_price": "5", "symbol": "SPY"},
    LIMIT | {"type": "trailing_stop", "trail_percent": "2.5", "symbol": "SPY"},
    LIMIT | {"limit_price": "149", "order_class": "bracket"} | EXITS,
    LIMIT | {"limit_price": "148", "order_class": "oto", "stop_loss": {"stop_price": "140"}},
    LIMIT | {"side": "sell", "order_class": "oco"} | EXITS,
    MARKET | {"symbol": "MSFT", "side": "sell"},
    MARKET | {"symbol": "BTC/USD", "qty": "0.01", "time_in_force": "gtc"},
    LIMIT | {"symbol": "BTC/USD", "qty": "0.01", "time_in_force": "ioc", "limit_price": "20000"},
)
#: Reads that are repeated, beside orders and positions.
LOOKS = (
    *("account", "account/configurations", "clock", "calendar"),
    *("account/activities", "account/activities/FILL", "account/activities/CFEE"),
    *("assets", "assets?asset_class=crypto", "assets/BTC/USD", "assets/AAPL"),
)


class Tour:
    """A walk through every request, with the replies."""

    def __init__(self, http: Any, exchange: Exchange, clock: ManualClock) -> None:
        self._http, self._exchange, self._clock = http, exchange, clock
        self.answers: list[requests.Response] = []

    def ask(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        answer = self._http(method, path, body, **more)
        self.answers.append(answer)
        return answer.json() if answer.content else None

    def run(self) -> None:
        for step in (self._trade, self._look, self._change, self._corporate, self._err, self._end):
            step()
            self._look()
            self._clock.advance(2)

    def _trade(self) -> None:
        for body in ORDERS:
            self.ask("POST", "/v2/orders", body)
            self._clock.advance(2)
        rows = self.ask("GET", "/v2/orders?status=open&nested=true&limit=500")
        behavior = itertools.cycle([self._exchange.expire, self._exchange.reject])
        for row in (each for each in rows if each["order_class"] == ""):
            if row["type"] == "limit":
                self._exchange.fill(row["id"], "1")
            else:
                next(behavior)(row["id"])

    def _look(self) -> None:
        for query in ("status=all", "status=all&nested=true", "status=closed&direction=asc", ""):
            rows = self.ask("GET", f"/v2/orders?limit=500&{query}")
        for row in rows:
            self.ask("GET", f"/v2/orders/{row['id']}?nested=true")
            own = row["client_order_id"]
            self.ask("GET", "/v2/orders:by_client_order_id", params={"client_order_id": own})
        for row in self.ask("GET", "/v2/positions"):
            self.ask("GET", f"/v2/positions/{row['symbol']}")
        for path in LOOKS:
            self.ask("GET", f"/v2/{path}")

    def _change(self) -> None:
        resting = self.ask("POST", "/v2/orders", LIMIT | {"limit_price": "151"})
        self._clock.advance(2)
        new = self.ask("PATCH", f"/v2/orders/{resting['id']}", {"limit_price": "152"})
        for each in (resting, new):  # the one that is being replaced refuses
            self.ask("DELETE", f"/v2/orders/{each['id']}")
        self.ask("DELETE", "/v2/orders")
        self._look()
        self._clock.advance(2)
        self.ask("PATCH", "/v2/account/configurations", {"trade_confirm_email": "none"})
        self.ask("DELETE", "/v2/positions/AAPL?qty=1")

    def _corporate(self) -> None:
        account = self._exchange.account("paper")
        self._exchange.split("AAPL", 2)
        self._exchange.transfer(account, "SPY", 3, 400)
        self._exchange.assign(account, "SPY", -1, 410)
        self._exchange.deposit(account, -50)
        fill = account.fills()[-1]
        self._exchange.correct(fill.exec_id, price=fill.price + 1)
        self._exchange.bust(account.fills()[0].exec_id)
        self._clock.advance(24 * 3600)  # the fees of coins are posted

    def _err(self) -> None:
        for body in (b"[]", LIMIT, LIMIT | {"limit_price": "1", "symbol": "NOPE"},
                     LIMIT | {"limit_price": "100", "qty": "90000"}):  # fmt: skip
            self.ask("POST", "/v2/orders", body)
        for path in ("orders/nothing", "positions/NOPE", "assets/NOPE", "orders?limit=0",
                     "calendar?start=x", "account/activities?page_token=x"):  # fmt: skip
            self.ask("GET", f"/v2/{path}")
        self.ask("GET", "/v2/account", headers={"APCA-API-SECRET-KEY": "wrong"})
        for fault in ("server-error", "rate-limited"):
            self._exchange.faults.fail(next="account", with_=fault)
            self.ask("GET", "/v2/account")

    def _end(self) -> None:
        self._clock.advance(3 * 24 * 3600 - 2)  # a weekday, and in session
        held = self._exchange.account("paper").truth.positions()["AAPL"]
        body = {"side": "sell", "qty": str(held), "limit_price": "300", "time_in_force": "day"}
        self.ask("POST", "/v2/orders", LIMIT | body)
        self._clock.advance(2)
        self.ask("DELETE", "/v2/positions")  # the shares of one are held by that order
        self.ask("DELETE", "/v2/positions?cancel_orders=true")
        self.ask("PATCH", "/v2/account/configurations", {"suspend_trade": True})


@pytest.fixture
def tour(http: Any, emulator: Emulator, exchange: Exchange, clock: ManualClock) -> Tour:
    emulator.gateway.rate_limit = 10_000
    made = Tour(http, exchange, clock)
    made.run()
    return made


def test_every_reply_matches_the_description(tour: Tour) -> None:
    assert CONTRACT.operations == {CONTRACT.name(each) for each in tour.answers}
    assert {each.status_code for each in tour.answers} >= {
        *(200, 204, 207),
        *(400, 401, 403, 404, 422, 429, 504),
    }
    orders = [row for each in tour.answers for row in rows_of(each, "orders")]
    assert {row["status"] for row in orders} >= {
        *("accepted", "new", "held", "partially_filled", "filled", "canceled", "expired"),
        *("rejected", "replaced", "pending_cancel", "pending_replace"),
    }
    kinds = {row["activity_type"] for each in tour.answers for row in rows_of(each, "activities")}
    assert {"FILL", "CFEE", "SPLIT", "ACATS", "OPASN", "CSD"} == kinds


def rows_of(answer: requests.Response, name: str) -> Iterator[Any]:
    body = answer.json() if answer.content else None
    if name in answer.url and isinstance(body, list):
        yield from (row for row in body if "activity_type" in row or "type" in row)


def test_every_exception_to_the_description_is_met(tour: Tour) -> None:
    idle = []
    for left_out in DIFFERS:
        without = Contract([each for each in DIFFERS if each is not left_out])
        if all(holds(without, each) for each in tour.answers):
            idle.append(left_out[0])
    assert idle == []


def holds(contract: Contract, answer: requests.Response) -> bool:
    try:
        contract.hold(answer)
    except (Failure, ExceptionGroup):
        return False
    return True


fuzzed = schemathesis.openapi.from_dict(described())


@pytest.mark.sampled(3)
@fuzzed.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_valid_request_breaks_the_emulator(case: schemathesis.Case, emulator: Emulator) -> None:
    emulator.gateway.rate_limit = 100_000
    keys = {"APCA-API-KEY-ID": emulator.key, "APCA-API-SECRET-KEY": emulator.secret}
    answer = case.call(base_url=emulator.url, headers=keys, timeout=10)
    case.operation.validate_response(answer)
    assert answer.status_code < 500
