"""Coins that were held before the policy: their exits are proposed, and one order is both."""

from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.coinbase import CoinbaseBroker
from fillbook.clock import ManualClock
from fillbook.venue.coinbase import Emulator, spot_exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
exchange = spot_exchange(seed=1, clock=clock)


def wait(desk, seconds=60):
    for _ in range(seconds // 5):
        clock.advance(5)
        desk.tick()


def show(desk):
    for each in desk.protections():
        print(f"  {each.symbol}: {each.cover}, {each.why or 'nothing to add'}")
    for order in desk.book.orders(open=True):
        print(f"  {order.symbol}: sell {order.qty} at {order.limit_price}, stop {order.stop_price}")


with Emulator(exchange, rate_limit=10_000) as emulator:
    broker = CoinbaseBroker(emulator.key, emulator.secret, url=emulator.url)
    exchange.transfer(emulator.account, "BTC/USD", "0.25", "60000")
    policy = fb.ExitPolicy(stop_price="60000", take_profit="80000")
    with fb.open(broker, "memory://", clock=clock) as desk:
        desk.sync()
        desk.buy("ETH/USD", notional="500", strategy="dips")
        wait(desk)
        print("The coins that were there are protected by hand")
        desk.protect("BTC/USD", stop_price="60000", take_profit="80000")
        print("Those of the strategy by percentages of their own cost")
        desk.protect("ETH/USD", stop_loss="8%", take_profit="20%", strategy="dips")
        wait(desk)
        show(desk)
        print("The market falls through the stop and its limit, 5 % below")
        exchange.quote("BTC/USD", "56000", "56010")
        wait(desk, 120)
        show(desk)
        print(f"  {desk.book.position('BTC/USD').qty} BTC are left")
    broker.close()
