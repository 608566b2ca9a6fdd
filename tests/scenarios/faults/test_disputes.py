"""Disputes: they end with the first snapshot on which every source of the broker agrees."""

from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S = fb.OrderStatus
D = Decimal


class EveryVersion(SimulatedBroker):
    """A broker whose history lists a corrected execution beside its original."""

    def __init__(self, exchange, books):
        super().__init__(exchange, books)
        self.truth = books.truth

    def executions(self, since, page):
        return self._with_originals(super().executions(since, page))

    def executions_of(self, broker_order_id, since, page):
        return self._with_originals(super().executions_of(broker_order_id, since, page))

    def _with_originals(self, answer):
        fills = {x.exec_id: x for x in self.truth.fills()}
        rows = list(answer.value)
        for row in rows:  # the list grows with each original
            original = fills.get(fills[row.exec_id].corrects)
            if original is not None:
                names = ("exec_id", "qty", "price", "cum_qty", "at")
                rows.append(evolve(row, **{name: getattr(original, name) for name in names}))
        return m.Observed(tuple(rows))


def without(bench, name, act, drop):
    """Run *act* and pass on the events, without number *drop* of those of *name*."""
    with bench.heard() as events:
        result = act()
    named = [x for x in events if x.name == name]
    events.remove(named[drop])
    for event in events:
        bench.desk.receive(event)
    return result


def amended(bench, *, adjusted_qty=None):
    """Fill 10 of 20 and correct it twice; the second correction is not received."""

    def act():
        order = bench.desk.buy("AAPL", qty=20, limit_price="150", time_in_force="gtc")
        bench.clock.advance(2)
        bench.filled(order, 10)
        for price in ("149.90", "149.80"):
            bench.clock.advance(2)
            newest = bench.truth.fills(order.broker_order_id)[-1]
            bench.exchange.correct(newest.exec_id, price=price, qty=adjusted_qty)
        return order

    return without(bench, "trade_correct", act, 1)


def test_a_chain_with_a_lost_correction_is_no_dispute_where_total_and_history_agree():
    """Two sources of the broker show the same: the order is complete without its position."""
    bench = Bench(wait_s=0)
    order = amended(bench)
    bench.clock.advance(90)
    assert bench.desk.sync(order=order).verdict is fb.Verdict.IN_SYNC
    assert bench.desk.book.order(order).filled_value == 1498


@pytest.mark.parametrize("broker", [SimulatedBroker, EveryVersion])
@pytest.mark.parametrize("qty", [None, 8])
def test_a_chain_with_a_lost_correction_is_settled(broker, qty):
    """Whether the history lists the corrected row beside the original or not."""
    bench = Bench(wait_s=0, broker=broker)
    order = amended(bench, adjusted_qty=qty)
    bench.clock.advance(90)
    bench.pass_(180)
    truth = bench.truth.order(order.broker_order_id)
    order = bench.desk.book.order(order)
    assert (order.status, order.filled_qty) == (S.PARTIALLY_FILLED, truth.filled_qty)
    assert bench.is_true()
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC


def unmatched(bench):
    """
    Fill 5 and 5 of 20, and correct one: the stream has other ids, the history no corrections.

    Return the order, and the event that makes it disputed.
    """
    bench.fail("fill", "stream-ids-differ", times=2)
    bench.exchange.faults.switch_on("history-without-busts")
    with bench.heard() as events:
        order = bench.desk.buy("AAPL", qty=20, limit_price="150", time_in_force="gtc")
        bench.clock.advance(2)
        bench.filled(order, 5, 5)
        bench.clock.advance(2)
        bench.exchange.correct(bench.truth.fills()[0].exec_id, price="149.90")
    (event,) = [x for x in events if x.name == "trade_correct"]
    return order, event


@pytest.mark.parametrize("hides", [True, False])
def test_a_price_correction_that_no_event_reports_is_found_by_the_average(hides):
    """The quantities agree; the history may list the original execution for ever."""
    bench = Bench(wait_s=0)
    if hides:
        bench.exchange.faults.switch_on("history-without-busts")
    order = bench.desk.buy("AAPL", qty=20, limit_price="150", time_in_force="gtc")
    bench.filled(order, 5, 5)
    bench.clock.advance(90)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    with bench.heard():  # and none is passed on
        bench.exchange.correct(bench.truth.fills()[0].exec_id, price="149.90")
    bench.pass_(180)
    disputed = [x.order for x in bench.desk.events() if x.alert and x.alert.kind == "disputed"]
    assert [x.oddity for seen in disputed for x in seen.anomalies] == [m.Oddity.AVERAGE_DIFFERS]
    order = bench.desk.book.order(order)
    assert (order.status, order.filled_qty) == (S.PARTIALLY_FILLED, 10)
    assert order.filled_value == D("1499.5")
    assert bench.desk.book.cash() == bench.truth.cash()
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC


def test_a_bust_that_pending_fees_hide_in_the_position_is_found_by_the_cash():
    """The fee that is due for a purchase is larger than the sale that was busted."""
    bench = Bench(wait_s=0)
    bench.desk.buy("BTC/USD", qty="0.5")
    bench.clock.advance(90)
    order = bench.by_hand("BTC/USD", "sell", "0.001")
    bench.pass_(180)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    with bench.heard():  # and none is passed on
        bench.exchange.bust(bench.truth.fills(order.id)[0].exec_id)
    bench.pass_(300)
    assert bench.desk.book.order(order.client_order_id).filled_qty == 0
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    assert bench.desk.book.cash() == bench.truth.cash()


def test_check_says_what_sync_settles_and_writes_nothing():
    """The settlement is a merged finding of both."""
    bench = Bench(wait_s=0)
    order, event = unmatched(bench)
    bench.desk.receive(event)
    bench.clock.advance(90)
    one = bench.desk.sync(order=order)
    assert one.verdict is fb.Verdict.DRIFT  # one order alone does not show the position
    assert any(x.drift.ours is S.DISPUTED for x in one.left)
    bench.clock.advance(60)
    assert bench.desk.book.order(order).status is S.DISPUTED
    checked = bench.desk.check()
    assert bench.desk.book.order(order).status is S.DISPUTED
    synced = bench.desk.sync()
    assert [x.drift for x in checked.merged] == [x.drift for x in synced.merged] != []
    assert bench.desk.book.order(order).status is S.PARTIALLY_FILLED
    assert bench.desk.sync().entries == 0


@pytest.mark.parametrize("lowers", [False, True])
def test_a_bust_of_a_corrected_fill_of_which_only_the_bust_is_received(lowers):
    """The correction lowered the total of the order, the bust does or does not; a row is older."""
    bench = Bench(wait_s=0)
    if lowers:
        bench.fail("taken-back", "cum-lowered")
    with bench.heard() as events:
        order = bench.desk.buy("AAPL", qty=10, limit_price="150", time_in_force="gtc")
        bench.clock.advance(2)
        bench.filled(order, 6, 1)
        bench.clock.advance(2)
        fill = bench.truth.fills(order.broker_order_id)[0]
        fill = bench.exchange.correct(fill.exec_id, price="149.90", qty=3)
        bench.exchange.bust(fill.exec_id)
    bench.desk.receive(events[-1])
    bench.clock.advance(90)
    bench.pass_(180)
    order = bench.desk.book.order(order)
    assert (order.filled_qty, order.filled_value) == (1, 150)
    assert bench.desk.book.cash() == bench.truth.cash()
    assert bench.desk.sync().entries == 0


@pytest.mark.parametrize("received", [(1, 3), (1, 2, 3), (2,), (3,)])
def test_corrections_of_an_unreported_fill_are_not_of_the_only_known_one(received):
    """The total shows that there is another fill; then that one is busted, and nothing says so."""
    bench = Bench(wait_s=0)
    with bench.heard() as events:
        order = bench.desk.buy("AAPL", qty=10, limit_price="150", time_in_force="gtc")
        bench.clock.advance(2)
        bench.filled(order, 1, 4)
        fill = bench.truth.fills(order.broker_order_id)[1]
        for cents in (1, 2, 3, 4):
            bench.clock.advance(1)
            fill = bench.exchange.correct(fill.exec_id, price=D(150) - D(cents) / 100, qty=4)
    corrections = [x for x in events if x.name == "trade_correct"]
    for event in [x for x in events if x.name == "partial_fill"][:1]:
        bench.desk.receive(event)
    for number in received:
        bench.desk.receive(corrections[number])
    bench.exchange.bust(fill.exec_id)
    bench.clock.advance(90)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    order = bench.desk.book.order(order)
    assert (order.filled_qty, order.filled_value) == (1, 150)
    assert bench.is_true()
    bench.clock.advance(60)
    assert bench.desk.sync().entries == 0


def test_a_bust_of_a_replaced_orders_fill_is_settled():
    """The fill was of the replaced id; the bust arrives after the replace, without the fill."""
    bench = Bench(wait_s=0)

    def act():
        order = bench.desk.buy("AAPL", qty=10, limit_price="150", time_in_force="gtc")
        bench.clock.advance(2)
        bench.filled(order, 4)
        bench.clock.advance(2)
        order = bench.desk.wait(bench.desk.replace(order, limit_price="149"), 5)
        bench.clock.advance(2)
        (first,) = bench.truth.fills()
        bench.exchange.bust(first.exec_id)
        bench.clock.advance(2)
        bench.filled(order, 3)
        return order

    order = without(bench, "partial_fill", act, 0)
    bench.clock.advance(90)
    bench.pass_(240)
    order = bench.desk.book.order(order)
    assert (order.status, order.filled_qty) == (S.PARTIALLY_FILLED, D(3))
    assert bench.is_true()
    bench.desk.cancel(order)
    bench.clock.advance(60)
    bench.desk.sync()
    assert bench.desk.book.order(order).is_final
    assert bench.desk.book.reservations() == []


@pytest.mark.parametrize("split", [None, "2", "0.5"])
def test_a_bust_that_was_missed_before_a_split_is_inferred(split):
    """The fill was of 10 units of then; the difference is in units of now."""
    bench = Bench()
    bench.desk.buy("AAPL", qty=4)
    bench.clock.advance(2)
    order = bench.desk.buy("AAPL", qty=10)
    bench.clock.advance(120)
    bench.desk.sync()
    bench.exchange.bust(bench.truth.fills(order.broker_order_id)[0].exec_id)
    if split is not None:
        bench.exchange.split("AAPL", split)
    bench.clock.advance(120)
    bench.desk.sync()
    assert bench.desk.book.order(order).filled_qty == 0
    assert bench.is_true()
    bench.clock.advance(60)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC


def test_a_pass_that_finds_a_missed_bust_settles_the_disputes_of_its_symbol_too():
    """P8: the position shows both at once, and a second pass finds nothing."""
    bench = Bench(wait_s=0)
    other = bench.desk.buy("AAPL", qty=2)
    bench.clock.advance(90)
    bench.desk.sync()
    with bench.heard() as events:
        order = bench.desk.buy("AAPL", qty=20, limit_price="149", time_in_force="gtc")
        bench.clock.advance(2)
        order = bench.desk.wait(bench.desk.replace(order, limit_price="150"), 5)
        bench.clock.advance(2)
        bench.filled(order, 6, 4)
        fill = bench.truth.fills(order.broker_order_id)[0]
        for cents in (1, 2, 3):
            bench.clock.advance(30)
            price = D(150) - D(cents) / 100
            fill = bench.exchange.correct(fill.exec_id, price=price, qty=6 - cents)
    corrections = [x for x in events if x.name == "trade_correct"]
    for event in events:  # of three corrections only the second is received
        if event not in corrections or event is corrections[1]:
            bench.desk.receive(event)
    bench.exchange.bust(bench.truth.fills(other.broker_order_id)[0].exec_id)
    bench.clock.advance(90)
    assert bench.desk.sync().verdict is fb.Verdict.IN_SYNC
    assert bench.is_true()
    assert bench.desk.book.order(order).status is S.PARTIALLY_FILLED
    bench.clock.advance(60)
    assert bench.desk.sync().entries == 0


def test_forty_disputes_are_settled_within_a_few_passes():
    """A pass reads a few; those that were not read are next."""
    bench = Bench(wait_s=0, cash=1_000_000)
    orders = []
    for number in range(40):
        symbol = f"Z{chr(65 + number // 26)}{chr(65 + number % 26)}"
        bench.exchange.list_instrument(m.Instrument(symbol, m.AssetClass.EQUITY), 187, 188)
        with bench.heard() as events:
            order = bench.desk.buy(symbol, qty=2, limit_price="150", time_in_force="gtc")
            bench.clock.advance(1)
            bench.filled(order, 1)
            for price in ("149.90", "149.80"):
                bench.clock.advance(1)
                newest = bench.truth.fills(order.broker_order_id)[-1]
                bench.exchange.correct(newest.exec_id, price=price)
        events.remove([x for x in events if x.name == "trade_correct"][1])
        for event in events:
            bench.desk.receive(event)
        orders.append(order)
    bench.pass_(600)
    assert {bench.desk.book.order(x).status for x in orders} == {S.PARTIALLY_FILLED}
    assert bench.is_true()


def test_a_correction_that_only_the_total_shows_is_no_bust():
    """The stream lost it: history and position have the new total, the record the old one."""
    bench = Bench()
    order = bench.resting()
    with bench.streamed():
        bench.filled(order, 6)
        bench.pass_(5, every=1)
        bench.filled(order, 4)
        bench.pass_(5, every=1)
    _, second = bench.truth.fills()
    fixed = bench.exchange.correct(second.exec_id, price=second.price, qty=2)
    bench.exchange.correct(fixed.exec_id, price=second.price + 1, qty=2)
    bench.pass_(600, every=60)
    assert bench.is_true()
    assert bench.desk.book.order(order).filled_qty == 8
    assert not [x for x in bench.desk.book.journal() if isinstance(x.entry, m.Busted)]
    assert bench.desk.sync().entries == 0


def test_a_change_of_a_disputed_order_waits_until_it_is_settled():
    """Its first attempt was not sent; the order became disputed meanwhile."""
    bench = Bench(wait_s=0)
    order, event = unmatched(bench)
    bench.fail("replace", "unreachable", times=1000)
    bench.desk.replace(order, limit_price="149")
    bench.desk.receive(event)
    bench.fail("positions", "server-error", times=1000)  # without them nothing is settled
    bench.pass_(60)
    assert bench.desk.book.order(order).status is S.DISPUTED
    bench.over()
    bench.exchange.faults.switch_on("history-without-busts")
    bench.fail("positions", "server-error", times=1000)
    bench.pass_(60, every=1)
    assert bench.desk.book.order(order).status is S.DISPUTED
    assert len(bench.ours()) == 1
    bench.over()
    bench.exchange.faults.switch_on("history-without-busts")
    bench.pass_(200)
    assert bench.truth.order(bench.desk.book.order(order).broker_order_id).limit_price == 149
