"""Assignments: what nobody of the bot traded belongs to a strategy, and again to nobody."""

from decimal import Decimal

import pytest

import fillbook as fb
from fillbook.desk.record.replay import difference, replay
from tests.bench import Bench

D = Decimal


def parts(bench, symbol="AAPL"):
    held = bench.desk.book.position(symbol)
    return {name: x.qty for name, x in held.by_strategy if x.qty}


def traded(*parts_of):
    """A bench on which orders were placed by hand, of these quantities."""
    bench = Bench()
    for qty in parts_of:
        bench.by_hand("AAPL", "buy" if qty > 0 else "sell", abs(qty))
        bench.clock.advance(5)
    bench.desk.sync()
    return bench


def assert_replays(bench):
    """A rebuild from the journal makes the same records."""
    with bench.store.read() as reader:
        changes = difference(replay(reader), reader)
    assert [x for x in changes.put if not isinstance(x, fb.Event)] == []


def test_an_external_order_is_given_to_a_strategy_and_given_back():
    bench = traded(5)
    (order,) = bench.desk.book.orders()
    assert bench.desk.assign(order, "s").qty == 5
    assert (parts(bench), bench.desk.book.order(order).strategy) == ({"s": 5}, "s")
    assert bench.desk.book.positions(strategy="s") != []
    assert bench.desk.sync().entries == 0
    assert_replays(bench)
    bench.desk.assign(order.client_order_id, None)
    assert (parts(bench), bench.desk.book.order(order).strategy) == ({"": 5}, None)
    entries = [x.entry for x in bench.desk.book.journal() if isinstance(x.entry, fb.Assigned)]
    assert [x.strategy for x in entries] == ["s", None]
    assert_replays(bench)


def test_an_external_sale_is_given_to_the_strategy_whose_position_it_closed():
    """The round trips are computed again."""
    bench = Bench()
    for strategy in ("a", "b"):
        bench.desk.buy("AAPL", qty=5, strategy=strategy)
        bench.clock.advance(5)
    sale = bench.by_hand("AAPL", "sell", 5)
    bench.desk.sync()
    assert parts(bench) == {"b": 5}
    assert [x.strategy for x in bench.desk.book.trades()] == ["a"]
    bench.desk.assign(sale.id, "b")
    assert parts(bench) == {"a": 5}
    assert [x.strategy for x in bench.desk.book.trades()] == ["b"]
    assert_replays(bench)


def test_one_fill_of_an_external_order_is_assigned_and_stays_so():
    """Also after its order was read again, and its price corrected."""
    bench = Bench()
    order = bench.by_hand("AAPL", "buy", 10, limit_price="150")
    for qty in (4, 6):
        bench.exchange.fill(order.id, qty, 150)
        bench.clock.advance(2)
    bench.desk.sync()
    first, _ = bench.desk.book.fills(order.id)
    bench.desk.assign(first, "s")
    assert parts(bench) == {"": 6, "s": 4}
    bench.exchange.correct(bench.truth.fills(order.id)[0].exec_id, price="149")
    bench.clock.advance(90)
    bench.desk.sync(order=order.id)
    bench.desk.sync()
    assert parts(bench) == {"": 6, "s": 4}
    (first,) = [x for x in bench.desk.book.fills(order.id) if x.qty == 4]
    bench.desk.assign(first.key, None)
    assert parts(bench) == {"": 10}


def test_the_opening_position_is_given_to_a_strategy():
    """Only what was held then, at its cost; the round trip ends at the price of the sale."""
    bench = Bench(opened=False)
    bench.silently("AAPL", "8", "100")
    bench.clock.advance(60)
    bench.desk.sync()
    bench.by_hand("AAPL", "buy", 1)
    bench.desk.sync()
    bench.desk.assign("AAPL", "s")
    assert parts(bench) == {"": 1, "s": 8}
    bench.desk.sell("AAPL", qty=8, strategy="s")
    (trade,) = bench.desk.book.trades()
    assert (trade.strategy, trade.entry_price, trade.pnl) == ("s", 100, D(8) * 87)
    assert_replays(bench)


def test_units_that_were_transferred_are_given_to_a_strategy():
    bench = Bench()
    bench.silently("AAPL", "3", "100")
    bench.clock.advance(60)
    bench.desk.sync()
    (row,) = [x for x in bench.desk.book.journal() if isinstance(x.entry, fb.ActivityReported)]
    bench.desk.assign(f"activity/{row.entry.activity.activity_id}", "s")
    assert parts(bench) == {"s": 3}


@pytest.mark.parametrize("what", ["none", "MSFT", 5, None])
def test_what_is_not_in_the_record_cannot_be_assigned(what):
    with pytest.raises(fb.InvalidValue):
        traded(5).desk.assign(what, "s")


def test_an_order_of_a_strategy_stays_its_own():
    """And one that the bot placed without a strategy can be given to one."""
    bench = Bench()
    owned = bench.desk.buy("AAPL", qty=1, strategy="a")
    with pytest.raises(fb.InvalidValue, match="placed by the strategy 'a'"):
        bench.desk.assign(owned, "b")
    bench.clock.advance(5)
    free = bench.desk.buy("AAPL", qty=2)
    bench.desk.assign(free, "b")
    assert parts(bench) == {"a": 1, "b": 2}
