"""
A broker that accepts every order and whose account never changes, and bots that spend from it.
"""

import json
import random
import sys
import time
from decimal import Decimal

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.broker import Broker
from tests.desk.orders.linearizable import Call

TOTAL = 100


class Till(Broker):
    """Six methods; it lists the orders of this process."""

    name = "till"
    host = "localhost"
    live = False
    capabilities = m.Capabilities(
        order_types=frozenset({m.OrderType.LIMIT}),
        times_in_force=frozenset({m.TimeInForce.DAY}),
        fractional=True,
        rate_limit=1_000_000,
    )

    def __init__(self):
        self.taken = {}

    def account(self):
        told = Decimal(TOTAL)
        number = m.AccountId("till", "localhost", "a1")
        return m.Observed(m.AccountSnapshot(number, "USD", told, told, told))

    def positions(self, page):
        return m.Observed(())

    def orders(self, query, page):
        alive = (x for x in self.taken.values() if x.status is m.OrderStatus.NEW)
        return m.Observed(tuple(alive))

    def order(self, broker_order_id):
        found = self.taken.get(broker_order_id)
        return m.Absent() if found is None else m.Observed(found)

    def submit(self, intent):
        wish = intent.request
        report = m.OrderReport(
            broker_order_id=f"b-{intent.client_order_id}",
            client_order_id=intent.client_order_id,
            terms=m.Terms(
                symbol=wish.symbol,
                side=wish.side,
                type=wish.type,
                time_in_force=wish.time_in_force,
                qty=wish.qty,
                limit_price=wish.limit_price,
            ),
            status=m.OrderStatus.NEW,
            raw_status="new",
            filled_qty=m.ZERO,
        )
        self.taken[report.broker_order_id] = report
        return m.Accepted(report)

    def cancel(self, broker_order_id):
        was = self.taken[broker_order_id]
        over = evolve(was, status=m.OrderStatus.CANCELED, raw_status="canceled")
        self.taken[broker_order_id] = over
        return m.Accepted(over)


class BusyTill(Till):
    """A till whose account has many orders of others, which change before each list of them."""

    def __init__(self, many):
        super().__init__()
        self.many, self.lists = many, 0

    def orders(self, query, page):
        self.lists += 1
        ours = super().orders(query, page).value
        return m.Observed((*ours, *map(self.theirs, range(self.many))))

    def order(self, broker_order_id):
        name, _, number = broker_order_id.partition("/")
        return m.Observed(self.theirs(number)) if name == "x" else super().order(broker_order_id)

    def theirs(self, number):
        return m.OrderReport(
            broker_order_id=f"x/{number}",
            client_order_id=None,
            terms=m.Terms(
                symbol="OTHERS",
                side=m.OrderSide.BUY,
                type=m.OrderType.LIMIT,
                time_in_force=m.TimeInForce.DAY,
                qty=Decimal(1),
                limit_price=Decimal(1 + self.lists),
            ),
            status=m.OrderStatus.NEW,
            raw_status="new",
            filled_qty=m.ZERO,
        )


def spend(desk, name, seed, count, now=time.monotonic_ns):
    """Make *count* random calls: take some of the available amount, or return it; the history."""
    dice = random.Random(seed)
    held, calls = [], []
    for number in range(count):
        began = now()
        if held and dice.random() < 0.4:
            order = held.pop(dice.randrange(len(held)))
            after = desk.cancel(order)
            while not after.is_final:  # another desk is sending the cancel
                after = desk.wait(order, 1)
            amount, granted = -order.limit_price, True
        else:
            amount, granted = Decimal(dice.randint(5, 60)), True
            try:
                key = f"{name}-{number}"
                held.append(desk.buy(name, qty=1, limit_price=amount, key=key))
            except fb.Denied as refusal:
                if refusal.reason.code != "buying_power":
                    raise
                granted = False
        calls.append(Call(began, now(), amount, granted))
    return calls


def main():
    """Spend on the store of the first argument after a line of input, and print the history."""
    address, name, seed, count = sys.argv[1:]
    with fb.open(Till(), address, wait_s=30) as desk:
        desk.buying_power()
        print("ready", flush=True)
        sys.stdin.readline()
        calls = spend(desk, name, int(seed), int(count))
    print(json.dumps([[x.began, x.ended, str(x.amount), x.granted] for x in calls]))


if __name__ == "__main__":
    main()
