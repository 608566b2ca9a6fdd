"""The bot has a P&L of 51.00 dollars, the account one of 50.49: the $0.51 explained."""

from datetime import UTC, date, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
exchange = Exchange(seed=4, clock=clock)
exchange.quote("AAPL", "187.00", "187.02")

with fb.open(SimulatedBroker(exchange), "memory://", clock=clock) as desk:
    desk.sync()
    clock.advance(60)
    desk.buy("AAPL", qty=17, reference_price="187.00")
    clock.advance(3600)
    exchange.quote("AAPL", "189.99", "190.01")
    desk.sell("AAPL", qty=17, reference_price="190.00")
    clock.advance(60)

    # The bot wrote the prices that it asked for.
    trades = [
        {"time": "2026-03-02T15:01:00Z", "symbol": "AAPL", "side": "buy", "qty": 17, "price": 187},
        {"time": "2026-03-02T16:01:00Z", "symbol": "AAPL", "side": "sell", "qty": 17, "price": 190},
    ]
    (row,) = desk.compare_pnl(trades, since=date(2026, 3, 2)).rows
    print(f"the bot {row.bot.theirs:.2f}, the account {row.bot.ours:.2f}")
    print(f"difference {row.bot.difference:+.2f}; its causes:")
    for cause, part in row.bot.by_cause.items():
        print(f"  {cause}: {part:+.2f}")
    for x in desk.book.slippage():
        print(f"  {x.side} {x.qty}: asked {x.requested}, filled at {x.executed}, cost {x.cost}")
    # The figure alone is explained too: the requested prices are kept with the orders.
    (row,) = desk.compare_pnl({"AAPL": "51.00"}, since=date(2026, 3, 2)).rows
    print("from the figure alone:", *(f"{cause} {part:+.2f}" for cause, part in row.bot.causes))
