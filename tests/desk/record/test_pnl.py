"""The P&L of a desk's book: from the record, with the quotes of the broker."""

from datetime import date
from decimal import Decimal

import pytest

import fillbook as fb
from tests.bench import Bench

D = Decimal


@pytest.fixture
def bench():
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="a")
    bench.clock.advance(60)
    bench.exchange.quote("AAPL", "200.00", "200.02")
    bench.desk.sell("AAPL", qty=4, strategy="a")
    bench.clock.advance(60)
    bench.desk.sync()
    return bench


@pytest.mark.parametrize("by", ["symbol", "strategy", "day"])
@pytest.mark.parametrize("cost", ["average", "fifo"])
def test_realized_and_unrealized(bench, by, cost):
    bench.exchange.quote("AAPL", "210.00", "210.02")
    report = bench.desk.book.pnl(by=by, cost=cost)
    (row,) = report.rows
    assert row.key == {"symbol": "AAPL", "strategy": "a", "day": "2026-03-02"}[by]
    assert row.realized == 4 * (D("200.00") - D("187.02"))
    assert row.unrealized == 6 * (D("210.01") - D("187.02"))
    assert row.quoted_at is not None
    assert [x.qty for x in report.lots] == ([4, 6] if cost == "fifo" else [])
    assert report.totals[0].realized == row.realized


def test_without_a_quote_what_is_open_is_counted_and_not_zero(bench):
    book = fb.Book(bench.store)
    (row,) = book.pnl().rows
    assert (row.unrealized, row.unknown) == (None, ((fb.UnknownPart.QUOTE, 1),))
    (row,) = book.pnl(quotes={"AAPL": fb.Quote("AAPL", 188, 188, bench.clock.now())}).rows
    assert row.unrealized == 6 * D("0.98")
    bench.fail("quotes", "unreachable", times=9)
    assert bench.desk.book.pnl().rows[0].unrealized is None


def test_since_a_day(bench):
    (row,) = fb.Book(bench.store).pnl(since=date(2026, 3, 3)).rows
    assert (row.realized, row.unknown) == (0, ((fb.UnknownPart.QUOTE, 1),))


def test_the_quotes_of_the_bot_where_the_broker_has_none(bench):
    with fb.open(
        bench.broker,
        bench.store,
        clock=bench.clock,
        prices=lambda symbol: fb.Quote(symbol, 190, 190, bench.clock.now()),
    ) as desk:
        bench.fail("quotes", "unreachable", times=9)
        assert desk.book.pnl().rows[0].unrealized == 6 * D("2.98")


@pytest.mark.parametrize("wrong", [{"by": "week"}, {"cost": "lifo"}])
def test_a_view_or_a_cost_that_does_not_exist(bench, wrong):
    words = "by is symbol, strategy or day, and cost average or fifo; not"
    with pytest.raises(fb.InvalidValue, match=words):
        bench.desk.book.pnl(**wrong)


def test_a_record_without_positions_asks_nobody():
    bench = Bench()
    assert bench.desk.book.pnl().rows == ()
