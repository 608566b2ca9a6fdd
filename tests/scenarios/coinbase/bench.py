"""A desk at Coinbase's emulator, opened by its address, in simulated time."""

from contextlib import contextmanager
from datetime import UTC, datetime

import fillbook as fb
from fillbook.clock import ManualClock
from fillbook.opening import open_broker
from fillbook.stores.memory import MemoryStore
from fillbook.venue.coinbase import Emulator, spot_exchange

MONDAY_10 = datetime(2026, 3, 2, 15, tzinfo=UTC)


class Bench:
    """The exchange, the emulator, and a desk; `pass_` lets time go by with ticks."""

    def __init__(self, emulator, clock, store):
        self.emulator, self.clock, self.store = emulator, clock, store
        self.exchange, self.truth = emulator.exchange, emulator.account.truth
        self.desk = self.opened()

    def opened(self, **kw):
        """Open a desk by the address, with the keys of the environment."""
        env = {
            "COINBASE_API_KEY": self.emulator.key,
            "COINBASE_API_SECRET": self.emulator.short_secret,
        }
        broker = open_broker(f"coinbase:{self.emulator.url}", env)
        return fb.open(broker, self.store, clock=self.clock, wait_s=2, **kw)

    def pass_(self, seconds, every=5):
        for _ in range(int(seconds // every)):
            self.clock.advance(every)
            self.desk.tick()

    def price(self, symbol, bid):
        self.exchange.quote(symbol, bid, bid + 10)

    def wallet(self, currency):
        found = {x.currency: x.total for x in self.emulator.account.wallets()}
        return found.get(currency, 0)

    def is_settled(self):
        """Whether the record is in sync, and a later sync writes nothing."""
        self.pass_(30)
        first = self.desk.sync()
        self.clock.advance(15)
        second = self.desk.sync()
        return (first.verdict, second.entries) == (fb.Verdict.IN_SYNC, 0)


@contextmanager
def bench(store=None, usdc=None, **venue):
    clock = ManualClock(MONDAY_10)
    exchange = spot_exchange(seed=7, clock=clock, **venue)
    with Emulator(exchange, rate_limit=100_000) as emulator:
        if usdc is not None:
            exchange.transfer(emulator.account, "USDC/USD", usdc, "1")
        made = Bench(emulator, clock, store or MemoryStore())
        with made.desk:
            made.desk.sync()
            yield made
