"""A trade that the bot did not make, of what the bot holds: one alert, with what it did."""

import pytest

import fillbook as fb
from fillbook import model as m
from tests.bench import Bench

K = m.AlertKind


def alerts(bench):
    """The alerts of external trades, oldest first."""
    found = (x.alert for x in bench.desk.events() if x.alert is not None)
    return [x for x in found if x.kind is K.EXTERNAL_TRADE]


def held(strategy="swing", qty=10):
    """A desk of which a strategy holds shares of AAPL."""
    bench = Bench(cash="100000")
    bench.desk.buy("AAPL", qty=qty, strategy=strategy)
    bench.pass_(30)
    return bench


def test_a_sale_by_hand_of_what_a_strategy_holds_is_alerted_once():
    """With the quantity, what each strategy counts, and what the exits are worth now."""
    bench = held()
    bench.desk.protect("AAPL", stop_price="150", take_profit="300")
    bench.pass_(30)
    bench.by_hand("AAPL", "buy", 5)
    bench.pass_(90)
    [bought] = alerts(bench)
    assert "bought 5 AAPL at 187.02 (" in bought.message
    assert "The account holds 15 AAPL: no strategy 0 -> 5, swing 10." in bought.message
    [resting] = bench.desk.book.orders(open=True, symbol="AAPL")[-1:]
    bench.books.cancel(resting.broker_order_id)
    order = bench.by_hand("AAPL", "sell", 8)
    bench.desk.sync()
    [sold] = alerts(bench)[1:]
    assert sold.severity is m.Severity.WARNING
    assert sold.about == order.client_order_id
    assert (
        f"sold 8 AAPL at 187 (order {order.client_order_id}, not sent by this record"
        in sold.message
    )
    assert "The account holds 7 AAPL: no strategy 5 -> 0, swing 10 -> 7." in sold.message
    assert "Exits of AAPL (swing): naked, 7 of 7 have no stop." in sold.message
    assert f"`fillbook assign {order.client_order_id} STRATEGY`" in sold.message
    bench.desk.sync()
    bench.pass_(120)
    bench.open().sync()
    assert alerts(bench) == [bought, sold]


def test_the_order_of_another_record_names_its_strategy():
    """It has another id than every strategy of this record may have."""
    bench = held()
    with fb.open(bench.broker, "memory://", clock=bench.clock, wait_s=2) as other:
        other.sync()
        order = other.buy("AAPL", qty=2, strategy="run")
    bench.pass_(90)
    [bought] = alerts(bench)
    assert f"`fillbook assign {order.client_order_id} run`" in bought.message


def test_a_sale_of_all_that_two_strategies_hold_names_both():
    bench = held(qty=6)
    bench.desk.buy("AAPL", qty=4, strategy="trend")
    bench.pass_(30)
    bench.by_hand("AAPL", "sell", 10)
    bench.pass_(90)
    [found] = alerts(bench)
    assert "The account holds 0 AAPL: swing 6 -> 0, trend 4 -> 0." in found.message


def test_it_is_delivered_to_the_sinks():
    heard = []
    bench = held()
    bench.desk.on(m.EventKind.ALERT, lambda event: heard.append(event.alert.kind))
    bench.by_hand("AAPL", "sell", 8)
    bench.pass_(90)
    assert heard.count(K.EXTERNAL_TRADE) == 1


@pytest.mark.parametrize("qty", [4, 10])
def test_a_bot_without_strategies_is_told_of_a_sale_of_its_shares(qty):
    """Also if nothing is left of them."""
    bench = held(strategy=None)
    bench.by_hand("AAPL", "sell", qty)
    bench.pass_(90)
    [found] = alerts(bench)
    assert f"sold {qty} AAPL" in found.message
    assert f"The account holds {10 - qty} AAPL" in found.message


def test_the_first_fill_of_an_order_that_works_on_and_its_end_are_alerted():
    bench = held()
    order = bench.by_hand("AAPL", "sell", 9, limit_price="200")
    bench.pass_(90)
    assert alerts(bench) == []
    for qty in (2, 3, 4):
        bench.exchange.fill(order.id, qty, "200")
        bench.pass_(90)
    first, last = (x.message for x in alerts(bench))
    assert "sold 2 AAPL at 200 (" in first
    assert "still open)" in first
    assert "sold 9 AAPL at 200 (" in last
    assert "still open" not in last


def test_what_no_strategy_holds_is_the_owner_s_own_business():
    """So are an order that was assigned, and a trade from before the bot bought."""
    bench = Bench(cash="100000")
    bench.by_hand("AAPL", "buy", 5)
    bench.by_hand("MSFT", "buy", 5)
    bench.pass_(90)
    bench.desk.buy("AAPL", qty=10, strategy="swing")
    bench.by_hand("MSFT", "sell", 5)
    bench.pass_(90)
    resting = bench.by_hand("AAPL", "sell", 5, limit_price="200")
    bench.pass_(90)
    bench.desk.assign(resting.client_order_id, "swing")
    bench.exchange.fill(resting.id, 5, "200")
    bench.pass_(90)
    assert bench.desk.book.position("AAPL").qty == 10
    assert alerts(bench) == []


def test_a_fill_that_its_own_entries_give_to_an_order_of_ours_is_no_external_trade():
    """What replaces our order is reported first, under a name that the broker has made."""
    bench = held()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=5, limit_price="150", strategy="swing", key="k")
    terms = bench.desk.book.record(order).terms

    def filled(broker_order_id, name, status, qty, **kw):
        at = m.timestamp(bench.clock.now())
        report = m.OrderReport(
            broker_order_id=broker_order_id,
            client_order_id=name,
            terms=terms,
            status=status,
            raw_status=str(status),
            filled_qty=m.number(qty),
            avg_price=m.number("150") if qty else None,
            clock=at,
            created_at=at,
            **kw,
        )
        return m.Reported(report, m.ReportSource.STREAM)

    bench.desk._recorder.record(
        filled("b2", "made-by-the-broker", m.OrderStatus.FILLED, 5, replaces="b1"),
        filled("b1", order.client_order_id, m.OrderStatus.REPLACED, 0, replaced_by="b2"),
    )
    assert bench.desk.book.order(order).filled_qty == 5
    assert alerts(bench) == []
