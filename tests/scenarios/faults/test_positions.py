"""Positions: what was not observed is not empty, and no difference is closed by a guess."""

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench, unable

BLIND = unable(activities=False)  #: it reports no transfer


@pytest.mark.parametrize("fault", ["empty-list", "cut-page", "html", "server-error", "unreachable"])
def test_pos_01_a_position_query_that_failed_is_not_flat(fault):
    """The pass is discarded: no drift, no lock, nothing written."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(20)
    bench.desk.sync()
    bench.fail("positions", fault, times=5)
    report = bench.desk.sync()
    assert (report.verdict, report.entries) == (m.Verdict.NOT_OBSERVED, 0)
    assert bench.desk.book.position("AAPL").qty == 10
    assert bench.desk.book.drifts() == []


def test_pos_02_a_missing_position_is_reported():
    """Both sides are compared: a position that the broker no longer lists is a phantom."""
    bench = Bench(broker=BLIND)
    bench.desk.buy("AAPL", qty=10)
    bench.desk.buy("MSFT", qty=1)
    bench.desk.buy("SPY", qty=1)
    bench.clock.advance(20)
    bench.desk.sync()
    bench.silently("AAPL", "-10", "187")
    bench.clock.advance(20)
    report = bench.desk.sync()
    assert [x.drift for x in report.left] == [m.Phantom("AAPL", m.number("10"))]


def test_pos_08_a_difference_ends_no_order():
    """An unexplained position is a drift; working orders continue."""
    bench = Bench(broker=BLIND)
    order = bench.resting()
    bench.silently("MSFT", "7", "412")
    bench.clock.advance(20)
    assert bench.desk.sync().left[0].drift == m.Untracked("MSFT", m.number("7"))
    assert not bench.desk.book.order(order).is_final


def test_pos_10_a_symbol_that_is_not_explained_takes_no_new_risk():
    """It is locked until both sides agree; other symbols are not."""
    bench = Bench(broker=BLIND)
    bench.silently("AAPL", "7", "187")
    bench.clock.advance(20)
    bench.desk.sync()
    with pytest.raises(fb.Denied, match="locked since"):
        bench.desk.buy("AAPL", qty=1)
    assert bench.desk.buy("MSFT", qty=1).is_final
    bench.desk.sync(adopt=True)
    assert bench.desk.buy("AAPL", qty=1).is_final


def test_pos_11_the_real_fill_takes_the_place_of_the_inferred_one():
    """The total arrived seconds before the execution: one fill, not two."""
    bench = Bench()
    bench.fail("fill", "history-late", seconds=20)
    order = bench.desk.buy("AAPL", qty=10)
    assert [x.reason for x in bench.desk.book.fills(order)] == ["inferred"]
    bench.clock.advance(30)
    bench.desk.sync()
    assert [x.reason for x in bench.desk.book.fills(order)] == ["history"]
    assert bench.desk.book.position("AAPL").qty == 10


def test_pos_14_a_position_read_in_a_callback_is_current():
    """The record is written before any callback."""
    bench = Bench()
    seen = []
    bench.desk.on("fill", lambda event: seen.append(bench.desk.book.position("AAPL").qty))
    bench.desk.buy("AAPL", qty=10)
    assert seen == [10]


def test_pos_20_a_position_older_than_any_history_is_taken_as_it_is():
    """The first sync takes the opening balance; no history is rebuilt."""
    bench = Bench(opened=False)
    bench.silently("AAPL", "25", "90")
    bench.clock.advance(90 * 86_400)
    report = bench.desk.sync()
    assert report.opened
    assert report.verdict is m.Verdict.IN_SYNC
    assert bench.desk.book.position("AAPL").qty == 25
