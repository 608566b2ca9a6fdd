"""Two strategies share one account: each has its own part of a position, and its own P&L."""

from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
exchange = Exchange(seed=6, clock=clock)
exchange.quote("AAPL", "187.00", "187.02")
exchange.quote("MSFT", "412.00", "412.05")
books = exchange.open_account(cash="50000", multiplier=1)


def carry_out(desk, plan):
    while not plan.is_final:
        clock.advance(1)
        desk.tick()
        plan = desk.plan(plan.plan_id)
    return plan


with fb.open(SimulatedBroker(exchange, books), "memory://", clock=clock) as desk:
    desk.sync()
    # "core" holds weights of its own 20,000 dollars; "swing" trades the same share.
    targets = {"AAPL": "0.5", "MSFT": "0.5"}
    carry_out(desk, desk.rebalance(targets, strategy="core", capital=20_000, whole_shares=True))
    desk.buy("AAPL", qty=20, strategy="swing")
    clock.advance(60)
    exchange.quote("AAPL", "190.00", "190.02")
    carry_out(desk, desk.close_position("AAPL", strategy="swing"))
    clock.advance(60)

    for position in desk.book.positions():
        for name, part in position.by_strategy:
            print(f"{position.symbol}, {name}: {part.qty}")
    for row in desk.book.pnl(by="strategy").rows:
        print(f"{row.key}: realized {row.realized:+.2f}, unrealized {row.unrealized:+.2f}")
    total = sum(x.realized + x.unrealized for x in desk.book.pnl().rows)
    print(f"by symbol the same sum: {total:+.2f}")
