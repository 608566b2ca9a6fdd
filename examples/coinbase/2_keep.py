"""
The bot of stage 1 keeps a record; it still sends its own orders.

It needs COINBASE_API_KEY and COINBASE_API_SECRET; COINBASE_URL for an emulator over TLS.
"""

import os
import time
import uuid

from coinbase.rest import RESTClient

import fillbook as fb
from fillbook.brokers.coinbase import CoinbaseBroker

KEYS = os.environ["COINBASE_API_KEY"], os.environ["COINBASE_API_SECRET"]
URL = os.environ.get("COINBASE_URL", "api.coinbase.com")

client = RESTClient(*KEYS, base_url=URL, timeout=10)
desk = fb.open(CoinbaseBroker.from_client(client), store="sqlite:///bot.db", live=True)


def filled(order_id):
    for _ in range(600):
        order = client.get_order(order_id).order
        if order.status == "FILLED":
            return order
        time.sleep(0.1)
    raise TimeoutError(order_id)


def main():
    desk.sync()
    name = uuid.uuid4().hex
    reply = client.market_order_buy(name, "BTC-USD", quote_size="1000")
    order = filled(reply.success_response["order_id"])
    expected = {"BTC/USD": 1000 / float(order.average_filled_price)}
    print("the bot expects", round(expected["BTC/USD"], 6))
    desk.sync()
    print("the record has", desk.book.position("BTC/USD").qty)
    desk.close()


if __name__ == "__main__":
    main()
