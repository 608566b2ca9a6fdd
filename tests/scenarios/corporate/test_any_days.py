"""
Days with any corporate actions, trades, late rows, late fills and restarts, from a seed.

The parts of the strategies are computed from the exchange's truth alone, and compared at rest.  A
failed day is named with its seed; ``FILLBOOK_SEEDS=1 FILLBOOK_FIRST_SEED=<seed>`` repeats it.
"""

import os
import random
from collections import defaultdict
from contextlib import suppress

import pytest

import fillbook as fb
from fillbook.venue.exchange import Posting, SplitRows
from tests.bench import Bench
from tests.scenarios.corporate.held import DAY, D, V, assert_true

SEEDS = int(os.environ.get("FILLBOOK_SEEDS", "2"))
FIRST = int(os.environ.get("FILLBOOK_FIRST_SEED", "0"))
NEAR = D("0.000001")


class Parts:
    """What each strategy holds of each symbol, by the fills and actions of the exchange."""

    def __init__(self, bench):
        self.bench, self.seen = bench, 0
        self.held = defaultdict(lambda: defaultdict(lambda: D(0)))
        self.strategies = {}

    def read_fills(self):
        fills = self.bench.truth.fills()
        for fill in fills[self.seen :]:
            order = self.bench.truth.order(fill.order_id)
            name = self.strategies.get(order.client_order_id, "")
            symbol = self.bench.exchange._state.current_symbol(fill.symbol)
            self.held[symbol][name] += fill.side.sign * fill.qty
        self.seen = len(fills)

    def became(self, old, new, qty, *, keeps=False):
        """All units of *old* became, or entitled to, *qty* of *new*."""
        parts = dict(self.held[old])
        total = sum(parts.values())
        if not total:
            return
        if not keeps:
            del self.held[old]
        for name, part in parts.items():
            self.held[new][name] += part * qty / total


class Days:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.bench = Bench()
        self.parts = Parts(self.bench)
        self.symbols = ["AAPL", "MSFT", "SPY"]
        self.count = 0

    def posting(self):
        return Posting(
            split_rows=self.rng.choice(list(SplitRows)),
            delay_s=self.rng.choice((0, 0, 3600, DAY)),
        )

    def trade(self):
        symbol, name = self.rng.choice(self.symbols), self.rng.choice("abc")
        side, qty = self.rng.choice(("buy", "sell")), self.rng.randrange(1, 40)
        with suppress(fb.Denied, fb.OrderRejected):
            order = getattr(self.bench.desk, side)(symbol, qty=qty, strategy=name)
            self.parts.strategies[order.client_order_id] = name

    def late_fill(self):
        symbol = self.rng.choice(self.symbols)
        with suppress(fb.Denied, fb.OrderRejected):
            order = self.bench.desk.buy(
                symbol, qty=9, limit_price="1.05", strategy="a", time_in_force="gtc"
            )
            self.parts.strategies[order.client_order_id] = "a"
            self.bench.fail("fill", "history-late", seconds=5000)
            if order.broker_order_id and not order.is_final:
                self.bench.exchange.fill(order.broker_order_id, 4, "1.05")

    def act(self):
        self.parts.read_fills()
        symbol, rng, exchange = self.rng.choice(self.symbols), self.rng, self.bench.exchange
        held = self.bench.truth.positions().get(symbol, D(0))
        whole, posting = rng.random() < 0.4, self.posting()
        match rng.randrange(6):
            case 0 | 1:
                exchange.split(
                    symbol, rng.choice(("2", "0.5", "1.5", "10")), whole=whole, posting=posting
                )
                self.parts.became(symbol, symbol, self.bench.truth.positions().get(symbol, D(0)))
            case 2:
                exchange.stock_dividend(symbol, "0.05", whole=whole, posting=posting)
                self.parts.became(symbol, symbol, self.bench.truth.positions().get(symbol, D(0)))
            case 3:
                new = self.name()
                exchange.rename(symbol, new, posting=posting)
                self.parts.became(symbol, new, held)
                self.symbols[self.symbols.index(symbol)] = new
            case 4:
                new = self.name()
                exchange.spin_off(symbol, new, ratio="0.2", price=20, whole=whole, posting=posting)
                got = self.bench.truth.positions().get(new, D(0))
                self.parts.became(symbol, new, got, keeps=True)
                self.symbols.append(new)
            case 5 if len(self.symbols) > 2:
                self.symbols.remove(symbol)
                new = rng.choice((*self.symbols, self.name()))
                before = self.bench.truth.positions().get(new, D(0))
                terms = {"ratio": "0.7", "cash": rng.choice((0, "1.25"))}
                exchange.merge(symbol, new, **terms, whole=whole, posting=posting)
                got = self.bench.truth.positions().get(new, D(0)) - before
                self.parts.became(symbol, new, got)
                if new not in self.symbols:
                    self.symbols.append(new)

    def name(self):
        self.count += 1
        return f"N{self.count}"

    def step(self):
        match self.rng.randrange(10):
            case 0 | 1:
                self.act()
            case 2:
                self.late_fill()
            case 3:
                self.bench.desk = self.bench.open()
            case _:
                self.trade()
        self.bench.clock.advance(self.rng.choice((5, 60, 600, 4 * 3600)))
        if self.rng.random() < 0.6:
            report = self.bench.desk.sync()
            if report.verdict is V.IN_SYNC:
                self.assert_parts()

    def assert_parts(self):
        """Whenever it is said to be in sync, positions and cash are true, and so are the parts."""
        assert_true(self.bench)
        self.parts.read_fills()
        for position in self.bench.desk.book.positions():
            expected = self.parts.held[position.symbol]
            for name, part in position.by_strategy:
                assert abs(part.qty - expected[name]) < NEAR, (position.symbol, name)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_any_days(seed):
    days = Days(seed)
    for _ in range(40):
        days.step()
    days.bench.clock.advance(2 * DAY)
    days.bench.desk.sync()
    days.bench.clock.advance(3600)
    report = days.bench.desk.sync()
    assert (report.verdict, report.left) == (V.IN_SYNC, ())
    days.assert_parts()
    assert days.bench.desk.book.drifts() == []
