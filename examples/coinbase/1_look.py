"""
The bot of stage 0 compares its positions with the account; nothing is written.

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


def filled(order_id):
    for _ in range(600):
        order = client.get_order(order_id).order
        if order.status == "FILLED":
            return order
        time.sleep(0.1)
    raise TimeoutError(order_id)


def main():
    name = uuid.uuid4().hex
    reply = client.market_order_buy(name, "BTC-USD", quote_size="1000")
    order = filled(reply.success_response["order_id"])
    expected = {"BTC/USD": 1000 / float(order.average_filled_price)}
    print("the bot expects", round(expected["BTC/USD"], 6))
    report = fb.check(CoinbaseBroker.from_client(client), ours=expected)
    print("the verdict is", report.verdict, *report.rows)


if __name__ == "__main__":
    main()
