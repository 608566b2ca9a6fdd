"""The exchange from many threads at once, under a real clock."""

from __future__ import annotations

import threading

from fillbook.clock import SystemClock
from fillbook.venue.exchange import Event, Exchange
from tests.venue.exchange.floor import D, ticket

THREADS, ORDERS = 4, 25


def test_many_threads_trade_and_each_event_is_received_once_and_in_order() -> None:
    exchange = Exchange(clock=SystemClock(), latency_s=0.0)
    account = exchange.open_account(cash=10_000_000)
    heard: list[Event] = []
    everything = threading.Event()
    fills = THREADS * ORDERS

    def on_event(event: Event) -> None:
        heard.append(event)
        if sum(each.name == "fill" for each in heard) == fills:
            everything.set()

    def trade() -> None:
        for _ in range(ORDERS):
            account.submit(ticket(symbol="BTC/USD", qty="0.01"))
            account.positions()

    with account.listen(on_event):
        threads = [threading.Thread(target=trade) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert everything.wait(10)
    numbers = [event.number for event in heard]
    assert sorted(set(numbers)) == numbers
    assert {"BTC/USD": fills * D("0.009975")} == account.truth.positions()


def test_a_listener_may_call_the_exchange() -> None:
    exchange = Exchange(clock=SystemClock(), latency_s=0.0)
    account = exchange.open_account()
    seen: list[str] = []
    told = threading.Event()

    def on_event(event: Event) -> None:
        order = account.order(event.order.id)
        assert order is not None
        seen.append(order.status)
        if event.name == "fill":
            told.set()

    with account.listen(on_event):
        account.submit(ticket(symbol="BTC/USD", qty="0.01"))
        assert told.wait(10)
    assert seen[-1] == "filled"
