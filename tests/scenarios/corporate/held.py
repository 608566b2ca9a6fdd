"""What these scenarios share: a bench with positions of two strategies, and how it is compared."""

from decimal import Decimal

from fillbook import model as m
from fillbook.desk.record.replay import difference, replay
from fillbook.venue.exchange import Posting, SplitRows
from tests.bench import Bench

D = Decimal
V = m.Verdict
PAIR = Posting(split_rows=SplitRows.EXCHANGED)
DAY = 24 * 3600


def two_strategies(symbol="AAPL", a=4, b=6, bench=None):
    """A bench on which strategy a holds *a* units and b holds *b*, bought at about 187."""
    bench = Bench() if bench is None else bench
    for name, qty in (("a", a), ("b", b)):
        trade = bench.desk.buy if qty > 0 else bench.desk.sell
        trade(symbol, qty=abs(qty), strategy=name)
    settle(bench)
    assert parts(bench, symbol) == {"a": D(a), "b": D(b)}
    return bench


def settle(bench, seconds=30):
    """Let the broker's lag pass, and reconcile; the record is true."""
    report = later(bench, seconds)
    assert (report.verdict, report.left) == (V.IN_SYNC, ())
    assert_true(bench)


def later(bench, seconds=30):
    bench.clock.advance(seconds)
    return bench.desk.sync()


def assert_true(bench):
    """Positions and cash are the exchange's, the parts sum to them, and a replay is equal."""
    assert held(bench) == bench.truth.positions()
    assert bench.desk.book.cash() == bench.truth.cash()
    for position in bench.desk.book.positions():
        assert sum(x.qty for _, x in position.by_strategy) == position.qty
    with bench.store.read() as reader:
        changes = difference(replay(reader), reader)
    assert [x for x in changes.put if not isinstance(x, m.Event)] == []


def held(bench):
    return {x.symbol: x.qty for x in bench.desk.book.positions() if x.qty}


def parts(bench, symbol):
    """The quantities of the parts that are not flat, by strategy."""
    position = bench.desk.book.position(symbol)
    return {name: x.qty for name, x in position.by_strategy if x.qty}


def costs(bench, symbol):
    """The costs of the parts that are not flat, by strategy."""
    position = bench.desk.book.position(symbol)
    return {name: x.cost for name, x in position.by_strategy if x.qty}


def realized(bench):
    """The realized P&L of all symbols; None: unknown."""
    with bench.store.read() as reader:
        found = [x.account.realized for x in reader.all(m.Position)]
    return None if None in found else sum(found, D(0))
