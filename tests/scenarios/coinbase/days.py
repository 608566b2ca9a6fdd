"""Simulated days through the Coinbase adapter: HTTP, a WebSocket, and the same faults."""

from contextlib import ExitStack, contextmanager
from decimal import Decimal

from fillbook.brokers.coinbase import CoinbaseBroker
from fillbook.venue.coinbase import Behavior, Emulator
from fillbook.venue.exchange import Fault, Faults, Lag, SpotTerms
from tests.scenarios.campaign.days import APART, Day

#: What Coinbase does not have: busts and corrections in a shape that is documented.
NOT_HERE = {Fault.BUST, Fault.CORRECTION, Fault.CUM_LOWERED, Fault.HISTORY_WITHOUT_BUSTS}
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


@contextmanager
def day_at_coinbase(seed, rate, behavior=Behavior(), kind=SpotDay):  # noqa: B008 - frozen
    """A day at an emulator; the events of the stream arrive at any time."""
    with ExitStack() as stack:

        def broker(exchange, books):
            emulator = Emulator(exchange, books, rate_limit=1_000_000, behavior=behavior)
            stack.enter_context(emulator)
            made = CoinbaseBroker(emulator.key, emulator.secret, url=emulator.url, read_timeout_s=2)
            stack.callback(made.close)
            return made

        day = kind(seed, rate=rate, broker=broker, **SPOT)
        stack.enter_context(day.desk)
        yield day
