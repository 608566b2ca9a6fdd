"""An assignment moves quantity between nobody and a strategy; it is recorded in the journal."""

import pytest

from fillbook import model as m
from tests.core.records import AT, Records, fill, report

PARTIAL = (
    report("partially_filled", 10, 9),
    fill("f1", 4, 9, cum=4, source="history"),
    fill("f2", 6, 9, cum=10, source="history"),
)


def made(*entries):
    records = Records()
    for entry in entries:
        records.take(entry)
    return records


def parts(records):
    return {name: part.qty for name, part in records.position().by_strategy if part.qty}


def test_an_external_order_is_assigned_with_its_fills_and_legs_and_given_back():
    leg = report("new", client_order_id="leg", broker_order_id="b2").report
    parent = report("partially_filled", 10, 9, legs=(leg,))
    records = made(parent, *PARTIAL[1:])
    records.take(m.Assigned("s", client_order_id="c1"))
    assert parts(records) == {"s": 10}
    assert (records.order().strategy, records.order("leg").strategy) == ("s", "s")
    records.take(m.Assigned(None, client_order_id="c1"))
    assert (parts(records), records.order("leg").strategy) == ({"": 10}, None)


def test_one_fill_of_an_external_order_is_assigned_and_keeps_its_strategy():
    """Another assignment of it replaces the first; a later report changes none."""
    records = made(*PARTIAL)
    records.take(m.Assigned("s", client_order_id="c1", movement="b1@4"))
    assert parts(records) == {"": 6, "s": 4}
    records.take(report("canceled", 10, 9, clock="2026-03-02T15:09:00Z"))
    assert parts(records) == {"": 6, "s": 4}
    records.take(m.Assigned("t", client_order_id="c1", movement="b1@4"))
    assert parts(records) == {"": 6, "t": 4}


@pytest.mark.parametrize("by_key", [True, False])
def test_an_opening_position_is_assigned(by_key):
    opening = m.BalanceAdjusted("AAPL", m.number(8), m.number(100), AT, "OPENING")
    records = made(opening)
    (movement,) = records.find(m.Movement, "symbol", "AAPL")
    entry = m.Assigned("s", movement=movement.key) if by_key else m.Assigned("s", symbol="AAPL")
    assert records.take(entry)
    assert parts(records) == {"s": 8}
    assert not records.take(entry)


@pytest.mark.parametrize(
    "entry",
    [
        m.Assigned("s", client_order_id="never"),
        m.Assigned("s", movement="never"),
        m.Assigned("s", symbol="NEVER"),
    ],
)
def test_what_is_not_in_the_record_changes_nothing(entry):
    records = made(*PARTIAL)
    assert not records.take(entry)
    assert parts(records) == {"": 10}
