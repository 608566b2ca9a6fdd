"""Trades were recorded locally and never sent; what is missing is found, and sent once."""

from datetime import UTC, date, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

TRADES = [
    {"time": "2026-03-02 10:01", "symbol": "AAPL", "side": "buy", "qty": 10},
    {"time": "2026-03-02 10:05", "symbol": "AAPL", "side": "buy", "qty": 15},
    {"time": "2026-03-02 10:07", "symbol": "MSFT", "side": "buy", "qty": 8},
]
HOW = {"since": date(2026, 3, 2), "tz": "America/New_York"}


def account():
    """A desk after 10 AAPL and 4 NVDA were sent; 15 AAPL and 8 MSFT were not."""
    exchange = Exchange(seed=2, clock=(clock := ManualClock(datetime(2026, 3, 2, 15, tzinfo=UTC))))
    for symbol, bid, ask in (("AAPL", 187, "187.02"), ("MSFT", 412, "412.05"), ("NVDA", 120, 121)):
        exchange.quote(symbol, bid, ask)
    desk = fb.open(SimulatedBroker(exchange), "memory://", clock=clock)
    desk.sync()
    desk.buy("AAPL", qty=10)
    desk.buy("NVDA", qty=4)
    clock.advance(1740)
    return desk, clock


def report(desk, start, begun, before):
    orders = [x for x in desk.book.orders() if x.created_at >= begun]
    held = ", ".join(f"{x.qty} {x.symbol}" for x in desk.book.positions())
    took = f"{desk.requests - before} requests, {(clock.elapsed() - start).seconds} s; held: {held}"
    print(f"  {sum(x.filled_value for x in orders):,.2f} dollars, {len(orders)} orders, {took}")


desk, clock = account()
with desk:
    for x in desk.check({"AAPL": 25, "MSFT": 8}).rows:
        print(f"{x.symbol}: the bot {x.bot}, the broker {x.theirs}")
    print("Without: the whole record is sent again")
    begun = clock.elapsed(), fb.model.timestamp(clock.now()), desk.requests
    for x in TRADES:
        desk.buy(x["symbol"], qty=x["qty"])
    report(desk, *begun)

desk, clock = account()
with desk:
    print("With: a dry run, then what is missing")
    begun = clock.elapsed(), fb.model.timestamp(clock.now()), desk.requests
    for x in desk.catch_up(TRADES, **HOW).orders:
        print(f"  to send: {x.side} {x.qty} {x.symbol}, {x.notional:,.2f} dollars")
    desk.catch_up(TRADES, **HOW, dry_run=False)
    while desk.plans():
        clock.advance(1)
        desk.tick()
    report(desk, *begun)
    again = desk.catch_up(TRADES, **HOW, dry_run=False)
    print(f"  a second run: {len(again.orders)} orders;", *(x.outcome for x in again.rows))
