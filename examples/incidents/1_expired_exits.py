"""Exits with time in force *day* expire at the close; the position stays open, unprotected."""

from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
exchange = Exchange(seed=1, clock=clock)
exchange.quote("SPY", "570.00", "570.02")

with fb.open(SimulatedBroker(exchange), "memory://", clock=clock) as desk:
    desk.sync()
    entry = desk.buy("SPY", qty=10, take_profit="600", stop_loss="540", strategy="swing")
    clock.advance(10)
    desk.sync()
    expected = [x for x in desk.book.orders(open=True) if x.parent == entry.client_order_id]
    print(f"Monday: bought {entry.filled_qty} SPY with {len(expected)} exits, time in force day")

    clock.advance(24 * 3600)  # the exits expire at the close, and the bot receives no event
    print(f"Tuesday: the bot expects {len(expected)} exits that protect its position")

    report = desk.sync()
    exits = [x for x in desk.book.orders() if x.parent == entry.client_order_id]
    print(f"Tuesday: fillbook shows {desk.book.position('SPY').qty} SPY held, with these exits:")
    for order in exits:
        print(f"  {order.type} {order.qty} SPY, {order.time_in_force}: {order.status}")
    live = [x for x in exits if not x.is_final]
    print(f"{len(live)} live exits cover {desk.book.position('SPY').qty} SPY: it is unprotected")
    print(f"Verdict: {report.verdict}. This release places no new exits")
