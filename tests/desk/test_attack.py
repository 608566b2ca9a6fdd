"""A hostile review: each of these cases once lost an order, a cancel, a fill or the desk."""

import threading
from datetime import timedelta

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.core.orders.unconfirmed import Query
from fillbook.desk.orders.unconfirmed_requests import Inquiries
from fillbook.errors import AccountChanged, StoreUnavailable
from tests.bench import Bench

S = m.OrderStatus


def broken_once(store):
    """Let the next read of the store fail."""
    whole = store.read

    def fail():
        store.read = whole
        raise StoreUnavailable("for a moment")

    store.read = fail


def test_one_failed_read_of_the_store_does_not_deafen_the_desk():
    """The due work of the failed call is due again soon, and so is all later work."""
    bench = Bench()
    bench.desk.tick()
    bench.fail("submit", "request-lost")
    bench.outage()
    order = bench.desk.buy("AAPL", qty=10, limit_price="150", good_for_s=0)
    bench.over()
    bench.clock.advance(100)
    broken_once(bench.store)
    with pytest.raises(StoreUnavailable):
        bench.desk.tick()
    bench.pass_(300)
    assert bench.desk.book.order(order).status is S.ABSENT


def test_an_order_canceled_before_it_was_found_is_canceled_then():
    """P12: the cancel of an unconfirmed order is kept, and sent once the order is found."""
    bench = Bench(wait_s=0)
    bench.fail("submit", "late-landing", seconds=60)
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    assert order.status is S.UNPROVEN
    assert bench.desk.cancel(order).pending == "cancel"
    bench.pass_(400)
    (landed,) = bench.ours()
    assert landed.status == S.CANCELED
    assert bench.desk.book.order(order).status is S.CANCELED


def test_a_cancel_whose_request_was_lost_is_sent_again():
    """The order was read as live, so the cancel may be repeated; no restart is needed."""
    bench = Bench(wait_s=0)
    bench.desk.tick()
    order = bench.resting()
    bench.clock.advance(1)
    bench.fail("cancel", "request-lost")
    assert bench.desk.cancel(order).pending == "cancel"
    bench.pass_(120)
    assert bench.desk.book.order(order).status is S.CANCELED
    assert [x.command for x in bench.desk.book.requests(order)].count(m.Command.CANCEL) == 2


def test_a_poll_of_another_account_is_discarded():
    """Orders in the replies of another account are not recorded."""
    bench = Bench()
    bench.desk.tick()
    bench.by_hand("MSFT", "buy", 1)
    bench.exchange.faults.switch_on("account-id-changed")
    entries = len(bench.desk.book.journal())
    bench.clock.advance(20)
    with pytest.raises(AccountChanged):
        bench.desk.tick()
    assert len(bench.desk.book.journal()) == entries


def test_what_is_younger_than_a_minute_is_not_taken_back_though_two_endpoints_lag():
    """P6: positions, account and history are all older than the broker declares."""
    bench = Bench()
    bench.exchange.faults.switch_on("stale-snapshot", seconds=15)
    bench.exchange.faults.switch_on("account-old", seconds=15)
    bench.exchange.faults.switch_on("history-late", seconds=90)
    order = bench.desk.buy("AAPL", qty=10)
    for _ in range(6):
        bench.clock.advance(5)
        bench.desk.sync()
        assert bench.desk.book.order(order).filled_qty in (0, 10)
        held = bench.desk.book.order(order)
        assert not (held.status is S.FILLED and held.filled_qty == 0)
    bench.over()
    bench.clock.advance(200)
    bench.desk.sync()
    assert bench.is_true()


def test_a_time_that_makes_no_sense_does_not_blind_the_desk():
    """A reset a year ahead, or a clock set back a day, holds reads for at most a minute."""
    bench = Bench()
    bench.fail("account", "rate-limited")
    assert bench.desk.sync().verdict is m.Verdict.NOT_OBSERVED
    bench.clock.jump(-86_400)
    bench.clock.advance(61)
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC


def test_a_streamed_report_outlives_a_failing_store():
    """It stays in the inbox until it is written: the stream may never repeat it."""
    bench = Bench(wait_s=0)
    order = bench.resting()
    with bench.streamed():
        bench.clock.advance(1)
        bench.filled(order)
        bench.clock.advance(1)
        broken_once(bench.store)
        with pytest.raises(StoreUnavailable):
            bench.desk._tracker.drain()
        bench.desk._tracker.drain()
    assert bench.desk.book.order(order).filled_qty == 10


def test_an_order_that_the_broker_denies_stays_a_difference():
    """It was reported, and now it is not found: one alert, and a finding in every pass."""

    class Denying(SimulatedBroker):
        denies = False

        def order(self, broker_order_id):
            return m.Absent() if self.denies else super().order(broker_order_id)

        def orders(self, query, page):
            return m.Observed([]) if self.denies else super().orders(query, page)

    bench = Bench(broker=Denying)
    order = bench.resting()
    bench.broker.denies = True
    for _ in range(2):
        bench.clock.advance(60)
        report = bench.desk.sync()
        assert [type(x.drift) for x in report.left] == [m.UnknownToBroker]
        assert report.verdict is m.Verdict.DRIFT
    alerts = [x for x in bench.desk.events() if x.kind is m.EventKind.ALERT]
    assert len(alerts) == 1
    assert not bench.desk.book.order(order).is_final
    bench.broker.denies = False
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC


def unproven(bench):
    bench.fail("submit", "request-lost")
    return bench.desk.buy("AAPL", qty=10, limit_price="150")


def test_a_duplicate_reject_to_another_desk_is_never_absent():
    """The reject is in the record, so every desk on it has the evidence that the order exists."""
    bench = Bench(wait_s=0)
    order = unproven(bench)
    other = bench.open()
    other.tick()
    with bench.desk._recorder.transaction() as transaction:
        duplicate = m.RejectKind.DUPLICATE
        transaction.record(m.Commanded(order.client_order_id, m.Command.SEND, 2))
        rejected = m.AnswerKind.REJECTED
        transaction.record(m.Answered(order.client_order_id, 2, rejected, "duplicate", duplicate))
    for _ in range(100):
        bench.clock.advance(10)
        other.tick()
    assert other.book.order(order).status is S.UNPROVEN


def test_a_create_that_another_desk_sent_begins_the_count_anew():
    """The new request may have left only now: earlier replies do not count for it."""
    bench = Bench(wait_s=0)
    record = bench.desk.book.record(unproven(bench))
    inquirer = Inquiries(bench.clock)
    inquirer.of_order(record)
    name = record.client_order_id
    inquirer.change(name, lambda x: evolve(x, not_found_at=(timedelta(1),) * 3))
    bench.clock.advance(40)
    again = m.Request(2, m.Command.SEND, record.requests[0].at)
    now = inquirer.of_order(evolve(record, requests=(*record.requests, again)))
    assert (now.not_found_at, now.sent_at) == ((), bench.clock.elapsed())


def test_closing_the_desk_ends_the_opening_balance_at_once():
    """No lag is waited for once the desk is being closed."""
    bench = Bench(opened=False)
    bench.desk._tracker.closing.set()
    report = bench.desk.sync()
    assert report.verdict is m.Verdict.NOT_OBSERVED
    assert bench.desk.book.cash() is None


def test_keys_differ_by_their_parts():
    """The parts of a key are separated."""
    from fillbook.desk.orders.place import client_order_id

    account = m.AccountId("sim", "localhost", "1")
    one = client_order_id(account, "a\x1fb", "c").rsplit("-", 1)[1]
    other = client_order_id(account, "a", "b\x1fc").rsplit("-", 1)[1]
    assert one != other


def test_a_live_account_with_trading_disabled_only_reads():
    """An unconfirmed order is queried, not sent again, and no pass raises."""
    bench = Bench(wait_s=0)
    order = unproven(bench)
    watching = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=0)
    watching._gateway._trading_enabled = False
    for _ in range(60):
        bench.clock.advance(10)
        watching.tick()
    assert bench.ours() == []
    assert watching.book.order(order).status is S.ABSENT


def test_threads_that_query_and_send_share_one_inquiry():
    """Many threads, one inquiry: no thread undoes the progress of another."""
    bench = Bench(wait_s=0)
    record = bench.desk.book.record(unproven(bench))
    inquirer = Inquiries(bench.clock)
    inquirer.of_order(record)
    name = record.client_order_id

    def ask():
        for _ in range(200):
            inquirer.change(name, lambda x: evolve(x, queries=x.queries + 1))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inquirer.of_order(record).queries == 1_600
    assert isinstance(bench.desk._placement._resolver._step(record), Query)
