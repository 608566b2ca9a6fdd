"""P6: busts that the broker did not report are inferred where two of its sources agree."""

from decimal import Decimal

import pytest

from fillbook import model as m
from fillbook.core.reconcile import missing
from tests.core.reconcile.test_drift import records
from tests.core.records import bust, fill, intended, report, terms


def rows(*fills):
    return [x.execution for x in fills]


def busted(source, exec_id, qty):
    return m.TradeBust(
        source=m.ExecSource[source], exec_id=exec_id, broker_order_id="b1", qty=Decimal(qty)
    )


LATER = m.timestamp("2026-03-02T16:00:00Z")


def test_a_young_fill_is_not_taken_back():
    """Positions and history may both lag; within a minute that proves nothing."""
    record = records(intended(), report("partially_filled", 40, 9))
    soon = m.timestamp("2026-03-02T15:00:30Z")
    assert missing.infer_busts(record, "b1", [], soon) == ([], 0)


def test_a_fill_missing_in_the_complete_history_may_be_busted():
    """As busts, and by quantity; the reconciler decides whether they are accepted."""
    kept = fill("s1", 40, 9, cum=40)
    record = records(intended(), report("new"), kept, fill("s2", 20, 9, cum=60))
    history = rows(fill("h1", 40, 9, source="history"))
    busts, qty = missing.infer_busts(record, "b1", history, LATER)
    assert busts == [busted("STREAM", "s2", 20)]
    assert qty == 20
    assert missing.infer_busts(record, "b1", [*history, *history], LATER)[1] == 20
    whole = [*history, *rows(fill("h2", 20, 9, source="history"))]
    assert missing.infer_busts(record, "b1", whole, LATER) == ([], 0)
    assert missing.infer_busts(record, "unheard", history, LATER) == ([], 0)


@pytest.mark.parametrize("total", ["33.33333333", "33.333333333333333333333333333334"])
def test_a_fill_counted_by_its_value_may_be_busted(total):
    """The execution of an order sized in quote currency is a value; the position is in base."""
    wish = {"qty": None, "notional": 100}
    row = fill("h1", 100, 3, source="history", in_quote=True)
    known = {"filled_value": Decimal(100), "fill_count": 1, "terms": terms(**wish)}
    record = records(intended(**wish), report("filled", total, 3, **known), row)
    assert record.get(m.Evidence, "b1").filled == Decimal(total)
    busts, qty = missing.infer_busts(record, "b1", [], LATER)
    assert (busts, qty) == ([busted("HISTORY", "h1", 100)], Decimal(total))
    assert missing.infer_busts(record, "b1", rows(row), LATER) == ([], 0)


def test_the_bust_of_what_only_a_total_by_value_shows_takes_it_back():
    """Its quantity is in the unit of the order's executions, in which a total is compared."""
    wish = {"qty": None, "notional": 100}
    known = {"filled_value": Decimal(100), "fill_count": 2, "terms": terms(**wish)}
    row = fill("h1", 40, 20, source="history", in_quote=True)
    record = records(intended(**wish), report("filled", 5, 20, **known), row)
    (found,), qty = missing.infer_busts(record, "b1", rows(row), LATER)
    assert (found.qty, qty) == (60, 3)
    more = fill("h2", 20, 20, source="history", in_quote=True)
    assert missing.infer_busts(record, "b1", rows(row, more), LATER) == ([], 0)
    record.take(m.Busted(found))
    assert record.get(m.Evidence, "b1").filled == 2
    assert missing.infer_busts(record, "b1", rows(row), LATER) == ([], 0)


def test_a_bust_is_inferred_in_units_after_a_split():
    """A fill of 20 before a split of 2 for 1 is 40 units now, whether it was reported or not."""
    split = m.Activity(
        activity_id="a1",
        kind=m.ActivityKind.SPLIT,
        at=m.timestamp("2026-03-02T15:30:00Z"),
        symbol="AAPL",
        ratio=Decimal(2),
    )
    record = records(
        intended(),
        report("partially_filled", 60, 9),
        fill("s1", 20, 9, cum=20),
        m.ActivityReported(split),
    )
    busts, qty = missing.infer_busts(record, "b1", [], LATER)
    assert ([x.qty for x in busts], qty) == ([20, 40], 120)


def test_fills_of_more_than_what_is_missing_are_no_busts():
    """The history has another row instead: it is no proof."""
    record = records(
        intended(), report("new"), fill("s1", 40, 9, cum=40), fill("s2", 20, 9, cum=60)
    )
    assert missing.infer_busts(record, "b1", rows(fill("h1", 30, 8)), LATER) == ([], 0)


def test_only_the_newest_version_of_an_execution_may_be_busted():
    """The history listed two versions, one after the other, and lists none now."""
    first = fill("h1", 20, 9, cum=20, source="history")
    then = fill("h3", 10, 9, cum=10, source="history", fixes="h2", at="2026-03-02T15:00:02Z")
    lowered = report("filled", 10, 9, clock="2026-03-02T15:00:03Z")
    record = records(intended(), report("filled", 20, 9), first, then, lowered)
    busts, qty = missing.infer_busts(record, "b1", [], LATER)
    assert ([x.exec_id for x in busts], qty) == (["h3"], 10)


def test_a_fill_known_only_by_a_total_is_busted_by_quantity():
    record = records(intended(), report("partially_filled", 40, 9))
    ((inferred,), qty) = missing.infer_busts(record, "b1", [], LATER)
    assert (inferred.exec_id, inferred.qty, qty) == ("b1/inferred", 40, 40)


def test_a_bust_of_the_stream_is_agreed_where_the_history_does_not_hold_the_fill():
    record = records(intended(), report("new"), fill("s1", 40, 9, cum=40), bust("s1"))
    (agreed,) = missing.confirm_busts(record, "b1", [])
    assert agreed == busted("HISTORY", "s1", 40)
    held_by_history = rows(fill("h1", 40, 9, source="history"))
    assert missing.confirm_busts(record, "b1", held_by_history) == []


@pytest.mark.parametrize(
    ("word", "cum", "agreed"),
    [("partially_filled", 60, 1), ("partially_filled", 40, 1), ("partially_filled", 50, 0)],
)
def test_a_bust_of_an_unreported_fill_is_confirmed_if_the_sums_agree(word, cum, agreed):
    """Brokers keep their total after a bust, or lower it."""
    kept = fill("h1", 40, 9, source="history")
    record = records(intended(), report(word, cum, 9), kept, bust("s9", 20))
    assert len(missing.confirm_busts(record, "b1", rows(kept))) == agreed
    assert missing.confirm_busts(record, "unheard", []) == []


def test_busts_of_known_and_of_unknown_fills_are_confirmed_together():
    """A fill that was not busted stays."""
    kept = fill("s1", 40, 9, cum=40)
    known, unknown = (fill("s2", 10, 9, cum=50), bust("s2")), bust("s9", 20)
    record = records(intended(), report("partially_filled", 70, 9), kept, *known, unknown)
    history = rows(fill("h1", 40, 9, source="history"))
    assert missing.confirm_busts(record, "b1", history) == [
        busted("HISTORY", "s2", 10),
        busted("HISTORY", "s9", 20),
    ]


def test_a_corrected_total_agrees_with_the_rows_and_what_was_busted():
    """A row bears the total of before a correction, which the newest report does not."""
    row = fill("h2", 1, 9, cum=7, source="history")
    record = records(intended(), report("filled", 4, 9), row, bust("s9", 3))
    (found,) = missing.confirm_busts(record, "b1", rows(row))
    assert (found.exec_id, found.qty) == ("s9", 3)


def test_busts_are_confirmed_for_each_id_by_its_own_rows():
    """The history of one id proves nothing about another."""
    record = records(
        intended(),
        report("partially_filled", 40, 9),
        fill("s1", 40, 9, cum=40),
        bust("s1", 40),
    )
    kept = rows(fill("h1", 40, 9, source="history"))
    assert missing.confirmed_busts(record, ["b1", "b2"], kept) == []
    other = rows(fill("h1", 40, 9, source="history", broker_order_id="b2"))
    found = missing.confirmed_busts(record, ["b1", "b2"], other)
    assert [(x.broker_order_id, x.exec_id) for x in found] == [("b1", "s1")]
