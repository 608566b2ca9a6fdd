"""The rebalance of incident 3, twice: liquidate and rebuy, and by differences."""

from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

QUOTES = {"SPY": ("546.40", "546.42"), "MSFT": ("412.00", "412.05"), "AAPL": ("187.00", "187.02")}
HELD = {"SPY": 46, "MSFT": 37, "AAPL": 54}
TARGETS = {"SPY": "0.48", "MSFT": "0.32", "AAPL": "0.20"}


def account():
    """A desk on a new account that holds almost the targets."""
    clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
    exchange = Exchange(seed=3, clock=clock)
    for symbol, (bid, ask) in QUOTES.items():
        exchange.quote(symbol, bid, ask)
    books = exchange.open_account(cash="2500", multiplier=1)
    for symbol, qty in HELD.items():
        exchange.transfer(books, symbol, str(qty), QUOTES[symbol][0])
    clock.advance(60)
    desk = fb.open(SimulatedBroker(exchange, books), "memory://", clock=clock)
    desk.sync()
    return desk, clock


def run(name, *wanted):
    desk, clock = account()
    with desk:
        begun, before = clock.elapsed(), desk.requests
        for targets in wanted:
            plan = desk.rebalance(targets, whole_shares=True)
            while not plan.is_final:
                clock.advance(1)
                desk.tick()
                plan = desk.plan(plan.plan_id)
        orders = desk.book.orders()
        traded = sum(x.filled_value for x in orders)
        seconds, sent = (clock.elapsed() - begun).total_seconds(), desk.requests - before
    print(f"{name}: {traded:,.2f} dollars, {len(orders)} orders, {sent} requests, {seconds:.0f} s")
    return traded


everything = run("Liquidate and rebuy", dict.fromkeys(TARGETS, 0), TARGETS)
by_difference = run("By differences", TARGETS)
print(f"{1 - by_difference / everything:.1%} fewer dollars are traded")
