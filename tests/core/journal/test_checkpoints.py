"""P9 with many movements: a symbol folded with checkpoints equals a fold from the start."""

from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fillbook import model as m
from fillbook.core import position
from fillbook.core.journal import checkpoints
from tests.core.records import AT, Records, fill, report, terms


def moment(n):
    return f"2026-03-02T15:{n // 60:02}:{n % 60:02}Z"


def snapshot(n, price=10, side="buy"):
    """Order n, filled, reported before its fill."""
    mine = {"broker_order_id": f"b{n}", "client_order_id": f"X{n}", "last_fill_at": moment(n)}
    asked = terms(qty=1, side=side)
    return report("filled", 1, price, moment(n), terms=asked, created_at=AT, **mine)


def row(n, price=10, side="buy"):
    """The row of its fill in the history."""
    kw = {"broker_order_id": f"b{n}", "side": m.OrderSide(side), "cum": 1, "source": "history"}
    return fill(f"h{n}", 1, price, at=moment(n), **kw)


def adjustment(n, qty):
    return m.BalanceAdjusted("AAPL", Decimal(qty), Decimal(9), m.timestamp(moment(n)), "ADOPTED")


def assert_complete(records):
    """Assert that the position and its round trips equal a fold of all movements from the start."""
    held, trades = position.refold("AAPL", records.all(m.Movement))
    assert records.position() == held
    kept = [evolve(x, revision=0) for x in records.all(m.Trade)]
    assert kept == sorted(trades, key=lambda x: x.key)


def side(n):
    return "sell" if n % 3 == 2 else "buy"


@pytest.fixture
def short_chapters(monkeypatch):
    monkeypatch.setattr(checkpoints, "LENGTH", 2)


facts = st.one_of(
    st.builds(lambda n: snapshot(n, side=side(n)), st.integers(0, 40)),
    st.builds(lambda n, p: row(n, p, side(n)), st.integers(0, 40), st.sampled_from((10, 10, 11))),
    st.builds(adjustment, st.integers(0, 40), st.integers(-2, 2)),
)


@given(st.lists(facts, max_size=40))
def test_any_arrival_is_the_fold_of_the_movements(heard):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "LENGTH", 2)
        records = Records()
        for fact in heard:
            records.take(fact)
            assert_complete(records)


@pytest.mark.parametrize("orders", [range(20), range(20, 0, -1)], ids=["oldest", "newest"])
@pytest.mark.usefixtures("short_chapters")
def test_no_chapter_grows_without_end(orders):
    """The size of a chapter is bounded, in every order of arrival."""
    records = Records()
    for n in orders:
        records.take(snapshot(n))
    assert_complete(records)
    kept = records.all(m.Chapter)
    assert max(len(x.moves) for x in kept) <= 4
    assert sorted(key for x in kept for key in x.moves) == [x.key for x in records.all(m.Movement)]


def folded(count, monkeypatch):
    """The number of folded movements after *count* orders and then their fills."""
    folds = []
    fold = position.fold
    with monkeypatch.context() as patch:
        patch.setattr(position, "fold", lambda *of: folds.append(of) or fold(*of))
        records = Records()
        for n in range(count):
            records.take(snapshot(n))
        for n in range(count):
            records.take(row(n))
    assert records.position().qty == count
    return len(folds)


@pytest.mark.slow
def test_fills_that_replace_their_orders_totals_cost_the_same_each(monkeypatch):
    """Twice the orders on one symbol need less than four times the work."""
    assert folded(400, monkeypatch) < 3 * folded(200, monkeypatch)


def test_two_round_trips_of_the_same_time_are_two():
    """One timestamp, four fills: neither trade replaces the other."""
    records, at = Records(), moment(1)
    for n, (order, cum) in enumerate((("b1", 1), ("b2", 1), ("b1", 2), ("b2", 2))):
        sold = m.OrderSide.SELL if order == "b2" else m.OrderSide.BUY
        of = {"broker_order_id": order, "side": sold, "at": at}
        records.take(fill(f"f{n}", 1, 10 + n, cum=cum, **of))
    assert_complete(records)
    assert len(records.all(m.Trade)) == 2
