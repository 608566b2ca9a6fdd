"""The stream: late, doubled, lost, silent or refused, it never delays or doubles a fill."""

from fillbook import model as m
from fillbook.venue.exchange import InjectionPoint, Lag
from tests.bench import Bench

S = m.OrderStatus


def fills_of(bench, order):
    return [(x.qty, x.price) for x in bench.desk.book.fills(order)]


def test_str_01_replayed_events_are_booked_once_and_after_the_end_too():
    """The broker replays new and fill three times, with the same execution ids."""
    bench = Bench()
    with bench.heard() as events:
        order = bench.resting()
        bench.filled(order, 4, 6)
        bench.clock.advance(1)
    for event in events * 3:
        bench.desk.receive(event)
    finals = [x for x in bench.desk.events() if x.kind is m.EventKind.FINAL]
    assert [qty for qty, _ in fills_of(bench, order)] == [4, 6]
    assert len(finals) == 1
    assert bench.is_true()


def test_str_02_a_fill_without_an_event_is_polled():
    """The stream delivers all but one event; half a minute later the fill is recorded."""
    bench = Bench()
    with bench.streamed():
        order = bench.resting()
        bench.fail("event", "event-dropped")
        bench.filled(order, 10)
        bench.pass_(30)
    assert bench.desk.book.order(order).status is S.FILLED
    assert bench.desk.book.position("AAPL").qty == 10


def test_str_04_fills_during_a_disconnect_are_read_afterwards():
    """Once the stream is back, the account is read before anything else is due."""
    bench = Bench()
    bench.desk.tick()
    order = bench.resting()
    with bench.streamed():
        bench.exchange.disconnect(bench.books)
        bench.filled(order, 10)
        bench.clock.advance(6)  # it connects again after five seconds
        bench.desk.tick()
    assert [qty for qty, _ in fills_of(bench, order)] == [10]
    assert bench.desk.book.order(order).is_complete


def test_str_05_orders_sent_while_the_stream_is_refused_lose_nothing():
    """One socket per key: it is refused for 90 seconds, and the record needs no event."""
    bench = Bench()
    bench.fail("listen", "stream-refused", times=18)
    with bench.streamed():
        order = bench.desk.buy("AAPL", qty=10)
        resting = bench.resting("MSFT", 3)
        bench.filled(resting)
        bench.pass_(30)
        assert bench.desk.book.order(order).status is S.FILLED
        assert bench.desk.book.order(resting).status is S.FILLED
        bench.pass_(90)
    assert bench.is_true()


def test_str_07_an_order_is_confirmed_though_its_event_is_late():
    """The reply shows that the order exists; "new" arrives with the cancel."""
    bench = Bench()
    with bench.heard() as events:
        order = bench.resting()
        assert order.status in (S.ACCEPTED, S.NEW, S.PENDING_NEW)
        bench.desk.cancel(order)
    for event in events:
        bench.desk.receive(event)
    assert bench.desk.book.order(order).status is S.CANCELED


def test_str_08_the_other_exit_is_read_when_one_ends():
    """The take-profit fills, the broker cancels the stop, and no event reports it."""
    bench = Bench()
    bench.exchange.faults.switch_on("stream-silent")
    with bench.streamed():
        bench.desk.buy("AAPL", qty=10, take_profit="190", stop_loss="180")
        bench.pass_(20)
        bench.exchange.quote("AAPL", "191.00", "191.02")
        bench.pass_(30)
    exits = [x for x in bench.desk.book.orders() if x.parent is not None]
    assert sorted(x.status for x in exits) == [S.CANCELED, S.FILLED]
    assert bench.desk.book.positions() == []


def test_str_10_an_event_is_one_execution_and_not_the_order():
    """Each fill has its own quantity and price, not the total and the average."""
    bench = Bench()
    with bench.streamed():
        order = bench.resting()
        for qty, price in ((3, "150"), (4, "149"), (3, "148")):
            bench.exchange.fill(order.broker_order_id, qty, price)
        bench.clock.advance(1)
        bench.desk._tracker.drain()
    assert fills_of(bench, order) == [(3, 150), (4, 149), (3, 148)]


def test_str_11_what_is_replayed_after_a_reconnect_does_nothing():
    """No entry, no event for the bot, no request."""
    bench = Bench()
    with bench.heard() as events:
        bench.desk.buy("AAPL", qty=10, take_profit="190", stop_loss="180")
        bench.clock.advance(1)
        bench.exchange.quote("AAPL", "191.00", "191.02")
        bench.clock.advance(1)
    for event in events:
        bench.desk.receive(event)
    bench.desk.sync()
    told, asked = bench.desk.events(), bench.desk.requests
    assert [bench.desk.receive(event) for event in events] == [0] * len(events)
    assert bench.desk.events() == told
    assert bench.desk.requests == asked


def test_str_13_a_silent_stream_loses_no_fill():
    """The connection stays open; polls and reconciliation find every fill."""
    bench = Bench()
    with bench.streamed():
        order = bench.resting()
        bench.exchange.faults.switch_on("stream-silent")
        bench.filled(order, 10)
        bench.by_hand("MSFT", "buy", 3)
        bench.pass_(75)
    assert bench.is_true()


def test_str_14_a_subscription_that_failed_is_no_connection():
    """Connected is reported once the stream delivers."""
    bench = Bench()
    bench.fail("listen", "stream-refused")
    said = []

    class Sink:
        def receive(self, reports):
            said.append("report")

        def connected(self):
            said.append("connected")

        def lost(self, why):
            said.append("lost")

    with bench.broker.listen(Sink()):
        assert said == ["lost"]
        bench.clock.advance(6)
        assert said == ["lost", "connected"]
    assert bench.exchange.faults.next(InjectionPoint.LISTEN) is None


def test_str_16_orders_that_ended_during_a_disconnect_are_found():
    """They are missing in the list of open orders; their ids and the history have them."""
    bench = Bench()
    orders = [bench.resting(qty=1 + n) for n in range(3)]
    bench.outage()
    for order in orders:
        bench.filled(order)
    bench.clock.advance(600)
    bench.over()
    bench.desk.sync()
    assert [bench.desk.book.order(x).status for x in orders] == [S.FILLED] * 3
    assert bench.is_true()


def test_str_17_fills_drive_the_quantity_and_not_the_status():
    """The status is still "new"; the fill in the history decides the quantity."""
    bench = Bench()
    order = bench.resting()
    bench.clock.advance(20)
    bench.exchange.lag = Lag(orders=9)
    bench.filled(order, 10)
    bench.clock.advance(1)
    bench.desk.sync()
    assert bench.desk.book.order(order).filled_qty == 10
    assert bench.desk.book.position("AAPL").qty == 10
