"""Every kind of order, from the request of the bot to a reconciled record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.venue.alpaca import Emulator
from fillbook.venue.exchange import Account, Exchange
from tests.bench import Bench

S, C = m.OrderStatus, m.OrderClass


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A desk on the adapter on an emulator; it holds 20 shares of MSFT."""
    with ExitStack() as stack:

        def at_emulator(exchange: Exchange, books: Account) -> AlpacaBroker:
            emulator = stack.enter_context(Emulator(exchange, books, rate_limit=10_000))
            broker = AlpacaBroker(emulator.key, emulator.secret, url=emulator.url, stream="sse")
            stack.callback(broker.close)
            return broker

        made = Bench(broker=at_emulator)
        stack.callback(made.desk.close)
        made.exchange.quote("BTC/USD", "60000", "60010")
        made.by_hand("MSFT", "buy", 20)
        made.desk.sync()
        yield made


def agrees(bench: Bench) -> bool:
    """Whether one pass reconciles the record, and a second finds nothing (P8)."""
    # The fees of crypto are posted at the end of the day.
    is_due = any(x.fee_due for x in bench.desk.book.positions())
    bench.clock.advance(24 * 3600 if is_due else 15)
    bench.desk.sync()
    length = len(bench.desk.book.journal())
    bench.clock.advance(15)
    verdict = bench.desk.sync().verdict
    same = len(bench.desk.book.journal()) == length
    return same and verdict is m.Verdict.IN_SYNC and bench.is_true()


#: The requests of a bot, and the status of the order afterwards.
TAKEN: dict[str, tuple[dict[str, Any], m.OrderStatus]] = {
    "market": ({"qty": 3}, S.FILLED),
    "market, by notional": ({"notional": "500"}, S.FILLED),
    "market, a fraction": ({"qty": "0.123456789"}, S.FILLED),
    "market, for the close": ({"qty": 3, "time_in_force": "cls"}, S.ACCEPTED),
    "limit, marketable": ({"qty": 3, "limit_price": "190"}, S.FILLED),
    "limit, resting": ({"qty": 3, "limit_price": "150.25"}, S.NEW),
    "limit, good till canceled": (
        {"qty": 3, "limit_price": "150.25", "time_in_force": "gtc"},
        S.NEW,
    ),
    "limit, at once or not": (
        {"qty": 3, "limit_price": "150", "time_in_force": "ioc"},
        S.CANCELED,
    ),
    "limit, all or nothing": ({"qty": 3, "limit_price": "190", "time_in_force": "fok"}, S.FILLED),
    "limit, by notional": ({"notional": "500", "limit_price": "190"}, S.FILLED),
    "limit, a fraction": ({"qty": "0.5", "limit_price": "150"}, S.NEW),
    "limit, extended hours": (
        {"qty": 3, "limit_price": "150", "extended_hours": True},
        S.NEW,
    ),
    "stop": ({"qty": 3, "stop_price": "200"}, S.NEW),
    "stop limit": ({"qty": 3, "stop_price": "200", "limit_price": "201"}, S.NEW),
    "trailing stop": ({"qty": 3, "trail_price": "5"}, S.NEW),
    "trailing stop, in percent": ({"qty": 3, "trail_percent": "2.5"}, S.NEW),
    "a pair": ({"symbol": "BTC/USD", "qty": "0.01"}, S.FILLED),
    "a pair, by notional": ({"symbol": "BTC/USD", "notional": "300"}, S.FILLED),
    "a pair, limit": ({"symbol": "BTC/USD", "qty": "0.01", "limit_price": "50000"}, S.NEW),
    "a pair, stop limit": (
        {"symbol": "BTC/USD", "qty": "0.01", "stop_price": "61000", "limit_price": "61500"},
        S.NEW,
    ),
    "short sale": ({"side": "sell", "qty": 3}, S.FILLED),
    "sale of a part": ({"side": "sell", "symbol": "MSFT", "qty": 5}, S.FILLED),
    "bracket": ({"qty": 3, "take_profit": "200", "stop_loss": "180"}, S.FILLED),
    "bracket, resting": (
        {"qty": 3, "limit_price": "150", "take_profit": "200", "stop_loss": "140"},
        S.NEW,
    ),
    "bracket, stop limit": (
        {"qty": 3, "take_profit": "200", "stop_loss": "180", "stop_loss_limit": "179"},
        S.FILLED,
    ),
    "one triggers one": ({"qty": 3, "stop_loss": "180", "order_class": "oto"}, S.FILLED),
    "one cancels the other": (
        {
            "side": "sell",
            "symbol": "MSFT",
            "qty": 20,
            "order_class": "oco",
            "take_profit": "450",
            "stop_loss": "400",
            "time_in_force": "gtc",
        },
        S.NEW,
    ),
}


def wished(wish: dict[str, Any]) -> fb.OrderRequest:
    """A request with the time in force that Alpaca's capabilities declare for it."""
    default = "gtc" if "/" in wish.get("symbol", "") else "day"
    return fb.OrderRequest(**{"symbol": "AAPL", "side": "buy", "time_in_force": default} | wish)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", TAKEN)
def test_the_broker_has_the_order_that_the_bot_requested(bench: Bench, kind: str) -> None:
    wish, status = TAKEN[kind]
    request = wished(wish)
    unnamed = {"time_in_force"} - wish.keys()  # then it is the broker's default
    order = bench.desk.submit(evolve(request, **dict.fromkeys(unnamed, "default")))
    bench.pass_(10)
    order = bench.desk.book.order(order)
    assert order.status is status
    theirs = bench.truth.order(order.broker_order_id)
    asked = request.type, request.time_in_force, request.qty, request.notional
    assert asked == (order.type, order.time_in_force, order.qty, order.notional)
    assert (theirs.filled_qty, theirs.client_order_id) == (
        order.filled_qty,
        order.client_order_id,
    )
    legs = [x for x in bench.desk.book.orders() if x.parent == order.client_order_id]
    assert len(legs) == {C.BRACKET: 2, C.OCO: 1, C.OTO: 1}.get(request.order_class, 0)
    assert agrees(bench)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "for an opening that is over": ({"qty": 3, "time_in_force": "opg"}, "not accepted between"),
    "a fraction, good till canceled": ({"qty": "0.5", "time_in_force": "gtc"}, "must be DAY"),
    "a bracket of a fraction": (
        {"qty": "0.5", "take_profit": "200", "stop_loss": "180"},
        "must be simple",
    ),
    "half a cent": ({"qty": 3, "limit_price": "150.255"}, "sub-penny"),
    "a pair for the day": (
        {"symbol": "BTC/USD", "qty": "0.01", "time_in_force": "day"},
        "time_in_force",
    ),
    "a stop on the wrong side": ({"qty": 3, "stop_price": "150"}, "stop price must be"),
    "more than there is money for": ({"qty": 90_000, "limit_price": "187"}, "buying power"),
    "a sale of coins that are not held": (
        {"symbol": "BTC/USD", "side": "sell", "qty": "0.01"},
        "insufficient balance",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_reject_has_the_brokers_message(bench: Bench, kind: str) -> None:
    wish, words = REFUSED[kind]
    request = wished(wish)
    intent = m.Intent(client_order_id="fb-1", request=request, at=m.timestamp(bench.clock.now()))
    outcome = bench.broker.submit(intent)
    assert isinstance(outcome, m.Rejected)
    assert words in outcome.message


@pytest.mark.parametrize("kind", [x for x in REFUSED if x != "half a cent"])  # it is rounded
def test_what_the_broker_would_refuse_is_denied_before_it_is_sent(bench: Bench, kind: str) -> None:
    wish, _ = REFUSED[kind]
    with pytest.raises(fb.Denied, match="nothing was sent"):
        bench.desk.submit(fb.OrderRequest(**{"symbol": "AAPL", "side": "buy"} | wish))
    assert bench.ours() == []
    assert agrees(bench)


def test_a_take_profit_fills_and_its_stop_is_gone_in_both_books(bench: Bench) -> None:
    entry = bench.desk.buy("AAPL", qty=3, take_profit="200", stop_loss="180")
    bench.pass_(10)
    bench.exchange.quote("AAPL", "200.10", "200.12")
    bench.pass_(30)
    legs = [x for x in bench.desk.book.orders() if x.parent == entry.client_order_id]
    assert {x.status for x in legs} == {S.FILLED, S.CANCELED}
    assert bench.desk.book.position("AAPL").qty == 0
    assert agrees(bench)


def test_an_order_for_extended_hours_fills_after_the_close(bench: Bench) -> None:
    order = bench.desk.buy("AAPL", qty=3, limit_price="150", extended_hours=True)
    bench.clock.advance(timedelta(hours=6, minutes=30).total_seconds())  # 16:30 in New York
    bench.exchange.quote("AAPL", "149.90", "149.95")
    bench.pass_(30)
    assert bench.desk.book.order(order).status is S.FILLED
    assert agrees(bench)


def test_a_list_of_more_than_one_page_has_each_order_once(bench: Bench) -> None:
    for _ in range(503):
        bench.by_hand("AAPL", "buy", 1, limit_price="1")
    before = bench.sent["orders"]
    bench.desk.sync()
    found = {x.broker_order_id for x in bench.desk.book.orders(open=True)}
    assert found == {x.id for x in bench.truth.orders() if x.symbol == "AAPL"}
    assert (len(found), bench.sent["orders"] - before) == (503, 2)


def test_what_moves_the_account_without_a_trade_is_taken_over(bench: Bench) -> None:
    bench.exchange.split("MSFT", "4")
    bench.exchange.transfer(bench.books, "SPY", "7", "500")
    assert not bench.is_true()
    assert agrees(bench)
    assert {x.symbol: x.qty for x in bench.desk.book.positions()} == {"MSFT": 80, "SPY": 7}


def test_a_fill_that_is_streamed_twice_and_read_is_recorded_once(bench: Bench) -> None:
    """By the stream, by its replay after a loss, and by a read (P4)."""
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    with bench.streamed():
        bench.filled(order, "4")
        _heard(bench, order, 4)
        bench.exchange.disconnect(bench.books)
        bench.filled(order, "6")
        _heard(bench, order, 10)
    assert agrees(bench)
    assert [x.qty for x in bench.desk.book.fills(order)] == [4, 6]


def _heard(bench: Bench, order: m.Order, filled: int) -> None:
    for _ in range(500):
        bench.clock.advance(0.01)
        bench.desk.tick()
        if bench.desk.book.order(order).filled_qty == filled:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{filled} of {order} were not heard of")
