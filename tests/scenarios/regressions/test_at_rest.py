"""At rest the desk sends at most twenty requests a minute, whatever the broker does not show."""

from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench
from tests.scenarios.regressions.scenarios import WithoutActivities, alerts_of

PER_MINUTE_MAX = 20


class NoFills(SimulatedBroker):
    """A broker whose history shows no fill."""

    shows = False

    def executions(self, since, page):
        return super().executions(since, page) if self.shows else m.Observed(())

    def executions_of(self, broker_order_id, since, page):
        found = super().executions_of(broker_order_id, since, page)
        return found if self.shows else m.Observed(())


class NoList(SimulatedBroker):
    """A broker whose list shows no order."""

    def orders(self, query, page):
        return m.Observed(())


class NotFound(NoList):
    """A broker that has no order any more."""

    gone = False

    def order(self, broker_order_id):
        return m.Absent() if self.gone else super().order(broker_order_id)


def traded(broker, count):
    """A bench with *count* orders, filled if the list shows them, ten minutes ago."""
    bench = Bench(broker=broker)
    resting = {} if issubclass(broker, NoFills) else {"limit_price": "150"}
    for number in range(count):
        bench.desk.buy("AAPL", qty=1, key=str(number), **resting)
        bench.clock.advance(2)
    bench.broker.gone = True
    bench.pass_(600, every=5)
    return bench


def per_minute(bench):
    """The requests a minute, over twenty minutes of ticks."""
    before, begun = bench.desk.requests, bench.clock.elapsed()
    bench.pass_(1200, every=5)
    return (bench.desk.requests - before) / ((bench.clock.elapsed() - begun).total_seconds() / 60)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("count", [1, 12, 40])
@pytest.mark.parametrize("broker", [SimulatedBroker, NoFills, NoList, NotFound])
def test_what_is_never_shown_is_read_at_growing_intervals(broker, count):
    bench = traded(broker, count)
    assert per_minute(bench) <= PER_MINUTE_MAX


def test_a_standing_difference_is_not_confirmed_again_in_every_pass():
    """It stays a finding, and an alert once."""
    bench = Bench(broker=WithoutActivities)
    bench.exchange.deposit(bench.books, "5000")
    bench.silently("AAPL", "7", "187")
    bench.pass_(600, every=5)
    assert per_minute(bench) <= PER_MINUTE_MAX
    assert alerts_of(bench.desk) == ["drift", "drift"]
    report = bench.desk.sync()
    assert [type(x.drift) for x in report.left] == [m.Untracked, m.WrongCash]
    assert {x.confidence for x in report.left} == {m.Confidence.CONFIRMED}
    assert bench.desk.sync(adopt=True).verdict is fb.Verdict.IN_SYNC


def test_fills_that_the_history_never_shows_are_alerted_once():
    """And booked as soon as it shows them, within the longest interval."""
    bench = traded(NoFills, 3)
    bench.pass_(3600, every=10)
    assert alerts_of(bench.desk) == ["fills_missing"] * 3
    bench.broker.shows = True
    bench.pass_(900, every=10)
    assert [x.is_complete for x in bench.desk.book.orders()] == [True] * 3
    assert bench.desk.book.position("AAPL").qty == Decimal(3)
    assert alerts_of(bench.desk) == ["fills_missing"] * 3


def test_an_order_that_is_not_found_stays_a_finding_between_its_reads():
    """Every pass reports it, although few passes read it."""
    bench = traded(NotFound, 3)
    for _ in range(5):
        bench.clock.advance(60)
        report = bench.desk.sync()
        assert [type(x.drift) for x in report.left] == [m.UnknownToBroker] * 3


@pytest.mark.parametrize("count", [1, 12])
def test_disputes_that_nothing_settles_are_read_a_few_a_pass(count):
    """The position agrees with no reading of the orders, so they stay disputed."""
    bench = Bench(broker=WithoutActivities, wait_s=0)
    for number in range(count):
        symbol = f"{chr(65 + number)}{chr(65 + number)}"
        bench.exchange.list_instrument(m.Instrument(symbol, m.AssetClass.EQUITY), 187, 188)
        order = corrected_without_the_last(bench, symbol)
        original = bench.truth.fills(order.broker_order_id)[0]
        older = m.TradeBust(
            source=m.ExecSource.STREAM,
            exec_id=original.exec_id,  # whether it includes its correction is not known
            broker_order_id=order.broker_order_id,
        )
        bench.desk._recorder.record(m.Busted(older))
        bench.silently(symbol, "3", "187")
    bench.pass_(600, every=5)
    assert {x.status for x in bench.desk.book.orders()} == {fb.OrderStatus.DISPUTED}
    assert per_minute(bench) <= PER_MINUTE_MAX
    report = bench.desk.sync()
    assert report.verdict is fb.Verdict.DRIFT
    disputed = [x for x in report.left if isinstance(x.drift, m.OrderStatusDiffers)]
    assert [x.drift.ours for x in disputed] == [fb.OrderStatus.DISPUTED] * count


def corrected_without_the_last(bench, symbol):
    """Fill an order in part and correct it twice; the second correction is not received."""
    with bench.heard() as events:
        order = bench.desk.buy(symbol, qty=2, limit_price="150", time_in_force="gtc")
        bench.clock.advance(1)
        bench.filled(order, 1)
        for price in ("149.90", "149.80"):
            bench.clock.advance(1)
            newest = bench.truth.fills(order.broker_order_id)[-1]
            bench.exchange.correct(newest.exec_id, price=price)
    events.remove([x for x in events if x.name == "trade_correct"][1])
    for event in events:
        bench.desk.receive(event)
    return bench.desk.book.order(order)


def test_a_sync_of_the_bot_reads_what_the_background_defers():
    """The list never shows the order: the background reads it ever less often, a sync at once."""

    class Unlists(SimulatedBroker):
        def orders(self, query, page):
            return evolve(super().orders(query, page), value=())

    bench = Bench(broker=Unlists)
    order = bench.resting()
    bench.pass_(3_600, every=15)
    bench.books.cancel(order.broker_order_id)
    bench.clock.advance(1)
    bench.desk.sync()
    assert bench.desk.book.order(order).status == "canceled"
