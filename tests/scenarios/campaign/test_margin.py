"""
Simulated days on margin: shares and crypto, long and short, and two desks on one record (P7).

The account is up to 10 s old, and the wall clock jumps by an hour. The available amount of the desk
never exceeds that of the broker at the same time. Bid and ask are equal, because a spread reduces
the equity without an order. A failed day is named with its seed and replays exactly with
``FILLBOOK_SEEDS=1 FILLBOOK_FIRST_SEED=<seed>``.
"""

import os
import random
from contextlib import suppress
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook.clock import ManualClock
from fillbook.stores.memory import MemoryStore
from fillbook.venue.exchange import Exchange, Lag
from tests.bench import unable
from tests.scenarios.campaign.days import OPENS
from tests.scenarios.campaign.test_days import FIRST

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "4"))
PRICES = {"AAPL": Decimal(187), "MSFT": Decimal(412), "BTC/USD": Decimal(60000)}
STALE = Lag(account=10, orders=3, positions=5)


class Margin:
    """A bot whose two desks spend the available amount in turns."""

    def __init__(self, seed, multiplier):
        self.dice = random.Random(seed)
        self.clock = ManualClock(OPENS)
        self.exchange = Exchange(seed=seed, clock=self.clock, partial_rate=0.3)
        for symbol, price in PRICES.items():
            self.exchange.quote(symbol, price, price)
        self.books = self.exchange.open_account("paper", cash=10_000, multiplier=multiplier)
        self.store = MemoryStore()
        self.desks = [self.desk(), self.desk()]
        self.hour = 3600
        assert self.desks[0].sync().opened

    def desk(self):
        broker = unable(rate_limit=1_000_000)(self.exchange, self.books)
        return fb.open(broker, self.store, clock=self.clock, wait_s=1)

    def live(self, steps=40):
        self.exchange.lag = STALE
        for _ in range(steps):
            desk = self.dice.choice(self.desks)
            left, true = desk.buying_power(), self.true()
            assert left.available <= true.buying_power
            assert left.non_marginable <= true.non_marginable_buying_power
            with suppress(fb.FillbookError):
                self.act(desk, left)
            if self.dice.random() < 0.1:
                self.desks[self.dice.randrange(2)] = self.desk()  # a process that starts
            if self.dice.random() < 0.1:
                self.clock.jump(self.hour)
                self.hour = -self.hour
            self.clock.advance(self.dice.choice((0.2, 1, 4, 12)))
            with suppress(fb.FillbookError):
                self.dice.choice(self.desks).tick()

    def true(self):
        """The broker's account if it were up to date."""
        self.exchange.lag = Lag()
        figures = self.books.report()
        self.exchange.lag = STALE
        return figures

    def act(self, desk, left):
        symbol, doing = self.dice.choice(list(PRICES)), self.dice.random()
        coin, price = "/" in symbol, PRICES[symbol]
        resting, held = desk.book.orders(open=True), desk.book.position(symbol).qty
        words = {"time_in_force": "gtc"} if coin else {}
        money = left.non_marginable if coin else left.available
        money *= self.dice.choice((Decimal("0.3"), Decimal("0.6"), Decimal("0.96"), 1))
        qty = (money / price).quantize(Decimal("0.0001") if coin else Decimal(1))
        if doing < 0.15 and resting:
            desk.cancel(self.dice.choice(resting))
        elif doing < 0.25 and resting:
            order = self.dice.choice(resting)
            desk.replace(order, qty=(order.qty or 1) + self.dice.choice((1, 3)))
        elif doing < 0.4 and held:
            (desk.sell if held > 0 else desk.buy)(symbol, qty=abs(held), **words)
        elif doing < 0.55 and not coin:
            desk.sell(symbol, qty=qty)
        elif doing < 0.65 and not coin:
            legs = {"take_profit": price + 20, "stop_loss": price - 20, "time_in_force": "gtc"}
            desk.buy(symbol, qty=qty, limit_price=price, order_class="bracket", **legs)
        elif doing < 0.75:
            desk.buy(symbol, notional=money.quantize(Decimal("0.01")), **words)
        elif doing < 0.85:
            desk.buy(symbol, qty=qty, **words)
        else:
            desk.buy(symbol, qty=qty, limit_price=price - self.dice.choice((0, 1)), **words)


@pytest.mark.parametrize("multiplier", [1, 2, 4])
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_the_available_amount_never_exceeds_the_brokers(seed, multiplier):
    Margin(seed, multiplier).live()
