"""P4, P5: the same record from any order of arrival, and the walk of an order's evidence."""

import os
import random
from decimal import Decimal

import pytest

from fillbook import model as m
from tests.core.records import Records, bust, fill, intended, report

T = "2026-03-02T15:00:0{}Z"


def walk(*, history_totals=True, history_clock=""):
    """The facts of one order: each of them once, then some of them again."""
    facts = [
        report("partially_filled", 60, "10.00", T.format(3)),
        fill("s1", 40, "9.9", cum=40, at=T.format(1)),
        report("filled", 100, "10.05", T.format(5)),
        fill("s2", 20, "10.2", cum=60, at=T.format(2)),
        fill("s3", 40, "10.125", cum=100, at=T.format(4)),
        fill("s2", 20, "10.2", cum=60, at=T.format(2)),  # a late duplicate
        bust("s2"),
        fill("s3b", 40, "10.00", cum=100, at=T.format(4), fixes="s3"),
    ]
    for n, (qty, price, cum) in enumerate(((40, "9.9", 40), (20, "10.2", 60), (40, "10.125", 100))):
        total = cum if history_totals else None
        facts.append(fill(f"h{n}", qty, price, cum=total, source="history", at=T.format(2 * n + 1)))
    return facts


def outcome(facts, records=None):
    """The records after *facts*, from an empty state or on top of *records*."""
    if records is None:
        records = Records()
        records.take(intended())
    for fact in facts:
        records.take(fact)
    return records


def picture(records):
    """The record, except the times at which it was learned."""
    order = records.order()
    evidence = records.get(m.Evidence, "b1")
    held = records.position()
    return (
        order.status,
        order.filled_qty,
        order.filled_value,
        order.avg_price,
        order.leaves_qty,
        order.is_final,
        order.is_complete,
        order.anomalies,
        evidence.source,
        evidence.gap,
        evidence.chosen,
        held.account,
        held.by_strategy,
        sorted((x.key, x.qty, x.price) for x in records.all(m.Movement)),
    )


def test_the_walk_step_by_step():
    """Each step of the walk has the figures of the facts so far."""
    records = Records()
    records.take(intended())
    seen = []
    for fact in walk():
        records.take(fact)
        order = records.order()
        seen.append((order.filled_qty, order.filled_value))
    assert seen[0] == (60, 600)  # inferred at the broker's average
    assert seen[1] == (60, 600)  # 40 reported, 20 inferred at (600 - 396) / 20 = 10.2
    assert seen[2] == (100, Decimal("1005"))
    assert seen[4] == (100, Decimal("1005"))
    assert seen[5] == seen[4]
    assert seen[6][0] == 80  # the bust; no snapshot revives it
    assert seen[7:] == [(80, 796)] * 4


#: Orders of arrival that begin alike share that work; 20,000 of them with FILLBOOK_SEEDS, as in CI.
BEGINNINGS, ENDINGS = 20 if "FILLBOOK_SEEDS" in os.environ else 5, 50


@pytest.mark.sampled(10)
@pytest.mark.parametrize("seed", range(20))
def test_20_000_orders_of_arrival_make_one_record(seed):
    """P5: filled 80, value 796 and one record, in every order and with every repetition."""
    facts = walk(history_totals=seed % 10 > 0)
    expected = picture(outcome(facts))
    assert (expected[1], expected[2]) == (80, 796)
    dice = random.Random(seed)
    for _ in range(BEGINNINGS):
        heard = facts + dice.choices(facts, k=3)
        dice.shuffle(heard)
        begun, rest = outcome(heard[:9]), heard[9:]
        for _ in range(ENDINGS):
            dice.shuffle(rest)
            assert picture(outcome(rest, begun.copy())) == expected


def test_receiving_everything_again_changes_nothing():
    """P8: known evidence leaves no entry in the journal."""
    records = outcome(walk())
    assert [fact for fact in walk() if records.take(fact)] == []
