"""External trades on the account: recorded without a strategy, and never refused."""

from fillbook import model as m
from tests.bench import Bench

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
