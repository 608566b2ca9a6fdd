"""
Simulated days on which a bot spends all that is available (promise P7).

The account is 0 to 10 s old, the broker accepts every order, and requests, replies and events are
lost as on any other day. A failed day is named with its seed and replays exactly with
``FILLBOOK_SEEDS=1 FILLBOOK_FIRST_SEED=<seed>``.
"""

import os
import random
from contextlib import ExitStack, suppress
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.clock import ManualClock
from fillbook.venue.exchange import Exchange, Fault, Faults, Lag
from tests.scenarios.campaign.days import APART, OPENS
from tests.scenarios.campaign.test_days import CHUNK, FIRST, chunks

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "10"))
QUOTES = {"AAPL": ("187.00", "187.02"), "MSFT": ("412.00", "412.05"), "SPY": ("570.00", "570.02")}
#: They take or give money behind the bot's back, so that what is left proves nothing.
NOT_OURS = {Fault.BUST, Fault.CORRECTION, Fault.FOREIGN_ORDER}


class Spender:
    """A bot that reads the available amount and spends it, on an account without margin."""

    def __init__(self, seed):
        names = [x.value for x in Fault if x not in APART | NOT_OURS]
        self.plan = Faults.random(seed, 0.05, only=names)
        self.dice = random.Random(seed)
        self.clock = ManualClock(OPENS)
        self.exchange = Exchange(
            seed=seed, clock=self.clock, faults=Faults(seed=seed), partial_rate=0.3
        )
        for symbol, (bid, ask) in QUOTES.items():
            self.exchange.quote(symbol, bid, ask)
        self.books = self.exchange.open_account("paper", cash=10_000, multiplier=1)
        self.broker = SimulatedBroker(self.exchange, self.books)
        self.desk = fb.open(self.broker, "memory://", clock=self.clock, wait_s=1)

    def live(self, steps=14):
        assert self.desk.sync().opened
        self.exchange.lag = Lag(account=10, orders=3, positions=5)
        self.exchange.faults.switch_on("funds-unchecked")
        for rule in self.plan.rules:
            self.exchange.faults.add(rule)
        with ExitStack() as stack:
            if self.dice.random() < 0.5:
                stack.enter_context(self.broker.listen(self.desk._background))
            for step in range(steps):
                with suppress(fb.FillbookError):
                    self.act()
                assert self.left >= 0, f"step {step}: {self.left}"
                self.clock.advance(self.dice.choice((0.2, 1, 4, 12)))
                self.desk.tick()
                assert self.left >= 0, f"after step {step}: {self.left}"

    def act(self):
        symbol = self.dice.choice(list(QUOTES))
        bid, ask = map(Decimal, QUOTES[symbol])
        doing = self.dice.random()
        held = self.desk.book.position(symbol).qty
        resting = self.desk.book.orders(open=True)
        if doing < 0.15 and resting:
            self.desk.cancel(self.dice.choice(resting))
        elif doing < 0.3 and held > 0:
            self.desk.sell(symbol, qty=held)
        else:
            share = self.dice.choice((Decimal("0.3"), Decimal("0.6"), Decimal("0.96"), 1, 2))
            money = self.desk.buying_power().available * share
            self.buy(symbol, money, bid if self.dice.random() < 0.5 else ask)

    def buy(self, symbol, money, price):
        """Spend *money*, or try to: by a limit, at the market, or by notional."""
        how = self.dice.random()
        if how < 0.3:
            self.desk.buy(symbol, notional=money.quantize(Decimal("0.01")))
        elif how < 0.6:
            self.desk.buy(symbol, qty=int(money / price) or 1)
        else:
            self.desk.buy(symbol, qty=int(money / price) or 1, limit_price=price)

    @property
    def left(self):
        """The cash after every fill that is still possible."""
        open_buys = [
            order
            for order in self.books.truth.orders()
            if order.side is fb.OrderSide.BUY and not order.is_final
        ]
        return self.books.truth.cash() - sum(map(cost, open_buys), Decimal(0))

    def rest(self):
        """End all faults; lost requests have been accepted, and resting orders are canceled."""
        self.exchange.faults.clear()
        self.clock.advance(301)
        self.desk.sync()
        while any(x.status is fb.OrderStatus.UNPROVEN for x in self.desk.book.orders(open=True)):
            self.clock.advance(10)
            self.desk.tick()
            assert self.left >= 0, f"as what was lost lands: {self.left}"
        for _ in range(3):
            self.clock.advance(15)
            self.desk.sync()


def cost(order):
    """The cost of the rest of an open buy, at its limit or the market."""
    price = order.limit_price or Decimal(QUOTES[order.symbol][1])
    if order.qty is None:
        return order.notional - order.filled_qty * (order.filled_avg_price or 0)
    return (order.qty - order.filled_qty) * price


@pytest.mark.parametrize("seeds", chunks(FIRST, SEEDS, CHUNK), ids=lambda x: f"{x[0]}-{x[-1]}")
def test_nothing_is_spent_twice_and_while_idle_the_brokers_number_counts(seeds):
    for seed in seeds:
        spender = Spender(seed)
        with spender.desk:
            try:
                spender.live()
                spender.rest()
                power = spender.desk.buying_power()
                assert power.available == spender.books.report().buying_power
                assert power.reserved == 0
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
