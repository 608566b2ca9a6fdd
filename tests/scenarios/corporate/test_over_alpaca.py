"""The same over Alpaca's wire: rows with a date and no time, with and without a group."""

import pytest

from fillbook import model as m
from fillbook.venue.exchange import Posting, SplitRows
from tests.scenarios.corporate.held import (
    DAY,
    D,
    V,
    assert_true,
    costs,
    later,
    parts,
    settle,
    two_strategies,
)
from tests.scenarios.regressions.scenarios import alpaca

HOUR = 3600
SHAPES = [
    Posting(split_rows=rows, grouped=grouped) for rows in SplitRows for grouped in (True, False)
]


@pytest.fixture
def bench():
    """Bought on Monday; it is Tuesday, seven in the morning in New York."""
    with alpaca() as bench:
        assert bench.desk.sync().opened
        two_strategies(a=20, b=60, bench=bench)
        settle(bench, 21 * HOUR)
        yield bench


@pytest.mark.sampled(4)
@pytest.mark.parametrize("posting", SHAPES)
@pytest.mark.parametrize("ratio", ["10", "0.1"])
def test_a_split(bench, posting, ratio):
    before = costs(bench, "AAPL")
    bench.exchange.split("AAPL", ratio, posting=posting)
    settle(bench)
    assert {"a": 20 * D(ratio), "b": 60 * D(ratio)} == parts(bench, "AAPL")
    assert (before, []) == (costs(bench, "AAPL"), bench.desk.book.trades())


@pytest.mark.parametrize("rows", [SplitRows.ADDED, SplitRows.EXCHANGED])
@pytest.mark.parametrize("delay", [30 * HOUR, -30 * HOUR])
def test_rows_of_a_split_that_are_late_or_early(bench, rows, delay):
    """
    A person trades in between, in the units of that moment.

    A single row that was written before that trade does not tell the ratio of its units.
    """
    bench.exchange.split("AAPL", 10, posting=Posting(split_rows=rows, delay_s=delay))
    bench.clock.advance(4 * HOUR)
    trades = delay > 0 or rows is SplitRows.EXCHANGED
    if trades:
        bench.by_hand("AAPL", "buy", 7)
    assert later(bench).verdict is V.DRIFT
    bench.desk = bench.open()
    settle(bench, 27 * HOUR)
    bought = {"": 7 if delay > 0 else 70} if trades else {}
    assert {"a": 200, "b": 600} | bought == parts(bench, "AAPL")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("posting", SHAPES)
@pytest.mark.parametrize(("ratios", "trades"), [(("2", "3"), True), (("2", "0.25"), False)])
def test_two_splits_of_one_day_perhaps_with_a_trade_between_them(bench, posting, ratios, trades):
    """The rows bear the day alone: what each of them found tells when it was."""
    one, two = map(D, ratios)
    bench.exchange.split("AAPL", one, posting=posting)
    bench.clock.advance(4 * HOUR)
    if trades:
        bench.by_hand("AAPL", "buy", 4)
        bench.clock.advance(60)
    bench.exchange.split("AAPL", two, posting=posting)
    settle(bench, HOUR)
    bought = {"": 4 * two} if trades else {}
    assert {"a": 20 * one * two, "b": 60 * one * two} | bought == parts(bench, "AAPL")


def test_fractions_are_paid(bench):
    cash = bench.truth.cash()
    posting = Posting(split_rows=SplitRows.EXCHANGED)
    bench.exchange.split("AAPL", "0.03", whole=True, posting=posting)
    settle(bench)
    assert bench.truth.cash() > cash
    assert sum(parts(bench, "AAPL").values()) == 2


@pytest.mark.parametrize("posting", SHAPES)
@pytest.mark.parametrize(("side", "held"), [("buy", 83), ("sell", -77)])
def test_fractions_of_a_split_are_paid(bench, posting, side, held):
    """Of a long or a short position; the rows may be the units added and a fraction removed."""
    getattr(bench.desk, side)("MSFT", qty=abs(held), strategy="c")
    settle(bench, DAY)
    bench.exchange.split("MSFT", "1.5", whole=True, posting=posting)
    settle(bench)
    assert {"c": m.cut(D(held) * D("1.5"), D(1))} == parts(bench, "MSFT")


@pytest.mark.parametrize("grouped", [True, False])
def test_a_rename(bench, grouped):
    order = bench.desk.sell("AAPL", qty=20, limit_price="250", strategy="a", time_in_force="gtc")
    bench.exchange.rename("AAPL", "APLE", posting=Posting(grouped=grouped))
    settle(bench)
    assert {"a": D(20), "b": D(60)} == parts(bench, "APLE") == parts(bench, "AAPL")
    assert bench.desk.book.order(order).symbol == "APLE"
    assert bench.desk.cancel_all(symbol="AAPL") != []


@pytest.mark.parametrize("grouped", [True, False])
def test_a_merger_into_shares_and_cash(bench, grouped):
    before = costs(bench, "AAPL")
    posting = Posting(grouped=grouped)
    bench.exchange.merge("AAPL", "NEWX", ratio="0.5", cash="12.5", posting=posting)
    settle(bench)
    assert {"a": D(10), "b": D(30)} == parts(bench, "NEWX")
    assert {"a": before["a"] - 250, "b": before["b"] - 750} == costs(bench, "NEWX")


def test_a_spin_off_a_dividend_in_shares_and_a_journal(bench):
    bench.exchange.spin_off("AAPL", "SPUN", ratio="0.1", price=20)
    bench.exchange.journal(bench.books, "MSFT", 3, 400)
    settle(bench)
    bench.exchange.stock_dividend("AAPL", "0.05")
    settle(bench, DAY)
    assert {"a": D(2), "b": D(6)} == parts(bench, "SPUN")
    assert {"a": D(21), "b": D(63)} == parts(bench, "AAPL")
    assert {"": D(3)} == parts(bench, "MSFT")


@pytest.mark.parametrize(("sold", "ratio", "rest"), [(0, "0.05", 21), (20, "0.1", "1.5")])
def test_a_dividend_in_shares_is_of_who_held_before_its_day(bench, sold, ratio, rest):
    """A strategy sells what it holds on that day, before the row is read and after."""
    settle(bench, 4 * HOUR)
    if sold:
        bench.desk.sell("AAPL", qty=sold, strategy="a")
    bench.exchange.stock_dividend("AAPL", ratio)
    settle(bench)
    bench.desk.sell("AAPL", qty=rest, strategy="a")
    left = {"b": 60 + 3 * (D(rest) + sold - 20)}
    assert left == parts(bench, "AAPL")
    settle(bench, DAY)
    assert left == parts(bench, "AAPL")


def test_a_row_of_the_day_of_the_first_sync_is_in_the_opening_balance():
    """The split is of this morning, and so is the first sync: the balance is that after it."""
    with alpaca() as bench:
        bench.silently("AAPL", 10, 187)
        bench.clock.advance(20 * HOUR)
        bench.exchange.split("AAPL", 3, posting=Posting(split_rows=SplitRows.EXCHANGED))
        bench.clock.advance(60)
        assert bench.desk.sync().opened
        settle(bench, HOUR)
        assert {"": D(30)} == parts(bench, "AAPL")
        assert_true(bench)


@pytest.mark.parametrize("rows", SplitRows)
def test_a_split_during_the_day_is_after_the_trades_that_it_splits(bench, rows):
    """The row bears the day only; the units that it removes tell the moment."""
    bench.clock.advance(4 * HOUR)
    bench.desk.buy("AAPL", qty=10, strategy="a")
    settle(bench)
    bench.exchange.split("AAPL", 3, posting=Posting(split_rows=rows))
    bench.clock.advance(60)
    bench.desk.buy("AAPL", qty=5, strategy="a")
    settle(bench)
    if rows is SplitRows.EXCHANGED:
        assert {"a": D(95), "b": D(180)} == parts(bench, "AAPL")


def test_a_merger_during_the_day_is_after_the_trades_that_it_merges(bench):
    bench.clock.advance(4 * HOUR)
    bench.desk.buy("AAPL", qty=10, strategy="a")
    settle(bench)
    bench.exchange.merge("AAPL", "NEWX", ratio=2)
    settle(bench)
    assert {"a": D(60), "b": D(120)} == parts(bench, "NEWX")


@pytest.mark.parametrize("qty", [5, 80])
def test_two_renames_of_one_day_whose_rows_bear_no_group(bench, qty):
    """Rows of equal and opposite quantities are of one rename; if those are equal, by the price."""
    bench.desk.buy("MSFT", qty=qty, strategy="c")
    settle(bench, 4 * HOUR)
    before = costs(bench, "AAPL"), costs(bench, "MSFT")
    for old, new in (("AAPL", "APLE"), ("MSFT", "MCRO")):
        bench.exchange.rename(old, new, posting=Posting(grouped=False))
    settle(bench)
    assert {"a": D(20), "b": D(60)} == parts(bench, "APLE")
    assert {"c": D(qty)} == parts(bench, "MCRO")
    assert before == (costs(bench, "APLE"), costs(bench, "MCRO"))
    assert bench.desk.book.trades() == []


@pytest.mark.parametrize(("new", "terms"), [("NEWY", {"ratio": "0.4"}), (None, {"cash": 600})])
def test_two_mergers_of_one_day_whose_rows_bear_no_group(bench, new, terms):
    """One for one, and for other units or for cash."""
    bench.desk.buy("MSFT", qty=5, strategy="c")
    settle(bench, 4 * HOUR)
    before = costs(bench, "AAPL")
    bench.exchange.merge("AAPL", "NEWX", ratio=1, posting=Posting(grouped=False))
    bench.exchange.merge("MSFT", new, **terms, posting=Posting(grouped=False))
    settle(bench)
    assert {"a": D(20), "b": D(60)} == parts(bench, "NEWX")
    assert before == costs(bench, "NEWX")
    assert parts(bench, "MSFT") == {}
    assert new is None or parts(bench, new) == {"c": D(2)}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("posting", SHAPES)
@pytest.mark.parametrize("ratios", [("2", "3"), ("0.5", "4"), ("4", "0.5")])
def test_two_splits_of_one_day(bench, posting, ratios):
    """
    The parts follow both.

    Two rows that only add, of a split and of a reverse one, read as one pair: that is reported.
    """
    before = costs(bench, "AAPL")
    for ratio in ratios:
        bench.exchange.split("AAPL", ratio, posting=posting)
        bench.clock.advance(60)
    report = later(bench)
    if posting.split_rows is SplitRows.EXCHANGED or ratios == ("2", "3"):
        assert (report.verdict, report.left) == (V.IN_SYNC, ())
    if report.verdict is V.IN_SYNC:
        assert_true(bench)
        ratio = D(ratios[0]) * D(ratios[1])
        assert {"a": 20 * ratio, "b": 60 * ratio} == parts(bench, "AAPL")
        assert before == costs(bench, "AAPL")
    else:
        assert [x.confidence for x in report.left] == ["confirmed"]
