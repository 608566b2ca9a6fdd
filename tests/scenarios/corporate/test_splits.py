"""Splits: with a ratio, with a quantity, by a pair of rows; late, early, over a weekend."""

from datetime import UTC, datetime

import pytest

from fillbook.venue.exchange import Posting, SplitRows
from tests.scenarios.corporate.held import (
    DAY,
    PAIR,
    D,
    V,
    assert_true,
    costs,
    later,
    parts,
    settle,
    two_strategies,
)

ROWS = list(SplitRows)
FRIDAY_18 = datetime(2026, 3, 6, 23, 0, tzinfo=UTC)
MONDAY_9 = datetime(2026, 3, 9, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("ratio", ["10", "0.1", "1.5"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_parts_follow_in_proportion_at_the_same_cost(rows, ratio, sign):
    bench = two_strategies(a=20 * sign, b=60 * sign)
    before, trades = costs(bench, "AAPL"), bench.desk.book.trades()
    bench.exchange.split("AAPL", ratio, posting=Posting(split_rows=rows))
    settle(bench)
    by = D(ratio) * sign
    assert {"a": 20 * by, "b": 60 * by} == parts(bench, "AAPL")
    assert (before, trades) == (costs(bench, "AAPL"), bench.desk.book.trades())
    assert bench.desk.book.position("AAPL").account.realized == 0


@pytest.mark.parametrize("rows", ROWS)
def test_fractions_are_paid_as_cash_and_reduce_the_cost(rows):
    """105 shares one for ten: ten are left, and cash for the half, once."""
    bench = two_strategies(a=35, b=70)
    before = bench.desk.book.position("AAPL").account.cost
    cash = bench.truth.cash()
    bench.exchange.split("AAPL", "0.1", whole=True, posting=Posting(split_rows=rows))
    settle(bench)
    paid = bench.truth.cash() - cash
    assert paid > 900
    assert sum(parts(bench, "AAPL").values()) == 10
    assert parts(bench, "AAPL")["b"] == 10 - parts(bench, "AAPL")["a"]
    account = bench.desk.book.position("AAPL").account
    assert (before - paid, 0) == (account.cost, account.realized)
    assert bench.desk.book.trades() == []


@pytest.mark.parametrize("rows", ROWS)
def test_all_of_a_small_position_is_paid_as_cash(rows):
    """Five shares one for ten are no share: their P&L is what was paid less what they cost."""
    bench = two_strategies(a=2, b=3)
    cost, cash = bench.desk.book.position("AAPL").account.cost, bench.truth.cash()
    bench.exchange.split("AAPL", "0.1", whole=True, posting=Posting(split_rows=rows))
    settle(bench)
    account = bench.desk.book.position("AAPL").account
    assert (0, bench.truth.cash() - cash - cost) == (account.qty, account.realized)
    assert bench.desk.book.trades() == []


@pytest.mark.sampled(4)
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("ratio", ["10", "0.1"])
@pytest.mark.parametrize("delay", [2 * DAY, -2 * DAY])
@pytest.mark.parametrize("restarts", [False, True])
def test_over_a_weekend_with_rows_that_are_late_or_early(rows, ratio, delay, restarts):
    """Whatever is listed first, the record is true in the end, and never said to be before."""
    bench = two_strategies(a=20, b=60)
    bench.clock.advance((FRIDAY_18 - bench.clock.now()).total_seconds())
    settle(bench)
    posting = Posting(split_rows=rows, delay_s=delay)
    bench.exchange.split("AAPL", ratio, posting=posting)
    verdicts = []
    for _ in range(9):
        if restarts:
            bench.desk = bench.open()
        report = later(bench, DAY / 4)
        verdicts.append(report.verdict)
        if report.verdict is V.IN_SYNC:
            assert_true(bench)
    assert verdicts[-1] is V.IN_SYNC
    assert delay < 0 or verdicts[0] is V.DRIFT
    by = D(ratio)
    assert {"a": 20 * by, "b": 60 * by} == parts(bench, "AAPL")
    assert bench.desk.book.drifts() == []
    assert bench.desk.sync().entries == 0


@pytest.mark.parametrize("rows", ROWS)
def test_what_is_traded_before_and_after_counts_as_it_was_traded(rows):
    bench = two_strategies(a=20, b=60)
    posting = Posting(split_rows=rows, delay_s=3600)
    bench.exchange.split("AAPL", 2, posting=posting)
    bench.clock.advance(60)
    bench.by_hand("AAPL", "buy", 7)
    settle(bench, 3700)
    assert {"a": D(40), "b": D(120), "": D(7)} == parts(bench, "AAPL")


def test_a_fill_from_before_the_split_that_is_reported_after_it_is_split_too():
    bench = two_strategies(a=20, b=60)
    order = bench.resting(time_in_force="gtc")
    bench.fail("fill", "history-late", seconds=600)
    bench.exchange.fill(order.broker_order_id, 4, 150)
    bench.exchange.split("AAPL", 2, posting=PAIR)
    settle(bench, 900)
    assert {"a": D(40), "b": D(120), "s": D(8)} == parts(bench, "AAPL")


def test_a_difference_that_a_person_adopted_is_explained_by_its_rows():
    """The parts of the strategies were false until the rows came; then they are not."""
    bench = two_strategies(a=20, b=60)
    bench.exchange.split("AAPL", 2, posting=Posting(split_rows=SplitRows.EXCHANGED, delay_s=DAY))
    bench.clock.advance(60)
    assert bench.desk.sync(adopt=True).adopted
    settle(bench, DAY + 60)
    assert {"a": D(40), "b": D(120)} == parts(bench, "AAPL")


@pytest.mark.parametrize("rows", ROWS)
def test_a_dividend_in_shares_goes_to_the_strategies_at_no_cost(rows):
    bench = two_strategies(a=20, b=60)
    before = costs(bench, "AAPL")
    bench.exchange.stock_dividend("AAPL", "0.05")
    settle(bench)
    assert {"a": D(21), "b": D(63)} == parts(bench, "AAPL")
    assert before == costs(bench, "AAPL")


def test_strategies_that_hold_against_each_other_are_split_alike():
    bench = two_strategies(a=20, b=60)
    bench.desk.sell("AAPL", qty=80, strategy=None)
    settle(bench)
    assert bench.desk.book.position("AAPL").qty == 0
    bench.exchange.split("AAPL", 2)
    settle(bench)
    assert parts(bench, "AAPL") == {}
