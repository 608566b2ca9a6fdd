"""One bot with a desk for each of two brokers: shares at Alpaca, coins at Coinbase."""

from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.alpaca import AlpacaBroker
from fillbook.brokers.coinbase import CoinbaseBroker
from fillbook.clock import ManualClock
from fillbook.venue import alpaca, coinbase
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
shares = alpaca.Emulator(Exchange(seed=1, clock=clock), rate_limit=10_000)
coins = coinbase.Emulator(coinbase.spot_exchange(seed=1, clock=clock), rate_limit=10_000)

with shares, coins:
    desks = {
        "AAPL": fb.open(
            AlpacaBroker(shares.key, shares.secret, url=shares.url), "memory://", clock=clock
        ),
        "BTC/USD": fb.open(
            CoinbaseBroker(coins.key, coins.secret, url=coins.url), "memory://", clock=clock
        ),
    }
    for symbol, desk in desks.items():
        desk.sync()
        order = desk.buy(symbol, notional="1000", strategy="both")
        print(f"{symbol}: {order.status}, {order.filled_qty} for {order.filled_value:.2f} dollars")
    for _ in range(6):
        clock.advance(10)
        for desk in desks.values():
            desk.tick()
    for symbol, desk in desks.items():
        print(f"{symbol}: {desk.sync().verdict}, {desk.book.cash():.2f} dollars are left")
        desk.close()
