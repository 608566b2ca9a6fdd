"""Rows, fees, snapshots and currencies: the account in the record is the broker's account."""

from datetime import timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import MONDAY_10, Bench
from tests.brokers.alpaca.recorded import recorded
from tests.scenarios.regressions.scenarios import (
    WithoutActivities,
    alerts_of,
    alpaca,
    bring_in_sync,
    held,
    outcome_of,
    wired,
)

DAY_S = 86_400
HUNDRED_THOUSAND = Decimal(100_000)

# -- snapshots -------------------------------------------------------------------------


class PositionsFail(SimulatedBroker):
    """A broker that replies to one read with a server error from a given time on."""

    fails = False

    def positions(self, page):
        if self.fails:
            return m.NotObserved(m.Failure.SERVER_ERROR, "500")
        return super().positions(page)


def positions_vanish():
    """A bench whose two positions are gone at the broker, without a row of the reason."""
    bench = bought(WithoutActivities)
    for symbol in ("AAPL", "MSFT"):
        bench.silently(symbol, "-5", "187")
    return bench


def positions_are_not_read():
    """A bench that cannot read the positions any more."""
    bench = bought(PositionsFail)
    bench.broker.fails = True
    return bench


def bought(broker):
    bench = Bench(broker=broker)
    for symbol in ("AAPL", "MSFT"):
        bench.desk.buy(symbol, qty=5)
    bench.clock.advance(120)
    bring_in_sync(bench.desk)
    return bench


BLIND = pytest.mark.parametrize("begins", [positions_vanish, positions_are_not_read])
UNOBSERVED = "a snapshot that is never complete is retried without an alert and locks nothing"


@BLIND
def test_an_account_without_a_complete_snapshot_is_alerted_within_minutes(begins):
    """After ten minutes of ticks there is an alert, whichever part is missing."""
    bench = begins()
    bench.pass_(600, every=10)
    assert alerts_of(bench.desk) != []


@BLIND
def test_new_risk_is_denied_while_there_is_no_complete_snapshot(begins):
    """After an hour nothing is sent that opens or increases a position."""
    bench = begins()
    bench.pass_(3600, every=10)
    before = bench.ours()
    refused = outcome_of(bench.desk.buy, "AAPL", qty=1)
    assert isinstance(refused, (fb.Denied, fb.Unavailable))
    assert before == bench.ours()


def test_a_person_can_confirm_that_all_positions_are_gone():
    """With `adopt` the record takes the broker's side."""
    bench = positions_vanish()
    bench.pass_(3600, every=10)
    report = bench.desk.sync(adopt=True)
    assert (report.verdict, held(bench.desk)) == (fb.Verdict.IN_SYNC, {})


# -- rows ------------------------------------------------------------------------------


def deposit(bench):
    bench.exchange.deposit(bench.books, "5000")


def shares(bench):
    bench.silently("AAPL", "25", "90")


def dividend(bench):
    bench.silently("AAPL", "100", "90")
    bench.clock.advance(DAY_S)
    bench.exchange.dividend("AAPL", "0.26")


@pytest.mark.parametrize("happens", [deposit, shares, dividend])
def test_a_row_of_today_is_counted_once_at_the_first_sync(happens):
    """The opening balance contains it, so the row changes neither cash nor positions."""
    with alpaca() as bench:
        happens(bench)
        bench.clock.advance(1800)
        report = bench.desk.sync()
        theirs = (bench.truth.positions(), bench.truth.cash())
        assert theirs == (held(bench.desk), bench.desk.book.cash())
        assert report.verdict == fb.Verdict.IN_SYNC


def test_a_row_that_is_posted_days_after_its_date_is_read():
    """A dividend dated Friday and posted on Wednesday is in the cash by Thursday."""
    with wired(MONDAY_10 + timedelta(days=4)) as (wire, desk):
        bring_in_sync(desk)
        for days in (0, 3, 1):  # Friday, Monday, Tuesday
            wire.clock.advance(days * DAY_S)
            for side in ("buy", "sell"):
                wire.clock.advance(60)
                wire.trade("MSFT", side, "1", "400")
            wire.clock.advance(60)
            bring_in_sync(desk)
        wire.clock.advance(DAY_S)
        row = {"id": "20260306000000000::1", "date": "2026-03-06", "net_amount": "51"}
        wire.activities.append(recorded("activities")["div"] | row)
        wire.account |= {"cash": "100051", "equity": "100051"}
        desk.sync()
        wire.clock.advance(DAY_S)
        report = desk.sync()
        in_sync = (fb.Verdict.IN_SYNC, HUNDRED_THOUSAND + 51)
        assert in_sync == (report.verdict, desk.book.cash())


# -- fees ------------------------------------------------------------------------------


def test_a_fee_row_clears_only_the_fees_of_its_own_day():
    """A coin sold after midnight UTC, with yesterday's fee rows read later, causes no drift."""
    bench = Bench()
    with bench.heard() as events:
        bench.desk.buy("BTC/USD", qty=1)
        bench.desk.sell("BTC/USD", qty="0.1")
        bench.clock.advance(30)
        bench.desk.tick()
        bench.desk.sync()
        bench.clock.advance(9.5 * 3600 - 60)  # half past midnight, UTC
        events.clear()
        bench.desk.sell("BTC/USD", qty="0.5")
        bench.clock.advance(1)
        for event in list(events):
            bench.desk.receive(event)
        bench.pass_(360, every=60)
        report = bench.desk.sync()
    assert (report.verdict, report.left) == (fb.Verdict.IN_SYNC, ())
    assert "drift" not in alerts_of(bench.desk)


# -- currencies ------------------------------------------------------------------------


def coin(symbol, qty):
    """A position row of Alpaca's, which names a coin by its pair with the dollar."""
    return recorded("positions")["crypto"] | {"symbol": symbol, "qty": qty, "qty_available": qty}


def test_a_fill_in_another_quote_currency_changes_no_dollar_balance():
    """One ETH for 0.05 BTC is paid in BTC."""
    with wired() as (wire, desk):
        pairs = ("BTC/USD", "ETH/USD", "ETH/BTC")
        wire.assets = [recorded("assets")["crypto"] | {"id": x, "symbol": x} for x in pairs]
        wire.positions = [coin("BTCUSD", "1")]
        bring_in_sync(desk)
        wire.clock.advance(60)
        wire.trade("ETH/BTC", "buy", "1", "0.05")
        wire.positions = [coin("BTCUSD", "0.95"), coin("ETHUSD", "1")]
        wire.clock.advance(60)
        desk.sync()
        assert desk.book.cash() == desk.book.cash("USD") == HUNDRED_THOUSAND
        assert desk.book.cash("EUR") == 0
        assert held(desk) == {"BTC/USD": Decimal("0.95"), "ETH/USD": 1}
        order = desk.book.orders(symbol="ETH/BTC")[0]
        assert [x.symbol for x in desk.book.fills(order)] == ["ETH/USD"]
        assert desk.book.position("ETH/BTC").symbol == "ETH/USD"
