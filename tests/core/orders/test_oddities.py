"""What is odd in the facts of one id is an anomaly, computed from the facts alone."""

from itertools import permutations

import pytest

from fillbook import model as m
from tests.core.records import Records, bust, fill, intended, report, terms

SENT = (intended(), m.Commanded("c1", m.Command.SEND, 1))


def at(second):
    return f"2026-03-02T15:00:{second:02}Z"


def heard(*facts):
    records = Records()
    for fact in (*SENT, *facts):
        records.take(fact)
    return records


def odd(records):
    return {str(a.oddity) for a in records.order().anomalies}


@pytest.mark.parametrize("cum", [None, 60])
@pytest.mark.parametrize("second", [9, 10])
def test_a_later_total_below_the_executions_is_odd_whatever_their_rows_bear(cum, second):
    """The rows' own totals excuse only a report that is older than they are."""
    facts = [
        report("new", 0, clock=at(1)),
        fill("f1", 60, 9, cum=cum, at=at(10)),
        report("partially_filled", 40, 9, clock=at(second)),
    ]
    is_odd = cum is None or second == 10
    for order in permutations(facts):
        assert odd(heard(*order)) == ({"cum_below_executions"} if is_odd else set())


def test_an_amended_order_keeps_its_other_anomalies():
    """A bust explains a total down to what is left, and no further."""
    facts = [
        report("new", 0, clock=at(1)),
        fill("f1", 40, 9, cum=40, at=at(2)),
        fill("f2", 20, 9, cum=60, at=at(3)),
        bust("f2", 20, at=at(4)),
    ]
    assert odd(heard(*facts, report("partially_filled", 40, 9, clock=at(5)))) == set()
    assert odd(heard(*facts, report("partially_filled", 30, 9, clock=at(5)))) == {
        "cum_below_executions"
    }


@pytest.mark.parametrize(("cum", "is_odd"), [(100, False), (99, True), (0, True)])
def test_filled_with_less_than_the_quantity_is_odd(cum, is_odd):
    """The status and the total contradict each other."""
    records = heard(report("filled", cum, 9 if cum else None, clock=at(1)))
    assert odd(records) == ({"filled_short"} if is_odd else set())


def test_a_filled_order_whose_executions_fill_it_is_not_odd():
    """The stream is ahead of the report's total."""
    records = heard(report("filled", 0, clock=at(1)), fill("f1", 100, 9, cum=100, at=at(2)))
    assert "filled_short" not in odd(records)


@pytest.mark.parametrize(
    ("fact", "oddities"),
    [
        (fill("f1", 40, 9, cum=40), set()),
        (fill("f1", 40, 0, cum=40), {"odd_execution", "average_differs"}),
        (fill("f1", 40, 9, cum=40, side=m.OrderSide.SELL), {"odd_execution"}),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_an_execution_of_the_other_side_or_without_a_price_is_odd(fact, oddities, first):
    """It counts as the order's own; whether its report arrived before does not matter."""
    known = report("partially_filled", 40, 9, clock=at(5))
    records = heard(*((fact, known) if first else (known, fact)))
    assert odd(records) == oddities
    assert records.position().qty == 40


def test_an_average_price_of_0_is_unknown():
    """It is no cost: value and price of such fills are not known."""
    order = heard(report("partially_filled", 40, 0, clock=at(1))).order()
    assert (order.filled_qty, order.avg_price, order.filled_value) == (40, None, None)
    order = heard(report("partially_filled", 40, None, clock=at(1), filled_value=m.ZERO)).order()
    assert (order.filled_qty, order.avg_price) == (40, None)


def test_an_external_order_of_an_unknown_side_takes_that_of_its_report():
    """Its executions were received first."""
    records = Records()
    sale = fill("f1", 40, 9, cum=40, side=m.OrderSide.SELL)
    records.take(sale)
    records.take(
        report(
            "partially_filled",
            40,
            9,
            clock=at(1),
            client_order_id="theirs",
            terms=terms(side="sell"),
        )
    )
    assert records.order("theirs").anomalies == ()


ROWS = (
    report("new", 0, clock=at(1)),
    fill("f1", 10, 9, cum=10, at=at(2)),
    fill("f2", 20, "9.01", cum=30, at=at(3)),
)


@pytest.mark.parametrize(
    ("cum", "avg", "second", "differs"),
    [
        (30, "9.006666667", 3, False),
        (30, "9.0067", 4, False),
        (30, "9.01", 4, False),  # of cents
        (30, "9.0", 4, False),  # or cut to them
        (30, "9.02", 4, True),
        (30, "9.0068", 4, True),
        (30, "9.0066", 4, False),
        (30, "9.0068", 2, False),  # older than the last execution
        (30, None, 4, False),
        (20, "9.5", 4, False),  # of another quantity
        (40, "9.5", 4, False),  # of executions that are not known yet
    ],
)
def test_an_average_that_is_not_that_of_the_executions_disputes_the_order(
    cum, avg, second, differs
):
    """P5: a correction of the price alone changes no quantity."""
    facts = (*ROWS, report("partially_filled", cum, avg, clock=at(second)))
    for order in permutations(facts):
        records = heard(*order)
        assert ("average_differs" in odd(records)) is differs
        assert (records.order().status == "disputed") is differs


def test_the_average_of_a_report_that_is_older_than_a_bust_says_nothing_about_the_rest():
    facts = (*ROWS, bust("f1", 10, at=at(5)))
    for second, differs in ((4, False), (5, True)):
        records = heard(*facts, report("partially_filled", 20, "9.02", clock=at(second)))
        assert ("average_differs" in odd(records)) is differs


@pytest.mark.parametrize("other", [{"replaces": "b0"}, {"clock": None}])
def test_an_average_with_carried_fills_or_without_a_clock_says_nothing(other):
    """It may be of other fills, or of before the last one."""
    known = {"clock": at(4)} | other
    assert "average_differs" not in odd(
        heard(*ROWS, report("partially_filled", 30, "9.5", **known))
    )
