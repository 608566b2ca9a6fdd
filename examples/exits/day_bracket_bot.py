"""A bot whose brackets are good for the day: one argument of `open` keeps the exits."""

from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
exchange = Exchange(seed=1, clock=clock)
exchange.quote("SPY", "570.00", "570.02")
policy = fb.ExitPolicy(stop_loss="5%", take_profit="6%")


def run(hours, every=60):
    for _ in range(hours * 3600 // every):
        clock.advance(every)
        desk.tick()


def show(when):
    exits = [x for x in desk.book.orders(open=True) if x.side == "sell"]
    [kept] = desk.protections()
    print(
        f"{when}: {kept.cover}: {', '.join(f'{x.type} {x.qty} {x.time_in_force}' for x in exits)}"
    )


with fb.open(SimulatedBroker(exchange), "memory://", clock=clock, exits=policy) as desk:
    desk.sync()
    # The bot sends what it always sent: a bracket, with time in force day.
    desk.buy("SPY", qty=10, take_profit="600", stop_loss="540", strategy="swing")
    run(1)
    show("Monday 11:00")
    run(6)
    show("Monday 17:00, after the close")
    run(16, every=300)
    run(1)
    show("Tuesday 10:00")
    for event in desk.events():
        if event.alert is not None:
            print(f"alert at {event.at[:16]}: {event.alert.kind}: {event.alert.message}")
