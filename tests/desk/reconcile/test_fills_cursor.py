"""The cursor of the fills: the time of the newest fill, so that no late row is skipped."""

from datetime import timedelta

from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench


def test_a_row_that_is_listed_late_is_not_skipped():
    """Reconciliations in between do not move the cursor past a fill that they did not show."""
    bench = Bench()
    bench.by_hand("MSFT", "buy", 1)
    bench.desk.sync()
    bench.fail("fill", "history-late", seconds=1_500)
    bench.by_hand("AAPL", "buy", 3)
    for _ in range(6):
        bench.clock.advance(300)
        bench.desk.sync()
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    (order,) = bench.desk.book.orders(symbol="AAPL")
    assert [x.reason for x in bench.desk.book.fills(order)] == [m.ExecSource.HISTORY]
    assert bench.is_true()


def test_before_the_first_fill_the_cursor_allows_for_a_clock_that_is_hours_ahead():
    """
    The row of a fill bears the broker's time, and the broker does not report its time otherwise.

    The balances are of our clock: they differ, and that is reported.
    """
    bench = Bench(opened=False, broker=WithoutTime)
    skew = timedelta(hours=5)
    bench.desk = fb.open(bench.broker, bench.store, clock=Ahead(bench.clock, skew), wait_s=0)
    assert bench.desk.sync().opened
    for _ in range(3):
        bench.clock.advance(60)
        bench.desk.sync()
    bench.by_hand("AAPL", "buy", 3)
    bench.clock.advance(60)
    assert bench.desk.sync().verdict is fb.Verdict.DRIFT
    (order,) = bench.desk.book.orders(symbol="AAPL")
    assert order.filled_qty == 3


class WithoutTime(SimulatedBroker):
    """A broker that does not report when it read the account."""

    def account(self):
        answer = super().account()
        return evolve(answer, at=None)


class Ahead:
    """A clock that is ahead of another one."""

    def __init__(self, clock, skew):
        self._clock, self._skew = clock, skew

    def now(self):
        return self._clock.now() + self._skew

    def __getattr__(self, name):
        return getattr(self._clock, name)
