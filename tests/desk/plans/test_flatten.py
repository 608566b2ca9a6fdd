"""All positions of a strategy are closed, and nothing of another one."""

from datetime import timedelta
from decimal import Decimal

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench

D, P = Decimal, m.PlanState


def two_strategies():
    bench = Bench(cash="100000")
    for strategy, symbol, qty in (
        ("core", "AAPL", 10),
        ("core", "BTC/USD", "0.1"),
        ("swing", "AAPL", 4),
        ("swing", "MSFT", 3),
    ):
        bench.desk.buy(symbol, qty=qty, strategy=strategy)
    bench.pass_(30)
    bench.desk.protect("AAPL", stop_price="150", strategy="core")
    bench.desk.protect("AAPL", stop_price="150", strategy="swing")
    bench.pass_(60)
    return bench


def test_the_parts_of_one_strategy_are_closed_and_those_of_others_stay():
    bench = two_strategies()
    plans = bench.desk.flatten("core")
    assert [x.symbols for x in plans] == [("AAPL",), ("BTC/USD",)]
    bench.pass_(120)
    assert [bench.desk.plan(x.plan_id).state for x in plans] == [P.DONE, P.DONE]
    assert bench.truth.positions() == {"AAPL": 4, "MSFT": 3}
    orders = len(bench.truth.orders())
    [kept] = bench.desk.protections()
    assert (kept.strategy, kept.cover) == ("swing", m.CoverState.COVERED)
    assert [x.symbols for x in bench.desk.flatten("core")] == [("BTC/USD",)]  # the fee that is due
    bench.pass_(60)
    assert len(bench.truth.orders()) == orders
    assert bench.desk.flatten("none") == []


def test_a_dry_run_stores_and_sends_nothing():
    bench = two_strategies()
    entries, orders = len(bench.desk.book.journal()), len(bench.truth.orders())
    plans = bench.desk.flatten("swing", dry_run=True)
    assert [x.symbols for x in plans] == [("AAPL",), ("MSFT",)]
    assert (len(bench.desk.book.journal()), len(bench.truth.orders())) == (entries, orders)


def test_at_night_each_plan_is_made_once_and_begins_at_the_open():
    bench = two_strategies()
    bench.pass_(timedelta(hours=8).total_seconds(), every=300)
    made = [x.plan_id for x in bench.desk.flatten("swing")]
    assert [x.plan_id for x in bench.desk.flatten("swing")] == made
    assert len(made) == 2
    assert bench.truth.positions() == {"AAPL": 14, "BTC/USD": D("0.09975"), "MSFT": 3}


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_strategy_is_named(name):
    with pytest.raises(fb.InvalidValue, match="strategy"):
        two_strategies().desk.flatten(name)
