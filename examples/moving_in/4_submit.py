"""
The bot of stage 3 submits its order by fillbook, which returns the order with its status.

It needs ALPACA_API_KEY and ALPACA_SECRET_KEY; ALPACA_URL for an emulator.
"""

import asyncio
import os
import threading

from alpaca.trading.client import TradingClient
from alpaca.trading.stream import TradingStream

import fillbook as fb
from fillbook.brokers.alpaca import AlpacaBroker

KEYS = os.environ["ALPACA_API_KEY"], os.environ["ALPACA_SECRET_KEY"]
URL = os.environ.get("ALPACA_URL")
STREAM_URL = URL and f"{URL.replace('http', 'ws', 1)}/stream"

client = TradingClient(*KEYS, paper=True, url_override=URL)
stream = TradingStream(*KEYS, paper=True, url_override=STREAM_URL)
desk = fb.open(AlpacaBroker.from_client(client), store="sqlite:///bot.db")


async def on_event(event):
    await asyncio.to_thread(desk.receive, event)


def main():
    stream.subscribe_trade_updates(on_event)
    threading.Thread(target=stream.run, daemon=True).start()
    desk.sync()
    request = fb.OrderRequest(symbol="BTC/USD", qty="0.01", side="buy")
    order = desk.submit(request, key="submitted buy")
    print("the bot expects", {order.symbol: str(order.filled_qty)})
    desk.sync()
    print("the order is", order.status)
    print("the record has", desk.book.position("BTC/USD").qty)
    desk.close()
    stream.stop()


if __name__ == "__main__":
    main()
