"""Positions: what was not observed is not empty, and no difference is closed by a guess."""

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
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


def drifted(theirs, repairs="observe"):
    """Ten are in the record; then the broker has so many more, or fewer, without evidence."""
    bench = Bench(broker=BLIND, cash="100000", opened=False)
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2, repairs=repairs)
    bench.desk.sync()
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(30)
    bench.silently("AAPL", theirs, "187")
    bench.clock.advance(20)
    return bench


def test_pos_04_the_repair_of_a_phantom_opens_nothing():
    """The record takes the broker's figure; no order is sent, and the next pass finds nothing."""
    bench = drifted("-10", repairs="auto")
    sent = bench.sent["submit"]
    bench.pass_(180, every=10)
    assert (bench.sent["submit"], bench.truth.positions()) == (sent, {})
    assert bench.desk.book.position("AAPL").qty == 0
    assert bench.desk.check().verdict is m.Verdict.IN_SYNC
    assert [x.state for x in bench.desk.plans("done")] == [m.PlanState.DONE]


def test_pos_05_a_restart_moves_nothing_away_from_the_broker():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(30)
    before = bench.desk.book.all_fills()
    for _ in range(2):
        bench.desk._gateway.lease.release()
        bench.desk = bench.open()
        bench.pass_(30)
    assert bench.desk.book.all_fills() == before
    assert bench.is_true()


def test_pos_13_after_a_restart_a_fill_is_not_booked_again():
    """Its total was known before, its execution arrives after."""
    bench = Bench()
    bench.fail("fill", "history-late", seconds=20)
    order = bench.desk.buy("AAPL", qty=10)
    bench.desk._gateway.lease.release()
    bench.desk = bench.open()
    bench.clock.advance(30)
    bench.desk.sync()
    assert [x.reason for x in bench.desk.book.fills(order)] == ["history"]
    assert bench.desk.book.position("AAPL").qty == 10


def test_pos_17_a_close_that_was_rejected_is_not_reported_as_closed():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10)
    bench.pass_(20)
    bench.exchange.faults.switch_on("reject-after-accept")
    plan = bench.desk.close_position("AAPL")
    bench.pass_(120)
    found = bench.desk.plan(plan.plan_id)
    assert (found.state, found.is_fulfilled) == (m.PlanState.STOPPED, False)
    assert bench.desk.book.position("AAPL").qty == 10
    alerts = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.PLAN_STOPPED in alerts


@pytest.mark.parametrize("cost", [None, 0])
def test_pos_19_a_cost_that_is_not_known_is_no_gain(cost):
    """A broker that reports 0, or nothing, after settlement."""

    class Costless(SimulatedBroker):
        def positions(self, page):
            found = super().positions(page)
            cost_of = None if cost is None else m.number(cost)
            return evolve(found, value=tuple(evolve(x, avg_price=cost_of) for x in found.value))

    bench = Bench(broker=Costless, opened=False)
    bench.by_hand("AAPL", "buy", 10)
    bench.clock.advance(3 * 86_400)
    assert bench.desk.sync().opened
    assert bench.desk.book.position("AAPL").avg_price is None
    (row,) = bench.desk.book.pnl().rows
    assert row.unrealized is None
    assert row.unknown != ()


@pytest.mark.parametrize("theirs", ["-4", "4"])
def test_pos_30_quantities_are_compared_both_ways(theirs):
    report = drifted(theirs).desk.sync()
    expected = m.WrongQty("AAPL", m.number(10), 10 + m.number(theirs))
    assert [x.drift for x in report.left] == [expected]
