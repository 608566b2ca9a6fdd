"""A second hostile review of placing orders: each of these cases failed once."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.stores.sqlite import SqliteStore
from tests.bench import MONDAY_10, Bench, unable

D = Decimal
S = m.OrderStatus
NAIVE = MONDAY_10.replace(tzinfo=None)
WORDS = ("rubbish", "", "null", "[]", '{"limit": -5}', '[-3, "9999-99"]', '["x", [["a", "b"]]]')


# -- words without history -------------------------------------------------------------


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "cell", ["budget", "lease", "account-marks", "account-lag", "fills-read-until"]
)
def test_a_damaged_cell_is_made_anew(cell, word):
    """Budgets, leases, marks and cursors are not part of the record: none may stop the bot."""
    bench = Bench()
    bench.store.swap(cell, bench.store.cell(cell), word)
    with bench.open() as desk:
        order = desk.buy("AAPL", qty=1, limit_price="150")
        assert desk.cancel(order).is_final
        desk.buying_power()
        bench.clock.advance(30)
        desk.tick()
        assert desk.sync().verdict is m.Verdict.IN_SYNC


@pytest.mark.parametrize("resets_at", [NAIVE, datetime.max.replace(tzinfo=UTC)])
def test_an_error_in_the_reported_rate_limit_loses_no_reply(caplog, resets_at):
    """An adapter reports a time without a zone, or without a year: the order is recorded."""

    class Vague(SimulatedBroker):
        def submit(self, intent):
            meter = m.RateLimit(200, -1, resets_at)
            return evolve(super().submit(intent), rate_limit=meter)

    bench = Bench(broker=Vague)
    assert bench.resting().broker_order_id is not None
    assert "could not be applied" in caplog.text


# -- prices ----------------------------------------------------------------------------


def quote(bid="187.00", ask="187.02", *, symbol="AAPL", at=MONDAY_10):
    return m.Quote(symbol=symbol, bid=bid, ask=ask, at=at)


@pytest.mark.parametrize(
    "prices",
    [
        lambda symbol: quote(ask=0),
        lambda symbol: quote(bid="-1"),
        lambda symbol: quote(ask="NaN"),
        lambda symbol: quote(at=NAIVE),
        lambda symbol: quote(symbol="F"),
        lambda symbol: 187.02,
        lambda symbol: {"bid": 1},
    ],
)
def test_a_price_that_is_none_pays_for_nothing(prices):
    """P7: an ask of zero once allowed a market buy of any size."""
    bench = Bench(broker=unable(quotes=False), cash=100)
    desk = fb.open(bench.broker, bench.store, clock=bench.clock, prices=prices)
    with pytest.raises(fb.Denied) as raised:
        desk.buy("AAPL", qty=1000)
    assert raised.value.reason.code == "no_price"


def test_with_crossed_sides_the_more_expensive_price_is_reserved():
    bench = Bench(broker=unable(quotes=False))
    crossed = quote("200", "100", at=bench.clock.now())
    desk = fb.open(bench.broker, bench.store, clock=bench.clock, prices=lambda symbol: crossed)
    wish = fb.OrderRequest(symbol="AAPL", side="buy", qty=1)
    assert desk.preview(wish).impact.reserve == D("208.00")


# -- buying power ----------------------------------------------------------------------


def test_an_order_is_counted_twice_for_a_lag_however_many_orders_follow():
    """P7: more marks than the maximum once made every reading cover nothing, for two hours."""
    bench = Bench(cash=100_000, multiplier=1, broker=unable(rate_limit=10**6), wait_s=0)
    bench.desk.buying_power()
    for number in range(150):
        bench.desk.buy("AAPL", qty=1, limit_price="150", key=str(number))
        bench.clock.advance(0.2)
    twice = bench.books.report().buying_power - bench.desk.buying_power().available
    assert twice <= 150 * (10 + 10 / 8 + 1) / 0.2


def test_an_order_is_held_however_often_the_account_is_read():
    bench = Bench(cash=100_000, multiplier=1, broker=unable(rate_limit=10**6))
    bench.resting()
    for _ in range(100):
        bench.clock.advance(0.2)
        power = bench.desk.buying_power()
    assert power.available == bench.books.report().buying_power


@pytest.mark.parametrize("how", [{}, {"limit_price": "190"}])
def test_a_sale_without_an_opening_balance_is_denied_with_what_to_do(how):
    """The position was never read, so it may be a short sale: the message has what to do."""
    bench = Bench(opened=False, cash=1000)
    bench.by_hand("AAPL", "buy", 5)
    with pytest.raises(fb.Denied, match="`fillbook sync`"):
        bench.desk.sell("AAPL", qty=5, **how)
    assert bench.desk.sync().opened
    assert bench.desk.sell("AAPL", qty=5).status is S.FILLED


# -- the shape of it -------------------------------------------------------------------


def test_an_order_is_decided_on_without_the_orders_on_other_symbols(tmp_path):
    """
    Once, each of a thousand open orders was read again for the next one, while all others waited.
    """
    path = tmp_path / "bot.db"
    bench = Bench(store=SqliteStore(path), wait_s=0)
    bench.resting("MSFT")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE orders SET body = 'not to be read' WHERE by_symbol = 'MSFT'")
        connection.commit()
    words = {"clock": bench.clock, "wait_s": 0, "limits": fb.Limits(duplicate_s=0)}
    with fb.open(bench.broker, bench.store, **words) as desk:
        desk.buy("AAPL", qty=1, limit_price="150")

    def alone(request, context):
        return m.Reason("not_alone", "there are others") if len(context.orders) else None

    desk = fb.open(bench.broker, SqliteStore(path), checks=(alone,), **words)
    with desk, pytest.raises(fb.Denied, match="not to be read"):
        desk.buy("AAPL", qty=2, limit_price="150")
