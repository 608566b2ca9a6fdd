"""Rows of the account's history: each is counted once, whenever it is posted and read."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench, DatedBroker
from tests.brokers.alpaca.recorded import recorded
from tests.scenarios.regressions.scenarios import (
    HELD_KO,
    alerts_of,
    alpaca,
    bring_in_sync,
    held,
    wired,
)

DAY_S = 86_400


def row(kind, number, day, **fields):
    """A row of Alpaca's that bears a date only."""
    base = {"activity_type": kind, "id": f"{day.replace('-', '')}000000000::{number}", "date": day}
    empty = {"symbol": None, "qty": None, "per_share_amount": None, "net_amount": "0"}
    return recorded("activities")["div"] | empty | base | fields


def cash(wire, amount):
    wire.account |= {"cash": amount, "equity": amount}


def agrees(bench):
    """Whether a sync finds nothing, and the record is the exchange's own."""
    report = bench.desk.sync()
    ours, theirs = (held(bench.desk), bench.desk.book.cash()), bench.truth
    return (report.verdict, report.left, ours) == (
        fb.Verdict.IN_SYNC,
        (),
        (theirs.positions(), theirs.cash()),
    )


def happens(bench):
    """A deposit, and shares, a short and a coin that come without an order."""
    bench.exchange.deposit(bench.books, "5000")
    for symbol, qty, price in (
        ("AAPL", "25", "90"),
        ("MSFT", "-7", "400"),
        ("BTC/USD", "1", "5e4"),
    ):
        bench.silently(symbol, qty, price)


@pytest.mark.parametrize("hours", [0, 9.5, 13.9, 14.2, 24 * 5 + 3])
def test_rows_of_any_hour_are_counted_once(hours):
    """Before and after the first sync, around midnight in New York and in UTC, on a Saturday."""
    with alpaca() as bench:
        bench.clock.advance(hours * 3600)
        happens(bench)
        bench.clock.advance(60)
        assert agrees(bench)
        happens(bench)
        bench.exchange.dividend("AAPL", "0.5")
        bench.clock.advance(60)
        assert agrees(bench)
        bench.desk = bench.open()
        bench.clock.advance(DAY_S)
        assert agrees(bench)
        assert bench.desk.sync(since=date(2026, 1, 1), adopt=True).verdict is fb.Verdict.IN_SYNC
        assert agrees(bench)
        assert alerts_of(bench.desk) == []


@pytest.mark.parametrize(
    ("kind", "group"), [("ACATS", None), ("DIV", None), ("OPTRD", "g"), ("NEWS", "g")]
)
def test_a_symbol_is_idle_again_soon_after_a_row_of_today(kind, group):
    """What is missing on it is confirmed the same day, and so is a difference in cash."""
    with wired() as (wire, desk):
        wire.positions = [HELD_KO | {"qty": "10", "qty_available": "10"}]
        bring_in_sync(desk)
        wire.clock.advance(60)
        wire.activities.append(row(kind, 1, "2026-03-02", symbol="KO", qty="5", group_id=group))
        wire.positions = [HELD_KO | {"qty": "15", "qty_available": "15"}]
        desk.sync()
        wire.clock.advance(60)
        cash(wire, "97000")
        wire.positions = [HELD_KO | {"qty": "12", "qty_available": "12"}]
        report = desk.sync()
        desk.sync(adopt=True)
        wire.clock.advance(DAY_S)
        assert desk.sync().verdict is fb.Verdict.IN_SYNC
    assert [(x.drift, x.confidence) for x in report.left] == [
        (m.WrongQty("KO", Decimal(15), Decimal(12)), m.Confidence.CONFIRMED),
        (m.WrongCash(Decimal(100_000), Decimal(97_000)), m.Confidence.CONFIRMED),
    ]


@pytest.mark.parametrize("day", ["2026-03-02", "2026-03-01", "2026-02-25", "2019-08-01"])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_row_dated_before_the_opening_balance_and_posted_later_is_counted(day, restarts):
    """Rows of the same day that were listed at the opening balance are not."""
    with wired() as (wire, desk):
        wire.activities.append(row("CSD", 1, day, net_amount="700"))
        bring_in_sync(desk)
        wire.clock.advance(3600)
        wire.activities.append(row("CSD", 2, day, net_amount="3000"))
        cash(wire, "103000")
        if restarts:
            desk = fb.open(desk._gateway.broker, desk._recorder.store, clock=wire.clock, wait_s=2)
        assert desk.sync().verdict is fb.Verdict.IN_SYNC
        wire.clock.advance(DAY_S + 60)
        assert desk.sync(since=date(2010, 1, 1)).verdict is fb.Verdict.IN_SYNC
        assert (desk.book.cash(), alerts_of(desk)) == (Decimal(103_000), [])


@pytest.mark.parametrize("day", ["2026-03-02", "2026-02-27", "2019-08-01"])
def test_a_row_that_explains_what_was_adopted_is_a_part_of_it(day):
    """The money came, a person adopted it, and its row is posted two days later."""
    with wired() as (wire, desk):
        bring_in_sync(desk)
        wire.clock.advance(60)
        cash(wire, "103000")
        wire.positions = [HELD_KO | {"qty": "25", "qty_available": "25"}]
        assert desk.sync(adopt=True).verdict is fb.Verdict.IN_SYNC
        wire.clock.advance(2 * DAY_S)
        wire.activities += [
            row("CSD", 1, day, net_amount="3000"),
            row("ACATS", 2, day, symbol="KO", qty="25"),
        ]
        for seconds in (60, DAY_S):
            wire.clock.advance(seconds)
            assert desk.sync(since=date(2010, 1, 1)).verdict is fb.Verdict.IN_SYNC
        assert (desk.book.cash(), held(desk)) == (Decimal(103_000), {"KO": 25})
        wire.activities.append(row("CSD", 3, day, net_amount="500"))
        cash(wire, "103500")
        wire.clock.advance(60)
        assert desk.sync().verdict is fb.Verdict.IN_SYNC


def test_a_difference_that_stands_is_explained_on_the_next_day_by_a_row_of_any_age():
    """The cash moves first; its row is dated seven years ago, and posted three days later."""
    with wired() as (wire, desk):
        bring_in_sync(desk)
        wire.clock.advance(60)
        cash(wire, "100051")
        assert desk.sync().verdict is fb.Verdict.DRIFT
        wire.clock.advance(3 * DAY_S)
        wire.activities.append(row("DIV", 1, "2019-08-01", net_amount="51"))
        desk.sync()
        wire.clock.advance(DAY_S + 60)
        assert desk.sync().verdict is fb.Verdict.IN_SYNC


def test_one_empty_answer_at_the_opening_balance_hides_no_row():
    """The rows that it lacked are not counted when they appear."""
    with wired() as (wire, desk):
        rows = [row("CSD", 1, "2026-03-02", net_amount="700")]
        wire.faulty_reads = 1
        wire.activities = rows
        bring_in_sync(desk)
        wire.clock.advance(60)
        assert desk.sync().verdict is fb.Verdict.IN_SYNC
        assert desk.book.cash() == 100_000


def test_a_confirmed_difference_says_from_when_fills_and_activities_were_read():
    """It claims nothing about rows that were not read, nor about what the broker cannot report."""
    with wired() as (wire, desk):
        bring_in_sync(desk)
        cash(wire, "97000")
        wire.clock.advance(60)
        (finding,) = desk.sync().left
    asked = [x.query["after"] for x in wire.asked if x.path == "/v2/account/activities"]
    since = (m.moment(m.timestamp(asked[-1])) + timedelta(days=1)).date()
    assert f"activities since {since}" in finding.because


# -- fees ------------------------------------------------------------------------------


class FeesOneByOne(Bench):
    """A bench on which each fee of a coin is posted alone, when the test asks for it."""

    def trade(self, *sides):
        with self.heard() as events:
            for side, qty in sides:
                getattr(self.desk, side)("BTC/USD", qty=qty)
                self.clock.advance(60)
        for event in events:
            self.desk.receive(event)
        self.desk.sync()

    def post(self, number=0):
        history = self.books.trading.history
        history._add_fee_activity(history._unposted_fees.pop(number))


@pytest.mark.parametrize("numbers", [(0, 0, 0, 0), (3, 2, 1, 0), (1, 2, 0, 0)])
def test_each_fee_row_clears_only_the_fee_that_it_is_for(numbers):
    """In any order of posting, with a sale and a purchase after the first row."""
    bench = FeesOneByOne()
    bench.trade(("buy", 1), ("sell", "0.1"), ("buy", "0.5"), ("sell", "0.2"))
    for number in numbers:
        bench.post(number)
        bench.clock.advance(60)
        report = bench.desk.sync()
        assert (report.verdict, report.left) == (fb.Verdict.IN_SYNC, ())
        bench.trade(("buy", "0.03"), ("sell", "0.01"))
    assert alerts_of(bench.desk) == []
    bench.clock.advance(2 * DAY_S)
    assert agrees(bench)


def test_a_fee_row_of_one_coin_clears_nothing_of_another():
    """ETH is posted before BTC."""
    bench = FeesOneByOne()
    bench.trade(("buy", 1), ("sell", "0.1"))
    bench.desk.buy("ETH/USD", qty=10)
    bench.clock.advance(60)
    bench.desk.sell("ETH/USD", qty=4)
    bench.clock.advance(60)
    bench.desk.sync()
    for _ in range(2):
        bench.post(2)
        bench.clock.advance(60)
        report = bench.desk.sync()
        assert (report.verdict, report.left) == (fb.Verdict.IN_SYNC, ())
    bench.clock.advance(DAY_S)
    assert agrees(bench)


@pytest.mark.parametrize("reason", ["opening", "adopted"])
def test_a_fee_of_a_fill_before_a_balance_adjustment_is_in_it(reason):
    """Its row, posted in the evening, takes neither units nor cash again."""
    bench = Bench(opened=reason == "adopted")
    for side, qty in (("buy", 1), ("sell", "0.4")):
        bench.by_hand("BTC/USD", side, qty)
    bench.clock.advance(60)
    if reason == "adopted":
        bench.silently("BTC/USD", "0.25", "50000")
        bench.books.trading.history.activities.clear()
    assert bench.desk.sync(adopt=True).verdict is fb.Verdict.IN_SYNC
    bench.clock.advance(DAY_S - 7200)
    assert agrees(bench)


@pytest.mark.parametrize("broker", [SimulatedBroker, DatedBroker])
@pytest.mark.parametrize("hours", [(1, 1), (8.5, 2), (9.5, 1.5), (9.5, 5), (16, 9)])
def test_fee_rows_of_two_days_around_the_opening_balance_are_counted_once(broker, hours):
    """Those of the first day are posted before it, or those of both days after it."""
    bench = Bench(broker=broker, opened=False)
    for each in hours:
        for side, qty in (("buy", "0.9"), ("sell", "0.4")):
            bench.by_hand("BTC/USD", side, qty)
        bench.clock.advance(each * 3600)
    bring_in_sync(bench.desk)
    for _ in range(3):
        bench.by_hand("BTC/USD", "buy", "0.03")
        bench.clock.advance(DAY_S)
        report = bench.desk.sync()
        assert (report.verdict, report.left) == (fb.Verdict.IN_SYNC, ())
    bench.clock.advance(DAY_S)
    assert agrees(bench)


@pytest.mark.parametrize("broker", [SimulatedBroker, DatedBroker])
def test_the_fee_row_of_a_corrected_fill_clears_its_own_fee(broker):
    """It has the price of the fill before the correction, and takes no other fee of the day."""
    bench = Bench(broker=broker, opened=False)
    bench.by_hand("BTC/USD", "buy", "0.03")
    bring_in_sync(bench.desk)
    bench.clock.advance(60)
    for qty in ("0.012", "0.07"):
        bid, ask = bench.exchange.quote_of("BTC/USD").bid, bench.exchange.quote_of("BTC/USD").ask
        bench.exchange.quote("BTC/USD", bid - 200, ask - 200)
        bench.by_hand("BTC/USD", "buy", qty)
        fill = bench.truth.fills()[-1]
        bench.exchange.correct(fill.exec_id, price=fill.price + 1, qty=fill.qty / 2)
        bench.pass_(120)
    bench.clock.advance(DAY_S)
    assert agrees(bench)
