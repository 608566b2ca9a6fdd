"""External trades on the account: recorded without a strategy, and never refused."""

import pytest

from fillbook import model as m
from tests.bench import Bench, unable

S = m.OrderStatus


def test_ext_01_an_external_fill_is_recorded_without_a_strategy():
    """It has evidence, so it is no drift; no strategy gets it."""
    bench = Bench()
    bench.by_hand("AAPL", "buy", 5)
    report = bench.desk.sync()
    assert {type(x.drift) for x in report.merged} == {m.UnknownToUs, m.ExternalTrade}
    assert report.left == ()
    assert dict(bench.desk.book.position("AAPL").by_strategy)[""].qty == 5
    assert bench.desk.book.orders()[0].origin is m.Origin.EXTERNAL


def test_ext_02_a_manual_close_is_seen_within_a_minute():
    """An external order sells the bot's position; the next reconciliation records it."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=10, strategy="s")
    bench.desk.tick()
    bench.by_hand("AAPL", "sell", 10)
    bench.pass_(75)
    assert bench.desk.book.position("AAPL").qty == 0
    assert bench.is_true()


def test_ext_04_the_first_event_of_an_order_is_its_fill():
    """The order is made from the event, and the same event is applied to it."""
    bench = Bench()
    with bench.heard() as events:
        order = bench.by_hand("AAPL", "buy", 5)
    fill = next(x for x in events if x.name == "fill")
    bench.desk.receive(fill)
    ours = bench.desk.book.order(order.id)
    assert (ours.origin, ours.filled_qty, ours.status) == (m.Origin.EXTERNAL, 5, S.FILLED)
    assert bench.desk.book.position("AAPL").qty == 5


def test_ext_11_orders_of_the_broker_s_own_screen_are_visible():
    """This broker lists them for every client of the account: they are tracked until they end."""
    bench = Bench()
    order = bench.by_hand("AAPL", "buy", 5, limit_price="150")
    bench.pass_(75)
    assert bench.desk.book.order(order.id).status is S.NEW
    bench.books.cancel(order.id)
    bench.pass_(75)
    assert bench.desk.book.order(order.id).status is S.CANCELED


def two_strategies():
    """Strategies a and b hold 4 and 6, and 2 belong to nobody."""
    bench = Bench()
    for strategy, qty in (("a", 4), ("b", 6)):
        bench.desk.buy("AAPL", qty=qty, strategy=strategy)
        bench.clock.advance(2)
    bench.by_hand("AAPL", "buy", 2)
    return bench


def parts(bench):
    return {name: x.qty for name, x in bench.desk.book.position("AAPL").by_strategy if x.qty}


@pytest.mark.parametrize(
    ("sold", "left", "ended"),
    [(1, {"": 1, "a": 4, "b": 6}, []), (5, {"a": 1, "b": 6}, [""]), (12, {}, ["", "a", "b"])],
)
def test_what_is_closed_outside_is_closed_for_the_strategies_too(sold, left, ended):
    """First what belongs to nobody, then the oldest part; round trips end at the fill's price."""
    bench = two_strategies()
    bench.exchange.quote("AAPL", "190.00", "190.02")
    bench.by_hand("AAPL", "sell", sold)
    bench.desk.sync()
    assert parts(bench) == left
    trades = bench.desk.book.trades()
    assert sorted(x.strategy for x in trades) == ended
    assert {x.exit_price for x in trades} == ({m.number("190")} if ended else set())
    assert [x.symbol for x in bench.desk.book.positions()] == (["AAPL"] if left else [])
    assert bench.is_true()


def test_a_flattening_is_the_same_in_every_order_of_arrival():
    """The external sale is read before the buys that it closed, and after them."""
    heard = []
    for is_late in (False, True):
        bench = Bench(wait_s=0)
        with bench.heard() as events:
            for strategy, qty in (("a", 4), ("b", 6)):
                bench.desk.buy("AAPL", qty=qty, strategy=strategy)
                bench.clock.advance(2)
            bench.by_hand("AAPL", "sell", 7)
        for event in reversed(events) if is_late else events:
            bench.desk.receive(event)
        bench.clock.advance(90)
        bench.desk.sync()
        trades = [(x.strategy, x.qty, x.pnl) for x in bench.desk.book.trades()]
        heard.append((parts(bench), trades))
    assert heard[0] == heard[1]
    assert heard[0][0] == {"b": 3}


def test_a_loss_that_a_person_confirms_ends_the_round_trips():
    """The broker shows no position and no fill: what it was sold for is not known."""
    bench = Bench(broker=unable(activities=False))
    bench.desk.buy("AAPL", qty=4, strategy="a")
    bench.clock.advance(60)
    bench.silently("AAPL", "-4", "100")
    bench.clock.advance(60)
    bench.desk.sync(adopt=True)
    assert bench.desk.book.positions() == []
    (trade,) = bench.desk.book.trades()
    assert (trade.strategy, trade.exit_price, trade.pnl) == ("a", None, None)
