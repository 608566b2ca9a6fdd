"""Exits with time in force *day* expire at the close; with fillbook's exits the stop stays."""

from datetime import UTC, datetime
from decimal import Decimal

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

STOP = Decimal(540)


def run(exits):
    """Buy 10 SPY; on the next day the price falls. Return the dollars at risk by the minute."""
    clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
    exchange = Exchange(seed=1, clock=clock)
    exchange.quote("SPY", "570.00", "570.02")
    with fb.open(SimulatedBroker(exchange), "memory://", clock=clock, exits=exits) as desk:
        desk.sync()
        bracket = {} if exits else {"take_profit": "600", "stop_loss": "540"}
        desk.buy("SPY", qty=10, strategy="swing", **bracket)
        tick(desk, clock, 60)
        print(f"  Monday:  10 SPY, {shown(desk)}")
        tick(desk, clock, 6 * 3600, every=600)  # until the close
        clock.advance(17 * 3600 + 29 * 60)  # Tuesday, 09:30 in New York
        tick(desk, clock, 60)
        print(f"  Tuesday: {desk.book.position('SPY').qty} SPY, {shown(desk)}")
        risk = []
        for minute in range(1, 390):
            bid = 570 - Decimal(minute) / 10  # 39 dollars in a day
            exchange.quote("SPY", bid, bid + Decimal("0.02"))
            tick(desk, clock, 60, every=30)
            held = desk.book.position("SPY").qty
            risk.append(held * max(Decimal(0), STOP - bid))  # the loss beyond the stop
        print(f"  Close:   {desk.book.position('SPY').qty} SPY, {shown(desk)}")
        return risk


def tick(desk, clock, seconds, every=5):
    for _ in range(seconds // every):
        clock.advance(every)
        desk.tick()


def shown(desk):
    exits = [x for x in desk.book.orders(open=True) if x.side == "sell"]
    return " and ".join(f"a {x.type} {x.time_in_force}" for x in exits) or "no live exit"


def report(risk):
    exposed = sum(x > 0 for x in risk)
    print(f"  Beyond the stop: {exposed} minutes, at most {max(risk):,.2f} dollars; by the minute:")
    print("  ", ", ".join(f"{x:.0f}" for x in risk[-10:]))  # the last ten minutes of the day


print("A bracket with time in force day, as the bot sent it:")
report(run(None))
print("The same position with fillbook's exits, good till canceled:")
report(run(fb.ExitPolicy(stop_price=STOP, take_profit=600)))
