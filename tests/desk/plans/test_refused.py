"""Exits and closes that are refused: an unknown symbol, a price that was reached, no position."""

import pytest

import fillbook as fb
from tests.bench import Bench
from tests.desk.plans.test_exits import exits_of, held


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_record_that_cannot_have_the_position_says_so(dry_run):
    bench = Bench(opened=False)
    calls = (
        lambda: bench.desk.protect("AAPL", stop_price="180", dry_run=dry_run),
        lambda: bench.desk.close_position("AAPL", dry_run=dry_run),
    )
    for call in calls:
        with pytest.raises(fb.Denied, match=r"no opening balance yet: call sync\(\) first"):
            call()
    bench.desk.sync()
    for call in calls:
        with pytest.raises(fb.Denied, match=r"(protect|held|close|--pending\))$"):
            call()
    bench.clock.advance(3600)
    for call in calls:
        text = "the record is of 2026-03-02 15:00 UTC: `fillbook sync` renews it$"
        with pytest.raises(fb.Denied, match=text):
            call()


@pytest.mark.parametrize("symbol", ["ZZZZ", "APPL"])
def test_a_symbol_that_the_broker_does_not_know_is_refused_by_every_call_that_acts(symbol):
    bench = held()
    before = len(bench.desk.book.journal())
    for call in (
        lambda: bench.desk.protect(symbol, stop_price="180"),
        lambda: bench.desk.protect(symbol, stop_price="180", pending=True),
        lambda: bench.desk.close_position(symbol),
        lambda: bench.desk.cancel_all(symbol=symbol),
        lambda: bench.desk.opens_at(symbol),
    ):
        with pytest.raises(fb.UnknownSymbol, match=f"{symbol} .*: check the symbol"):
            call()
    assert len(bench.desk.book.journal()) == before
    bench.outage()  # without a reply nothing is known
    assert bench.desk.cancel_all(symbol=symbol) == []


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("prices", "text"),
    [
        ({"stop_price": 900}, "the stop, 900, is above the market, 187"),
        ({"stop_price": "186.99", "take_profit": 300}, None),
        ({"stop_loss": "8%", "take_profit": 20}, "the take profit, 20, is below the market, 187"),
        ({"take_profit": "187.50"}, None),
    ],
)
def test_an_exit_that_would_trade_at_once_is_refused(prices, text, dry_run):
    bench = held()
    bench.desk.protect("AAPL", stop_price="150")
    before = len(bench.desk.book.journal()), exits_of(bench)
    if text is None:
        bench.desk.protect("AAPL", **prices, dry_run=dry_run)
        return
    with pytest.raises(fb.Denied, match=f"{text}.*: it would sell at once.*close_position") as no:
        bench.desk.protect("AAPL", **prices, dry_run=dry_run)
    assert no.value.reason.code == "price"
    assert (len(bench.desk.book.journal()), exits_of(bench)) == before
    assert bench.desk.protections()[0].policy.stop_price == 150


def test_an_exit_of_a_short_position_that_would_buy_at_once_is_refused():
    bench = Bench(cash="100000")
    bench.desk.sell("AAPL", qty=10)
    bench.pass_(30)
    with pytest.raises(fb.Denied, match=r"the stop, 20, is below the market, 187.*would buy at"):
        bench.desk.protect("AAPL", stop_price=20)
    with pytest.raises(fb.Denied, match=r"profit, 900, is above the market, 187.*would buy at"):
        bench.desk.protect("AAPL", stop_price=250, take_profit=900)


def test_without_a_clear_quote_an_exit_is_not_refused():
    bench = held()
    bench.exchange.quote("AAPL", "120", "187.02")
    assert bench.desk.protect("AAPL", stop_price=150) is not None
