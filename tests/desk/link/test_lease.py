"""The lease: one desk of a store ticks; one that continues too late changes nothing."""

import os
import platform
import subprocess
import sys

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.codec import dump, load
from fillbook.desk.link.lease import CELL, REQUEST_MAX, SLACK, TERM, Lease, LeaseHolder
from fillbook.desk.record.cells import process_identity
from fillbook.errors import Forked
from fillbook.stores.memory import MemoryStore
from tests.bench import MONDAY_10, Bench

S = m.OrderStatus


def tenures(count=2, clocks=None):
    """The tenures of that many desks on one store."""
    store, clock = MemoryStore(), ManualClock(MONDAY_10)
    made = [LeaseHolder(store, x) for x in clocks or [clock] * count]
    return store, clock, *made


def is_mine(store, tenure):
    with store.read() as reader:
        return tenure.is_held(reader)


def test_one_has_it_until_it_is_over():
    """A renewed lease continues; after its end another desk takes it, under the next epoch."""
    store, clock, one, other = tenures()
    assert (one.acquire(), other.acquire()) == (True, False)
    clock.advance(30)
    assert (one.acquire(), other.acquire()) == (True, False)
    clock.advance(TERM.total_seconds())
    assert (other.acquire(), one.acquire()) == (True, False)
    assert load(Lease, store.cell(CELL)).epoch == 2
    assert (is_mine(store, one), is_mine(store, other)) == (False, True)


def test_it_sends_only_as_long_as_its_requests_arrive_within_it():
    """The last moment is one request before the end, for every holder."""
    _, clock, one = tenures(1)
    assert not one.may_send()
    assert one.acquire()
    assert one.may_send()
    clock.advance((TERM - REQUEST_MAX).total_seconds() - 1)
    assert one.may_send()
    clock.advance(1)
    assert not one.may_send()


def test_a_successor_sends_nothing_before_the_old_one_s_requests_have_arrived():
    """It has the lease at once, and waits as long as a request may take."""
    _, clock, one, other = tenures()
    assert one.acquire()
    clock.advance(TERM.total_seconds())
    assert other.acquire()
    assert not other.may_send()
    clock.advance(REQUEST_MAX.total_seconds())
    assert other.acquire()
    assert other.may_send()


def test_what_was_released_is_taken_and_used_at_once():
    """Closing a desk leaves nothing pending; a second release does nothing."""
    store, _, one, other = tenures(clocks=[ManualClock(MONDAY_10), ManualClock(MONDAY_10)])
    assert one.acquire()
    one.release()
    one.release()
    assert not is_mine(store, one)
    assert other.acquire()
    assert other.may_send()


def test_another_machine_s_lease_is_judged_by_the_wall_clock_and_some():
    """A clock difference below the slack does not make two desks tick."""
    one, other = ManualClock(MONDAY_10), ManualClock(MONDAY_10)
    other.advance(1_000)
    other.jump(-1_000)
    _, _, here, there = tenures(clocks=[one, other])
    assert here.acquire()
    other.advance((TERM + SLACK).total_seconds() - 1)
    assert not there.acquire()
    other.advance(1)
    assert there.acquire()


def test_the_lease_of_a_process_that_is_no_more_is_free():
    """On systems that report it; a killed process does not delay the next."""
    store, _, one, other = tenures()
    assert one.acquire()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    held = load(Lease, store.cell(CELL))
    place = held.process.split(" ")
    dead = evolve(held, process=f"{place[0]} {gone.pid} 1")
    assert store.swap(CELL, dump(held), dump(dead))
    assert other.acquire() is bool(place[0])


def killed():
    """A child that was killed, and whose exit code nobody has read yet."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = (
        f"{process_identity._machine()} {child.pid} {process_identity._start_time(child.pid)}"
    )
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie, from now on
    return child, identity


def test_the_lease_of_a_killed_process_is_free_before_its_parent_reads_its_end():
    """A zombie holds nothing; the status and the doctor say that no desk ticks."""
    bench = Bench()
    bench.desk.tick()
    child, identity = killed()
    with child:
        held = load(Lease, bench.store.cell(CELL))
        assert bench.store.swap(CELL, dump(held), dump(evolve(held, process=identity)))
        known = bool(identity.split(" ")[0])  # the system reports processes
        assert bench.desk.status().lease.is_current is not known
        assert LeaseHolder(bench.store, bench.clock).acquire() is known


def test_a_desk_that_waits_for_the_lease_says_whose_it_is(caplog):
    """Once for all renewals, and once more when it has it."""
    caplog.set_level("INFO", logger="fillbook")
    bench = Bench()
    second = bench.open()
    seen = []
    report = second._parts.background._report_wait
    for _ in range(3):
        bench.desk.tick()
        second.tick()
        report()
        seen += caplog.messages
        caplog.clear()
        bench.clock.advance(25)
    holder = f"process {os.getpid()} on {platform.node()}"
    [waits] = seen
    assert f"waits for the lease: {holder} has it until 15:00:5" in waits
    bench.clock.advance(16)
    second.tick()
    report()
    took, works = caplog.messages
    assert f"instead of {holder}: it reconciles, and sends nothing of its own for" in took
    assert "has the lease now" in works


def test_a_process_of_another_machine_is_never_considered_ended():
    """Its number may be that of any process on this machine."""
    assert not process_identity.has_ended("elsewhere 1 1")
    assert not process_identity.has_ended(" 1 1")
    assert not process_identity.has_ended(process_identity.this_process())


def test_who_loses_the_race_for_a_free_lease_does_not_have_it():
    """Compare and set: of two that find it free, one gets it."""

    class Raced(MemoryStore):
        rival = None

        def swap(self, name, old, new):
            if self.rival is not None:
                rival, self.rival = self.rival, None
                assert rival.acquire()
            return super().swap(name, old, new)

    store, clock = Raced(), ManualClock(MONDAY_10)
    one, other = LeaseHolder(store, clock), LeaseHolder(store, clock)
    store.rival = other
    assert not one.acquire()
    assert other.acquire()


def test_a_second_desk_does_not_tick_and_takes_over_when_the_first_is_gone():
    """It sends nothing meanwhile; afterwards it polls and reconciles."""
    bench = Bench()
    second = bench.open()
    bench.desk.tick()
    second.tick()
    assert second.requests == 0
    for _ in range(5):
        bench.clock.advance(10)
        bench.desk.tick()
        second.tick()
    assert second.requests == 0
    bench.clock.advance(41)
    second.tick()
    assert second.requests > 0
    asked = bench.desk.requests
    bench.desk.tick()
    assert bench.desk.requests == asked


def test_a_desk_without_the_lease_places_cancels_and_receives():
    """To merge reports needs no lease."""
    bench = Bench()
    bench.desk.tick()
    second = bench.open()
    order = second.buy("AAPL", qty=1, limit_price="150")
    assert second.cancel(order).is_final
    filled = second.buy("AAPL", qty=1)
    assert filled.status is S.FILLED
    assert second.sync().verdict is m.Verdict.IN_SYNC


def test_a_desk_that_lost_the_lease_sends_nothing_again_and_concludes_nothing():
    """The other desk does; each order exists once."""
    bench = Bench(wait_s=0)
    bench.desk.tick()
    bench.fail("submit", "request-lost")
    lost = bench.desk.buy("AAPL", qty=1, limit_price="150", good_for_s=600)
    bench.fail("submit", "request-lost")
    unwanted = bench.desk.buy("MSFT", qty=1, limit_price="150", good_for_s=0)
    second = bench.open()
    bench.clock.advance(50)
    second.tick()  # it has the lease from here on
    sent = bench.sent["submit"]
    for _ in range(80):
        bench.clock.advance(5)
        bench.desk.tick()
        second.tick()
    assert bench.sent["submit"] == sent
    assert second._gateway.sent["submit"] == 1
    assert second.book.order(lost).status is S.NEW
    assert second.book.order(unwanted).status is S.ABSENT
    assert len(bench.ours()) == 1


def test_a_desk_that_hangs_between_the_entry_and_the_request_does_not_send():
    """The time is checked immediately before the request leaves."""
    bench = Bench(wait_s=0)
    bench.fail("submit", "request-lost")
    order = bench.desk.buy("AAPL", qty=1, limit_price="150", good_for_s=600)
    bench.pass_(30)
    line = bench.desk._gateway
    take = line._pacer.take

    def sleeps(lane, **patience):
        answer = take(lane, **patience)
        bench.clock.advance(120)
        return answer

    line._pacer.take = sleeps
    before = bench.sent["submit"]
    record = bench.desk.book.record(order)
    line.lease.acquire()
    bench.desk._cancellation._resolver._resend(record)
    assert bench.sent["submit"] == before
    assert bench.desk.book.order(order).status is S.UNPROVEN


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_desk_in_a_forked_child_refuses():
    """At every call; the parent continues."""
    bench = Bench()
    bench.desk.tick()
    bench.clock.advance(60)  # something is due
    pid = os.fork()
    if pid == 0:
        refused = 0
        try:
            for call in (
                bench.desk.check,
                bench.desk.sync,
                bench.desk.tick,
                lambda: bench.desk.buy("AAPL", qty=1),
                bench.desk.book.orders,
            ):
                try:
                    call()
                except Forked:
                    refused += 1
        finally:
            os._exit(refused)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 5
    assert bench.desk.sync().verdict is m.Verdict.IN_SYNC
