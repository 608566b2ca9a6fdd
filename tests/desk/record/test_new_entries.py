"""What a comparison has computed is written as it is, unless another entry came between."""

from datetime import UTC, datetime

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.clock import ManualClock
from fillbook.core.journal import apply
from fillbook.desk.record import recorder as module
from fillbook.desk.record.recorder import Recorder
from fillbook.model.journal.kinds import KINDS
from fillbook.model.journal.overlay import Overlay
from fillbook.stores.memory import MemoryStore
from tests.core.records import fill as filled
from tests.core.records import report, terms

MONDAY = datetime(2026, 3, 2, 15, tzinfo=UTC)
BOUND = m.Bound(m.AccountId("sim", "localhost", "a1"))
MANY = 40


def reports(word="new", cum=0):
    """Reports on MANY orders; they are of one symbol, so that each changes its sums."""
    found = []
    for number in range(MANY):
        ids = {"broker_order_id": f"b{number}", "client_order_id": f"c{number}"}
        done = report(word, cum, "10" if cum else None, "2026-03-02T15:00:02Z", **ids)
        found.append(evolve(done, report=evolve(done.report, terms=terms())))
    return found


def opened():
    recorder = Recorder(MemoryStore(), ManualClock(MONDAY))
    recorder.record(BOUND)
    return recorder


def contents(recorder):
    with recorder.store.read() as reader:
        return {x.name: list(reader.all(x.type)) for x in KINDS}, list(reader.journal())


def other():
    """The entry of another desk: the fill of an order that all of them share a symbol with."""
    return filled("e1", "1", "10", broker_order_id="b7")


def counted(monkeypatch):
    """The entries that are applied."""
    applied, before = [], apply.apply

    def count(entry, *args):
        applied.append(entry)
        return before(entry, *args)

    monkeypatch.setattr(module.apply, "apply", count)
    return applied


def test_news_is_applied_once(monkeypatch):
    recorder, plain = opened(), opened()
    plain.record(*reports())
    applied = counted(monkeypatch)
    assert recorder.record_news(*reports()) == MANY
    assert len(applied) == MANY
    assert contents(recorder) == contents(plain)


def found(recorder, entries):
    """What a comparison finds."""
    with recorder.store.read() as reader:
        number, comparing = reader.last() + 1, recorder.compared.since(reader)
        records = Overlay(reader)
        return module.news(records, number, recorder.now(), lambda _: None, entries, comparing)


@pytest.mark.parametrize("before", [0, 16, 32])
def test_news_is_applied_again_after_an_entry_of_another_desk(before):
    """It came before the first of them, or between two transactions."""
    recorder, plain = opened(), opened()
    new = found(recorder, reports())
    last = recorder.record_new(new[:before])
    recorder.record(other())
    with recorder.transaction() as transaction:
        as_compared = transaction.record_new(new[before:], as_compared=True)
    assert (last, as_compared) == (before, False)
    plain.record(*reports()[:before], other(), *reports()[before:])
    assert contents(recorder) == contents(plain)


def test_an_alert_in_a_transaction_is_an_entry_of_another_kind():
    """The rest is applied again: no number is used twice, and nothing is lost."""
    recorder = opened()
    new = found(recorder, reports())
    alerts = [m.Alert(m.AlertKind.STALE, "x", "y")]
    recorder.alert_of(lambda transaction: [alerts.pop()] if alerts else [])
    assert recorder.record_new(new) == MANY + 1
    kinds = [type(x.entry) for x in contents(recorder)[1][1:]]
    assert kinds == [m.Reported] * 16 + [m.Alerted] + [m.Reported] * (MANY - 16)
    assert len({x.order.client_order_id for x in contents(recorder)[0]["orders"]}) == MANY
