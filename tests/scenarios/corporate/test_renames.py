"""Renames: the record goes on under the new name, and the old one resolves to it."""

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.venue.exchange import Posting
from tests.bench import Bench
from tests.scenarios.corporate.held import (
    DAY,
    D,
    V,
    costs,
    later,
    parts,
    settle,
    two_strategies,
)


@pytest.mark.parametrize("posting", [Posting(), Posting(grouped=False), Posting(delay_s=DAY)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_parts_and_their_cost_go_on_under_the_new_name(posting, sign):
    bench = two_strategies(a=4 * sign, b=6 * sign)
    before, opened = costs(bench, "AAPL"), bench.desk.book.position("AAPL").by_strategy
    bench.exchange.rename("AAPL", "APLE", posting=posting)
    if posting.delay_s:
        assert later(bench).verdict is V.DRIFT
    settle(bench, DAY + 60)
    assert {"a": D(4 * sign), "b": D(6 * sign)} == parts(bench, "APLE")
    assert (before, opened) == (
        costs(bench, "APLE"),
        bench.desk.book.position("APLE").by_strategy,
    )
    assert bench.desk.book.trades() == []
    assert [x.symbol for x in bench.desk.book.positions()] == ["APLE"]
    assert bench.desk.sync().entries == 0


def test_the_old_name_resolves_wherever_it_is_used():
    bench = two_strategies()
    bench.desk.sell("AAPL", qty=4, strategy="a")
    settle(bench)
    bench.exchange.rename("AAPL", "APLE")
    settle(bench)
    book = bench.desk.book
    assert book.position("AAPL") == book.position("APLE")
    assert len(book.trades(symbol="AAPL")) == 1
    assert book.trades(symbol="AAPL") == book.trades(symbol="APLE")
    assert len(book.orders(symbol="AAPL")) == 3
    assert bench.desk.check(ours={"AAPL": 6}).verdict is V.IN_SYNC
    order = bench.desk.sell("AAPL", qty=6, strategy="b")
    assert (order.symbol, order.status) == ("APLE", "filled")
    settle(bench)
    trades = book.trades(symbol="aapl")
    assert [("APLE", "a", D(4)), ("APLE", "b", D(6))] == [
        (x.symbol, x.strategy, x.qty) for x in trades
    ]
    assert None not in [x.pnl for x in trades]


@pytest.mark.parametrize("posting", [Posting(), Posting(delay_s=DAY)])
def test_open_orders_of_the_symbol_are_followed(posting):
    """A resting sale holds its shares, by the rows or by the report of the order."""
    bench = two_strategies()
    sale = bench.desk.sell("AAPL", qty=6, limit_price="250", strategy="b", time_in_force="gtc")
    bench.exchange.rename("AAPL", "APLE", posting=posting)
    later(bench)
    found = bench.desk.book.order(sale)
    assert (found.symbol, found.status) == ("APLE", "new")
    assert bench.desk.book.orders(symbol="AAPL", open=True) == [found]
    with pytest.raises(fb.Denied) as denied:
        bench.desk.sell("AAPL", qty=6, limit_price="251", time_in_force="gtc")
    assert denied.value.reason.code in ("units_held", "wash_trade")
    assert [x.symbol for x in bench.desk.cancel_all(symbol="AAPL")] == ["APLE"]
    assert bench.desk.book.order(sale).status == "canceled"
    settle(bench, DAY + 60)


def test_a_resting_buy_keeps_its_reservation_under_the_new_name():
    bench = two_strategies()
    buy = bench.resting(time_in_force="gtc")
    before = bench.desk.book.reservations()
    bench.exchange.rename("AAPL", "APLE")
    later(bench)
    (after,) = [
        x for x in bench.desk.book.reservations() if x.client_order_id == buy.client_order_id
    ]
    assert (after.symbol, after.charge) == ("APLE", 1500)
    assert [x.charge for x in before] == [x.charge for x in bench.desk.book.reservations()]
    bench.exchange.fill(buy.broker_order_id, 10, 150)
    settle(bench)
    assert parts(bench, "AAPL") == {"a": 4, "b": 6, "s": 10}


def test_an_order_may_be_replaced_and_repeated_under_its_old_name():
    bench = two_strategies()
    order = bench.resting(key="k", time_in_force="gtc")
    bench.exchange.rename("AAPL", "APLE")
    settle(bench)
    same = bench.resting(key="k", time_in_force="gtc")
    assert (order.client_order_id, "APLE") == (same.client_order_id, same.symbol)
    assert bench.desk.replace(order, limit_price="151").terms.limit_price == 151
    settle(bench)


def test_a_partly_filled_order_that_is_renamed_keeps_its_fills():
    bench = two_strategies()
    order = bench.resting(time_in_force="gtc")
    bench.exchange.fill(order.broker_order_id, 4, 150)
    settle(bench)
    bench.exchange.rename("AAPL", "APLE", posting=Posting(delay_s=DAY))
    bench.exchange.fill(order.broker_order_id, 6, 150)
    settle(bench)
    assert parts(bench, "APLE") == {"a": 4, "b": 6, "s": 10}
    settle(bench, DAY + 60)


def test_a_fill_under_the_old_name_is_reported_after_the_rename():
    bench = two_strategies()
    order = bench.resting(time_in_force="gtc")
    bench.fail("fill", "history-late", seconds=600)
    bench.exchange.fill(order.broker_order_id, 4, 150)
    bench.exchange.rename("AAPL", "APLE")
    settle(bench, 900)
    assert parts(bench, "APLE") == {"a": 4, "b": 6, "s": 4}


def test_two_renames_in_a_row_and_a_split():
    bench = two_strategies()
    bench.exchange.rename("AAPL", "APLE")
    settle(bench)
    bench.exchange.split("APLE", 3)
    bench.exchange.rename("APLE", "PEAR")
    settle(bench)
    assert {"a": D(12), "b": D(18)} == parts(bench, "AAPL") == parts(bench, "APLE")
    assert bench.desk.sell("AAPL", qty=12, strategy="a").symbol == "PEAR"


def test_a_difference_that_was_adopted_before_the_rows_came_is_no_difference_after():
    bench = two_strategies()
    bench.exchange.rename("AAPL", "APLE", posting=Posting(delay_s=DAY))
    bench.clock.advance(60)
    assert len(bench.desk.sync(adopt=True).adopted) == 2
    settle(bench, DAY + 60)
    assert sum(parts(bench, "APLE").values()) == 10


def test_another_company_may_take_the_old_name_later():
    """Weeks later the broker lists another share under it: then it is that one."""
    bench = two_strategies()
    bench.exchange.rename("AAPL", "APLE")
    settle(bench)
    bench.clock.advance(20 * DAY)
    listed = bench.exchange.instrument("MSFT")
    bench.exchange._state.instruments["AAPL"] = fb.Instrument("AAPL", listed.asset_class)
    bench.exchange._state.prices["AAPL"] = bench.exchange._state.prices["MSFT"]
    assert later(bench).verdict is V.IN_SYNC
    assert (
        bench.desk.preview(fb.OrderRequest(symbol="AAPL", side="buy", qty=1)).request.symbol
        == "AAPL"
    )
    assert parts(bench, "APLE") == {"a": 4, "b": 6}


@pytest.mark.parametrize("is_posted", [True, False])
def test_the_fee_of_a_sale_before_the_rename_is_of_the_new_name(is_posted):
    """Whether its row is posted before the rename, under the old name, or after it."""
    bench = Bench()
    bench.desk.buy("BTC/USD", qty="0.02", limit_price="70000")
    bench.pass_(30)
    bench.desk.sell("BTC/USD", qty="0.01", limit_price="50000")
    bench.pass_(60)
    assert fee_due(bench) > 0
    if is_posted:
        settle(bench, DAY)
        assert fee_due(bench) == 0
    bench.exchange.rename("BTC/USD", "XBT/USD")
    settle(bench, DAY)
    assert fee_due(bench) == 0


def fee_due(bench):
    with bench.store.read() as reader:
        return reader.get(m.Cash, "cash").fee_due


@pytest.mark.parametrize("posting", [Posting(), Posting(delay_s=3_600)])
def test_a_protection_goes_on_under_the_new_name(posting):
    """P10: the position is not closed, whether its orders or the rows tell of the rename first."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="a")
    bench.desk.protect("AAPL", strategy="a", stop_price="150")
    settle(bench)
    bench.exchange.rename("AAPL", "APLE", posting=posting)
    settle(bench, 7_200)
    [protection] = bench.desk.protections()
    assert (protection.symbol, protection.strategy) == ("APLE", "a")
    assert protection.cover is m.CoverState.COVERED
    bench.desk.close_position("APLE", strategy="a")
    settle(bench)
    assert bench.desk.protections() == []


@pytest.mark.parametrize("name", ["MSFT", "AAPL.US"])
def test_an_event_that_names_another_symbol_is_of_the_symbol_of_its_order(name):
    """A bot may pass on events in its own words; what it sells then is what it holds."""
    bench = two_strategies()
    order = bench.resting(time_in_force="gtc")
    with bench.heard() as events:
        bench.filled(order, 4)
    for event in events:
        bench.desk.receive(evolve(event, order=evolve(event.order, symbol=name)))
    settle(bench)
    assert parts(bench, "AAPL") == {"a": 4, "b": 6, "s": 4}
    bench.desk.cancel(order)
    settle(bench)
    assert bench.desk.sell("AAPL", qty=14, strategy=None).terms.symbol == "AAPL"
