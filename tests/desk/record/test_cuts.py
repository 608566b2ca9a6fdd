"""No cancel waits behind all that a poll, a pass or a burst of the stream reports."""

from contextlib import contextmanager

import pytest

from fillbook import model as m
from fillbook.core.journal import apply
from fillbook.desk.orders import tracker
from fillbook.desk.record import recorder
from fillbook.desk.record.recorder import CUT
from fillbook.store import Urgency, current_urgency
from fillbook.stores.memory import MemoryStore
from tests.bench import Bench

MANY = 5 * CUT


class Cuts(MemoryStore):
    """A store that notes the entries of each write transaction, and how urgent it was."""

    def __init__(self):
        super().__init__()
        self.cuts = []

    @contextmanager
    def write(self):
        with super().write() as writer:
            before = writer.last()
            yield writer
            self.cuts.append((current_urgency(), writer.last() - before))

    def during(self, call):
        """The transactions of a call: their urgencies, and the most entries of one."""
        del self.cuts[:]
        call()
        return {of for of, entries in self.cuts if entries}, max(n for _, n in self.cuts)


@pytest.fixture
def bench():
    return Bench(store=Cuts(), opened=False, cash="100000000", wait_s=0)


def resting(bench, many=MANY):
    return [bench.by_hand("AAPL", "buy", 1, limit_price="90") for _ in range(many)]


def test_the_first_pass_is_written_in_short_cuts(bench):
    resting(bench)
    of, most = bench.store.during(bench.desk.sync)
    assert Urgency.BACKGROUND in of
    assert most <= CUT
    assert len(bench.desk.book.orders(open=True)) == MANY


def test_the_first_sync_applies_each_report_once(bench, monkeypatch):
    """Its second snapshot finds what the first one reported in the record, and so does its end."""
    resting(bench)
    applied, apply_ = [], apply.apply

    def counted(entry, *rest):
        applied.append(entry)
        return apply_(entry, *rest)

    monkeypatch.setattr(apply, "apply", counted)
    bench.desk.sync()
    assert len([x for x in applied if isinstance(x, m.Reported)]) == MANY


def test_a_later_pass_a_poll_and_a_burst_are_too(bench):
    bench.desk.sync()
    resting(bench)
    assert bench.store.during(bench.desk.sync) == ({Urgency.BACKGROUND}, CUT)
    resting(bench)
    assert bench.store.during(bench.desk._tracker.poll) == ({Urgency.BACKGROUND}, CUT)
    with bench.streamed():
        resting(bench)
        of, most = bench.store.during(bench.desk.tick)
    assert of == {Urgency.BACKGROUND}
    assert most <= CUT


def test_a_pass_gives_way_to_other_threads_at_each_order(bench, monkeypatch):
    resting(bench)
    bench.desk.sync()
    given = []
    monkeypatch.setattr(recorder, "give_way", lambda: given.append("compared"))
    monkeypatch.setattr(tracker, "give_way", lambda: given.append("listed"))
    bench.desk.sync()
    assert min(given.count("compared"), given.count("listed")) >= MANY


def test_a_cancel_is_more_urgent_than_they_are(bench):
    bench.desk.sync()
    order = bench.resting(key="first")
    assert bench.store.during(lambda: bench.desk.cancel(order))[0] == {Urgency.EXIT}
    assert bench.store.during(lambda: bench.resting(key="second"))[0] == {Urgency.CALL}
    assert bench.store.during(bench.desk.cancel_all)[0] == {Urgency.EXIT}
