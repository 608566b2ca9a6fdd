"""Trades were written down locally and never reached the broker; then the books are compared."""

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
    desk.buy("AAPL", qty=10)  # this one went out
    desk.buy("NVDA", qty=4)  # and this, which the bot forgot to write down
    clock.advance(60)

bots_own_book = {"AAPL": 25, "MSFT": 8}  # 15 AAPL and 8 MSFT never left the process
print("The bot believes:", ", ".join(f"{qty} {symbol}" for symbol, qty in bots_own_book.items()))

report = fb.check(broker, ours=bots_own_book)  # no store, nothing written, nothing sent
print(f"fillbook shows: {report.verdict}, after {report.requests} requests")
for row in report.rows:
    missing = (row.theirs or 0) - (row.bot or 0)
    print(f"  {row.symbol}: the bot {row.bot}, the broker {row.theirs}, difference {missing:+}")

with fb.open(broker, "memory://", clock=clock) as desk:
    desk.sync()
    since = desk.sync(since=date(2026, 3, 2))  # every order and fill from that day on
    print(f"From 2 March on the broker has {len(desk.book.orders())} orders; {since.verdict}:")
    for order in desk.book.orders():
        print(f"  {order.side} {order.filled_qty} {order.symbol} at {order.avg_price}")
print("Sending the difference comes with a later release; it is known now, to the share")
