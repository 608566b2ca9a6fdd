"""Orders sized in quote currency: counted there, where they are exact (step 13)."""

from decimal import Decimal

import pytest

from fillbook import model as m
from tests.core.records import Records, bust, fill, intended, report, terms

WISH = {"symbol": "BTC/USD", "qty": None, "notional": Decimal(100)}
LAST = m.timestamp("2026-03-02T15:00:05Z")
FIRST = fill("f1", 40, 20, symbol="BTC/USD", in_quote=True)
SECOND = fill("f2", 60, 20, symbol="BTC/USD", in_quote=True)


def shown(cum=5, value=100, fills=2, word="filled", **kw):
    """A report of *value* in quote currency, of *cum* base units in *fills* executions."""
    totals = {"filled_value": m.number_or_none(value), "fill_count": fills, "last_fill_at": LAST}
    return report(word, cum, 20, terms=terms(**WISH), **totals, **kw)


def evidence(*facts):
    records = Records()
    for fact in (intended(**WISH), *facts):
        records.take(fact)
    return records, records.get(m.Evidence, "b1")


@pytest.mark.parametrize("order", [1, -1])
def test_what_has_no_execution_is_the_rest_of_the_value(order):
    """60 of 100 for three units: at 20, at the time of the last fill."""
    records, of = evidence(*(FIRST, shown())[::order])
    assert (of.gap, of.gap_price, of.gap_at) == (3, 20, LAST)
    assert (of.filled, of.value, of.complete) == (5, 100, False)
    assert records.position("BTC/USD").qty == 5


def test_all_executions_are_exact_and_the_units_are_those_of_the_report():
    """The base of a row is cut to 16 places: the total is not."""
    total = Decimal("5.00000000000000001")
    _, of = evidence(FIRST, SECOND, shown(total))
    assert (of.gap, of.gap_at, of.complete) == (0, None, True)
    assert (of.filled, of.value) == (total, 100)


@pytest.mark.parametrize(("fills", "complete"), [(2, True), (3, False), (None, True)])
def test_it_is_complete_with_the_value_and_the_number_of_executions(fills, complete):
    _, of = evidence(FIRST, SECOND, shown(fills=fills))
    assert of.complete is complete
    assert of.filled == 5


def test_the_number_of_executions_alone_does_not_complete_it():
    _, of = evidence(FIRST, shown(fills=1))
    assert (of.complete, of.gap) == (False, 3)


def test_after_a_bust_the_price_of_the_rest_is_unknown():
    _, of = evidence(FIRST, shown(), bust("f1"))
    assert of.gap
    assert (of.gap_price, of.value) == (None, None)


@pytest.mark.parametrize(("is_read", "gap"), [(False, 0), (True, 3)])
def test_the_rest_of_a_replacing_id_is_its_own_once_its_history_was_read(is_read, gap):
    facts = [FIRST, shown(replaces="b0")]
    _, of = evidence(*facts, *([m.HistoryRead("b1")] if is_read else []))
    assert of.gap == gap


def test_a_total_without_a_value_has_no_rest():
    _, of = evidence(FIRST, shown(value=None))
    assert (of.gap, of.filled, of.value) == (0, 2, 40)


@pytest.mark.parametrize("cum", [3, 5])
def test_executions_beyond_the_total_count_as_they_moved_the_position(cum):
    """One of them may be told twice; the average price is that of the executions."""
    twice = fill("f3", 60, 20, symbol="BTC/USD", in_quote=True)
    records, _ = evidence(FIRST, SECOND, twice, shown(cum, value=20 * cum))
    order = records.order()
    assert (order.filled_qty, order.avg_price, records.position("BTC/USD").qty) == (8, 20, 8)


def oddities(*facts):
    records, _ = evidence(*facts)
    return {x.oddity for x in records.order().anomalies}


@pytest.mark.parametrize("word", ["filled", "canceled"])
def test_its_total_is_compared_with_its_executions_by_value(word):
    """Five units are less than the 100 that they are worth, and no contradiction."""
    assert oddities(FIRST, SECOND, shown(word=word)) == set()
    assert oddities(FIRST, SECOND, shown(value=None, word=word)) == set()
    below = oddities(FIRST, SECOND, shown(4, value=80, word=word))
    assert m.Oddity.CUM_BELOW_EXECUTIONS in below
    assert (m.Oddity.FILL_AFTER_END in below) is (word == "canceled")
