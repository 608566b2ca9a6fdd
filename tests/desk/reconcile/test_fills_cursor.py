"""The cursor of the fills: the time of the newest fill, so that no late row is skipped."""

import fillbook as fb
from fillbook import model as m
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
