"""A portfolio is rebalanced to the weights of a CSV file: a dry run, then the plan."""

import csv
from datetime import UTC, datetime
from pathlib import Path

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

QUOTES = {"SPY": ("570.00", "570.02"), "MSFT": ("412.00", "412.05"), "AAPL": ("187.00", "187.02")}

with (Path(__file__).parent / "targets.csv").open() as file:
    targets = {row["symbol"]: row["weight"] for row in csv.DictReader(file)}

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
exchange = Exchange(seed=5, clock=clock)
for symbol, (bid, ask) in QUOTES.items():
    exchange.quote(symbol, bid, ask)
books = exchange.open_account(cash="20000", multiplier=1)

with fb.open(SimulatedBroker(exchange, books), "memory://", clock=clock) as desk:
    desk.sync()
    desk.buy("AAPL", qty=60)
    clock.advance(60)

    plan = desk.rebalance(targets, whole_shares=True, dry_run=True)
    for step in plan.steps:
        if isinstance(step.action, fb.PlaceOrder):
            wish = step.action.request
            print(f"to do: {wish.side} {wish.qty} {wish.symbol}")
    print(f"off the targets afterwards: {plan.impact.tracking_error:.2%}")

    plan = desk.rebalance(targets, whole_shares=True)
    while not plan.is_final:
        clock.advance(1)
        desk.tick()
        plan = desk.plan(plan.plan_id)
    print(f"the plan is {plan.state}")
    for x in desk.book.positions():
        print(f"{x.symbol}: {x.qty} of {x.qty * fb.model.number(QUOTES[x.symbol][0]):,.2f} dollars")
    print("a second call has", len(desk.rebalance(targets, whole_shares=True).steps), "steps")
