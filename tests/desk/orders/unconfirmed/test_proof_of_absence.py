"""P6: what makes an absence count: the bound account was read, and nothing was sent meanwhile."""

import pytest

from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S = m.OrderStatus


class Denying(SimulatedBroker):
    """A broker whose lookups can deny every order, and run something meanwhile."""

    denies = False

    def __init__(self, exchange, books):
        super().__init__(exchange, books)
        self.meanwhile = lambda: None

    def find(self, client_order_id):
        answer = m.Absent() if self.denies else super().find(client_order_id)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return answer

    def order(self, broker_order_id):
        return m.Absent() if self.denies else super().order(broker_order_id)


def lost(bench, **kw):
    """An order whose create was lost; its client id."""
    bench.fail("submit", "request-lost")
    return bench.desk.buy("AAPL", qty=10, limit_price="150", **kw).client_order_id


def test_an_absence_counts_only_if_the_account_is_read_too():
    """Another endpoint may answer for another account, or for none."""
    bench = Bench(wait_s=0)
    name = lost(bench, good_for_s=1)
    bench.fail("account", "server-error", times=1_000)
    bench.pass_(900)
    assert bench.desk.book.order(name).status is S.UNPROVEN
    bench.over()
    bench.pass_(600)
    assert bench.desk.book.order(name).status is S.ABSENT


def test_a_reported_order_is_not_found_only_if_the_account_is_read_too():
    bench = Bench(broker=Denying, wait_s=0)
    order = bench.resting()
    bench.broker.denies = True
    for fails in (True, False):
        if fails:
            bench.fail("account", "server-error", times=1_000)
        bench.desk.sync(order=order)
        found = [x.oddity for x in bench.desk.book.order(order).anomalies]
        assert (m.Oddity.NOT_FOUND_AFTER_SEEN in found) is not fails
        bench.over()


def test_a_reply_from_before_another_send_is_no_evidence_about_it():
    """Another desk sends the create again while the lookup is under way."""
    bench = Bench(broker=Denying, wait_s=0)
    name = lost(bench, good_for_s=1)
    bench.pass_(20)
    resolver = bench.desk._cancellation._resolver
    counted = len(resolver._inquiries.of_order(bench.desk.book.record(name)).not_found_at)
    assert counted < 3
    bench.clock.advance(60)

    def sends_again():
        number = len(bench.desk.book.record(name).requests) + 1
        bench.desk._recorder.record(m.Commanded(name, m.Command.SEND, number))
        resolver._inquiries.of_order(bench.desk.book.record(name))
        bench.clock.advance(60)  # the reply to the lookup is on its way for a minute

    bench.broker.meanwhile = sends_again
    resolver.query(name)
    assert resolver._inquiries.of_order(bench.desk.book.record(name)).not_found_at == ()


@pytest.mark.parametrize("change", ["a request", "an id"])
def test_nothing_is_concluded_of_an_order_that_changed_since_the_decision(change):
    """A request, or an id, that came between the decision and its transaction."""
    bench = Bench(wait_s=0)
    name = lost(bench, good_for_s=1)
    before = bench.desk.book.record(name)
    if change == "a request":
        bench.desk._recorder.record(m.Commanded(name, m.Command.SEND, 2))
    else:
        shown = m.OrderReport(
            client_order_id=name,
            broker_order_id="b1",
            terms=before.terms,
            status=S.NEW,
            raw_status="new",
            filled_qty=m.ZERO,
        )
        bench.desk._recorder.record(m.Reported(shown, m.ReportSource.STREAM))
    bench.desk._gateway.lease.acquire()
    bench.desk._cancellation._resolver._abandon(before, 3)
    assert not [x for x in bench.desk.book.journal() if isinstance(x.entry, m.ConcludedAbsent)]
