"""Simulated days through the Coinbase adapter: HTTP, a WebSocket, and the same faults."""

from contextlib import ExitStack, contextmanager
from decimal import Decimal

import fillbook as fb
from fillbook.brokers.coinbase import CoinbaseBroker
from fillbook.venue.coinbase import Behavior, Emulator
from fillbook.venue.exchange import Fault, Faults, Lag, SpotTerms
from tests.scenarios.campaign.days import APART, Day
from tests.scenarios.campaign.mortal import Killed, Mortal

#: What Coinbase does not have: corrections in a shape that is documented.
NOT_HERE = {Fault.CORRECTION}
#: Values and quantities of orders by notional have 16 decimal places each.
ROUNDED = Decimal("1e-12")
SPOT = {"spot": SpotTerms(), "edits_in_place": True, "checks_duplicates": False}


def faults(seed, rate):
    """Every fault that Coinbase may have, at *rate*."""
    names = [each.value for each in Fault if each not in APART | NOT_HERE]
    return Faults.random(seed, rate, only=names)


class Wallets:
    """Compares the record with the wallets, which have positions and cash by currency."""

    def __init__(self, day):
        self._day = day

    def observe(self):
        """Return nothing: the comparison needs an idle record."""
        return []

    def at_rest(self):
        """Return what differs; empty: each wallet is exactly that of the exchange."""
        book, found = self._day.desk.book, []
        held = {x.symbol: x.qty for x in book.positions()}
        for wallet in self._day.books.wallets():
            symbol = f"{wallet.currency}/USD"
            is_cash = wallet.currency in ("USD", "USDC")
            ours = book.cash(wallet.currency) if is_cash else held.get(symbol, Decimal(0))
            if ours is None or abs(ours - wallet.total) > ROUNDED:
                about = "cash" if is_cash else symbol
                found.append((about, f"{wallet.currency} {ours}, truth {wallet.total}"))
        return found


class SpotDay(Day):
    """A day of a bot that trades coins for dollars and for USDC, also by notional."""

    def __init__(self, seed, *, plan=None, rate=0.04, broker=None, **venue):
        super().__init__(
            seed, plan=plan if plan is not None else faults(seed, rate), broker=broker, **venue
        )
        self.symbols = ["BTC/USD", "ETH/USD", "BTC/USDC"]

    def run(self, steps=12):
        self.exchange.transfer(self.books, "USDC/USD", "20000", "1")
        super().run(steps)

    def judge(self):
        return Wallets(self)

    def order(self, symbol, side, qty, **kw):
        if side == "buy" and not kw and self.dice.random() < 0.3:
            self.desk.buy(symbol, notional=Decimal(self.dice.randint(500, 90_000)) / 100)
        else:
            super().order(symbol, side, qty, **kw)


class LaggingDay(SpotDay):
    """A day on which every view is old: orders, the account and the fills."""

    def run(self, steps=12):
        self.exchange.lag = Lag(orders=5, account=8, history=8)
        super().run(steps)

    def rest(self):
        self.exchange.lag = Lag()
        super().rest()


class MortalDay(SpotDay):
    """A day on which the process is killed at any write, and begins again with its store."""

    def __init__(self, seed, *, broker, **more):
        self.store, self._opened = Mortal(), broker
        self.kills = 0
        super().__init__(seed, broker=broker, store=self.store, **more)

    def step(self):
        self.store.left = self.dice.choice((None, *range(8)))
        self.store.keeps = self.dice.random() < 0.5
        try:
            super().step()
        except Killed:
            self.kills += 1
            self.begin_again()
        self.store.left = None

    def begin_again(self):
        """Open the desk of the next process, over the store that the killed one has left."""
        self.store.left = None
        self._stream.close()
        self.desk._gateway.lease.release()
        self.broker = self._opened(self.exchange, self.books)
        self.desk = fb.open(self.broker, store=self.store, clock=self.clock, wait_s=2)
        self.oracle = self.judge()
        self._hear()

    def _hear(self):
        self._stream = ExitStack()
        self._stream.enter_context(self.broker.listen(self.desk._background))

    @contextmanager
    def listening(self):
        """Hold the stream of each process in turn."""
        self._hear()
        try:
            yield
        finally:
            self._stream.close()


@contextmanager
def day_at_coinbase(seed, rate, behavior=Behavior(), kind=SpotDay):  # noqa: B008 - frozen
    """A day at an emulator; the events of the stream arrive at any time."""
    with ExitStack() as stack:
        emulators = []

        def broker(exchange, books):
            if not emulators:
                emulator = Emulator(exchange, books, rate_limit=1_000_000, behavior=behavior)
                emulators.append(stack.enter_context(emulator))
            [emulator] = emulators
            made = CoinbaseBroker(emulator.key, emulator.secret, url=emulator.url, read_timeout_s=2)
            stack.callback(made.close)
            return made

        day = kind(seed, rate=rate, broker=broker, **SPOT)
        stack.callback(lambda: day.desk.close())
        yield day
