"""The bot treats a time-out as a failure although the order filled, and spends cash twice."""

from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
exchange = Exchange(seed=3, clock=clock)
exchange.quote("SPY", "546.40", "546.42")
exchange.quote("MSFT", "412.00", "412.05")
account = exchange.open_account(cash="3432.62", multiplier=1)
exchange.transfer(account, "SPY", "90", "500")
clock.advance(60)

with fb.open(SimulatedBroker(exchange, account), "memory://", clock=clock) as desk:
    desk.sync()
    desk.assign("SPY", "rebalance")  # a strategy sells what it holds
    print("The rebalancer sells 90 SPY to buy them back later, and gets no reply")
    exchange.faults.fail(next="submit", with_="reply-lost")
    sold = desk.sell("SPY", qty=90, key="sell-everything", strategy="rebalance")
    print('The bot records: "timed out", treats it as a failure, and sells again')
    again = desk.sell("SPY", qty=90, key="sell-everything", strategy="rebalance")
    print(f"fillbook shows: {again.status}, {again.filled_qty} at {again.avg_price}; one order")
    print(f"  the same order: {again.client_order_id == sold.client_order_id}")
    print(f"  orders at the broker: {len(account.truth.orders())}")

    print(
        "It buys MSFT with the proceeds; the broker's buying power is nine seconds old from now on"
    )
    desk.buy("MSFT", notional="49176", strategy="rebalance")
    exchange.faults.switch_on("account-old", seconds=9)
    power = desk.buying_power()
    print(f"  buying power: {power.available:,.2f} available, {power.reported:,.2f} reported")
    try:
        desk.buy("SPY", notional="52596", strategy="rebalance", key="buy-back")
    except fb.Denied as denied:
        print(f"fillbook shows: {denied.order.status}: {denied}")
    print(f"  orders at the broker: {len(account.truth.orders())}")
    exchange.faults.clear()
    clock.advance(60)
    print(f"Verdict: {desk.sync().verdict}; cash {desk.book.cash():,.2f}")
