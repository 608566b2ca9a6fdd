"""
A team's script: its open orders, one of them in detail, and a cancel of all that are good till
canceled.

It needs the address of the service and the team's token, in $FILLBOOK_URL and $FILLBOOK_TOKEN.
"""

import json
import os
from urllib.request import Request, urlopen


def ask(method, path, **headers):
    base = f"{os.environ['FILLBOOK_URL']}/api/v1/accounts/main/{path}"
    headers["Authorization"] = f"Bearer {os.environ['FILLBOOK_TOKEN']}"
    with urlopen(Request(base, headers=headers, method=method), timeout=40) as answer:
        return json.load(answer)


orders = ask("GET", "orders?open=true")["items"]
for order in orders:
    terms = order["terms"]
    print(terms["side"], terms["qty"], terms["symbol"], terms["time_in_force"], order["status"])
details = ask("GET", f"orders/{orders[0]['client_order_id']}")
print("requests:", [x["command"] for x in details["requests"]], "fills:", len(details["fills"]))
for order in (x for x in orders if x["terms"]["time_in_force"] == "gtc"):
    ended = ask("DELETE", f"orders/{order['client_order_id']}", Prefer="wait=30")
    print(ended["terms"]["symbol"], ended["status"])
