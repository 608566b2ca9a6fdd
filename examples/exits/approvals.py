"""A repair is proposed, shown, approved, and the next pass finds nothing."""

from datetime import UTC, datetime
from decimal import Decimal

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange, Ticket

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
exchange = Exchange(seed=1, clock=clock)
account = exchange.open_account("paper")
exchange.quote("AAPL", "187.00", "187.02")
EXTERNAL = Ticket(
    symbol="AAPL",
    side=fb.OrderSide.BUY,
    type=fb.OrderType.LIMIT,
    time_in_force=fb.TimeInForce.DAY,
    qty=Decimal(3),
    limit_price=Decimal(170),
)
repairs = {"default": "observe", "external_order": "cancel"}

broker = SimulatedBroker(exchange, account)
with fb.open(broker, "memory://", clock=clock, repairs=repairs) as desk:
    desk.sync()
    exchange.trade_by_hand(account, EXTERNAL)  # an order that no bot knows
    clock.advance(10)
    for plan in desk.repair():
        print(f"{plan.plan_id} is {plan.state}: {plan.why}")
        print(f"  {plan.impact.orders} orders, {plan.impact.cancels} cancel")
    [plan] = desk.plans("proposed")
    print("Approved:", desk.approve(plan.plan_id).state)
    for _ in range(6):
        clock.advance(5)
        desk.tick()
    print("Afterwards:", desk.plan(plan.plan_id).state)
    print("Left to repair:", len(desk.repair()))
    print("Open orders:", len(desk.book.orders(open=True)))
