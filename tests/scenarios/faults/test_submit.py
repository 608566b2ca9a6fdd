"""Submit ambiguity: a create without a definite reply is neither failed nor repeated blindly."""

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench, unable

S = m.OrderStatus


@pytest.mark.parametrize("fault", ["reply-lost", "slow", "duplicate-unlisted"])
def test_sub_01_a_create_that_timed_out_is_never_sent_twice(fault):
    """The order was accepted, the reply lost: it is found by its own id, and not repeated."""
    bench = Bench()
    bench.fail("submit", fault, seconds=30)
    order = bench.desk.buy("AAPL", qty=10)
    bench.pass_(60)
    assert bench.desk.book.order(order).status is S.FILLED
    assert bench.sent["submit"] == 1
    assert len(bench.ours()) == 1


def test_sub_02_the_same_intent_has_the_same_client_id():
    """A bot that repeats its call gets the existing order."""
    bench = Bench()
    bench.fail("submit", "reply-lost")
    first = bench.desk.buy("AAPL", qty=10, key="entry-1")
    again = bench.desk.buy("AAPL", qty=10, key="entry-1")
    assert again.client_order_id == first.client_order_id
    assert again.status is S.FILLED
    assert len(bench.ours()) == 1


def test_sub_04_an_outage_is_no_rejection():
    """During the outage the order is live and its symbol locked; then it has its real status."""
    bench = Bench()
    bench.fail("submit", "reply-lost")
    bench.exchange.faults.switch_on("unreachable")
    order = bench.desk.buy("AAPL", qty=10, limit_price="190")
    bench.pass_(600, every=30)
    assert bench.desk.book.order(order).status is S.UNPROVEN
    with pytest.raises(fb.Denied, match="is locked"):
        bench.desk.buy("AAPL", qty=1)
    bench.over()
    bench.pass_(60)
    assert bench.desk.book.order(order).status is S.FILLED
    assert bench.is_true()


def test_sub_05_a_lost_acknowledgement_is_queried_by_client_id():
    """The broker's id was never received, and is not needed."""
    bench = Bench()
    bench.fail("submit", "reply-lost")
    order = bench.desk.buy("AAPL", qty=10)
    assert bench.sent["find"] >= 1
    assert order.broker_order_id == bench.ours()[0].id


def test_sub_07_a_broker_without_a_duplicate_check_is_never_sent_to_again():
    """A second request could fill twice, so it is queried until it is concluded absent."""
    bench = Bench(broker=unable(duplicate_check=False))
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10)
    bench.pass_(400)
    assert bench.desk.book.order(order).status is S.ABSENT
    assert bench.sent["submit"] == 1


class DiesOnSubmit(SimulatedBroker):
    """The process is killed after the broker accepted the order, before anything is written."""

    def submit(self, intent):
        super().submit(intent)
        raise KeyboardInterrupt


def test_sub_08_a_start_queries_every_unconfirmed_intent():
    """Not sent, or sent and the reply lost: the successor queries before it takes new risk."""
    bench = Bench(broker=DiesOnSubmit)
    with pytest.raises(KeyboardInterrupt):
        bench.desk.buy("AAPL", qty=10, key="one")
    bench.desk = bench.open()
    with pytest.raises(fb.Denied):
        bench.desk.buy("AAPL", qty=10, key="two")
    bench.desk.tick()
    assert bench.desk.buy("AAPL", qty=10, key="one").status is S.FILLED
    assert len(bench.ours()) == 1


def test_sub_10_an_order_without_events_is_polled():
    """Acknowledged, and then no event: the poll finds the fill within half a minute."""
    bench = Bench()
    bench.exchange.faults.switch_on("stream-silent")
    with bench.streamed():
        order = bench.resting()
        bench.filled(order)
        bench.pass_(30)
    assert bench.desk.book.order(order).status is S.FILLED


def test_sub_11_a_reject_that_only_the_stream_reports_is_recorded():
    """An event is enough; no request is sent."""
    bench = Bench()
    order = bench.resting()
    with bench.streamed():
        bench.exchange.reject(order.broker_order_id, "the venue is closed to it")
        bench.clock.advance(1)
        asked = bench.desk.requests
        bench.desk._tracker.drain()
    assert bench.desk.book.order(order).status is S.REJECTED
    assert bench.desk.book.order(order).reason == "the venue is closed to it"
    assert bench.desk.requests == asked


def test_sub_11_an_unknown_status_is_shown_and_live():
    """A status that is unknown to us is neither dropped nor final."""
    bench = Bench()
    order = bench.resting()
    bench.exchange.faults.switch_on("unknown-word")
    bench.clock.advance(1)
    bench.filled(order, 1)
    bench.pass_(15)
    strange = bench.desk.book.order(order)
    assert not strange.is_final
    assert m.Oddity.UNRECOGNISED_WORD in {x.oddity for x in strange.anomalies}


def test_sub_13_a_create_accepted_hours_after_its_error_is_found():
    """An order concluded absent that is live is reopened, recorded and alerted."""
    bench = Bench()
    bench.fail("submit", "late-landing", seconds=300)
    order = bench.desk.buy("AAPL", qty=10, good_for_s=0)
    bench.pass_(200)
    assert bench.desk.book.order(order).status is S.ABSENT
    bench.pass_(200)
    landed = bench.desk.book.order(order)
    assert landed.status is S.FILLED
    assert m.Oddity.LANDED_LATE in {x.oddity for x in landed.anomalies}
    kinds = [x.alert.kind for x in bench.desk.events() if x.alert is not None]
    assert kinds == [m.AlertKind.ABSENT, m.AlertKind.LANDED_LATE]


def test_sub_14_a_duplicate_means_that_the_order_exists():
    """A bot that lost its record submits under its old key, and gets the live order."""
    bench = Bench()
    first = bench.desk.buy("AAPL", qty=10, key="entry-1")
    bench.desk = bench.open(MemoryStore())
    bench.desk.sync()
    again = bench.desk.buy("AAPL", qty=10, key="entry-1")
    assert again.client_order_id == first.client_order_id
    assert again.status is S.FILLED
    assert len(bench.ours()) == 1


class AcceptsAndHides(SimulatedBroker):
    """It accepts a create without a report, and then replies that it has no such order."""

    def submit(self, intent):
        return m.Accepted()


def test_an_accepted_order_that_is_hidden_never_becomes_absent():
    """The broker's acceptance outweighs any number of its "not found" replies."""
    bench = Bench(broker=AcceptsAndHides)
    order = bench.desk.buy("AAPL", qty=10)
    bench.pass_(4 * 3_600, every=300)
    assert bench.desk.book.order(order).status is S.UNPROVEN
    bench.desk = bench.open()
    bench.pass_(4 * 3_600, every=300)
    assert bench.desk.book.order(order).status is S.UNPROVEN
    assert bench.ours() == []


class Renames(SimulatedBroker):
    """It reports our orders under client order ids that differ from the ones we sent."""

    named = staticmethod(str.upper)

    def submit(self, intent):
        accepted = super().submit(intent)
        return evolve(accepted, report=self._renamed(accepted.report, str.upper))

    def orders(self, query, page):
        listed = super().orders(query, page)
        return evolve(listed, value=[self._renamed(row, self.named) for row in listed.value])

    def order(self, broker_order_id):
        found = super().order(broker_order_id)
        return evolve(found, value=self._renamed(found.value, self.named))

    def find(self, client_order_id):
        return m.Absent()

    def _renamed(self, report, named):
        return evolve(report, client_order_id=named(report.client_order_id))


@pytest.mark.parametrize("named", [str.upper, lambda name: None, lambda name: "another-" + name])
def test_our_order_is_known_by_the_brokers_id_whatever_its_client_id(named):
    """The id in the reply to our create stays ours; the order is never considered external."""
    bench = Bench(broker=Renames)
    bench.broker.named = named
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    bench.pass_(120)
    bench.desk.sync()
    assert bench.desk.book.order(order).status is S.NEW
    assert [x.client_order_id for x in bench.desk.book.orders()] == [order.client_order_id]
    bench.desk.cancel(order)
    bench.pass_(60)
    assert bench.desk.book.order(order).status is S.CANCELED
    assert len(bench.ours()) == 1


def test_sub_30_a_retry_of_the_bot_has_the_same_client_id():
    """With its key, whatever became of the first attempt."""
    bench = Bench()
    for fault in ("unreachable", "reply-lost"):
        bench.fail("submit", fault)
        names = set()
        for _ in range(3):
            try:
                order = bench.desk.buy("AAPL", qty=1, limit_price="150", key=fault)
            except fb.Unavailable as error:
                order = error.order
            names.add(order.client_order_id)
            bench.pass_(5)
        assert len(names) == 1
    assert len(bench.ours()) == 2
