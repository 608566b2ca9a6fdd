"""A bot in asyncio: parallel strategies, and one that stops waiting for its order."""

import asyncio
from datetime import UTC, datetime

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange

clock = ManualClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))  # a Monday, 10:00 in New York
broker = SimulatedBroker(Exchange(seed=7, clock=clock))


async def trade(desk: fb.AsyncDesk, strategy: str, symbol: str) -> None:
    """Buy, and sell the filled quantity again."""
    bought = await desk.buy(symbol, qty=10, strategy=strategy, key=f"{strategy}-in")
    sold = await desk.sell(symbol, qty=bought.filled_qty, strategy=strategy, key=f"{strategy}-out")
    print(f"{strategy}: bought at {bought.avg_price}, sold at {sold.avg_price}")


async def main() -> None:
    # On this clock the wait of one thread is time for all: an hour of it passes at once.
    async with fb.open_async(broker, "memory://", clock=clock, wait_s=3_600) as desk:
        await desk.sync()
        await desk.start()
        await asyncio.gather(trade(desk, "trend", "AAPL"), trade(desk, "value", "MSFT"))

        hasty = asyncio.create_task(desk.buy("SPY", qty=3, strategy="hasty", key="hasty-in"))
        await asyncio.sleep(0.01)
        hasty.cancel()  # the bot stops waiting; the order continues
        order = await desk.buy("SPY", qty=3, strategy="hasty", key="hasty-in")
        print(f"hasty stopped waiting, then called again: {order.status}, {order.filled_qty} SPY")
        print(f"SPY in total: {desk.book.position('SPY').qty}; {len(desk.book.orders())} orders")
        print(f"verdict: {(await desk.sync()).verdict}")


asyncio.run(main())
