"""The oracle finds what is wrong: each record that is changed by hand is named."""

from decimal import Decimal

import pytest
from attrs import evolve

from fillbook import model as m
from tests.bench import Bench
from tests.oracle.holdings import Fact, Holdings
from tests.oracle.oracle import Oracle


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
    bench.oracle = Oracle(bench.desk, bench.truth)
    bench.filled(bench.resting(qty=10), 4)
    bench.pass_(60)
    bench.desk.sync()
    return bench


def findings(bench, **answers):
    oracle = bench.oracle
    assert oracle.observe() == []
    oracle._book = Bent(bench.desk.book, **answers)
    return words(oracle.observe())


def words(found):
    return " ".join(text for _, text in found)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda x: evolve(x, filled_qty=Decimal(5)), "at most 4 were executed"),
        (lambda x: evolve(x, filled_qty=Decimal(5)), "its fills sum to 4"),
        (lambda x: evolve(x, filled_qty=Decimal(3)), "filled 3, before 4"),
    ],
)
def test_a_wrong_filled_quantity_is_found(bench, change, text):
    assert text in findings(bench, orders=change)


def test_a_reservation_that_is_too_small_is_found(bench):
    found = findings(bench, reservations=lambda x: evolve(x, charge=Decimal(1)))
    assert "are reserved" in found


def bend(bench, kind, key, change):
    """Change one record in the store by hand."""
    with bench.store.write() as writer:
        bent = change(writer.get(kind, key))
        at = m.timestamp(bench.clock.now())
        writer.record(m.DriftCleared("none"), at, m.Changes((bent,)))
    return words(bench.oracle.observe())


def of_strategy(**figures):
    """Change the part of the only strategy."""

    def change(position):
        parts = dict(position.by_strategy)
        return evolve(position, by_strategy=(("s", evolve(parts["s"], **figures)),))

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p: evolve(p, by_strategy=()), "its parts are {}"),
        (lambda p: evolve(p, by_strategy=(("", p.account),)), "part 's': 0"),
        (of_strategy(realized=Decimal(1)), "part 's': 4 realized 1, computed 4 realized 0"),
        (of_strategy(realized=None), "part 's': 4 realized None"),
        (lambda p: evolve(p, account=evolve(p.account, qty=Decimal(9))), "known facts sum to 4"),
        (lambda p: evolve(p, account=evolve(p.account, realized=Decimal(1))), "computed 0"),
    ],
)
def test_a_position_that_is_not_that_of_its_facts_is_found(bench, change, text):
    assert text in bend(bench, m.Position, "AAPL", change)


@pytest.mark.parametrize("change", [{"flows": Decimal(-601)}, {"unknown": 1}])
def test_a_cash_that_is_not_the_sum_of_its_flows_is_found(bench, change):
    assert "sum to 99400" in bend(bench, m.Cash, "cash", lambda x: evolve(x, **change))


def test_a_fill_that_is_counted_twice_is_found(bench):
    """The stream has another id for the execution that the history has too."""
    bench.fail("fill", "stream-ids-differ")
    with bench.heard() as events:
        bench.filled(bench.desk.book.orders()[0], 6)
    fill = bench.truth.fills()[-1]
    for event in events:
        bench.desk.receive(event)
    bench.desk.sync()
    assert bench.oracle.at_rest() == []
    twin = f"{fill.order_id}/history/{fill.exec_id}"
    with bench.store.read() as reader:
        move = next(x for x in reader.all(m.Movement) if x.qty == 6)
    other = f"{fill.order_id}/stream/{fill.stream_id}"
    bench.store_twin = evolve(move, key=other if move.key == twin else twin)
    with bench.store.write() as writer:
        at = m.timestamp(bench.clock.now())
        writer.record(m.DriftCleared("none"), at, m.Changes((bench.store_twin,)))
    assert "counted 2 times" in words(bench.oracle.observe())


def test_a_fill_that_never_was_is_found(bench):
    with bench.store.read() as reader:
        (move,) = [x for x in reader.all(m.Movement) if x.owner]
    with bench.store.write() as writer:
        at = m.timestamp(bench.clock.now())
        bent = evolve(move, key=f"{move.owner}/history/other")
        writer.record(m.DriftCleared("none"), at, m.Changes((bent,)))
    assert "the exchange has no execution" in words(bench.oracle.observe())


def test_what_an_idle_record_lacks_is_found(bench):
    assert bench.oracle.at_rest() == []
    bench.by_hand("AAPL", "buy", 1)
    bench.exchange.deposit(bench.books, 5)
    found = words(bench.oracle.at_rest())
    assert "is not in the record" in found
    assert "truth 5" in found
    assert "is not read" in found


def trade(side, qty, price, strategy="", at="1"):
    return Fact(
        what="trade", at=at, qty=Decimal(qty) * side, price=Decimal(price), strategy=strategy
    )


def test_the_average_cost_of_executions():
    """By hand: 10 at 10 and 10 at 20 cost 15; 15 sold at 18 earn 45; 10 more open a short of 5."""
    rows = [(1, 10, 10), (1, 10, 20), (-1, 15, 18), (-1, 10, 16)]
    facts = [trade(*row, at=str(n)) for n, row in enumerate(rows)]
    account = Holdings(facts).account
    assert (account.qty, account.realized) == (-5, 45 + 5)


def parts(*facts):
    return {name: x.qty for name, x in Holdings(facts).parts.items() if x.qty}


def test_the_parts_of_strategies():
    """What nobody placed closes the oldest part first; a flat account has no parts."""
    bought = [trade(1, 5, 10, "b", "1"), trade(1, 5, 10, "a", "2"), trade(1, 1, 10, "", "3")]
    assert parts(*bought, trade(-1, 3, 10, "", "4")) == {"b": 3, "a": 5}
    assert parts(*bought, trade(-1, 13, 10, "", "4")) == {"": -2}
    assert parts(*bought, trade(-1, 7, 10, "a", "4")) == {"b": 5, "a": -1}
    assert parts(trade(1, 5, 10, "b"), trade(-1, 6, 10, "a", "2"), trade(1, 1, 10, "", "3")) == {}
    ratio = Fact(what="ratio", at="3", qty=Decimal(2))
    assert parts(trade(1, 5, 10, "b"), ratio) == {"b": 10}
    fee = Fact(what="fee", at="3", qty=Decimal(-1))
    assert parts(trade(1, 5, 10, "b"), fee) == {"b": 4}


def test_the_opening_balance_includes_what_was_before():
    """Older facts change no balance; they have the cost unless the broker has another quantity."""
    opening = Fact(what="opening", at="2", qty=Decimal(5), price=Decimal(11))
    old = Fact(what="trade", at="9", qty=Decimal(5), price=Decimal(10), is_old=True)
    for known, cost in (([], 55), ([old], 50)):
        account = Holdings([*known, opening, trade(-1, 5, 12, "", "3")]).account
        assert (account.qty, account.realized) == (0, 60 - cost)
