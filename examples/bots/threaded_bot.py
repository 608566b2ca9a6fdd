"""A bot whose threads share one account and its buying power."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
exchange = Exchange(seed=7, clock=clock)
account = exchange.open_account(cash=50_000, multiplier=1)
SYMBOLS = {"trend": "SPY", "value": "MSFT", "carry": "AAPL"}


def trade(desk: fb.Desk, strategy: str) -> str:
    """Buy for 40,000, if the buying power is still available."""
    try:
        order = desk.buy(SYMBOLS[strategy], notional=40_000, strategy=strategy, key=f"{strategy}-1")
    except fb.Denied as denied:
        return f"{strategy}: denied, {denied}"
    return f"{strategy}: {order.status}, {order.filled_qty:.2f} {order.symbol}"


with fb.open(SimulatedBroker(exchange, account), "memory://", clock=clock) as desk:
    desk.sync()
    with ThreadPoolExecutor() as threads:
        for line in threads.map(lambda strategy: trade(desk, strategy), SYMBOLS):
            print(line)
    print(f"positions: {len(desk.book.positions())}; orders sent: {len(account.truth.orders())}")
    power = desk.buying_power()
    print(f"buying power: {power.available:,.2f} available, {power.reported:,.2f} reported")
