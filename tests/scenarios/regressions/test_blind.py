"""An account that cannot be read completely is alerted, denies new risk, and can be confirmed."""

from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench
from tests.scenarios.regressions.scenarios import (
    WithoutActivities,
    alerts_of,
    bring_in_sync,
    held,
    outcome_of,
)

BOUGHT = {"AAPL": 5, "MSFT": 5, "SPY": 5}


class Blind(WithoutActivities):
    """A broker of which one read fails, or whose market values are `off`."""

    fails = ""
    off = Decimal(1)

    def positions(self, page):
        return self.answer("positions") or super().positions(page)

    def executions(self, since, page):
        return self.answer("executions") or super().executions(since, page)

    def activities(self, since, page):
        return self.answer("activities") or super().activities(since, page)

    def orders(self, query, page):
        return self.answer("orders") or super().orders(query, page)

    def answer(self, name):
        return m.NotObserved(m.Failure.SERVER_ERROR, "500") if name == self.fails else None

    def account(self):
        found = super().account()
        off = evolve(found.value, long_market_value=found.value.long_market_value * self.off)
        return evolve(found, value=off)


def bought(symbols=tuple(BOUGHT), broker=Blind):
    bench = Bench(broker=broker)
    for symbol in symbols:
        bench.desk.buy(symbol, qty=5)
    bench.clock.advance(120)
    bring_in_sync(bench.desk)
    return bench


READS = ("positions", "executions", "activities", "orders")


@pytest.mark.parametrize("name", READS)
def test_three_missed_reconciliations_are_alerted_once(name):
    """Not two, and not again before a snapshot was complete."""
    bench = bought()
    bench.broker.fails = name
    for _ in range(2):
        bench.clock.advance(60)
        assert bench.desk.sync().verdict is fb.Verdict.NOT_OBSERVED
    assert alerts_of(bench.desk) == []
    bench.desk = bench.open()  # the count does not begin again
    for _ in range(5):
        bench.clock.advance(60)
        bench.desk.sync()
    assert alerts_of(bench.desk) == ["stale"]
    bench.broker.fails = ""
    bench.desk.sync()
    bench.broker.fails = name
    for _ in range(3):
        bench.clock.advance(60)
        bench.desk.sync()
    assert alerts_of(bench.desk) == ["stale", "stale"]


@pytest.mark.parametrize("name", READS)
def test_after_five_minutes_only_reducing_orders_are_sent(name):
    """A desk that was just started denies new risk too, and all is well with the next snapshot."""
    bench = bought()
    bench.broker.fails = name
    bench.pass_(280, every=20)
    assert bench.desk.buy("AAPL", qty=1).status is m.OrderStatus.FILLED
    bench.pass_(60, every=20)
    bench.desk = bench.open()
    for symbol in BOUGHT:
        refused = outcome_of(bench.desk.buy, symbol, qty=1)
        assert isinstance(refused, fb.Denied)
        assert refused.reason.code == fb.ReasonCode.NOT_IN_SYNC
        assert refused.reason.retry
    assert bench.desk.sell("MSFT", qty=5).status is m.OrderStatus.FILLED
    bench.broker.fails = ""
    assert bench.desk.buy("SPY", qty=1).status is m.OrderStatus.FILLED


def test_the_age_is_a_setting():
    """With an hour, half an hour without positions denies nothing."""
    bench = bought()
    limits = fb.Limits(snapshot_age_max_s=3600)
    bench.desk = fb.open(bench.broker, bench.store, clock=bench.clock, wait_s=2, limits=limits)
    bench.broker.fails = "positions"
    bench.pass_(1800, every=60)
    assert bench.desk.buy("AAPL", qty=1).status is m.OrderStatus.FILLED
    bench.pass_(1860, every=60)
    assert isinstance(outcome_of(bench.desk.buy, "AAPL", qty=1), fb.Denied)


def test_a_bot_that_does_not_tick_is_not_denied():
    """The account is read again before its order."""
    bench = bought()
    bench.clock.advance(7200)
    assert bench.desk.buy("AAPL", qty=1).status is m.OrderStatus.FILLED


def test_an_account_that_was_never_read_completely_is_alerted_and_denies_new_risk():
    bench = Bench(broker=Blind, opened=False)
    bench.broker.fails = "positions"
    bench.pass_(600, every=20)
    assert alerts_of(bench.desk) == ["stale"]
    assert isinstance(outcome_of(bench.desk.buy, "AAPL", qty=1), fb.Denied)


@pytest.mark.parametrize("symbols", [("AAPL", "MSFT"), ("AAPL", "MSFT", "SPY")])
@pytest.mark.parametrize("restarts", [False, True])
def test_positions_that_vanish_are_confirmed_by_a_person(symbols, restarts):
    """The report lists exactly what it took over, and the next pass finds nothing."""
    bench = bought(symbols)
    for symbol in symbols:
        bench.silently(symbol, "-5", "187")
    bench.pass_(600, every=20)
    assert "2 of 2" in messages(bench)[-1] or "3 of 3" in messages(bench)[-1]
    if restarts:
        bench.desk = bench.open()
    assert bench.desk.sync().verdict is fb.Verdict.NOT_OBSERVED
    report = bench.desk.sync(adopt=True)
    assert [x.drift for x in report.adopted if x.drift != cash_of(report)] == [
        m.Phantom(symbol, Decimal(5)) for symbol in symbols
    ]
    assert (report.verdict, held(bench.desk)) == (fb.Verdict.IN_SYNC, {})
    assert bench.desk.sync().entries == 0
    assert bench.desk.buy("AAPL", qty=1).status is m.OrderStatus.FILLED


def cash_of(report):
    return next((x.drift for x in report.adopted if isinstance(x.drift, m.WrongCash)), None)


def messages(bench):
    return [x.alert.message for x in bench.desk.events() if x.alert is not None]


def test_an_empty_answer_that_does_not_stay_is_not_adopted():
    """The two snapshots of a pass differ, so that nothing is confirmed."""
    bench = bought()
    bench.fail("positions", "empty-list")
    report = bench.desk.sync(adopt=True)
    assert (report.adopted, held(bench.desk)) == ((), BOUGHT)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC


def test_market_values_that_are_off_are_no_reason_while_no_position_is_missing():
    """Nothing is blind, and the position that vanishes then needs the account's word."""
    bench = bought()
    bench.broker.off = Decimal("1.05")
    bench.pass_(600, every=20)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    assert alerts_of(bench.desk) == []
    bench.silently("SPY", "-5", "570")
    assert bench.desk.sync().verdict is fb.Verdict.NOT_OBSERVED
    assert m.Phantom("SPY", Decimal(5)) in [x.drift for x in bench.desk.sync(adopt=True).adopted]


@pytest.mark.parametrize(
    ("declared", "counted", "opened"),
    [(None, True, True), (None, False, True), (True, False, False), (False, False, True)],
)
def test_whether_the_account_s_market_value_includes_crypto_is_a_capability(
    declared, counted, opened
):
    """Unknown: either sum is the account's."""

    class Valued(SimulatedBroker):
        capabilities = evolve(SimulatedBroker.capabilities, values_crypto=declared)

        def account(self):
            found = super().account()
            coins = Decimal(0) if counted else Decimal(50_000)
            less = found.value.long_market_value - coins
            return evolve(found, value=evolve(found.value, long_market_value=less))

    bench = Bench(broker=Valued, opened=False)
    bench.exchange.quote("BTC/USD", "50000", "50000")
    bench.silently("BTC/USD", "1", "50000")
    bench.silently("AAPL", "10", "187")
    bench.clock.advance(60)
    assert bench.desk.sync().opened is opened
    assert bench.desk.sync(adopt=True).verdict is fb.Verdict.IN_SYNC
