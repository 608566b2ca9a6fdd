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
def test_ext_05_what_is_closed_outside_is_closed_for_the_strategies_too(sold, left, ended):
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


@pytest.mark.parametrize("adjusts", [False, True])
def test_ext_07_an_order_in_the_terms_of_before_a_split_is_alerted_once(adjusts):
    """10:1: a bid of 150 would buy at the open, for ten times the money."""
    bench = Bench(cash="100000")
    bench.desk.buy("AAPL", qty=5)
    terms = {"limit_price": "150", "time_in_force": "gtc"}
    order = bench.desk.buy("AAPL", qty=10, **terms)
    exit_ = bench.desk.sell("AAPL", qty=5, **{**terms, "limit_price": "250"})
    bench.pass_(30)
    bench.pass_(16 * 3600, every=3600)
    bench.exchange.split("AAPL", 10, adjusts=adjusts)
    bench.pass_(120, every=10)
    found = [x.alert for x in bench.desk.events() if x.alert is not None]
    about = [x.about for x in found if x.kind is m.AlertKind.BEFORE_SPLIT]
    old = {x.client_order_id for x in bench.truth.orders() if x.limit_price in (150, 250)}
    assert len(about) == len(set(about))
    assert set(about) == old & {order.client_order_id, exit_.client_order_id}
    assert bool(about) or adjusts


def test_ext_08_a_reverse_split_leaves_no_order_for_nothing():
    """1:10 of five shares: the half share that is left has its stop, and no order is for zero."""
    bench = Bench(cash="100000")
    bench.desk.buy("AAPL", qty=5, strategy="s")
    bench.pass_(20)
    bench.desk.protect("AAPL", stop_price="180")
    bench.pass_(30)
    bench.pass_(16 * 3600, every=3600)
    bench.exchange.split("AAPL", "0.1", adjusts=False)
    bench.pass_(7 * 3600, every=900)
    bench.pass_(300, every=10)
    assert bench.truth.positions() == {"AAPL": m.number("0.5")}
    [stop] = [x for x in bench.truth.orders() if x.side == "sell" and not x.is_final]
    assert (stop.qty, stop.stop_price) == (m.number("0.5"), 1800)
    assert not [x for x in bench.desk.book.orders() if x.terms.qty == 0]


def test_ext_10_deposits_and_withdrawals_are_in_the_cash_of_the_next_pass():
    bench = Bench(cash="100000")
    for amount in (5_000, -2_000):
        bench.exchange.deposit(bench.books, amount)
    bench.pass_(60)
    assert bench.desk.book.cash() == 103_000
    assert bench.is_true()
    assert bench.desk.book.drifts() == []
