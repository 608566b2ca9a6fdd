"""
Promise P10 on days with any corporate actions: what a protected part became is covered, or told.

The market does not move, so no exit may fill.  After every tick, each part that was protected, or
that came for one or beside one, has live stops at the exchange, or an alert stands, or it has been
without them for less than `naked_max_s` while an exit could trade.  At the end the parts are those
that the exchange's truth gives: nothing was sold.  A failed day is named with its seed;
``FILLBOOK_SEEDS=1 FILLBOOK_FIRST_SEED=<seed>`` repeats it.
"""

import os
import random
from collections import defaultdict
from contextlib import suppress
from datetime import timedelta

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.venue.exchange import Posting
from tests.bench import Bench
from tests.scenarios.corporate.held import DAY, D, V, assert_true
from tests.scenarios.corporate.test_any_days import NEAR, Parts
from tests.scenarios.exits.guard import ALERTS, GAP_S, LIVE, REPEATED_S, SLACK_S, STOPS

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "1"))
FIRST = int(os.environ.get("FILLBOOK_FIRST_SEED", "0"))
TICK_S = 30
NAKED_MAX_S = 60
RATIOS = ("2", "0.5", "0.7", "3", "1")


class ProtectedDays:
    """A bot of two strategies, and what of their parts has to be covered."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.bench = Bench(cash="10000000")
        self.parts = Parts(self.bench)
        self.symbols = ["AAPL", "MSFT", "SPY"]
        self.count = 0
        self.protected = set()  # the symbol and the strategy
        self.beside = set()  # those that came beside a protected part: to be told once
        self.former = defaultdict(set)  # what the units of a symbol were: rows may be late
        self.known_at = {}  # by symbol: when all rows that tell whose its units are will be there
        self.naked = {}
        self.alerted = {}
        self.drifting = set()
        self.cursor = ""
        self.said = []

    # -- the bot and the world -----------------------------------------------------------

    def trade(self):
        symbol, name = self.rng.choice(self.symbols), self.rng.choice("ab")
        with suppress(fb.Denied, fb.OrderRejected):
            order = self.bench.desk.buy(symbol, qty=self.rng.randrange(3, 30), strategy=name)
            self.parts.strategies[order.client_order_id] = name

    def protect(self):
        parts = [(x, name) for x in self.symbols for name, qty in self.parts.held[x].items() if qty]
        symbol, name = self.rng.choice(sorted(parts))
        price = self.bench.exchange.quote_of(symbol).bid
        policy = self.rng.choice(
            (
                {"stop_price": (price * D("0.9")).quantize(D("0.01"))},
                {"stop_loss": "90%"},  # a merger at any ratio is no breach
                {"trail": "6%"},
                {"trail": (price * D("0.07")).quantize(D("0.01"))},
            )
        )
        with suppress(fb.Denied, fb.InvalidValue, fb.UnknownSymbol):
            self.bench.desk.protect(symbol, strategy=name, **policy)
            self.protected.add((symbol, name))

    def act(self):
        symbol, rng, exchange = self.rng.choice(self.symbols), self.rng, self.bench.exchange
        self.parts.read_fills()
        posting = Posting(grouped=rng.random() < 0.7, delay_s=rng.choice((0, 0, 900, 7200)))
        kind = rng.choice(("rename", "merge", "merge", "spin_off"))
        if kind == "rename":
            new = self.name()
            exchange.rename(symbol, new, posting=posting)
            self.late(symbol, new, posting)
            self.became(symbol, new, self.held(new))
        elif kind == "merge" and len(self.symbols) > 2:
            new = rng.choice((*(x for x in self.symbols if x != symbol), self.name()))
            before, whole = self.held(new), rng.random() < 0.3
            terms = {"ratio": rng.choice(RATIOS), "cash": rng.choice((0, 0, "1.25"))}
            exchange.merge(symbol, new, **terms, whole=whole, posting=posting)
            self.late(symbol, new, posting)
            self.became(symbol, new, self.held(new) - before)
        elif kind == "spin_off":
            new = self.name()
            exchange.spin_off(symbol, new, ratio="0.5", price=20, posting=posting)
            self.parts.became(symbol, new, self.held(new), keeps=True)
            self.beside |= {(new, name) for x, name in self.protected if x == symbol}
            wait = (self.late(symbol, new, posting) - self.bench.clock.now()).total_seconds()
            for name in "ab":
                self.naked[new, name] = -wait
            self.symbols.append(new)
        self.said.append(f"{kind} {symbol} {posting}")

    def late(self, old, new, posting):
        """Return when the rows of an action, and of those before it on its symbols, are there."""
        at = self.bench.clock.now() + timedelta(seconds=posting.delay_s)
        before = [self.known_at[x] for x in (old, new) if x in self.known_at]
        self.known_at[new] = max([at, *before])
        return self.known_at[new]

    def split(self):
        """At night: an order that the broker does not adjust would trade at once."""
        symbol, ratio = self.rng.choice(self.symbols), self.rng.choice(("2", "0.5", "3"))
        self.parts.read_fills()
        self.bench.exchange.split(symbol, ratio, adjusts=self.rng.random() < 0.5)
        self.parts.became(symbol, symbol, self.held(symbol))
        self.said.append(f"split {symbol} {ratio}")

    def night(self):
        """The evening, perhaps with a split, and the morning until the market is open."""
        self.until(2, every=600)
        if self.rng.random() < 0.6:
            self.split()
        self.until(14, every=600)
        self.until(15, every=GAP_S - 1)

    def until(self, hour, every=TICK_S):
        while self.bench.clock.now().hour != hour:
            self.tick(every)

    def restart(self):
        self.bench.desk._gateway.lease.release()
        self.bench.desk = self.bench.open()

    def name(self):
        self.count += 1
        return f"N{self.count}"

    def held(self, symbol):
        return self.bench.truth.positions().get(symbol, D(0))

    def became(self, old, new, qty):
        self.parts.became(old, new, qty)
        self.former[new] |= {old, *self.former[old]}
        for name in "ab":  # what was not known of the old units is not of the new ones
            if self.naked.get((old, name), 0) < 0:
                self.naked[new, name] = self.naked.pop((old, name))
        self.symbols = [x for x in self.symbols if x not in (old, new)] + [new]
        for found in (self.protected, self.beside):
            moved = {(new, name) for x, name in found if x == old}
            found.difference_update({x for x in found if x[0] == old})
            found |= moved

    # -- the promise -----------------------------------------------------------------------

    def tick(self, seconds=TICK_S):
        self.bench.clock.advance(seconds)
        self.bench.desk.tick()
        self.parts.read_fills()
        now = self.bench.clock.now()
        for event in self.bench.desk.events(self.cursor):
            self.cursor = event.cursor
            alert = event.alert
            if alert is None or alert.kind not in ALERTS:
                continue
            if alert.kind is m.AlertKind.DRIFT:  # it stands until it is resolved
                (self.drifting.discard if alert.resolved else self.drifting.add)(alert.about)
            if not alert.resolved:
                self.alerted[alert.about] = m.moment(event.at)
        self.beside = {x for x in self.beside if x[0] not in self.alerted}
        stops = self.stops()
        for key in sorted(self.protected | self.beside):
            symbol, name = key
            qty = self.parts.held[symbol][name]
            if qty - stops.get(key, D(0)) < 1:
                self.naked.pop(key, None)
                continue
            if seconds > GAP_S or not self.bench.exchange.is_open():
                continue
            lasted = self.naked[key] = self.naked.get(key, 0) + seconds
            names = {symbol, *self.former[symbol]}
            told = [self.alerted[x] for x in names if x in self.alerted]
            recent = now - timedelta(seconds=REPEATED_S + seconds)
            stands = bool(self.drifting & names) or (bool(told) and max(told) >= recent)
            assert lasted <= NAKED_MAX_S + SLACK_S or stands, (key, qty, lasted, stops, self.said)

    def stops(self):
        """The units that live stops of each symbol and strategy cover."""
        found = {}
        for x in self.bench.truth.orders():
            if x.status in LIVE and x.type in STOPS:
                key = (x.symbol, x.client_order_id.split("-")[1])
                found[key] = found.get(key, D(0)) + (x.qty or D(0)) - x.filled_qty
        return found

    def step(self):
        acts = (self.trade, self.protect, self.protect, self.act, self.act, self.act, self.restart)
        self.rng.choice((*acts, self.night))()
        for _ in range(self.rng.choice((2, 6, 12))):
            self.tick()

    def assert_at_rest(self):
        """Nothing was sold, and what is said to be covered is."""
        report = self.bench.desk.sync()
        assert report.verdict is V.IN_SYNC, (report, self.said)
        assert_true(self.bench)
        self.parts.read_fills()
        for position in self.bench.desk.book.positions():
            for name, part in position.by_strategy:
                expected = self.parts.held[position.symbol][name]
                assert abs(part.qty - expected) < NEAR, (position.symbol, name, self.said)
        stops = self.stops()
        for x in self.bench.desk.protections():
            key = (x.symbol, x.strategy)
            if x.cover is m.CoverState.COVERED:
                assert self.parts.held[x.symbol][x.strategy] - stops.get(key, D(0)) < 1, (x, stops)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_protected_days(seed):
    days = ProtectedDays(seed)
    for _ in range(6):
        days.trade()
    days.tick()
    for _ in range(6):
        days.protect()
    for _ in range(12):
        days.step()
    for _ in range(20):
        days.tick(DAY // 20)
    days.assert_at_rest()
