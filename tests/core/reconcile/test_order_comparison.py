"""The comparison of one order with its reports: what agrees is in sync, and nothing else is."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from fillbook.core.reconcile.order_comparison import compare_order, disputed_findings
from tests.core.records import Records, bust, fill, intended, report, terms

S = m.OrderStatus
READ = m.HistoryRead("b1")


def compared(*facts, reported=None, has_history=True, expected=()):
    """The differences after *facts*, the last report being the one that was just read."""
    records = Records()
    for fact in (*expected, intended(qty=10), *facts):
        records.take(fact)
    reports = [x.report for x in facts if isinstance(x, m.Reported)]
    shown = {x.broker_order_id: x for x in reports}.values() if reported is None else [reported]
    record = records.get(m.OrderRecord, "c1")
    return compare_order(records, record, shown, has_history=has_history)


def row(exec_id, qty, **kw):
    return fill(exec_id, qty, 9, source="history", **kw)


def words(found):
    return [
        (type(x.drift).__name__, x.drift.ours, x.drift.theirs, x.confidence.value) for x in found
    ]


PART = report("partially_filled", 4, 9)


def test_an_order_on_which_all_sources_agree_is_in_sync():
    assert compared(report()) == []
    assert compared(PART, row("h1", 4, cum=4), READ) == []
    assert compared(report("filled", 10, 9), row("h1", 10, cum=10), READ) == []
    assert compared(PART, fill("s1", 4, 9, cum=4), has_history=False) == []


def test_a_history_that_lags_behind_the_report_is_named():
    found = compared(PART, READ)
    assert words(found) == [("MissedFill", 4, 0, "settling")]
    assert "has 4 filled" in found[0].because
    assert "sum to 0" in found[0].because


def test_a_stream_that_lags_behind_the_report_is_named_where_no_history_is():
    assert words(compared(PART, has_history=False)) == [("MissedFill", 0, 4, "settling")]


def test_executions_beyond_the_report_are_named():
    """The order report is older than the fill, or the fill is of another order."""
    found = compared(PART, row("h1", 6, cum=6), READ)
    assert words(found) == [("MissedFill", 6, 4, "settling")]
    assert "disagree" in found[0].because


def test_a_dispute_is_no_agreement():
    facts = (PART, row("h1", 4, cum=4), READ, bust("s9", 2))
    assert compared(*facts)[-1].drift == m.OrderStatusDiffers(
        "AAPL", "c1", S.DISPUTED, S.PARTIALLY_FILLED
    )


@pytest.mark.parametrize(("reports", "theirs"), [((PART,), S.PARTIALLY_FILLED), ((), S.NEW)])
def test_a_record_with_a_disputed_order_is_not_in_sync(reports, theirs):
    records = Records()
    for fact in (intended(qty=10), *reports, row("h1", 4, cum=4)):
        records.take(fact)
    assert disputed_findings(records) == []
    records.take(bust("s9", 2))
    (found,) = disputed_findings(records)
    assert (found.drift.ours, found.drift.theirs) == (S.DISPUTED, theirs)
    assert found.confidence is m.Confidence.SETTLING


def test_a_final_record_and_an_open_report_differ():
    """A canceled order that the report just read shows as open, by an older clock."""
    stale = report(clock="2026-03-02T15:00:01Z")
    ended = report("canceled", clock="2026-03-02T15:00:02Z")
    (found,) = compared(ended, stale, READ, reported=stale.report)
    assert found.drift == m.OrderStatusDiffers("AAPL", "c1", S.CANCELED, S.NEW)
    assert "final" in found.because


def test_below_the_quantum_of_a_coin_nothing_differs():
    coin = m.Instrument("AAPL", m.AssetClass.CRYPTO, qty_increment=Decimal("0.01"))
    listed = (m.InstrumentListed(coin),)
    assert compared(PART, row("h1", "3.9995", cum=4), READ, expected=listed) == []


def test_a_replacing_id_fills_a_part_of_its_total():
    """Its report may include the fills of the id that it replaces."""
    new = evolve(
        report("partially_filled", 6, 9, clock="2026-03-02T15:00:03Z").report,
        broker_order_id="b2",
        replaces="b1",
        terms=terms(qty=10),
    )
    old = report("replaced", 4, 9, replaced_by="b2")
    rows = (row("h1", 4, cum=4), row("h2", 2, cum=6, broker_order_id="b2"))
    facts = (old, m.Reported(new, m.ReportSource.BY_ID), *rows, READ, m.HistoryRead("b2"))
    assert compared(*facts) == []


def test_an_id_whose_report_was_not_read_is_not_compared():
    assert compared(PART, READ, reported=evolve(PART.report, broker_order_id="b9")) == []


@pytest.mark.parametrize("total", [4, 6])
def test_an_order_sized_in_money_is_compared_by_the_record(total):
    """Its executions are in quote currency; their base quantities are quotients."""
    shown = report("partially_filled", total, 9, filled_value=Decimal(36), fill_count=1)
    found = compared(shown, row("h1", 36, in_quote=True), READ)
    assert words(found) == []
