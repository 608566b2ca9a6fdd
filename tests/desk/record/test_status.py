"""The status of a record as a value, from the store alone."""

import os
import platform

import fillbook as fb
from fillbook import model as m
from fillbook.desk.record import desk_report
from fillbook.desk.record.book import Book
from tests.bench import Bench, unable


def status_of(bench):
    """As another process sees it."""
    return Book(bench.store, clock=bench.clock).status()


def test_a_record_without_a_snapshot_is_not_observed():
    bench = Bench(opened=False)
    status = status_of(bench)
    assert status.health is fb.Health.NOT_OBSERVED
    assert (status.account, status.lease, status.snapshot_age_s) == (None, None, None)


def test_a_reconciled_record():
    bench = Bench()
    bench.pass_(30)
    status = status_of(bench)
    assert status == bench.desk.status()
    assert status.health is fb.Health.RECONCILED
    assert status.account == bench.desk.book.account()
    holder = f"process {os.getpid()} on {platform.node()}"
    assert status.lease == fb.LeaseStatus(1, True, holder, "2026-03-02T15:01:15.000000000Z")
    assert status.stream.state == "none"
    assert status.budget.sent > 0
    assert 0 <= status.snapshot_age_s <= 60


def test_its_age_grows_and_without_a_snapshot_for_two_minutes_it_is_not_observed():
    bench = Bench()
    bench.clock.advance(121)
    status = status_of(bench)
    assert (status.health, status.snapshot_age_s) == (fb.Health.NOT_OBSERVED, 121)
    assert not fb.LeaseStatus(1, False).is_current


def test_a_missed_snapshot_is_not_observed():
    bench = Bench()
    bench.outage()
    bench.desk.sync()
    assert status_of(bench).missed_snapshots == 1
    assert status_of(bench).health is fb.Health.NOT_OBSERVED


def test_a_confirmed_difference_is_drift_and_a_lock():
    bench = Bench(broker=unable(activities=False))
    bench.silently("MSFT", 5, "412")
    bench.pass_(240, every=30)
    status = status_of(bench)
    assert [x.key for x in status.locks] == ["position/MSFT"]
    assert status.health is fb.Health.DRIFT


def test_orders_without_a_reply_and_pending_cancels_are_unconfirmed():
    bench = Bench(wait_s=0)
    bench.fail("submit", "reply-lost")
    order = bench.resting()
    status = status_of(bench)
    assert status.unconfirmed == (order.client_order_id,)
    assert (status.open_orders, status.reserved > 0) == (1, True)


def test_the_kill_switch_and_the_newest_alerts():
    bench = Bench()
    bench.desk.halt("enough")
    status = status_of(bench)
    assert status.halted == "enough"
    assert status.alerts[-1].alert.kind is m.AlertKind.HALT


def test_positions_without_their_exit():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.desk.protect("AAPL", strategy="s", stop_loss="3%")
    bench.pass_(10)
    assert status_of(bench).naked == ()
    stop = bench.desk.book.orders(open=True)[0]
    bench.desk.cancel(stop)
    bench.pass_(60)
    assert status_of(bench).naked == ("AAPL/s",)


def test_the_desk_that_ticks_reports_what_only_it_knows():
    bench = Bench()
    bench.pass_(30)
    with bench.store.read() as reader:
        report = desk_report.report_in(reader)
    assert report.funds.reported == bench.desk.buying_power().reported
    assert sum(x.count for x in report.requests) <= bench.desk.requests
    durations = {x.name: x for x in report.histograms}
    assert durations.keys() >= {"request", "snapshot", "store_write"}
    assert durations["snapshot"].cumulated()[-1] == sum(durations["snapshot"].counts) > 0


def test_an_unchanged_report_is_not_written_again():
    bench = Bench()
    reports = bench.desk._scheduler._reports
    reports.write()
    before = bench.store.cell(desk_report.CELL)
    bench.clock.advance(5)
    reports.write()
    assert bench.store.cell(desk_report.CELL) == before
