"""An order that the broker does not find is ended by a person, and locks its symbol until then."""

from decimal import Decimal

import pytest
from attrs import evolve

import fillbook as fb
from fillbook import model as m
from fillbook.brokers.simulated import SimulatedBroker
from tests.bench import Bench

S = m.OrderStatus
WISH = fb.OrderRequest(symbol="AAPL", side=fb.OrderSide.BUY, qty=1, limit_price="150")


class Denies(SimulatedBroker):
    """While `hides`, it finds no order, though it accepts them."""

    hides = False

    def orders(self, query, page):
        listed = super().orders(query, page)
        return evolve(listed, value=[]) if self.hides and isinstance(listed, m.Observed) else listed

    def order(self, broker_order_id):
        found = super().order(broker_order_id)
        return m.Absent() if self.hides and isinstance(found, m.Observed) else found

    def find(self, client_order_id):
        found = super().find(client_order_id)
        return m.Absent() if self.hides and isinstance(found, m.Observed) else found

    def submit(self, intent):
        accepted = super().submit(intent)
        return evolve(accepted, report=None) if self.hides else accepted


def denied(bench, seconds=300):
    """The broker finds no order from now on, and the desk has queried it for *seconds*."""
    bench.broker.hides = True
    bench.pass_(seconds, every=30)


def test_an_accepted_order_that_is_not_found_is_ended_by_a_person():
    """It is UNPROVEN and locks its symbol until then; the entry is in the journal."""
    bench = Bench(broker=Denies)
    bench.broker.hides = True
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    bench.pass_(3_600, every=60)
    assert bench.desk.book.order(order).status is S.UNPROVEN
    assert bench.desk.preview(WISH).reason.code == "symbol_locked"
    assert bench.desk.resolve(order, "absent").status is S.ABSENT
    assert bench.desk.resolve(order, "absent").is_final
    audit = [x.entry for x in bench.desk.book.journal() if isinstance(x.entry, fb.ResolvedAbsent)]
    assert audit == [fb.ResolvedAbsent(order.client_order_id)]
    assert bench.desk.preview(WISH).is_approved


def test_a_reported_order_that_is_not_found_any_more_is_ended_by_a_person():
    """It locks its symbol for new risk while it is not found; its reservation ends with it."""
    bench = Bench(broker=Denies)
    order = bench.resting(qty=10)
    denied(bench)
    reason = bench.desk.preview(WISH).reason
    assert (reason.code, "desk.resolve" in reason.message) == ("symbol_locked", True)
    ended = bench.desk.resolve(order, "absent")
    assert (ended.status, ended.is_final, ended.leaves_qty) == (S.ABSENT, True, 0)
    assert (ended.proof.source, "person" in ended.reason) == ("absent", True)
    assert bench.desk.preview(WISH).reason is None
    bench.pass_(600, every=60)
    assert bench.desk.book.order(order).status is S.ABSENT


def test_an_order_that_is_found_again_unlocks_its_symbol():
    """A passing "not found" is not held against the order."""
    bench = Bench(broker=Denies)
    order = bench.resting(qty=10)
    denied(bench)
    bench.broker.hides = False
    bench.pass_(120)
    assert bench.desk.book.order(order).anomalies == ()
    assert bench.desk.preview(WISH).is_approved


def test_the_fills_of_an_order_that_a_person_ends_remain():
    """The position is kept; the rest is canceled."""
    bench = Bench(broker=Denies)
    order = bench.resting(qty=10)
    bench.filled(order, 4)
    bench.pass_(60)
    denied(bench)
    ended = bench.desk.resolve(order, "absent")
    assert (ended.status, ended.filled_qty, ended.is_final) == (S.CANCELED, 4, True)
    assert bench.desk.book.position("AAPL").qty == 4


def test_an_order_that_a_person_ended_is_open_again_when_the_broker_reports_it():
    """A person may be wrong: the order counts again, with an alert; it takes another resolution."""
    bench = Bench(broker=Denies)
    order = bench.resting(qty=10)
    denied(bench)
    bench.desk.resolve(order, "absent")
    bench.broker.hides = False
    bench.desk.sync(order=order)
    again = bench.desk.book.order(order)
    assert (again.status, again.leaves_qty) == (S.NEW, 10)
    kinds = [x.alert.kind for x in bench.desk.events() if x.alert]
    assert m.AlertKind.LANDED_LATE in kinds
    assert bench.desk.book.order(order).is_final is False
    denied(bench)
    assert bench.desk.book.order(order).is_final is False
    assert bench.desk.resolve(order, "absent").status is S.ABSENT


def test_an_unreported_order_that_a_person_ended_counts_when_it_is_filled():
    """The fill is booked, and the order is open again."""
    bench = Bench(broker=Denies)
    bench.broker.hides = True
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    bench.pass_(600, every=60)
    bench.desk.resolve(order, "absent")
    bench.broker.hides = False
    (theirs,) = bench.ours()
    bench.exchange.fill(theirs.id, 4, Decimal(150))
    bench.pass_(300)
    bench.desk.sync()
    now = bench.desk.book.order(order)
    assert (now.status, now.filled_qty) == (S.PARTIALLY_FILLED, 4)
    assert bench.desk.book.position("AAPL").qty == 4


def test_an_order_that_the_broker_reports_is_not_ended():
    """The error names its status; nothing is written."""
    bench = Bench()
    order = bench.resting(qty=10)
    bench.clock.advance(300)
    with pytest.raises(fb.Denied, match="reports it as new") as refused:
        bench.desk.resolve(order, "absent")
    assert (refused.value.reason.code, refused.value.retry) == ("order_exists", False)
    assert refused.value.order.status is S.NEW


def test_an_order_that_may_still_be_accepted_is_not_ended():
    """A request may be accepted as late as the broker's `late_landing`."""
    bench = Bench()
    bench.fail("submit", "late-landing", seconds=60)
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    with pytest.raises(fb.Denied, match="retry in") as refused:
        bench.desk.resolve(order, "absent")
    assert refused.value.retry
    bench.clock.advance(300)
    with pytest.raises(fb.Denied, match="reports it as new"):
        bench.desk.resolve(order, "absent")


@pytest.mark.parametrize("reported", [True, False])
def test_an_order_that_cannot_be_read_is_not_ended(reported):
    """A failed read is no absence, and neither is one without the account."""
    bench = Bench(broker=Denies)
    bench.broker.hides = not reported
    order = bench.desk.buy("AAPL", qty=10, limit_price="150")
    bench.broker.hides = True
    bench.clock.advance(300)
    bench.fail("account", "unreachable", times=50)
    with pytest.raises(fb.ReadFailed, match="could not be read"):
        bench.desk.resolve(order, "absent")
    bench.outage()
    with pytest.raises(fb.ReadFailed, match="could not be read"):
        bench.desk.resolve(order, "absent")
    assert not bench.desk.book.order(order).is_final


@pytest.mark.parametrize("outcome", ["", "canceled", None, 1])
def test_another_outcome_is_invalid(outcome):
    """A person ends an order that does not exist; the broker reports every other end."""
    bench = Bench()
    with pytest.raises(fb.InvalidValue, match='"absent"'):
        bench.desk.resolve(bench.resting(), outcome)
