"""The incidents that safe order placement prevents, by name; the scripts repeat them."""

from contextlib import nullcontext
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.stores.memory import MemoryStore
from fillbook.venue.exchange import Exchange, Fault, InjectionPoint
from fillbook.venue.exchange.faults.kinds import INJECTION_POINTS
from tests.bench import MONDAY_10, Bench

TEN = Decimal(10)
#: Every fault of a request that places an order.
SUBMIT_FAULTS = sorted(fault for fault in Fault if InjectionPoint.SUBMIT in INJECTION_POINTS[fault])


# -- 3: liquidate and rebuy ------------------------------------------------------------


@pytest.mark.parametrize("behind_s", [0, 4, 9])
def test_liquidate_and_rebuy_spends_no_cash_twice(behind_s):
    """A buy beyond the buying power is denied with both figures, at any age of the account."""
    bench = Bench(cash="52608.62", multiplier=1)
    bench.desk.buy("MSFT", notional="49176")
    if behind_s:
        bench.exchange.faults.switch_on("account-old", seconds=behind_s)
    with pytest.raises(fb.Denied, match=r"52,596\.00 USD.* 3,432\.62 USD is available") as denied:
        bench.desk.buy("SPY", notional="52596")
    figures = {name: round(value, 2) for name, value in denied.value.reason.figures}
    assert figures == {"needed": Decimal(52596), "available": Decimal("3432.62")}
    assert [x.symbol for x in bench.truth.orders()] == ["MSFT"]


def test_liquidate_and_rebuy_knows_a_sale_whose_reply_was_lost():
    """The sale is filled in the record, and a second call returns the same order."""
    bench = Bench()
    bench.desk.buy("SPY", qty=90)
    bench.fail("submit", "reply-lost")
    sold = bench.desk.sell("SPY", qty=90, key="sell-everything")
    assert (sold.status, sold.filled_qty) == (m.OrderStatus.FILLED, Decimal(90))
    again = bench.desk.sell("SPY", qty=90, key="sell-everything")
    assert again.client_order_id == sold.client_order_id
    assert len(bench.truth.orders()) == 2


@pytest.mark.parametrize("fault", SUBMIT_FAULTS)
def test_liquidate_and_rebuy_never_raises_a_time_out(fault):
    """After every fault of a request the call returns an order, or raises an error with one."""
    bench = Bench()
    bench.fail("submit", fault)
    try:
        order, text = bench.desk.buy("SPY", qty=1), ""
    except (fb.Denied, fb.OrderRejected, fb.Unavailable) as error:
        order, text = error.order, str(error)
    assert "time" not in f"{order.status} {text}".replace("-", "").replace(" ", "").lower()
    assert order.client_order_id == bench.desk.book.order(order).client_order_id


TARGETS = {"SPY": "0.48", "MSFT": "0.32", "AAPL": "0.20"}


def _rebalanced(*wanted):
    """The traded dollars, the orders and the requests of these rebalances of one portfolio."""
    bench = Bench(cash="2500", multiplier=1, opened=False)
    for symbol, qty, price in (("SPY", 44, 570), ("MSFT", 37, 412), ("AAPL", 54, 187)):
        bench.silently(symbol, qty, price)
    bench.pass_(60)
    bench.desk.sync()
    before = bench.desk.requests
    for targets in wanted:
        plan = bench.desk.rebalance(targets, whole_shares=True)
        bench.pass_(120, every=1)
        assert bench.desk.plan(plan.plan_id).state is m.PlanState.DONE
    orders = bench.desk.book.orders()
    traded = sum(x.filled_value for x in orders)
    return traded, len(orders), bench.desk.requests - before


def test_liquidate_and_rebuy_trades_the_differences_only():
    """At least 90 % fewer dollars are traded, by fewer orders and fewer requests."""
    everything = _rebalanced(dict.fromkeys(TARGETS, 0), TARGETS)
    differences = _rebalanced(TARGETS)
    assert differences[0] > 0
    assert differences[0] <= everything[0] / 10
    assert differences[1] < everything[1]
    assert differences[2] < everything[2]


# -- 4: limit orders in the dark -------------------------------------------------------


def test_limit_orders_in_the_dark_are_listed_and_canceled_by_strategy():
    bench = Bench()
    prices = ("170", "175", "180")
    for strategy in ("dips", "crash"):
        for price in prices:
            bench.desk.buy("AAPL", qty=10, limit_price=price, strategy=strategy)
    bench.by_hand("AAPL", "buy", 3, limit_price="160")
    bench.desk.sync()
    ended = bench.desk.cancel_all(strategy="dips")
    assert [(x.strategy, x.status) for x in ended] == [("dips", m.OrderStatus.CANCELED)] * 3
    left = bench.desk.book.orders(open=True)
    assert sorted(x.strategy or "" for x in left) == ["", "crash", "crash", "crash"]


def test_limit_orders_in_the_dark_become_trades_without_an_event_of_their_fills():
    bench = Bench()
    bought = bench.desk.buy("AAPL", qty=10, limit_price="180", strategy="dips")
    bench.clock.advance(5)
    bench.filled(bought)
    bench.desk.sync()
    sold = bench.desk.sell("AAPL", qty=10, limit_price="190", strategy="dips")
    bench.clock.advance(5)
    bench.filled(sold)
    bench.desk.sync()
    [trade] = bench.desk.book.trades()
    assert (trade.strategy, trade.qty, trade.pnl) == ("dips", TEN, Decimal(100))


# -- 5: stuck pending ------------------------------------------------------------------

SEEDS, ORDERS = 25, 10


@pytest.mark.sampled(2)
@pytest.mark.parametrize("stream", ["none", "silent", "lost", "live"])
def test_stuck_pending_knows_a_market_order_before_submit_returns(stream):
    """Of 1,000 market orders, at least 95 % of the filled ones are final when `submit` returns."""
    known = filled = 0
    for seed in range(SEEDS):
        for order, truth in _market_orders(seed, stream):
            filled += truth.status == "filled"
            known += truth.status == "filled" and order.status is m.OrderStatus.FILLED
    assert filled >= SEEDS * ORDERS * 9 // 10
    assert known >= filled * 95 / 100


def _market_orders(seed, stream):
    clock = ManualClock(MONDAY_10)
    exchange = Exchange(seed=seed, clock=clock)
    for symbol in ("AAPL", "MSFT"):
        exchange.walk(symbol)
    broker = SimulatedBroker(exchange)
    with fb.open(broker, MemoryStore(), clock=clock) as desk:
        desk.sync()
        if stream in ("silent", "lost"):
            exchange.faults.switch_on(f"stream-{stream}")
        listening = None if stream == "none" else broker.listen(desk._background)
        with listening or nullcontext():
            yield from _traded(desk, broker.books.truth)


def _traded(desk, truth):
    for number in range(ORDERS):
        place = desk.sell if number % 2 else desk.buy
        order = place(("AAPL", "MSFT")[number // 2 % 2], qty=1 + number // 2)
        yield order, truth.find(order.client_order_id)


def test_stuck_pending_ends_within_one_round_trip_of_the_fill():
    """The first reply after the fill makes the record final, in less than a second."""
    bench = Bench()
    began = bench.clock.elapsed()
    order = bench.desk.buy("AAPL", qty=10)
    took = (bench.clock.elapsed() - began).total_seconds()
    assert (order.status, took < 1) == (m.OrderStatus.FILLED, True)
    assert bench.desk.book.position("AAPL").qty == TEN
