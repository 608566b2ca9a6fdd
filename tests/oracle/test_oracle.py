"""The oracle finds what is wrong: each record that is changed by hand is named."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from tests.bench import Bench
from tests.oracle.oracle import Oracle, average_cost


class Bent:
    """A book of which one answer is wrong."""

    def __init__(self, book, **answers):
        self._book, self._answers = book, answers

    def __getattr__(self, name):
        if name not in self._answers:
            return getattr(self._book, name)
        change = self._answers[name]
        return lambda *words, **kw: [change(x) for x in getattr(self._book, name)(*words, **kw)]


@pytest.fixture
def bench():
    bench = Bench()
    bench.filled(bench.resting(qty=10), 4)
    bench.pass_(60)
    bench.desk.sync()
    return bench


def findings(bench, **answers):
    oracle = Oracle(bench.desk, bench.truth)
    assert oracle.observe() == []
    oracle._book = Bent(bench.desk.book, **answers)
    return oracle.observe()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: evolve(x, filled_qty=Decimal(5)), "at most 4 were executed"),
        (lambda x: evolve(x, filled_qty=Decimal(3)), "filled 3, before 4"),
    ],
)
def test_a_wrong_filled_quantity_is_found(bench, change, words):
    assert words in " ".join(findings(bench, orders=change))


def test_a_reservation_that_is_too_small_is_found(bench):
    found = findings(bench, reservations=lambda x: evolve(x, charge=Decimal(1)))
    assert "are reserved" in " ".join(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: evolve(p, by_strategy=()), "parts sum to 0"),
        (lambda p: evolve(p, account=evolve(p.account, qty=Decimal(9))), "movements sum to 4"),
    ],
)
def test_a_position_that_is_not_the_sum_of_its_parts_is_found(bench, change, words):
    with bench.store.write() as writer:
        bent = change(writer.get(m.Position, "AAPL"))
        at = m.timestamp(bench.clock.now())
        writer.record(m.DriftCleared("none"), at, m.Changes((bent,)))
    assert words in " ".join(Oracle(bench.desk, bench.truth).observe())


def test_a_wrong_position_or_profit_at_rest_is_found(bench):
    oracle = Oracle(bench.desk, bench.truth)
    assert oracle.at_rest(["AAPL"]) == []
    bench.desk.cancel_all()
    bench.desk.sell("AAPL", qty=4)
    bench.pass_(60)
    assert oracle.at_rest(["AAPL"]) == []
    bench.by_hand("AAPL", "buy", 1)
    assert "1 executed" in " ".join(oracle.at_rest(["AAPL"]))


class Row:
    def __init__(self, side, qty, price):
        self.side, self.qty, self.price = m.OrderSide(side), Decimal(qty), Decimal(price)
        self.at, self.cum_qty = "", Decimal(0)


def test_the_average_cost_of_executions():
    """By hand: 10 at 10 and 10 at 20 cost 15; 15 sold at 18 earn 45; 10 more open a short of 5."""
    rows = [Row("buy", 10, 10), Row("buy", 10, 20), Row("sell", 15, 18), Row("sell", 10, 16)]
    assert average_cost(rows) == (-5, 45 + 5)
