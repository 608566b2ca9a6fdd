"""
The bot of stage 2 announces its order: the order is checked and recorded before it is sent.

It needs COINBASE_API_KEY and COINBASE_API_SECRET; COINBASE_URL for an emulator over TLS.
"""

import os
import time

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
    request = fb.OrderRequest(symbol="BTC/USD", notional="1000", side="buy")
    with desk.sending(request, key="first buy") as ours:
        name = ours.client_order_id
        reply = client.market_order_buy(name, "BTC-USD", quote_size="1000")
    filled(reply.success_response["order_id"])
    desk.sync()
    print("the order is", desk.book.order(ours).status)
    print("the record has", desk.book.position("BTC/USD").qty)
    desk.close()


if __name__ == "__main__":
    main()
