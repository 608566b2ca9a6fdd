"""
The bot of stage 1 keeps a record, and passes on the events that it receives.

It needs ALPACA_API_KEY and ALPACA_SECRET_KEY; ALPACA_URL for an emulator.
"""

import asyncio
import os
import threading

from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from alpaca.trading.stream import TradingStream

import fillbook as fb
from fillbook.brokers.alpaca import AlpacaBroker

KEYS = os.environ["ALPACA_API_KEY"], os.environ["ALPACA_SECRET_KEY"]
URL = os.environ.get("ALPACA_URL")
STREAM_URL = URL and f"{URL.replace('http', 'ws', 1)}/stream"
FILL_TIMEOUT_S = 60

client = TradingClient(*KEYS, paper=True, url_override=URL)
stream = TradingStream(*KEYS, paper=True, url_override=STREAM_URL)
filled = threading.Event()
desk = fb.open(AlpacaBroker.from_client(client), store="sqlite:///bot.db")


async def on_event(event):
    await asyncio.to_thread(desk.receive, event)
    if event.event == "fill":
        filled.set()


def main():
    stream.subscribe_trade_updates(on_event)
    threading.Thread(target=stream.run, daemon=True).start()
    desk.sync()
    terms = {"symbol": "BTC/USD", "qty": "0.01", "side": OrderSide.BUY}
    order = client.submit_order(MarketOrderRequest(time_in_force=TimeInForce.GTC, **terms))
    filled.wait(FILL_TIMEOUT_S)
    expected = {order.symbol: order.qty if filled.is_set() else "0"}
    print("the bot expects", expected)
    desk.sync()
    print("the record has", desk.book.position("BTC/USD").qty)
    desk.close()
    stream.stop()


if __name__ == "__main__":
    main()
