"""Trades were recorded locally and never sent; a check compares the record with the broker."""

from datetime import UTC, date, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
exchange = Exchange(seed=2, clock=clock)
exchange.quote("AAPL", "187.00", "187.02")
exchange.quote("MSFT", "412.00", "412.05")
exchange.quote("NVDA", "120.00", "120.01")
broker = SimulatedBroker(exchange)

with fb.open(broker, "memory://", clock=clock) as desk:
    desk.sync()
    desk.buy("AAPL", qty=10)  # sent
    desk.buy("NVDA", qty=4)  # sent, but missing in the bot's own record
    clock.advance(60)

bots_own_record = {"AAPL": 25, "MSFT": 8}  # 15 AAPL and 8 MSFT were never sent
print("The bot expects:", ", ".join(f"{qty} {symbol}" for symbol, qty in bots_own_record.items()))

report = fb.check(broker, ours=bots_own_record)  # no store, nothing written, nothing sent
print(f"fillbook shows: {report.verdict}, after {report.requests} requests")
for row in report.rows:
    missing = (row.theirs or 0) - (row.bot or 0)
    print(f"  {row.symbol}: the bot {row.bot}, the broker {row.theirs}, difference {missing:+}")

with fb.open(broker, "memory://", clock=clock) as desk:
    desk.sync()
    since = desk.sync(since=date(2026, 3, 2))  # every order and fill since that date
    print(f"Since 2 March the broker has {len(desk.book.orders())} orders; {since.verdict}:")
    for order in desk.book.orders():
        print(f"  {order.side} {order.filled_qty} {order.symbol} at {order.avg_price}")
print("This release sends no orders for the difference; it reports the exact quantities")
