"""
P2, P3 and P6 at a broker that finds no order by client order id and checks no duplicates.

A create is never sent twice, and it is absent only by lists of all orders that are late, complete
and often enough.
"""

import random
from contextlib import suppress

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.model import OrderScope
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench

S = m.OrderStatus


class Nameless(SimulatedBroker):
    """It reads orders by its own ids only, and its reply to a create is the id of the order."""

    capabilities = evolve(SimulatedBroker.capabilities, find=False, duplicate_check=False)
    hides = frozenset()  #: the broker ids that no list shows
    replies = None  #: what it replies to a create in place of its own id
    creates = None  #: replies to a create in place of the exchange
    scans = 0

    def submit(self, intent):
        if self.creates is not None:
            return self.creates(intent)
        outcome = super().submit(intent)
        if not isinstance(outcome, m.Accepted):
            return outcome
        return m.Accepted(broker_order_id=self.replies or outcome.report.broker_order_id)

    def find(self, client_order_id):
        raise AssertionError("it was asked for a client order id")

    def orders(self, query, page):
        self.scans += query.scope is OrderScope.ALL
        answer = super().orders(query, page)
        if isinstance(answer, m.NotObserved):
            return answer
        shown = [x for x in answer.value if x.broker_order_id not in self.hides]
        return evolve(answer, value=shown)


def nameless(**kw):
    return Bench(broker=Nameless, checks_duplicates=False, **kw)


def status(bench, order):
    return bench.desk.book.order(order).status


def wait_for(bench, order, most=2_000):
    """Tick until the outcome is known; return how long it took, in seconds."""
    for second in range(0, most, 5):
        if status(bench, order) is not S.UNPROVEN:
            return second
        bench.clock.advance(5)
        bench.desk.tick()
    return most


def test_the_id_in_the_reply_is_read_until_it_shows_our_order():
    """No list is needed where the reply names the order."""
    bench = nameless()
    order = bench.desk.buy("AAPL", qty=10)
    assert (order.status, order.broker_order_id) == (S.FILLED, bench.ours()[0].id)
    assert (bench.sent["submit"], bench.broker.scans) == (1, 0)
    request = bench.desk.book.requests(order)[0]
    assert (request.hint, request.broker_order_id) == (bench.ours()[0].id, None)


@pytest.mark.parametrize("fault", ["reply-lost", "server-error", "slow", "duplicate-unlisted"])
def test_a_create_without_a_reply_is_found_in_the_list(fault):
    bench = nameless()
    bench.fail("submit", fault, seconds=30)
    order = bench.desk.buy("AAPL", qty=10)
    wait_for(bench, order)
    assert status(bench, order) is (S.FILLED if bench.ours() else S.ABSENT)
    assert bench.sent["submit"] == 1


@pytest.mark.parametrize("wanted", [0, 60, None, 3600])
def test_a_create_that_was_lost_is_absent_and_never_sent_again(wanted):
    """Three lists at least ten seconds apart, the last one 150 seconds after the request."""
    bench = nameless()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="150", good_for_s=wanted)
    bench.pass_(140)
    assert status(bench, order) is S.UNPROVEN
    bench.pass_(30)
    wait_for(bench, order)
    assert (status(bench, order), bench.sent["submit"], bench.ours()) == (S.ABSENT, 1, [])


def test_an_order_that_lands_after_it_was_absent_is_reopened_and_alerted():
    bench = nameless()
    bench.fail("submit", "late-landing", seconds=400)
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    wait_for(bench, order)
    assert status(bench, order) is S.ABSENT
    bench.pass_(400)
    assert status(bench, order) is S.NEW
    alerts = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.LANDED_LATE in alerts
    assert len(bench.ours()) == 1


def test_a_list_that_lacks_a_known_order_proves_nothing():
    """The broker's list lags: what it does not show yet may exist."""
    bench = nameless()
    bench.fail("submit", "request-lost")
    lost = bench.desk.buy("AAPL", qty=10, limit_price="150")
    known = bench.desk.buy("MSFT", qty=1, limit_price="300")
    bench.broker.hides = frozenset({known.broker_order_id})
    bench.pass_(900, every=30)
    assert status(bench, lost) is S.UNPROVEN
    bench.broker.hides = frozenset()
    wait_for(bench, lost)
    assert status(bench, lost) is S.ABSENT


@pytest.mark.parametrize("point", ["orders", "account"])
def test_a_list_that_was_not_read_proves_nothing(point):
    bench = nameless()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    bench.fail(point, "server-error", times=10_000)
    bench.pass_(900, every=30)
    assert status(bench, order) is S.UNPROVEN
    bench.over()
    wait_for(bench, order)
    assert status(bench, order) is S.ABSENT


def test_one_list_answers_for_every_unconfirmed_order():
    bench = nameless()
    bench.fail("submit", "request-lost", times=3)
    orders = [bench.desk.buy(x, qty=1, limit_price="100", key=x) for x in ("AAPL", "MSFT", "SPY")]
    bench.clock.advance(600)
    bench.desk = bench.open()  # the next process, which finds them in its store
    before = bench.broker.scans
    bench.pass_(600)
    assert {status(bench, x) for x in orders} == {S.ABSENT}
    assert bench.broker.scans - before < 40


def test_a_reply_that_names_another_order_is_no_proof():
    """A broker may answer a duplicate with the order that had the id before."""
    bench = nameless()
    first = bench.desk.buy("MSFT", qty=1, limit_price="300")
    bench.broker.replies = first.broker_order_id
    order = bench.desk.buy("AAPL", qty=10)
    assert (order.status, order.broker_order_id) == (S.FILLED, bench.ours()[-1].id)
    assert status(bench, first) is S.NEW


def test_a_reply_that_names_no_order_yet_is_never_absent():
    """The broker has accepted it: what it does not show is late, not absent."""
    bench = nameless()
    bench.broker.replies = "not-there"
    bench.broker.hides = frozenset({"not-there"})
    order = bench.resting()
    bench.broker.hides = frozenset(x.id for x in bench.ours())
    assert status(bench, order) is not S.ABSENT
    bench.pass_(900, every=30)
    assert status(bench, order) is not S.ABSENT


def test_another_order_with_our_client_order_id_is_disputed_and_locks_the_symbol():
    """It has another side: until it ends both are counted, and nothing is opened."""
    bench = nameless()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    other = m.OrderRequest(
        symbol="AAPL", side="sell", qty=1, limit_price="500", time_in_force="day"
    )
    Nameless.submit(
        bench.broker,
        m.Intent(client_order_id=order.client_order_id, request=other, at=order.created_at),
    )
    wait_for(bench, order)
    assert m.Oddity.OTHER_BODY in {x.oddity for x in bench.desk.book.order(order).anomalies}
    assert status(bench, order) is S.DISPUTED
    assert bench.desk.book.reservations()[0].charge >= 1_500
    with pytest.raises(fb.Denied, match="locked"):
        bench.desk.buy("AAPL", qty=1, limit_price="100")
    alerts = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.DISPUTED in alerts
    entries = [len(bench.desk.book.journal()) for _ in range(2) if bench.desk.sync()]
    assert entries[0] == entries[1]  # P8, and no settlement ends it
    assert status(bench, order) is S.DISPUTED
    bench.desk.cancel(order)
    bench.pass_(30)
    assert status(bench, order) is S.CANCELED
    bench.desk.buy("AAPL", qty=1, limit_price="100")  # not denied any more


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("hinted", [True, False])
@pytest.mark.parametrize("ends", [True, False])
def test_an_older_order_with_our_client_order_id_is_not_the_one_that_we_sent(lands, hinted, ends):
    """The record was lost; the broker checks no duplicates, so both may be there."""
    bench = nameless()
    older = bench.desk.buy("AAPL", qty=10, limit_price="150", key="k")
    bench.clock.advance(400)
    bench.store = MemoryStore()
    bench.desk = bench.open()
    bench.fail("orders", "server-error", times=9)  # it is not listed before the bot asks again
    bench.fail("submit", "reply-lost" if lands else "request-lost")
    if hinted:  # the reply names the older order
        bench.over()
        bench.fail("orders", "server-error", times=9)
        bench.broker.replies = older.broker_order_id
        if not lands:
            bench.broker.creates = lambda intent: m.Accepted(broker_order_id=older.broker_order_id)
    order = bench.desk.buy("AAPL", qty=10, limit_price="150", key="k")
    assert order.client_order_id == older.client_order_id
    assert order.status is S.UNPROVEN
    bench.over()
    bench.desk.sync()
    if ends:
        bench.exchange.fill(older.broker_order_id, 10, "149")
    bench.pass_(900, every=10)
    ids = [x.id for x in bench.ours()]
    assert len(ids) == 1 + lands
    order = bench.desk.book.order(order)
    assert (order.filled_qty, order.broker_order_id) == (0, ids[-1] if lands else None)
    # A broker that named an order has accepted the create: it is late, not absent.
    assert order.status is (S.NEW if lands else S.UNPROVEN if hinted else S.ABSENT)
    (found,) = [x for x in bench.desk.book.orders() if x.origin is m.Origin.EXTERNAL]
    assert (found.broker_order_id, found.filled_qty) == (older.broker_order_id, 10 * ends)
    assert bench.desk.book.position("AAPL").qty == 10 * ends
    alerts = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert m.AlertKind.FOREIGN_PREFIX in alerts


def test_a_person_resolves_an_order_by_the_list():
    bench = nameless()
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    bench.clock.advance(200)
    assert bench.desk.resolve(order, "absent").status is S.ABSENT
    bench.fail("submit", "reply-lost")
    bench.fail("orders", "server-error", times=50)
    order = bench.desk.buy("AAPL", qty=3, limit_price="150")
    bench.clock.advance(200)
    with pytest.raises(fb.ReadFailed):
        bench.desk.resolve(order, "absent")
    bench.over()
    bench.fail("account", "server-error")
    with pytest.raises(fb.ReadFailed):
        bench.desk.resolve(order, "absent")
    with pytest.raises(fb.Denied, match="cancel it instead"):
        bench.desk.resolve(order, "absent")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("seed", range(12))
def test_schedules_of_a_nameless_broker_double_no_create_and_lose_none(seed):
    """Random losses, late landings, outages and kills: at rest each intent is one order or none."""
    dice = random.Random(seed)
    bench = nameless()
    orders = []
    for _ in range(8):
        fault = dice.choice(("reply-lost", "request-lost", "late-landing", "server-error", None))
        if fault is not None:
            bench.fail("submit", fault, seconds=dice.choice((20, 100, 140)))
        symbol = dice.choice(("AAPL", "MSFT", "SPY"))
        with suppress(fb.Denied):  # its symbol is locked
            orders.append(bench.desk.buy(symbol, qty=1, limit_price="100"))
        if dice.random() < 0.3:
            bench.outage()
            bench.pass_(dice.choice((20, 200)), every=10)
        bench.over()
        if dice.random() < 0.3:
            bench.desk = bench.open()
        bench.pass_(dice.choice((5, 60, 200)))
    bench.pass_(900, every=10)
    sent = [x.client_order_id for x in bench.ours()]
    assert len(sent) == len(set(sent))
    for order in orders:
        assert status(bench, order) is (S.NEW if order.client_order_id in sent else S.ABSENT), order
