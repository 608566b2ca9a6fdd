"""What was compared with the record already is not compared again, and nothing new is missed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.core.journal import apply
from fillbook.core.pairs import with_listings
from fillbook.desk.record import already_recorded
from fillbook.desk.record.recorder import Recorder
from fillbook.model.journal.overlay import Overlay
from fillbook.stores.memory import MemoryStore
from tests.bench import MONDAY_10
from tests.core.records import AT, intended, report
from tests.core.test_properties import FACTS

#: What a pass lists, what is written beside it by this process, and by another one.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["pass", "pass", "pass", "ours", "theirs"]),
        st.lists(st.sampled_from(range(len(FACTS))), unique=True, max_size=8),
    ),
    max_size=8,
)


def expected(store, recorder, entries):
    """How many of *entries* change the record, one after the other, each of them compared."""
    with store.read() as reader:
        records, count = Overlay(reader), 0
        for entry in with_listings(tuple(entries), records, lambda symbol: None):
            changes = apply.apply(entry, reader.last() + 1 + count, recorder.now(), records)
            records.apply(changes)
            count += bool(changes)
    return count


@pytest.mark.parametrize("most", [1 << 14, 3])
@given(STEPS)
def test_a_pass_finds_what_is_new_whatever_was_compared_before(most, steps):
    """However little of it is remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(already_recorded, "_MOST", most)
        patch.setattr(already_recorded, "_WRITTEN_MOST", most)
        compare_and_write(steps)


def compare_and_write(steps):
    store, clock = MemoryStore(), ManualClock(MONDAY_10)
    ours, theirs = Recorder(store, clock), Recorder(store, clock)
    ours.record(
        m.Bound(m.AccountId("sim", "localhost", "a1")),
        m.CashAdjusted(m.ZERO, "USD", AT, "OPENING"),
        intended(strategy="trend"),
        m.Commanded("c1", m.Command.SEND, 1),
    )
    for kind, numbers in steps:
        entries = [FACTS[number] for number in numbers]
        if kind == "pass":
            new = expected(store, ours, entries)
            assert ours.record_news(*entries) == new
            assert ours.record_news(*entries) == 0
        else:
            {"ours": ours, "theirs": theirs}[kind].record(*entries)


def test_what_was_compared_is_not_compared_again_until_something_is_written_about_it():
    store = MemoryStore()
    recorder = Recorder(store, ManualClock(MONDAY_10))
    recorder.record(m.Bound(m.AccountId("sim", "localhost", "a1")))
    listed = [report(client_order_id=f"c{x}", broker_order_id=f"b{x}") for x in range(3)]
    timeless = report(client_order_id="c9", broker_order_id="b9", clock=None)

    def known():
        with store.read() as reader:
            comparing = recorder.compared.since(reader)
        return [comparing.has(x) for x in (*listed, timeless)]

    recorder.record_news(*listed, timeless)
    assert known() == [True, True, True, False]  # they were written
    recorder.record_news(*listed, timeless)
    assert known() == [True, True, True, False]
    recorder.record(m.Alerted(m.Alert(m.AlertKind.HALT, "account", "")))
    assert known() == [True, True, True, False]
    later = "2026-03-02T15:00:09Z"
    recorder.record(report("canceled", client_order_id="c1", broker_order_id="b1", clock=later))
    assert known() == [True, False, True, False]
    recorder.record(m.InstrumentListed(m.Instrument("AAPL", m.AssetClass.EQUITY)))
    assert known() == [False] * 4
