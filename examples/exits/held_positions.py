"""Positions that were held before the policy: their exits are proposed, then approved or not."""

from datetime import UTC, datetime
from tempfile import TemporaryDirectory

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
folder = TemporaryDirectory()
store = f"sqlite:///{folder.name}/bot.db"
broker = SimulatedBroker(Exchange(seed=1, clock=clock))


def show(desk):
    for each in desk.protections():
        print(f"  {each.symbol}: {each.cover}, stop {each.stop_price}")


with fb.open(broker, store, clock=clock) as desk:
    desk.sync()
    desk.buy("AAPL", qty=10, strategy="swing")
    desk.buy("MSFT", qty=4, strategy="swing")
    clock.advance(10)
    desk.sync()

with fb.open(broker, store, clock=clock, exits=fb.ExitPolicy(stop_loss="8%")) as desk:
    desk.tick()
    print("The policy was set later: nothing is sent until a person approves")
    show(desk)
    for plan in desk.plans("proposed"):
        print(f"  {plan.plan_id}: {plan.why}; {plan.impact.orders} order")
    first, second = desk.plans("proposed")
    print("Approved:", desk.approve(first.plan_id).state)
    print("Rejected:", desk.reject(second.plan_id, why="closed by hand this week").state)
    clock.advance(10)
    desk.tick()
    show(desk)
    print("An entry under the policy needs no approval")
    desk.buy("SPY", qty=5, strategy="swing")
    for _ in range(6):
        clock.advance(5)
        desk.tick()
    show(desk)
folder.cleanup()
