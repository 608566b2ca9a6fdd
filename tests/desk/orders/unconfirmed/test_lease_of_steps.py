"""Sending again, and concluding that an order is absent, need the lease at each place."""

import pytest

from fillbook import model as m
from tests.bench import Bench

S = m.OrderStatus


class ScriptedLease:
    """A lease that says what the test wants, at each of the places that ask."""

    def __init__(self, **says):
        self._says = {"acquire": True, "may_send": True, "is_held": True, **says}

    def acquire(self):
        return self._says["acquire"]

    def may_send(self):
        return self._says["may_send"]

    def is_held(self, reader):
        return self._says["is_held"]

    def release(self):
        pass


def requests_of(bench, name):
    return [x for x in bench.desk.book.requests(name) if x.command is m.Command.SEND]


def unproven(bench, lease, **kw):
    """An order whose create was lost, while the desk has *lease*."""
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=10, limit_price="150", time_in_force="gtc", **kw)
    assert order.status is S.UNPROVEN
    bench.desk._gateway.lease = lease
    return order.client_order_id


@pytest.mark.parametrize("lost", ["acquire", "may_send", "is_held"])
def test_a_create_is_sent_again_only_with_the_lease_at_each_place(lost):
    """It is lost before the step, has no time left, or moves before the request is written."""
    bench = Bench(wait_s=0)
    name = unproven(bench, ScriptedLease(**{lost: False}))
    asked = bench.sent["find"]
    bench.pass_(100)
    assert len(requests_of(bench, name)) == 1
    assert bench.desk.book.order(name).status is S.UNPROVEN
    assert bench.sent["find"] > asked  # it continues to query
    bench.desk._gateway.lease = ScriptedLease()
    bench.pass_(100)
    assert len(requests_of(bench, name)) == 2
    assert bench.desk.book.order(name).broker_order_id is not None


@pytest.mark.parametrize("lost", ["acquire", "is_held"])
def test_an_absence_is_concluded_only_with_the_lease_at_each_place(lost):
    """Another desk may just have sent it again."""
    bench = Bench(wait_s=0)
    name = unproven(bench, ScriptedLease(**{lost: False}), good_for_s=1)
    bench.pass_(600)
    assert bench.desk.book.order(name).status is S.UNPROVEN
    bench.desk._gateway.lease = ScriptedLease()
    bench.pass_(600)
    assert bench.desk.book.order(name).status is S.ABSENT
