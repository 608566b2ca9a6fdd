"""
The bot of stage 3 lets fillbook send its order, which is one order however often it runs.

It needs COINBASE_API_KEY and COINBASE_API_SECRET; COINBASE_URL for an emulator over TLS.
"""

import os

from coinbase.rest import RESTClient

import fillbook as fb
from fillbook.brokers.coinbase import CoinbaseBroker

KEYS = os.environ["COINBASE_API_KEY"], os.environ["COINBASE_API_SECRET"]
URL = os.environ.get("COINBASE_URL", "api.coinbase.com")

client = RESTClient(*KEYS, base_url=URL, timeout=10)
desk = fb.open(CoinbaseBroker.from_client(client), store="sqlite:///bot.db", live=True)


def main():
    desk.sync()
    request = fb.OrderRequest(symbol="BTC/USD", notional="1000", side="buy")
    order = desk.submit(request, key="first buy")
    desk.sync()
    print("the order is", order.status)
    print("the record has", desk.book.position("BTC/USD").qty)
    desk.close()


if __name__ == "__main__":
    main()
